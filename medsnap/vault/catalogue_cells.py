"""What stands in the cells of a catalogue: of each photo what lists show, and whole rows in blocks."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry

_values: Final = attrgetter(*Entry.__slots__)
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_LISTS: Final = tuple(Entry.__slots__.index(name) for name in ("features", "opened_by"))


def pack(entry: Entry, block: int, slot: int) -> bytes:
    """Encode what lists show of a photo, and where its whole row lies."""
    return _encode((*_values(entry), block, slot)).encode()


def unpack(cell: bytes) -> tuple[Entry, int, int]:
    """Decode what `pack` wrote."""
    *values, block, slot = json.loads(cell)
    for place in _LISTS:
        values[place] = tuple(values[place])
    given: Mapping[str, Any] = dict(zip(Entry.__slots__, values, strict=True))
    return Entry(**given), block, slot


def whole(store: Store, block: int, slot: int) -> bytes:
    """Return a photo's row as it stands in its batch."""
    return lines(store, block)[slot]


def lines(store: Store, block: int) -> list[bytes]:
    """Return all rows of a block."""
    return zlib.decompress(store.read("block", block)).split(b"\n")
