"""Which photos go to which locked group, by a person's word or by the policy, and what keeps the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from medsnap.commands import _officer

if TYPE_CHECKING:
    from medsnap.model.decision import Decision
    from medsnap.model.photo import ObjectId
    from medsnap.model.record import PhotoRow
    from medsnap.policy import Policy
    from medsnap.vault.erasure import Officer
    from medsnap.vault.moved_lines import Why
    from medsnap.vault.session import Session

LIES_THERE: Final = "it lies there already"
NO_EVIDENCE: Final = "it was sealed without its evidence, so it cannot be decided again"
_FEW: Final = 20  # patients, up to which each is looked up by himself
OPENS: Final = "it would open more than now: --open, by somebody who may"


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A photo, the decision that takes it elsewhere, and whether that opens it."""

    row: PhotoRow
    decision: Decision
    opens: bool

    @property
    def left(self) -> str:
        """Say which group it leaves."""
        return self.row.seal.compartment


@dataclass(slots=True, kw_only=True)
class Plan:
    """What goes, and what stays and why; `before` are old and new ids of what this key has moved.

    `whole` says that no photo was named: all were looked at.
    """

    go: list[Go] = field(default_factory=list)
    stay: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    before: list[tuple[str, str]] = field(default_factory=list)
    whole: bool = False
    sent: list[tuple[str, str]] = field(default_factory=list)  # to targets that may not have it any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed: where to ("": where the policy says), why, and whether it may open."""

    to: str
    reason: str
    may_open: bool


def plan(session: Session, policy: Policy, rows: Sequence[PhotoRow], wish: Wish, now: datetime) -> Plan:
    """Decide each photo again, and part those that go from those that stay."""
    study = _studies(session, policy, rows, now)
    made = Plan()
    for row in rows:
        name = row.seal.object
        if wish.to == row.seal.compartment:
            made.stay.append((name, LIES_THERE))
            continue
        after = _again(policy, row, study.get(name, ()), wish, now)
        if after is None:
            made.refused.append((name, NO_EVIDENCE))
        elif wish.to and after.compartment != wish.to:
            made.refused.append((name, f"the policy puts it into '{after.compartment}': {_line(after)}"))
        elif after.compartment != row.seal.compartment:
            _sort(made, session, Go(row=row, decision=after, opens=_opens(policy, row, after)), wish)
    return made


def _studies(
    session: Session, policy: Policy, rows: Sequence[PhotoRow], now: datetime
) -> dict[str, tuple[str, ...]]:
    """Name what other photos of its visit put on each, as `policy apply` does, and what a person did."""
    from medsnap.model.decision import from_outside
    from medsnap.policy.impact import OfVisit, studies

    numbers = {row.match.patient.mrn for row in rows if row.match.patient is not None}
    known = {row.seal.object: row for row in rows}
    few = len(numbers) <= _FEW
    for filters in [replace(session.known, mrn=n) for n in numbers] if few else [session.known]:
        known |= {row.seal.object: row for row in session.catalogue.photos(filters)}
    return studies(
        policy,
        (
            OfVisit(
                object=row.seal.object,
                visit=row.match.of_visit,
                evidence=row.evidence,
                study=tuple(v.path for v in row.decision.votes if from_outside(v.because)),
            )
            for row in known.values()
            if row.evidence is not None
        ),
        now,
    )


def _again(policy: Policy, row: PhotoRow, study: Sequence[str], wish: Wish, now: datetime) -> Decision | None:
    from medsnap.policy.impact import by_person, placed, redecided

    if row.evidence is None:
        return None
    if wish.to:
        return placed(policy, row.evidence, study, by_person(wish.to, wish.reason), now)
    return redecided(policy, row.evidence, study, now)


def _opens(policy: Policy, row: PhotoRow, after: Decision) -> bool:
    from medsnap.policy.impact import Move, effect

    further_back = policy.rank(after.compartment) > policy.rank(row.seal.compartment)
    return not further_back or effect(policy, policy, row.decision, after).move is Move.OPENS


def _sort(made: Plan, session: Session, go: Go, wish: Wish) -> None:
    name, to = go.row.seal.object, go.decision.compartment
    if to not in session.reader.compartments:
        made.refused.append((name, f"your key does not open the locked group '{to}'"))
    elif go.opens and not wish.may_open:
        made.refused.append((name, OPENS))
    else:
        made.go.append(go)
        receipts = session.catalogue.receipts(name)
        targets = dict.fromkeys(r.target for r in receipts if r.target not in go.decision.may_leave_to)
        made.sent += [(name, target) for target in targets]


def _line(decision: Decision) -> str:
    """Name the line that puts a photo into its group."""
    vote = next((v for v in decision.votes if v.compartment == decision.compartment), None)
    return f"{vote.where} ({vote.path})" if vote else decision.decided_by


def moved_by_me(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """Return which of these full ids this key has moved before, and what they are now."""
    found: dict[str, str] = {}
    for note in (n for n in _officer.own_notes(session) if n.erasure.added):
        if any(o.object in ids for o in note.erasure.objects):
            fate = session.reader.fate(note)
            found |= {old: new for old, new in fate.became.items() if old in ids} if fate else {}
    return found


def carry_out(made: Plan, to: str, session: Session, why: Why, officer: Officer) -> dict[ObjectId, ObjectId]:
    """Move what goes to one group, under the lock that `removing` holds; returns new ids by old."""
    from medsnap.vault import moving
    from medsnap.vault.moved_lines import Moving

    wanted = [
        Moving(
            object=go.row.seal.object,
            decision=go.decision,
            decided=session.catalogue.decided(go.row.seal.object),
        )
        for go in made.go
        if go.decision.compartment == to
    ]
    work = moving.Work(
        vault=session.vault, directory=session.directory, reader=session.reader, officer=officer, to=to
    )
    became = moving.move(work, wanted, why)
    session.catalogue.close()  # no file of ours keeps a row either: the next refresh makes it anew
    return became


__all__ = ["Go", "Plan", "Wish", "carry_out", "moved_by_me", "plan"]
