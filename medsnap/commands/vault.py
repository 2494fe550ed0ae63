"""`medsnap vault`: make, show, open, trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _noted, _repeats
from medsnap.commands._release import release
from medsnap.commands._shared import Io, Result, command, writable
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.commands._vault_init import init
from medsnap.errors import CannotCreate, NotFound
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.record import PhotoRow
    from medsnap.vault.session import Session

__all__ = ["init", "open_", "show"]

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The photo's id as vault ls prints it; its first 8 characters will do."
    ),
]


def _captured(row: PhotoRow) -> str:
    return row.match.captured_at or (row.capture.captured_at if row.capture else None) or ""


@command()
def show(io: Io, photo: Id, vault: VaultOption = None, key_file: KeyOption = None) -> Result:
    """Show all that is known of one photo. That it was read is an entry of the audit log.

    Examples:

      medsnap vault show 3k7xw2ab --vault /srv/vault
    """
    from medsnap.vault.ids import SHORT

    with member(io, vault, key_file) as session:
        row = _read(io, session, photo)
        receipts = session.catalogue.receipts(row.seal.object)
        repeats = session.catalogue.repeats(row.seal.object, session.roles)
    patient, seal = row.match.patient, row.seal
    facts = [
        ("id", seal.object),
        ("source", row.source_name),
        ("media", f"{row.media}, {seal.length} bytes" + (f", {row.width}×{row.height}" if row.width else "")),
        ("captured", _captured(row) or "-"),
        ("sealed", f"{row.at}, locked group {seal.compartment}"),
        ("state", row.state + (f": {row.reason}" if row.reason else "")),
        ("patient", f"{patient.mrn} (given by {patient.issuer})" if patient else "-"),
        ("match", f"{row.match.state}" + (f": {'; '.join(row.match.reasons)}" if row.match.reasons else "")),
        ("decision", f"{row.decision.verb} by {row.decision.decided_by} of {row.decision.policy.policy}"),
        ("may leave to", ", ".join(row.decision.may_leave_to) or "-"),
        ("photo SHA-256", seal.plaintext),
    ]
    page: list[Block] = [
        Facts(tuple(facts)),
        Line(),
        Table(
            title="Why",
            columns=("verb", "reason", "where"),
            rows=tuple((str(v.verb), v.path, v.where) for v in row.decision.votes),
        ),
        *_repeats.lines(repeats),
        Line(f"The facts behind it: medsnap policy explain {seal.object[:SHORT]}", Tone.QUIET),
        Line(),
        Table(
            title="Carriers",
            columns=("kind", "where", "bytes", "action", "reveals"),
            rows=tuple((c.kind, c.where, str(c.size), c.action, ", ".join(c.reveals)) for c in row.carriers),
            right=("bytes",),
        ),
        Line(),
        Table(
            title="Left to",
            columns=("target", "kind", "at", "state"),
            rows=tuple((r.target, r.kind, r.at, r.state) for r in receipts),
        ),
    ]
    return Result(page=tuple(page), data={"photo": row, "receipts": receipts, "repeats": repeats})


def _read(io: Io, session: Session, photo: str) -> PhotoRow:
    """Find a record, and write down who read it, or was told that there is none."""
    try:
        row = session.catalogue.photo(photo, session.roles)
    except NotFound as absent:
        _noted.note(
            io, session.vault, session.directory, [session.keys], Action.SHOW,
            outcome=absent.id, objects=_noted.typed_ids([photo]),
        )  # fmt: skip
        raise
    objects = (row.seal.object,)
    _noted.note(io, session.vault, session.directory, [session.keys], Action.SHOW, objects=objects)
    return row


@command(output=False)
def open_(
    io: Io,
    photo: Id,
    into: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the photo goes.")],
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Open one photo into FILE. The opening stands in the audit log before the photo is released.

    Examples:

      medsnap vault open 3k7xw2ab -o wound.jpg --vault /srv/vault
    """
    if into.exists():
        raise CannotCreate("the file exists already", where=str(into), hint="choose another name")
    writable(into)
    with member(io, vault, key_file) as session:
        row = _row_or_refusal(io, session, photo)
        release(io, session, row.seal, into)
        bound = session.roles is not None
    if not bound:
        who = ", ".join(row.decision.opened_by) or "nobody"
        io.warn(f"no role of the policy binds your key; by the policy this photo is opened by: {who}")
    page = (Line(f"Opened into {into}; the opening is in the audit log.", Tone.GOOD),)
    record_ = {
        "id": row.seal.object,
        "file": str(into),
        "bytes": row.seal.length,
        "sha256": row.seal.plaintext,
    }
    return Result(page=page, data=record_)


def _row_or_refusal(io: Io, session: Session, photo: str) -> PhotoRow:
    from medsnap.vault.ids import is_id

    try:
        return session.catalogue.photo(photo, session.roles)
    except NotFound as absent:
        # what was typed goes into the log only when it is an id: it could be a name
        record(io, session, Action.OPEN_REFUSED, objects=(photo,) if is_id(photo) else (), outcome=absent.id)
        raise
