"""`medsnap consent`: what patients agreed to, kept in the vault; what left before it was taken back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _consents, _noted
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.errors import KeyRefused
from medsnap.model.consent import Consent, Given
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.photo import Sha256
    from medsnap.vault.session import Session

IssuerOption = Annotated[
    str, typer.Option("--issuer", metavar="OID|URI", help="Who gave the patient's number.")
]
_TOLD = "Ask each receiver to delete them, then note it in the patient's record."


@command(dry_run=True)
def import_(
    io: Io,
    file: Annotated[Path, typer.Argument(metavar="CSV", help="mrn, issuer, purpose, given, on, until, by.")],
    *,
    issuer: IssuerOption = "",
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Record in the vault what patients agreed to, refused or took back. Running it again adds nothing.

    A refusal or withdrawal stands until a consent of a later day. For each new one it lists what has
    already left for that use. --issuer stands where a row names none.

    Examples:

      medsnap consent import consent.csv --vault /srv/vault --issuer 1.2.276.0.76.3.1

      medsnap consent import consent.csv --vault /srv/vault -n --format json
    """
    from medsnap.match import consents

    by = consents.issuer(issuer)
    with member(io, vault, key_file) as session, _noted.refusals(io, session, Action.CONSENT):
        read = consents.load(file, today=io.now.date(), issuer=by)
        have = set(session.catalogue.consents())
        fresh = [said for said in dict.fromkeys(read.consents) if said not in have]
        if fresh and not io.dry_run:
            _write(io, session, fresh, file=read.digest, what="import")
        left = [one for said in fresh if said.given.stops for one in _consents.sent(session, said)]
    would = "would be " if io.dry_run else ""
    facts = Facts(
        (
            (f"{would}recorded", str(len(fresh))),
            ("recorded before", str(len(set(read.consents)) - len(fresh))),
            ("of them taken back or refused", str(sum(said.given.stops for said in fresh))),
        )
    )
    data = {"type": "summary", "recorded": len(fresh), "stops": sum(said.given.stops for said in fresh)}
    data["before"] = len(set(read.consents)) - len(fresh)
    return _result(io, facts, left, data)


@command(dry_run=True)
def withdraw(
    io: Io,
    *,
    patient: Annotated[str, typer.Option("--patient", metavar="MRN", help="The patient's number.")],
    purpose: Annotated[str, typer.Option("--purpose", help="care, teaching or publication.")],
    issuer: IssuerOption = "",
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Record that a patient takes back consent for a purpose, and list what left for it.

    From then on nothing of this patient leaves for that purpose, until a consent of a later day is
    imported. Without --issuer it counts for the number whoever gave it.

    Examples:

      medsnap consent withdraw --patient 4711 --purpose teaching --vault /srv/vault

      medsnap consent withdraw --patient 4711 --purpose teaching --vault /srv/vault -n --format json
    """
    from medsnap.match import consents

    mrn, by = consents.number(patient), consents.issuer(issuer)
    use = consents.use(purpose)
    said = Consent(mrn=mrn, issuer=by, use=use, given=Given.WITHDRAWN, on=io.now.date())
    with member(io, vault, key_file) as session, _noted.refusals(io, session, Action.CONSENT):
        have = session.catalogue.consents()
        before = said in have
        if not any(other.mrn == mrn for other in have):  # asks the register alone: photos may be hidden
            io.warn(
                "the register has no other word of this number: is it typed right, leading zeros included?"
            )
        if not before and not io.dry_run:
            _write(io, session, [said], what="withdraw")
        left = _consents.sent(session, said)
    words = "would be withdrawn" if io.dry_run else "was withdrawn before" if before else "is withdrawn"
    line = Line(f"Consent for {use} {words}: nothing more leaves for it.", Tone.GOOD)
    data = {"type": "summary", "purpose": use, "recorded": int(not before and not io.dry_run)}
    return _result(io, line, left, data)


@command()
def ls(
    io: Io,
    *,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="MRN", help="Only of this patient's number.")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only for this purpose.")] = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """List what the vault's register says. It prints patients' numbers.

    Examples:

      medsnap consent ls --vault /srv/vault --purpose teaching
    """
    from medsnap.match import consents

    mrn = consents.number(patient) if patient is not None else None
    use = consents.use(purpose) if purpose is not None else None
    with member(io, vault, key_file) as session:
        found = [
            said
            for said in dict.fromkeys(session.catalogue.consents())
            if mrn in (None, said.mrn) and use in (None, said.use)
        ]
    rows = []
    for said in sorted(found, key=lambda one: (one.mrn, one.use, one.on, one.issuer, one.given)):
        by = "guardian" if said.by_guardian else "patient"
        until = str(said.until or "")
        rows.append((said.mrn, said.issuer, said.use, str(said.given), by, str(said.on), until))
        io.record({"type": "consent", "mrn": said.mrn, "issuer": said.issuer, "purpose": said.use,
                   "given": said.given, "by": by, "on": said.on, "until": said.until})  # fmt: skip
    columns = ("number", "issuer", "purpose", "given", "by", "on", "until")
    table = Table(columns=columns, rows=tuple(rows), empty="nothing is recorded", wide="issuer")
    return Result(page=(table,), data={"type": "summary", "consents": len(rows)}, records="consents")


def _write(io: Io, session: Session, said: Sequence[Consent], *, what: str, file: Sha256 | str = "") -> None:
    """Log, then write the statements to every locked group. Raises KeyRefused before anything is written.

    Every exporter must learn of a withdrawal, whichever group he opens; and a register that lay only
    where the patient has photos would tell that there are some.
    """
    from medsnap.model.record import ConsentRow
    from medsnap.vault import turns
    from medsnap.vault.ids import random_id
    from medsnap.vault.member_writer import MemberWriter

    details = (("what", what), ("statements", str(len(said))), *((("file", file),) if file else ()))
    writer = MemberWriter(
        session.vault,
        session.directory,
        session.keys,
        random=io.random,
        log=lambda commit, _: record(io, session, Action.CONSENT, details=details, commit=commit),
    )
    try:
        for one in said:
            row = ConsentRow(id=random_id(io.random), consent=one, file=file)
            for group in session.directory.compartments:
                writer.add(group.name, row)
    except KeyRefused as refused:
        raise KeyRefused(
            "the vault's directory does not let this key record consent",
            hint="the owner of the vault gives the right 'consent'",
        ) from refused
    with turns.turn(session.vault):
        record(io, session, Action.CONSENT, details=(("step", "begin"), *details))
        writer.commit()


def _result(io: Io, head: Block, left: Sequence[_consents.Sent], data: dict[str, Any]) -> Result:
    rows = []
    for one in left:
        ids = one.receipt.identifiers
        rows.append((one.receipt.target, one.purpose, one.receipt.at[:10], one.receipt.kind, one.receiver_id))
        io.record({"type": "left", "object": one.receipt.object, "target": one.receipt.target,
                   "purpose": one.purpose, "day": one.receipt.at[:10], "kind": one.receipt.kind,
                   "document": ids.document, "study_uid": ids.study_uid, "sop_uid": ids.sop_uid})  # fmt: skip
    page: list[Block] = [head]
    if rows:
        columns = ("target", "purpose", "day", "form", "receiver's id")
        title = "Already left, as far as your key opens"
        page += [Table(title=title, columns=columns, rows=tuple(rows), wide="receiver's id")]
        page += [Line(_TOLD, Tone.WARN)]
    else:
        page.append(Line("Nothing has left for it, as far as your key opens.", Tone.QUIET))
    return Result(page=tuple(page), data=data | {"left": len(rows)}, records="photos")
