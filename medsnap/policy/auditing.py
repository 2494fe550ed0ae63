"""What an auditor asks of a vault, as small checks: photos and a policy in, one verdict out. Pure.

A check that needs what medsnap does not record says so; nothing that was not looked at is "ok".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from medsnap.model.decision import Verb, Vote
from medsnap.model.finding import State
from medsnap.model.receipt import Receipt
from medsnap.model.record import PhotoRow
from medsnap.model.study import MatchState
from medsnap.policy.engine import decide
from medsnap.policy.nouns import Policy
from medsnap.policy.sites import normal

CONSTITUENCIES = ("clinical", "it", "ehr", "executive")
SAME_NIGHT = timedelta(days=1)


class Verdict(StrEnum):
    """What became of a rule."""

    OK = "ok"
    VIOLATION = "violation"
    WARN = "warn"
    NOT_YET = "not yet"  # medsnap cannot check it


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The verdict on one rule, what was found, which photos, and what to do."""

    verdict: Verdict
    found: str
    objects: tuple[str, ...] = ()
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One photo: its row with the newest decision, where it went, what the policy would vote today."""

    row: PhotoRow
    receipts: tuple[Receipt, ...] = ()
    votes: tuple[Vote, ...] = ()

    @property
    def object(self) -> str:
        """The photo's id."""
        return str(self.row.seal.object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is audited. `refused` says why the policy is not in force, `log` what is wrong with it."""

    policy: Policy
    photos: tuple[Audited, ...]
    now: datetime
    signed: str = "unsigned"
    refused: str = ""
    log: str = ""


Check: TypeAlias = Callable[[Case], Answer]


def audited(policy: Policy, row: PhotoRow, receipts: Iterable[Receipt]) -> Audited:
    """Ask the policy again about a photo, as of the time of its decision."""
    votes: tuple[Vote, ...] = ()
    if row.evidence is not None:
        votes = decide(policy, row.evidence, datetime.fromisoformat(row.decision.at)).votes
    return Audited(row=row, receipts=tuple(receipts), votes=votes)


def not_yet(why: str) -> Check:
    """Say that medsnap cannot check this, and why."""

    def check(case: Case) -> Answer:
        del case
        return Answer(verdict=Verdict.NOT_YET, found=why)

    return check


def _judge(bad: list[str], good: str, wrong: str, todo: str, as_: Verdict = Verdict.VIOLATION) -> Answer:
    if not bad:
        return Answer(verdict=Verdict.OK, found=good)
    return Answer(verdict=as_, found=f"{_photos(len(bad))}: {wrong}", objects=tuple(bad), todo=todo)


def _photos(count: int) -> str:
    return f"{count} photo{'' if count == 1 else 's'}"


def held(*paths: str) -> Check:
    """Every photo for which these paths vote was decided at least as strictly."""

    def check(case: Case) -> Answer:
        bad, for_it, unknown = [], 0, 0
        for photo in case.photos:
            unknown += not photo.votes
            votes = [v for v in photo.votes if v.verb > Verb.ACCEPT and _under(v.path, paths)]
            for_it += bool(votes)
            if any(_milder(case.policy, photo.row, vote) for vote in votes):
                bad.append(photo.object)
        if unknown and not bad:
            words = f"{_photos(unknown)} kept no evidence and cannot be judged again"
            return Answer(verdict=Verdict.WARN, found=words, todo="take them in again with this medsnap")
        unlooked = [p.object for p in case.photos if _unlooked(p.row, paths)]
        if unlooked and not bad:
            todo = "a person looks (review), or ingest with detectors"
            return _judge(unlooked, "", "nobody has looked for it yet", todo, Verdict.WARN)
        good = f"{_photos(len(case.photos))} looked at, {for_it} locked or waiting because of it"
        wrong = "decided milder than this policy says"
        return _judge(bad, good, wrong, "medsnap policy apply decides them again and tightens")

    return check


def _under(path: str, wanted: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in wanted)


def _unlooked(row: PhotoRow, paths: tuple[str, ...]) -> bool:
    """Say whether one of these features was not looked for: then "ok" would be a guess."""
    names = {path.removeprefix("features.") for path in paths if path.startswith("features.")}
    unknown = (State.NOT_CHECKED, State.NOT_ASSESSABLE)
    return any(f.feature in names and f.state in unknown for f in row.decision.features)


def _milder(policy: Policy, row: PhotoRow, vote: Vote) -> bool:
    decision = row.decision
    return decision.verb < vote.verb or policy.rank(decision.compartment) < policy.rank(vote.compartment)


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
    """G4: those that are not in force do not load; the others are named with their end."""
    return Answer(verdict=Verdict.OK, found=f"{len(case.policy.waivers)} waivers are in force")


def filed_soon(case: Case) -> Answer:
    """L5."""
    late = [p.object for p in case.photos if _days_late(p.row) > 1]
    good = "each photo with a known time was taken in within a day or two"
    return _judge(
        late, good, "taken in more than a day after capture", "empty the devices daily", Verdict.WARN
    )


def _days_late(row: PhotoRow) -> int:
    taken = row.match.captured_at or (row.capture.captured_at if row.capture else None)
    if not taken:
        return 0
    sealed = datetime.fromisoformat(row.at).date()
    return (sealed - datetime.fromisoformat(taken).date()).days


def scrubbed(case: Case) -> Answer:
    """S1: what could not be scrubbed must not leave."""
    bad = [p.object for p in case.photos if p.row.state != "done" and p.receipts]
    kept = sum(p.row.state != "done" for p in case.photos)
    good = f"{len(case.photos) - kept} were scrubbed and read again at intake; {kept} are held as they came"
    return _judge(bad, good, "went out without being scrubbed", "recall what was sent, see the receipts")


def who_when_how(case: Case) -> Answer:
    """S3."""
    bad = [p.object for p in case.photos if not _known(p.row)]
    good = "each photo has its operator, its time and its device in the catalogue"
    return _judge(bad, good, "operator, time or device is missing", "complete the manifest", Verdict.WARN)


def _known(row: PhotoRow) -> bool:
    taken = row.match.captured_at or (row.capture.captured_at if row.capture else None)
    return bool(taken and row.match.operator and row.device and row.device.asset)


def other_uses(case: Case) -> Answer:
    """S4, C1, C2: what left for another purpose than care was allowed to."""
    other = {e.name for e in case.policy.exports if e.purpose != "care"}
    bad = [
        p.object
        for p in case.photos
        if any(r.target in other and r.target not in p.row.decision.may_leave_to for r in p.receipts)
    ]
    sent = sum(r.target in other for p in case.photos for r in p.receipts)
    good = f"{sent} files left for another purpose than care"
    return _judge(bad, good, "went out for a purpose that the decision does not allow", "recall them")


def terms(case: Case) -> Answer:
    """V2, V3: words that were given stand in the vocabulary and have a code."""
    words = case.policy.vocabulary

    def bad(row: PhotoRow) -> bool:
        said = row.match.description
        unknown = said.body_site and words.sites.find(said.body_site) is None
        view = said.view and words.view and normal(said.view) not in words.view
        reason = said.reason and words.reason and normal(said.reason) not in words.reason
        return bool(unknown or view or reason)

    found = [p.object for p in case.photos if bad(p.row)]
    todo = "correct the word in the manifest, or add it under vocabulary"
    return _judge(
        found, "each word that was given is known", "described in words that nobody knows", todo, Verdict.WARN
    )


def sides(case: Case) -> Answer:
    """V4: a side at a site that has none."""
    sites = case.policy.vocabulary.sites

    def bad(row: PhotoRow) -> bool:
        site = sites.find(row.match.description.body_site)
        return site is not None and not site.paired and row.match.description.laterality in ("left", "right")

    found = [p.object for p in case.photos if bad(p.row)]
    todo = "ask the clinician; correct the manifest"
    return _judge(found, "no site without sides was given one", "a side is named where there is none", todo,
                  Verdict.WARN)  # fmt: skip


def statements(case: Case) -> Answer:
    """F1: each photo says of each feature: there, not there, or not looked."""
    wanted = set(case.policy.features)
    bad = [p.object for p in case.photos if not wanted <= {f.feature for f in p.row.decision.features}]
    unlooked = sum(any(f.state is State.NOT_CHECKED for f in p.row.decision.features) for p in case.photos)
    good = f"each photo speaks of all {len(wanted)} features; on {unlooked} nobody has looked for some"
    return _judge(bad, good, "a feature has no statement", "medsnap policy apply")


def existence(case: Case) -> Answer:
    """A1: a photo lies at least as deep as its decision says."""
    policy = case.policy
    bad = [
        p.object
        for p in case.photos
        if policy.rank(p.row.seal.compartment) < policy.rank(p.row.decision.compartment)
    ]
    good = "each photo is sealed in the group that its decision names"
    return _judge(bad, good, "sealed in a group that more people open than may", "medsnap policy apply")


def log_consistent(case: Case) -> Answer:
    """A2."""
    if case.log:
        return Answer(
            verdict=Verdict.VIOLATION, found=case.log, todo="medsnap audit verify; keep the disk as it is"
        )
    return Answer(
        verdict=Verdict.OK, found="the log is consistent: each opening is written before it happens"
    )


def reached(case: Case) -> Answer:
    """E1: what may go to the record has a receipt, the same night."""
    care = {e.name for e in case.policy.exports if e.purpose == "care"}
    late: list[str] = []
    fresh: list[str] = []
    for photo in case.photos:
        row = photo.row
        due = row.state == "done" and row.match.state is MatchState.MATCHED
        if (
            due
            and care & set(row.decision.may_leave_to)
            and not any(r.target in care for r in photo.receipts)
        ):
            overdue = case.now - datetime.fromisoformat(row.at) > SAME_NIGHT
            (late if overdue else fresh).append(photo.object)
    todo = "medsnap export sends them"
    if fresh and not late:
        return _judge(fresh, "", "sealed within a day, may leave and did not yet", todo, Verdict.WARN)
    sent = sum(bool(p.receipts) for p in case.photos)
    return _judge(
        late, f"{_photos(sent)} left; none that may leave is waiting", "may leave and did not", todo
    )


def carried(case: Case) -> Answer:
    """E2."""

    def bad(photo: Audited) -> bool:
        for receipt in photo.receipts:
            export = case.policy.export(receipt.target)
            if export is None or photo.row.decision.compartment not in export.may_carry:
                return True
        return False

    found = [p.object for p in case.photos if bad(p)]
    good = "what left lies in groups that its target may carry"
    return _judge(found, good, "went to a target that may not carry it", "recall them; see vault show ID")
