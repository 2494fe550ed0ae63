"""`medsnap vault legal-hold`: what may be neither expired nor erased until somebody lifts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _noted, _officer
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.errors import NotFound, UsageError
from medsnap.model.event import Action
from medsnap.report.page import Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.record import HoldRow, ReleaseRow
    from medsnap.vault.holds import Hold
    from medsnap.vault.session import Session

HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="The hold, as legal-hold ls names it.")]


@command(dry_run=True)
def add(
    io: Io,
    ids: _officer.Ids = None,
    *,
    patient: _officer.PatientOption = None,
    issuer: _officer.IssuerOption = "",
    reason: _officer.ReasonOption,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Put photos on legal hold: from now on nobody can expire or erase them.

    A hold on a patient is on all photos of this number, those of locked groups that your key does not
    open and those still to come included. It goes with every copy of the vault.

    Examples:

      medsnap vault legal-hold add --patient 4711 --reason "court order 12/2026" --vault /srv/vault

      medsnap vault legal-hold add ra4zmkqw --reason "inquiry of the ombudsman" --vault /srv/vault
    """
    from medsnap.vault.directory import WriterVerb
    from medsnap.vault.turns import turn

    meant = _officer.Meant(ids=tuple(ids or ()), patient=patient, issuer=issuer)
    meant.check()
    why = _officer.reason(reason, patient)
    with (
        member(io, vault, key_file) as session,
        _noted.refusals(io, session, Action.HOLD, objects=_noted.typed_ids(ids or ())),
    ):
        _officer.need(session, WriterVerb.HOLD)
        rows = _rows(io, session, meant, why)
        have = {_on(h.row) for h in session.catalogue.holds() if h.release is None}
        fresh = [(groups, row) for groups, row in rows if _on(row) not in have]
        if fresh and not io.dry_run:
            objects = tuple(row.object for _, row in fresh if row.object is not None)
            details = (("what", "add"), *(("hold", row.id) for _, row in fresh))
            with turn(session.vault):
                _officer.still_there(session, objects)
                _write(io, session, fresh, details, objects)
    for _, row in fresh:
        io.record({"type": "hold", "hold": row.id, "object": row.object, "on": _kind(row)})
    would = "would be " if io.dry_run else ""
    page = [Line(f"{len(fresh)} hold{'' if len(fresh) == 1 else 's'} {would}recorded.", Tone.GOOD)]
    page += [Line(f"{row.id[:8]}  on {_kind(row)}") for _, row in fresh]
    if len(fresh) < len(rows):
        page.append(Line(f"{len(rows) - len(fresh)} stood there before.", Tone.QUIET))
    data = {"type": "summary", "recorded": len(fresh), "before": len(rows) - len(fresh)}
    return Result(page=tuple(page), data=data, records="holds")


