"""The ledger of erasures and moves: written to a file to be kept elsewhere, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from medsnap.commands._shared import Io, Result, command, writable
from medsnap.commands._vault import VaultOption, logged_commits
from medsnap.errors import InputMissing, Malformed
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory
    from medsnap.vault.erasures import SignedErasure

_MOST: Final = 256 << 20  # bytes of a ledger
_TYPE: Final = "medsnap ledger"


def document(vault: str, notes: tuple[SignedErasure, ...], digest: str) -> bytes:
    """Lay the notes out as one JSON document; each keeps its own signature."""
    said = {
        "type": _TYPE,
        "vault": vault,
        "digest": digest,
        "erasures": [note.note.decode("utf-8") for note in notes],
    }
    return json.dumps(said, indent=1, ensure_ascii=False).encode() + b"\n"


def read(path: Path, directory: Directory) -> list[SignedErasure]:
    """Read a ledger of this vault; every note must be signed by who may or might remove photos.

    Raises InputMissing, Malformed, Tampered, KeyRefused.
    """
    from medsnap.errors import KeyRefused
    from medsnap.vault import erasures

    try:
        with path.open("rb") as handle:
            data = handle.read(_MOST + 1)
    except OSError as failure:
        raise InputMissing(f"the ledger cannot be read: {failure.strerror}", where=str(path)) from failure
    try:
        said: Any = json.loads(data)
        texts = [str(text) for text in said["erasures"]] if said["type"] == _TYPE else None
    except (ValueError, TypeError, KeyError, RecursionError):
        texts = None
    if texts is None or len(data) > _MOST:
        raise Malformed("this is no ledger of medsnap", where=str(path))
    notes = [erasures.parse(text.encode(), directory, str(path)) for text in texts]
    if not all(map(erasures.had_right, notes)):
        raise KeyRefused("the ledger names an erasure by somebody who may not erase", where=str(path))
    return notes


@command()
def ledger(
    io: Io,
    vault: VaultOption = None,
    *,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the ledger, to be kept elsewhere.")
    ] = None,
) -> Result:
    """Show what was erased from a vault, or moved in it: ids and digests only. It needs no keys.

    Keep what --save writes with your checkpoints, outside the vault: after an older copy was restored
    it says what must not have come back.

    Examples:

      medsnap vault ledger --vault /srv/vault --save /safe/place/ledger.json
    """
    from medsnap.platform import write_durably
    from medsnap.vault import directory, erasures
    from medsnap.vault.order import places

    place = io.need(vault, "vault", "--vault")
    writable(save)
    named = directory.load(place).directory
    order = places(logged_commits(place))
    found = erasures.read(place, named, lambda: order)
    for where, what in found.problems:
        io.warn(f"{where}: {what}")
    rows = []
    for note in found.notes:
        said = note.erasure
        rows.append(
            (said.erasure[:8], said.verb, note.writer.name, str(len(said.objects)), str(len(said.replaced)))
        )
        io.record({"type": "erasure", "erasure": said.erasure, "verb": said.verb, "by": note.writer.name,
                   "objects": [o.object for o in said.objects], "sha256": note.sha256,
                   "added": [a.object for a in said.added],
                   "replaced": [r.batch for r in said.replaced]})  # fmt: skip
    if save is not None:
        write_durably(save, document(named.vault, found.notes, found.digest), mode=0o600)
    columns = ("erasure", "right", "by", "objects", "batches")
    facts = (
        ("objects gone", str(len(found.gone))),
        ("of these moved", str(len(found.moved))),
        ("ledger digest", found.digest),
    )
    page: list[Block] = [
        Table(
            columns=columns,
            rows=tuple(rows),
            empty="nothing was erased",
            right=("objects", "batches"),
            wide="by",
        ),
        Facts(facts),
    ]
    if save is not None:
        page.append(Line(f"The ledger lies in {save}; keep it outside the vault.", Tone.GOOD))
    data = {"type": "summary", "erasures": len(rows), "gone": len(found.gone), "moved": len(found.moved),
            "digest": found.digest}  # fmt: skip
    return Result(page=tuple(page), data=data, records="erasures")
