"""The ledger of erasures: written to a file to be kept elsewhere, read back, applied again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from medsnap.commands._shared import Io, Result, command, writable
from medsnap.commands._vault import VaultOption, log_of, logged_commits
from medsnap.errors import Exit, InputMissing, Malformed
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory
    from medsnap.vault.erasures import SignedErasure
    from medsnap.vault.session import Session

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
    """Show what was erased from a vault: ids and digests only. It needs no keys.

    Keep what --save writes with your checkpoints, outside the vault: after an older copy was restored
    it says what must not have come back.

    Examples:

      medsnap vault ledger --vault /srv/vault --save /safe/place/ledger.json
    """
    from medsnap.platform import write_durably
    from medsnap.vault import directory, erasures

    place = io.need(vault, "vault", "--vault")
    writable(save)
    named = directory.load(place).directory
    order = {sha256: n for n, sha256 in enumerate(logged_commits(place))}
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
                   "replaced": [r.batch for r in said.replaced]})  # fmt: skip
    if save is not None:
        write_durably(save, document(named.vault, found.notes, found.digest), mode=0o600)
    columns = ("erasure", "right", "by", "objects", "batches")
    page: list[Block] = [
        Table(
            columns=columns,
            rows=tuple(rows),
            empty="nothing was erased",
            right=("objects", "batches"),
            wide="by",
        ),
        Facts((("objects gone", str(len(found.gone))), ("ledger digest", found.digest))),
    ]
    if save is not None:
        page.append(Line(f"The ledger lies in {save}; keep it outside the vault.", Tone.GOOD))
    data = {"type": "summary", "erasures": len(rows), "gone": len(found.gone), "digest": found.digest}
    return Result(page=tuple(page), data=data, records="erasures")


def reapply(io: Io, session: Session, path: Path | None) -> Result:
    """Take out again what the vault's own ledger, or one that was kept elsewhere, says is gone."""
    from medsnap.audit import store
    from medsnap.commands.vault_erase import AFTER, carry_out
    from medsnap.vault import erasure, objects
    from medsnap.vault.directory import WriterVerb

    logged = set(store.commits(log_of(session.vault, session.directory)))
    own = session.reader.ledger.only(logged)
    outside = {o.object for n in (read(path, session.directory) if path else ()) for o in n.erasure.objects}
    outside -= own.gone
    back = [o for o in sorted(own.gone) if objects.path_of(session.vault, o).exists()]
    if not io.dry_run:
        erasure.apply(session.vault, own)
    rows = [row for row in session.catalogue.photos() if outside.intersection(_parts(row))]
    there = {o for o in outside if objects.path_of(session.vault, o).exists()}
    if not io.dry_run:
        carry_out(io, session, rows, WriterVerb.ERASE, (("reason", "the ledger was applied again"),))
    locked = there - {part for row in rows for part in _parts(row)}
    count = len(back) + len(rows)
    would = "would be taken" if io.dry_run else "were taken" if count != 1 else "was taken"
    page: list[Block] = [
        Line(f"{count} erased photo{'' if count == 1 else 's'} had come back and {would} out.", Tone.GOOD)
    ]
    if locked:
        text = f"{len(locked)} more lie in locked groups that your key does not open: another officer has to."
        page.append(Line(text, Tone.BAD))
    if count and not io.dry_run:
        page += [Line(), Line(AFTER[0], Tone.QUIET)]
    for one in (*back, *(row.seal.object for row in rows)):
        io.record({"type": "photo", "object": one, "state": "would be erased" if io.dry_run else "erased"})
    data = {"type": "summary", "returned": count, "locked": len(locked), "dry_run": io.dry_run}
    return Result(page=tuple(page), data=data, exit=Exit.PARTIAL if locked else Exit.OK, records="photos")


def _parts(row: Any) -> tuple[str, ...]:
    from medsnap.commands._officer import parts

    return parts(row)