@command()
def ls(
    io: Io,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Also those that were released.")] = False,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """List the legal holds, for those who may set them. It prints patients' numbers.

    Examples:

      medsnap vault legal-hold ls --vault /srv/vault
    """
    from medsnap.vault.directory import WriterVerb

    with member(io, vault, key_file) as session:
        _officer.need(session, WriterVerb.HOLD)
        holds = _visible(session)
    shown = [h for h in holds if all_ or h.release is None]
    rows = []
    for hold in shown:
        row, end = hold.row, hold.release
        rows.append((row.id[:8], _what(row), row.at[:10], row.by, row.reason, end.at[:10] if end else ""))
        io.record({"type": "hold", "hold": row.id, "object": row.object, "mrn": row.mrn, "at": row.at,
                   "issuer": row.issuer, "by": row.by, "reason": row.reason,
                   "released": end.at if end else None})  # fmt: skip
    columns = ("hold", "on", "since", "by", "reason", "released")
    table = Table(columns=columns, rows=tuple(rows), empty="no legal holds", wide="reason")
    standing = sum(h.release is None for h in holds)
    return Result(page=(table,), data={"type": "summary", "standing": standing}, records="holds")


@command(dry_run=True)
def release(
    io: Io,
    hold: HoldId,
    *,
    reason: _officer.ReasonOption,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """End a legal hold. What no other hold binds may be expired or erased again.

    Examples:

      medsnap vault legal-hold release k3q7xw2a --reason "case closed" --vault /srv/vault
    """
    from medsnap.model.record import ReleaseRow
    from medsnap.vault.directory import WriterVerb
    from medsnap.vault.turns import turn

    why = _officer.reason(reason)
    with member(io, vault, key_file) as session, _noted.refusals(io, session, Action.HOLD):
        _officer.need(session, WriterVerb.HOLD)
        found = _named(session, hold)
        before = found.release is not None
        if not before and not io.dry_run:
            groups = _groups(session, found.row)
            ends = ReleaseRow(id=found.row.id, reason=why, at=_now(io), by=session.actor)
            with turn(session.vault):
                _write(io, session, [(groups, ends)], (("what", "release"), ("hold", found.row.id)), ())
    words = "was released before" if before else "would be released" if io.dry_run else "is released"
    data = {"type": "summary", "hold": found.row.id, "released": not before and not io.dry_run}
    return Result(page=(Line(f"The hold {found.row.id[:8]} {words}.", Tone.GOOD),), data=data)


def _now(io: Io) -> str:
    return io.now.isoformat(timespec="seconds")


def _rows(io: Io, session: Session, meant: _officer.Meant, why: str) -> list[tuple[tuple[str, ...], HoldRow]]:
    """Make the holds that are asked for, each with the locked groups that it has to lie in."""
    from medsnap.match import consents
    from medsnap.model.record import HoldRow
    from medsnap.vault.ids import random_id

    blank = HoldRow(id="", reason=why, at=_now(io), by=session.actor)
    if meant.patient is not None:
        number = consents.number(meant.patient)
        by = consents.issuer(meant.issuer) if meant.issuer else ""
        hold = replace(blank, id=random_id(io.random), mrn=number, issuer=by)
        return [(_groups(session, hold), hold)]
    return [
        ((photo.seal.compartment,), replace(blank, id=random_id(io.random), object=photo.seal.object))
        for photo in _officer.chosen(session, meant)
    ]


def _groups(session: Session, row: HoldRow) -> tuple[str, ...]:
    """Say where a hold lies: on a patient everywhere, so that no group tells that it has photos of him."""
    if row.object is None:
        return tuple(key.name for key in session.directory.compartments)
    return (session.catalogue.find(row.object).compartment,)


def _write(
    io: Io,
    session: Session,
    rows: Sequence[tuple[tuple[str, ...], HoldRow | ReleaseRow]],
    details: tuple[tuple[str, str], ...],
    objects: tuple[str, ...],
) -> None:
    from medsnap.vault.member_writer import MemberWriter

    writer = MemberWriter(
        session.vault,
        session.directory,
        session.keys,
        random=io.random,
        log=lambda commit, _: record(
            io, session, Action.HOLD, objects=objects, details=details, commit=commit
        ),
    )
    for groups, row in rows:
        for group in groups:
            writer.add(group, row)
    writer.commit()


def _on(row: HoldRow) -> tuple[str | None, str | None, str]:
    return row.object, row.mrn, row.issuer


def _kind(row: HoldRow) -> str:
    return f"photo {row.object[:8]}" if row.object is not None else "all photos of a patient"


def _what(row: HoldRow) -> str:
    return f"photo {row.object[:8]}" if row.object is not None else f"patient {row.mrn}"


def _visible(session: Session) -> list[Hold]:
    """Leave out holds on photos that do not exist for this member."""
    known = {entry.object for entry in session.catalogue.entries(session.known)}
    return [h for h in session.catalogue.holds() if h.row.object is None or h.row.object in known]


def _named(session: Session, text: str) -> Hold:
    from medsnap.vault.ids import is_prefix

    found = [h for h in _visible(session) if is_prefix(text) and h.row.id.startswith(text)]
    if not found:
        raise NotFound("no such hold", hint="medsnap vault legal-hold ls names them")
    if len(found) > 1:
        raise UsageError("several holds begin so", hint="give more of the id")
    return found[0]
