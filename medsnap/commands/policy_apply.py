"""`medsnap policy apply`: decide sealed photos again under a new policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _in_force, _noted, _officer
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.commands.policy import resolved
from medsnap.errors import Exit, KeyRefused, PolicyError
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.decision import Decision
    from medsnap.model.photo import ObjectId
    from medsnap.policy import Policy
    from medsnap.vault.session import Session

PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The policy in force, signed.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """A photo decided again: what it was, what it would be, which way that goes."""

    object: ObjectId
    compartment: str
    before: Decision
    after: Decision
    move: str

    @property
    def moves(self) -> bool:
        """Say whether it would have to lie in another locked group."""
        return self.after.compartment != self.compartment


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What applying does, and what it leaves."""

    tighten: list[_Again] = field(default_factory=list)
    open: list[_Again] = field(default_factory=list)
    left: list[_Again] = field(default_factory=list)  # need another locked group
    unchanged: int = 0
    unknown: int = 0


@command(dry_run=True)
def apply(
    io: Io,
    file: PolicyFile,
    *,
    open_: Annotated[
        bool, typer.Option("--open", help="Also record what opens; needs a key with that right.")
    ] = False,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Decide sealed photos again under a new policy, and record what tightens.

    Photos of one visit that came in different nights follow each other here, as far as your key opens
    them. What would open is only listed, unless --open is given by somebody who may. Photos that belong
    into another locked group are listed and stay: `vault move` takes them there. Exit 3 when some are left.

    Examples:

      medsnap policy apply hospital-5.yaml --vault /srv/vault --key-file me.key -n

      medsnap policy apply hospital-5.yaml --vault /srv/vault --key-file me.key --open
    """
    from medsnap import policy as policies
    from medsnap.vault import session as sessions

    path = resolved(file)
    loaded = policies.load(path, now=io.now)
    with (
        member(io, vault, key_file) as session,
        _noted.refusals(io, session, Action.DECIDE, details=(("policy", loaded.ref.digest),)),
    ):
        memory = sessions.member_cache(io.settings.cache, session.directory.vault, session.keys)
        loaded = _in_force.enforced(
            io, loaded, path, vault=session.vault, directory=session.directory, memory=memory
        )
        if loaded.refused:
            raise PolicyError(
                f"the policy is not in force: {loaded.refused}",
                where=str(path),
                hint="medsnap policy status says who has still to sign",
            )
        plan = _plan(io, session, loaded)
        chosen = [*plan.tighten, *(plan.open if open_ else ())]
        if not io.dry_run and chosen:
            _write(io, session, loaded, chosen, plan if open_ else None)
    return _applied(io, loaded, plan, opened=open_)


def _plan(io: Io, session: Session, policy: Policy) -> _Plan:
    from medsnap.policy.impact import Move, OfVisit, effect, redecided, studies

    plan = _Plan()
    sightings = {s.object: s for s in session.catalogue.sightings()}
    rows = session.catalogue.photos(session.known)
    study = studies(
        policy,
        (
            OfVisit(
                object=row.seal.object,
                visit=row.match.of_visit,
                evidence=row.evidence,
                study=sightings[row.seal.object].study,
            )
            for row in rows
            if row.evidence is not None
        ),
        io.now,
    )
    for row in rows:
        if row.evidence is None:
            plan.unknown += 1
            continue
        before = row.decision
        after = redecided(policy, row.evidence, study[row.seal.object], io.now)
        move = effect(policy, policy, before, after).move
        again = _Again(
            object=row.seal.object,
            compartment=row.seal.compartment,
            before=before,
            after=after,
            move=move,
        )
        if move is Move.SAME and not again.moves:
            plan.unchanged += 1
        elif again.moves:
            plan.left.append(again)
        else:
            (plan.open if move is Move.OPENS else plan.tighten).append(again)
    for again in (*plan.tighten, *plan.open, *plan.left):
        _say(io, again)
    return plan


def _say(io: Io, again: _Again) -> None:
    io.record(
        {
            "type": "photo",
            "object": again.object,
            "move": again.move,
            "before": f"{again.before.verb} in {again.before.compartment}",
            "after": f"{again.after.verb} in {again.after.compartment}",
            "decided_by": again.after.decided_by,
            "needs_move": again.moves,
        }
    )


def _write(io: Io, session: Session, policy: Policy, chosen: list[_Again], opening: _Plan | None) -> None:
    """Log, then write the decisions as one commit. Raises KeyRefused before anything is written."""
    from medsnap.model.record import DECIDE, OPEN, DecisionRow
    from medsnap.vault import policies, turns
    from medsnap.vault.member_writer import MemberWriter

    opens = {id(again) for again in opening.open} if opening is not None else set()
    details = (
        ("policy", policy.ref.digest),
        ("signed", policy.ref.signed),
        ("tightened", str(len(chosen) - len(opens))),
        ("opened", str(len(opens))),
    )
    objects = tuple(again.object for again in chosen)
    writer = MemberWriter(
        session.vault,
        session.directory,
        session.keys,
        random=io.random,
        log=lambda commit, _: record(io, session, Action.DECIDE, details=details, commit=commit),
    )
    try:
        for again in chosen:
            kind = OPEN if id(again) in opens else DECIDE
            row = DecisionRow(object=again.object, decision=again.after, event=kind)
            writer.add(again.compartment, row)
    except KeyRefused as refused:
        raise KeyRefused(
            "the vault's directory does not let this key decide photos again",
            hint="the owner of the vault gives the right: 'decide' for what tightens, 'open' for the rest",
        ) from refused
    for digest, text in _in_force.texts(policy):
        policies.keep(session.vault, digest, text.encode())
    with turns.turn(session.vault):
        _officer.still_there(session, objects)
        record(io, session, Action.DECIDE, objects=objects, details=(("step", "begin"), *details))
        writer.commit()


def _applied(io: Io, policy: Policy, plan: _Plan, *, opened: bool) -> Result:
    would = "would be " if io.dry_run else ""
    waiting = [] if opened else plan.open
    pairs = [
        (f"{would}tightened", str(len(plan.tighten))),
        (f"{would}opened" if opened else "would open", str(len(plan.open))),
        ("need another locked group", str(len(plan.left))),
        ("stay as they are", str(plan.unchanged)),
    ]
    if plan.unknown:
        pairs.append(("cannot be decided again", f"{plan.unknown} (sealed without their evidence)"))
    page: list[Block] = [
        Line(f"{policy.ref.policy} {policy.ref.version} ({policy.ref.signed})", Tone.TITLE),
        Facts(tuple(pairs)),
    ]
    if plan.left:
        rows = tuple(
            (a.object, f"{a.compartment} → {a.after.compartment}", a.move, a.after.decided_by)
            for a in plan.left[:20]
        )
        page += [
            Table(title="Left: to be moved", columns=("photo", "group", "", "by"), rows=rows, wide="by"),
            Line("Recording moves nothing: medsnap vault move --policy FILE --reason … does.", Tone.WARN),
        ]
    if waiting:
        page.append(Line("What would open waits for --open by somebody who may.", Tone.WARN))
    data = {
        "type": "summary",
        "policy": policy.ref,
        "tightened": len(plan.tighten),
        "opened": len(plan.open) if opened else 0,
        "would_open": len(waiting),
        "left": len(plan.left),
        "unchanged": plan.unchanged,
        "unknown": plan.unknown,
        "dry_run": io.dry_run,
    }
    left = bool(plan.left or waiting or plan.unknown)
    return Result(page=tuple(page), data=data, exit=Exit.PARTIAL if left else Exit.OK, records="photos")
