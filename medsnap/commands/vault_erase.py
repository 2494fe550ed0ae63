"""`medsnap vault erase`: take photos out before their time; `vault ledger`: what was, to keep elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _noted, _officer, _reapply, _repeats
from medsnap.commands._photos import PolicyOption
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.errors import Exit, UsageError
from medsnap.model.event import Action
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.record import PhotoRow
    from medsnap.vault.session import Session

AFTER = (
    "What copies and backups made before this hold stays there until they are overwritten: vault copy takes"
    " it out of a copy, backups age out. Snapshots and flash memory may keep the sealed bytes; without the"
    " group's key nobody reads them, but members could until now.",
    "Keep the ledger elsewhere (medsnap vault ledger --save FILE): after an older copy is restored,"
    " medsnap vault erase --reapply --ledger FILE takes out again what came back.",
)


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What goes, what is refused and why, what went before, where it had been sent."""

    go: list[PhotoRow] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    before: tuple[str, ...] = ()
    left: list[tuple[str, str]] = field(default_factory=list)


@command(dry_run=True)
def erase(
    io: Io,
    ids: _officer.Ids = None,
    *,
    patient: _officer.PatientOption = None,
    issuer: _officer.IssuerOption = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept sealed. No names of patients.")
    ] = "",
    reapply: Annotated[
        bool, typer.Option("--reapply", help="Take out again what was erased and has come back.")
    ] = False,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="FILE", help="With --reapply: the ledger kept elsewhere."),
    ] = None,
    policy: PolicyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Erase photos for good: the sealed files, their clips and every line of the catalogue on them.

    It cannot be undone. Photos on legal hold and safeguarded photos are refused (exit 3). The log says
    which ids went, who did it and why. What left the vault before stays where it went. --reapply also
    moves again what had been moved to another locked group; that takes --policy and the verb 'move'.

    Examples:

      medsnap vault erase ra4zmkqw --reason "request of the patient, art. 17" --vault /srv/vault -n

      medsnap vault erase --patient 4711 --reason "request of the patient" --vault /srv/vault

      medsnap vault erase --reapply --ledger ledger.json --vault /srv/vault
    """
    from medsnap.vault.directory import WriterVerb

    if ledger is not None and not reapply:
        raise UsageError("--ledger is for --reapply")
    if reapply:
        if ids or patient is not None:
            raise UsageError("--reapply takes no photos: the ledger names them")
        with _officer.removing(io, vault, key_file, WriterVerb.ERASE) as session:
            asked = _reapply.Asked(ledger=ledger, policy=policy, key_file=key_file)
            return _reapply.reapply(io, session, asked)
    meant = _officer.Meant(ids=tuple(ids or ()), patient=patient, issuer=issuer)
    meant.check()
    why = _officer.reason(reason, patient)
    with (
        _officer.removing(io, vault, key_file, WriterVerb.ERASE) as session,
        _noted.refusals(io, session, Action.ERASE, objects=_noted.typed_ids(meant.ids)),
    ):
        plan = _plan(session, meant)
        _repeats.left_behind(io, session, (row.seal.object for row in plan.go))
        if not io.dry_run:
            carry_out(io, session, plan.go, WriterVerb.ERASE, (("reason", why),))
            if plan.refused:
                refused = tuple(one for one, _ in plan.refused)
                _noted.note(io, session.vault, session.directory, [session.keys], Action.ERASE_REFUSED,
                            outcome="held", objects=refused)  # fmt: skip
    return _result(io, plan)


def carry_out(
    io: Io,
    session: Session,
    rows: Sequence[PhotoRow],
    verb: str,
    details: tuple[tuple[str, str], ...],
) -> None:
    """Take photos out, under the lock that `removing` holds."""
    from medsnap.vault import erasure
    from medsnap.vault.directory import WriterVerb

    if not rows:
        return
    who = _officer.officer(io, session, WriterVerb(verb), details)
    wanted = {part for row in rows for part in _officer.parts(row)}
    erasure.erase(session.vault, session.directory, session.reader, wanted, who)
    session.catalogue.close()  # and no file of ours keeps a row either: the next refresh makes it anew


def _plan(session: Session, meant: _officer.Meant) -> _Plan:
    from medsnap.model.decision import Verb
    from medsnap.vault.holds import binding

    before = _officer.erased_by_me(session, meant.ids)
    plan = _Plan(before=before)
    rows = _officer.rest(session, meant, before)
    holds = session.catalogue.holds()
    for row in rows:
        if binding(holds, row):
            plan.refused.append((row.seal.object, "a legal hold is on it"))
        elif row.decision.verb is Verb.SAFEGUARD:
            plan.refused.append((row.seal.object, "it is safeguarded"))
        else:
            plan.go.append(row)
            sent = session.catalogue.receipts(row.seal.object)
            plan.left += [(row.seal.object, target) for target in dict.fromkeys(r.target for r in sent)]
    return plan


def _result(io: Io, plan: _Plan) -> Result:
    state = "would be erased" if io.dry_run else "erased"
    for row in plan.go:
        io.record({"type": "photo", "object": row.seal.object, "state": state})
    for one, why in plan.refused:
        io.record({"type": "photo", "object": one, "state": "refused", "why": why})
    for one in plan.before:
        io.record({"type": "photo", "object": one, "state": "erased before"})
    went = len(plan.go)
    page: list[Block] = [_officer.headline(went, state, refused=bool(plan.refused))]
    if plan.before:
        page.append(Line(f"{len(plan.before)} were erased before.", Tone.QUIET))
    if plan.refused:
        rows = tuple((one[:8], why) for one, why in plan.refused)
        page.append(Table(title="Refused", columns=("photo", "why"), rows=rows, wide="why"))
    page += _officer.left_before(plan.left, "What is there stays there: ask each receiver to delete it.")
    if went and not io.dry_run:
        page += [Line(), *(Line(text, Tone.QUIET) for text in AFTER)]
    data = {
        "type": "summary",
        "erased": 0 if io.dry_run else went,
        "refused": len(plan.refused),
        "before": len(plan.before),
        "left": len(plan.left),
        "dry_run": io.dry_run,
    }
    return Result(
        page=tuple(page), data=data, exit=Exit.PARTIAL if plan.refused else Exit.OK, records="photos"
    )
