"""`medsnap vault move`: take photos to another locked group, by a person's word or as the policy says."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medsnap.commands import _in_force, _moves, _noted, _officer, _repeats
from medsnap.commands._photos import PolicyOption, policy_path
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import Exit, KeyRefused, UsageError
from medsnap.model.event import Action
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.photo import ObjectId
    from medsnap.policy import Policy
    from medsnap.vault.session import Session

_SHOWN: Final = 20  # photos that a person is shown; JSON has all of them
AFTER = (
    "Who could open the old group may have kept the photo, its id, or its key from before: what was seen"
    " cannot be taken back. Copies and backups made before this hold it there until vault copy or time"
    " takes it out.",
    "Keep the ledger elsewhere (medsnap vault ledger --save FILE): after an older copy is restored,"
    " medsnap vault erase --reapply --ledger FILE moves again what came back.",
)


@command(dry_run=True)
def move(
    io: Io,
    ids: _officer.Ids = None,
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="GROUP", help="The locked group; else where the policy says."),
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept sealed. No names of patients.")
    ] = "",
    patient: _officer.PatientOption = None,
    issuer: _officer.IssuerOption = "",
    policy: PolicyOption = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Also move what then opens to more; needs a key with that right.")
    ] = False,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Move photos to another locked group: sealed anew there, and gone for those who open the old one only.

    With --to a person says where; the policy is never overruled: it may hold a photo further back.
    Without --to photos go where the policy in force puts them now, all that you may know of when none
    are named. The log says which ids went; holds, receipts and history go with each photo.

    Your key must open both groups and have the verb 'move', and 'open' for what opens (--open). Exit 3
    when a photo was refused.

    Examples:

      medsnap vault move ra4zmkqw --to intimate --reason "shows a breast" --policy hospital.yaml -n

      medsnap vault move --policy hospital-5.yaml --reason "version 5" --vault /srv/vault
    """
    from medsnap.vault.directory import WriterVerb

    meant = _meant(tuple(ids or ()), patient, issuer, to)
    why = _officer.reason(reason, patient)
    file = policy_path(io, policy)
    wish = _moves.Wish(to=to, reason=why, may_open=open_)
    with (
        _officer.removing(io, vault, key_file, WriterVerb.MOVE) as session,
        _noted.refusals(io, session, Action.MOVE, objects=_noted.typed_ids(ids or ())),
    ):
        loaded = _in_force.governing(io, session, file)
        plan = _plan(io, session, loaded, meant, wish)
        _repeats.left_behind(io, session, (go.row.seal.object for go in plan.go))
        if any(go.opens for go in plan.go):
            _officer.need(session, WriterVerb.OPEN)
        details = (("reason", why), ("policy", loaded.ref.digest))
        became = {} if io.dry_run else _carried_out(io, session, plan, details, key_file)
    return _result(io, plan, became)


def _meant(ids: tuple[str, ...], patient: str | None, issuer: str, to: str) -> _officer.Meant | None:
    """Return which photos are named; None for all that the policy puts elsewhere. Raises UsageError."""
    meant = _officer.Meant(ids=ids, patient=patient, issuer=issuer)
    if not to and not ids and patient is None:
        return None
    meant.check()
    return meant


def _plan(
    io: Io, session: Session, policy: Policy, meant: _officer.Meant | None, wish: _moves.Wish
) -> _moves.Plan:
    groups = [key.name for key in session.directory.compartments]
    if wish.to and wish.to not in groups:
        raise UsageError("the vault has no such locked group", hint=f"--to takes one of: {', '.join(groups)}")
    if wish.to and wish.to not in session.reader.compartments:
        raise KeyRefused(
            f"your key does not open the locked group '{wish.to}', so nothing can be moved there",
            hint="somebody who opens both groups has to: medsnap vault member ls",
        )
    if meant is None:
        made = _moves.plan(session, policy, session.catalogue.photos(session.known), wish, io.now)
        made.whole = True
        return made
    before = _moves.moved_by_me(session, meant.ids)
    made = _moves.plan(session, policy, _officer.rest(session, meant, before), wish, io.now)
    made.before = sorted(before.items())
    return made


