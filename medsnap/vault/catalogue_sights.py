"""What a policy needs to decide photos again, apart from their rows: a whole vault is compared by it.

Each piece of evidence stands once, under a blind tag of its digest; photos taken alike share it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from medsnap.errors import Tampered
from medsnap.vault.catalogue_store import Store

_FIELD: Final = "evidence"


def write(store: Store, block: int, seen: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    """Note what a policy sees of the rows of a block: digest of the evidence and rules of the visit, each."""
    store.write("sight", [(block, json.dumps(seen, separators=(",", ":")).encode())])


def keep(store: Store, digest: str, text: bytes) -> None:
    """Keep a piece of evidence, once."""
    tag = store.tag(_FIELD, digest)
    if store.db.execute("SELECT 1 FROM evidence WHERE tag = ?", (tag,)).fetchone() is None:
        cell = store.seal(digest.encode() + b"\n" + zlib.compress(text, 1), _FIELD, tag)
        store.db.execute("INSERT INTO evidence VALUES (?, ?)", (tag, cell))


def of_block(store: Store, block: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return digest of the evidence ("" without) and rules of the visit, by slot."""
    return [(digest, tuple(paths)) for digest, paths in json.loads(store.read("sight", block))]


def texts(store: Store) -> Iterator[tuple[str, str]]:
    """Yield digest and canonical JSON of each piece of evidence. Raises Tampered."""
    for tag, cell in store.db.execute("SELECT tag, cell FROM evidence"):
        digest, _, packed = store.open(cell, _FIELD, tag).partition(b"\n")
        if tag != store.tag(_FIELD, digest.decode()):
            raise Tampered("evidence stands under another's tag")
        yield digest.decode(), zlib.decompress(packed).decode()
