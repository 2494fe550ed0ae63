"""Audit checks of the policy itself, its exceptions and the log (G1-G4, A2)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from medsnap.policy.auditing import Answer, Audited, Case, Verdict, judge
from medsnap.policy.waiver import State, Waiver, lifted, standing

CONSTITUENCIES = ("clinical", "it", "ehr", "executive")


def in_force(case: Case) -> Answer:
    """G1."""
    if case.refused:
        todo = "medsnap policy status names who has still to sign"
        return Answer(verdict=Verdict.VIOLATION, found=case.refused, todo=todo)
    ref = case.policy.ref
    name = f"{ref.policy} {ref.version}, until {case.policy.in_force.last}, {case.signed}"
    if case.signed == "unsigned":
        todo = "let every seat sign it, then medsnap policy pin"
        return Answer(verdict=Verdict.WARN, found=f"{name}: nobody has signed it", todo=todo)
    return Answer(verdict=Verdict.OK, found=name)


def seats(case: Case) -> Answer:
    """G2."""
    named = {seat.name: seat.people for seat in case.policy.seats}
    empty = [name for name in CONSTITUENCIES if not named.get(name)]
    people = [person for who in named.values() for person in who]
    twice = sorted({person for person in people if people.count(person) > 1})
    problems = [f"nobody sits for {', '.join(empty)}"] * bool(empty)
    problems += [f"{', '.join(twice)} sits in two seats"] * bool(twice)
    if problems:
        todo = f"governance.seats ({case.policy.where('governance.seats')})"
        return Answer(verdict=Verdict.VIOLATION, found="; ".join(problems), todo=todo)
    return Answer(verdict=Verdict.OK, found=f"{len(named)} seats, {len(people)} people, each in one")


def tightens(case: Case) -> Answer:
    """G3: a department's policy that weakens its parent does not load."""
    parent = case.policy.parent
    if parent is None:
        return Answer(verdict=Verdict.OK, found="this policy stands at the top; it extends none")
    return Answer(verdict=Verdict.OK, found=f"it only tightens {parent.ref.policy} {parent.ref.version}")


def waivers(case: Case) -> Answer:
    """G4: owner, reason and end are asked when one is read; here, whether one was used past its end."""
    known = {waiver.id: waiver for waiver in case.waivers}
    used = Counter(name for photo in case.photos for name in lifted(photo.row.decision))
    late = [p.object for p in case.photos if any(_late(p, known.get(n)) for n in lifted(p.row.decision))]
    if late:
        todo = "medsnap policy apply decides them without it"
        return judge(late, "", "a waiver was counted after its end", todo)
    told = [s for s in standing(case.waivers, used, case.now.date()) if s.state is not State.USED]
    absent = sorted(used.keys() - known.keys())
    if told or absent:
        words = [f"{s.waiver.id}: {s.state}" for s in told]
        words += [f"{name}: decisions rest on it, and its file is not beside the policy" for name in absent]
        todo = "; ".join(s.sentence() for s in told) or "keep it until medsnap policy apply decided again"
        return Answer(verdict=Verdict.WARN, found="; ".join(words), todo=todo)
    good = f"{len(known)} exceptions, each in use, with its reason and its end"
    return Answer(verdict=Verdict.OK, found=good if known else "there are no exceptions")


def _late(photo: Audited, waiver: Waiver | None) -> bool:
    """Say whether a photo was decided by a waiver that had ended on that day."""
    decided = datetime.fromisoformat(photo.row.decision.at).date()
    return waiver is not None and decided > waiver.until


def log_consistent(case: Case) -> Answer:
    """A2."""
    if case.log:
        return Answer(
            verdict=Verdict.VIOLATION, found=case.log, todo="medsnap audit verify; keep the disk as it is"
        )
    return Answer(
        verdict=Verdict.OK, found="the log is consistent: each opening is written before it happens"
    )