def _carried_out(
    io: Io, session: Session, plan: _moves.Plan, details: tuple[tuple[str, str], ...], key_file: Path | None
) -> dict[ObjectId, ObjectId]:
    """Move group by group; each looks at the vault as the one before left it. Returns new ids by old.

    Where no photo was named, what was written of one in the moment of its move goes after it too.
    """
    from medsnap.vault.directory import WriterVerb
    from medsnap.vault.moved_lines import Why
    from medsnap.vault.moving import gone_there

    why = Why(at=io.now.isoformat(timespec="seconds"), by=session.actor, reason=dict(details)["reason"])
    became: dict[ObjectId, ObjectId] = {}
    groups = session.reader.compartments if plan.whole else ()
    late = tuple(group for group in groups if gone_there(session.reader, group))
    with ExitStack() as opened:
        for to in dict.fromkeys((*(go.decision.compartment for go in plan.go), *late)):
            officer = _officer.officer(io, session, WriterVerb.MOVE, (("to", to), *details))
            became |= _moves.carry_out(plan, to, session, why, officer)
            session = opened.enter_context(member(io, session.vault, key_file))
    return became


def _result(io: Io, plan: _moves.Plan, became: dict[ObjectId, ObjectId]) -> Result:
    state = "would move" if io.dry_run else "moved"
    for go in plan.go:
        name, to = go.row.seal.object, go.decision.compartment
        io.record({"type": "photo", "object": name, "state": state, "from": go.left, "to": to,
                   "verb": str(go.decision.verb), "opens": go.opens, "now": became.get(name)})  # fmt: skip
    for one, why in plan.stay:
        io.record({"type": "photo", "object": one, "state": "stays", "why": why})
    for one, why in plan.refused:
        io.record({"type": "photo", "object": one, "state": "refused", "why": why})
    for one, now in plan.before:
        io.record({"type": "photo", "object": one, "state": "moved before", "now": now})
    data = {
        "type": "summary",
        "moved": 0 if io.dry_run else len(plan.go),
        "would_move": len(plan.go) if io.dry_run else 0,
        "refused": len(plan.refused),
        "stay": len(plan.stay),
        "before": len(plan.before),
        "dry_run": io.dry_run,
    }
    code = Exit.PARTIAL if plan.refused else Exit.OK
    return Result(page=tuple(_page(io, plan, became)), data=data, exit=code, records="photos")


def _page(io: Io, plan: _moves.Plan, became: dict[ObjectId, ObjectId]) -> list[Block]:
    went = len(plan.go)
    state = "would be moved" if io.dry_run else "moved"
    page: list[Block] = [_officer.headline(went, state, refused=bool(plan.refused))]
    if plan.go:
        columns = ("photo", "group", "decision", "now")
        page.append(Table(columns=columns, rows=_moved(plan, became), wide="group"))
        if went > _SHOWN:
            page.append(Line(f"and {went - _SHOWN} more; --format json lists all", Tone.QUIET))
    before = tuple((one[:8], f"is {now[:8]} now") for one, now in plan.before)
    for title, some in (("Moved before", before), ("Stay", plan.stay), ("Refused", plan.refused)):
        if some:
            rows = tuple((one[:8], why) for one, why in some[:_SHOWN])
            page.append(Table(title=title, columns=("photo", "why"), rows=rows, wide="why"))
    page += _officer.left_before(plan.sent, "These targets may not have it any more: ask each to delete it.")
    if went and not io.dry_run:
        page += [Line(), *(Line(text, Tone.QUIET) for text in AFTER)]
    return page


def _moved(plan: _moves.Plan, became: dict[ObjectId, ObjectId]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            go.row.seal.object[:8],
            f"{go.left} → {go.decision.compartment}",
            str(go.decision.verb),
            became.get(go.row.seal.object, "")[:8],
        )
        for go in plan.go[:_SHOWN]
    )
