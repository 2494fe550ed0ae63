"""The batch loop beside the path: a dump in, exactly one outcome for each file out.

Photos go through worker processes in order; photos of one visit are settled together, because a
rule with `whole_study` lets one photo decide for its neighbours (policy.md M17).
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

from medsnap import pipeline, sealing
from medsnap.errors import Exit, IoFailed, MedsnapError
from medsnap.intake import reading, walk
from medsnap.intake.limits import Limits
from medsnap.model.decision import Decision, Verb
from medsnap.model.outcome import Done, Failed, Held, Outcome, RunSummary, Skipped
from medsnap.model.photo import Candidate, CaptureFacts, Sha256
from medsnap.model.private import Private
from medsnap.model.record import Intent
from medsnap.model.study import Match
from medsnap.pipeline import Examination, Rules, Settled
from medsnap.sealing import Begun, Sealed
from medsnap.vault.journal import ERASED
from medsnap.vault.writer import Writer
from medsnap.workers import Lost, Pool

ExaminerPool = Pool[Candidate, Examination]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """What intake found: photos and clips that get an outcome, and files that are left."""

    candidates: tuple[Candidate, ...]
    left: tuple[Outcome, ...]  # Skipped, or Failed where a file could not be read


def find(paths: Sequence[Path], limits: Limits) -> Dump:
    """Walk the dump once; nothing is opened for writing."""
    candidates: list[Candidate] = []
    left: list[Outcome] = []
    for found in walk.walk(paths, limits):
        if isinstance(found, Candidate):
            candidates.append(found)
        elif found.error:
            left.append(Failed(source=found.source, error=found.error, reason=found.reason))
        else:
            left.append(Skipped(source=found.source, reason=found.reason))
    return Dump(candidates=tuple(candidates), left=tuple(left))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One photo after examine and settle: what scan, classify and ingest work with."""

    candidate: Candidate
    seen: Examination | None  # None: it could not be examined
    settled: Settled | None
    lost: Lost | None = None


def judge(dump: Iterable[Candidate], pool: ExaminerPool, rules: Rules) -> Iterator[Judged]:
    """Examine and settle, visit by visit. An unreadable file comes back with its error.

    Photos of no known visit have no neighbours: each is yielded as soon as it is settled.
    """
    if _by_content(rules):
        yield from _late_visits(dump, pool, rules)
        return
    ordered = by_visit(dump, rules)
    for visit, group in groupby(pool.map(ordered), key=lambda item: visit_of(rules, item[0])):
        settled = (_settled(rules, candidate, seen) for candidate, seen in group)
        yield from _together(list(settled), rules) if visit else settled


def _by_content(rules: Rules) -> bool:
    """Say whether only a photo's bytes may tell its visit: some row names a SHA-256 and no file."""
    if rules.manifest is None or not any(rule.whole_study for rule in rules.policy.rules):
        return False
    return any(entry.sha256 and not entry.file for entry in rules.manifest.entries)


def _late_visits(dump: Iterable[Candidate], pool: ExaminerPool, rules: Rules) -> Iterator[Judged]:
    """Look at all photos before the first is decided, and bring the visits together then."""
    visits: dict[tuple[str, ...], list[Judged]] = {}
    for place, (candidate, seen) in enumerate(pool.map(dump)):
        judged = _settled(rules, candidate, seen)
        key = judged.settled.match.of_visit if judged.settled else ()
        visits.setdefault(key or (str(place),), []).append(judged)
    for visit in visits.values():
        yield from _together(visit, rules)


def _settled(rules: Rules, candidate: Candidate, seen: Examination | Lost) -> Judged:
    if isinstance(seen, Lost):
        if seen.error == IoFailed.id:
            return Judged(candidate=candidate, seen=None, settled=None, lost=seen)
        try:
            seen = _unexamined(candidate, seen)
        except IoFailed as problem:
            return Judged(
                candidate=candidate, seen=None, settled=None, lost=Lost(problem.id, problem.message)
            )
    return Judged(candidate=candidate, seen=seen, settled=pipeline.settle(rules, candidate, seen))


def _unexamined(candidate: Candidate, lost: Lost) -> Examination:
    """A file that killed its worker, or took too long, is sealed as it came and held."""
    with reading.opened(candidate.source) as stream:
        return Examination(sha256=reading.digest_of(stream), size=candidate.source.size, held=lost.reason)


def _together(visit: list[Judged], rules: Rules) -> Iterator[Judged]:
    """Let the photos of one visit cast their study votes on each other (M17)."""
    from medsnap import policy

    votes = [policy.study_votes(rules.policy, j.settled.decision) if j.settled else () for j in visit]
    for i, judged in enumerate(visit):
        others = [vote for k, cast in enumerate(votes) if k != i for vote in cast]
        settled = judged.settled
        if settled is not None and others:
            decision = policy.decide(rules.policy, settled.evidence, rules.now, study=others)
            judged = replace(judged, settled=replace(settled, decision=decision))  # noqa: PLW2901
        yield judged


def visit_of(rules: Rules, candidate: Candidate) -> tuple[str, ...]:
    """Name the visit that a photo's file or folder row puts it in; () when there is none."""
    if rules.manifest is None or not any(rule.whole_study for rule in rules.policy.rules):
        return ()
    matched = rules.manifest.match(candidate.source.relative.reveal(), Sha256(""), CaptureFacts())
    return matched.of_visit


def by_visit(candidates: Iterable[Candidate], rules: Rules) -> list[Candidate]:
    """Bring the photos of a visit together; otherwise the order of the walk stays."""
    first: dict[tuple[str, ...], int] = {}
    keyed = []
    for place, candidate in enumerate(candidates):
        key = visit_of(rules, candidate)
        keyed.append((first.setdefault(key, place) if key else place, place, candidate))
    return [candidate for _, _, candidate in sorted(keyed, key=lambda k: k[:2])]


def would(judged: Judged, rules: Rules) -> Outcome:
    """Say what ingest would make of a judged photo: for scan, classify and a dry run."""
    source = judged.candidate.source.relative
    if judged.seen is None or judged.settled is None:
        return _unread(judged)
    decision = judged.settled.decision
    if left_alone(rules, judged.settled):
        return _left(source)
    if decision.verb is Verb.REJECT:
        return sealing.rejected(judged.candidate.source)
    if judged.seen.held:
        return Held(source=source, reason=judged.seen.held)
    return Done(source=source, verb=str(decision.verb), waits=decision.waits)


def _unread(judged: Judged) -> Failed:
    lost = judged.lost or Lost("io", "the file could not be examined")
    return Failed(source=judged.candidate.source.relative, error=lost.error, reason=lost.reason)


def _left(source: Private[str]) -> Skipped:
    return Skipped(source=source, reason="not listed in the manifest, left on its device")


# ── ingest ───────────────────────────────────────────────────────────────────────────────────

Deliver = Callable[[Sealed], tuple[str, ...]]
Told = tuple[Outcome, Decision | None]  # what became of a photo, and what the policy said
AHEAD = 3  # photos that are being sealed when one more begins


def keep_here(sealed: Sealed) -> tuple[str, ...]:
    """Deliver nothing: photos leave later, by `medsnap export`."""
    del sealed
    return ()


def no_intents(decision: Decision, matched: Match) -> tuple[Intent, ...]:
    """Plan no sending in this run."""
    del decision, matched
    return ()


def unnoticed(candidate: Candidate, digest: Sha256, outcome: Outcome) -> None:
    """Tell nobody what became of a photo."""
    del candidate, digest, outcome


@dataclass(slots=True, kw_only=True)
class Run:
    """One ingest: the writer holds the vault's lock; `deliver` sends what may leave at once, `notice` is
    told what became of each photo that could be read."""

    writer: Writer
    rules: Rules
    clock: Callable[[], datetime]
    deliver: Deliver = keep_here
    intents: sealing.Intents = no_intents
    notice: Callable[[Candidate, Sha256, Outcome], None] = unnoticed
    seen: set[Sha256] = field(default_factory=set)  # digests of this dump's sources
    summary: RunSummary = field(default_factory=RunSummary)

    def ingest(self, dump: Dump, pool: ExaminerPool) -> Iterator[tuple[Outcome, Decision | None]]:
        """Yield one outcome for each file of the dump, then commit. Work so far survives any end."""
        for outcome in dump.left:
            yield self._count(outcome), None
        fresh: list[Candidate] = []
        for candidate in dump.candidates:
            known = self._known(candidate) if self.writer.may_know(candidate.source.size) else None
            if known is None:
                fresh.append(candidate)
            else:
                yield self._count(known), None
        under_way: deque[tuple[Judged, Begun | Told]] = deque()
        try:
            for judged in judge(fresh, pool, self.rules):
                twin = judged.seen is not None and judged.seen.sha256 in self.seen
                yield from self._taken_in(under_way, 0 if twin else AHEAD)
                under_way.append((judged, self._begin(judged)))
            yield from self._taken_in(under_way, 0)
        finally:
            self.writer.commit()
        self.writer.forget_unseen(self.seen)

    def _taken_in(self, under_way: deque[tuple[Judged, Begun | Told]], most: int) -> Iterator[Told]:
        """Write down the oldest photos, in their order, until `most` are under way."""
        while len(under_way) > most:
            judged, begun = under_way.popleft()
            outcome, decision = self._finish(begun) if isinstance(begun, Begun) else begun
            if judged.seen is not None:
                self.notice(judged.candidate, judged.seen.sha256, outcome)
            yield self._count(outcome), decision

    def _count(self, outcome: Outcome) -> Outcome:
        self.summary.add(outcome)
        return outcome

    def _known(self, candidate: Candidate) -> Outcome | None:
        """Recognise a source that an earlier run sealed, by its content."""
        source = candidate.source
        try:
            with reading.opened(source) as stream:
                digest = reading.digest_of(stream)
        except IoFailed as problem:
            return Failed(source=source.relative, error=problem.id, reason=problem.message)
        self.seen.add(digest)
        known = self._again(candidate, digest)
        if known is not None:
            self.notice(candidate, digest, known)
        return known

    def _again(self, candidate: Candidate, digest: Sha256) -> Outcome | None:
        known = self.writer.known(digest)
        source = candidate.source.relative
        if known is None:
            return None
        if known.state == ERASED:
            return Skipped(source=source, reason="was erased from the vault and stays out of it")
        if known.state == "held":
            return Held(source=source, reason=known.reason, object=known.object, already=True)
        return Done(source=source, object=known.object, already=True, verb=known.verb, waits=known.waits)

    def _begin(self, judged: Judged) -> Begun | Told:
        """Begin to seal a photo, or say at once what becomes of it."""
        candidate, seen, settled = judged.candidate, judged.seen, judged.settled
        source = candidate.source
        if seen is None or settled is None:
            return _unread(judged), None
        self.seen.add(seen.sha256)
        again = self._again(candidate, seen.sha256)
        if again is not None:  # the same bytes twice in one dump
            return again, None
        if left_alone(self.rules, settled):
            return _left(source.relative), None
        if settled.decision.verb is Verb.REJECT:
            return sealing.rejected(source), settled.decision
        try:
            return sealing.begin(self.writer, candidate, seen, settled)
        except MedsnapError as problem:
            return _failed(problem, candidate), settled.decision

    def _finish(self, begun: Begun) -> Told:
        decision = begun.settled.decision
        try:
            sealed = sealing.finish(self.writer, begun, at=self.clock(), intents=self.intents)
        except MedsnapError as problem:
            return _failed(problem, begun.candidate), decision
        outcome = sealed.outcome
        if isinstance(outcome, Done) and sealed.row is not None and sealed.photo is not None:
            outcome = replace(outcome, left_to=self.deliver(sealed))
        return outcome, decision


def _failed(problem: MedsnapError, candidate: Candidate) -> Failed:
    """Say that one photo failed; raise what ends the run."""
    if problem.exit in (Exit.REFUSED, Exit.INTEGRITY, Exit.CONFIG) or stops(problem):
        raise problem
    return Failed(source=candidate.source.relative, error=problem.id, reason=problem.message)


_VAULT_UNUSABLE = frozenset(
    number
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "EACCES", "EPERM", "ENODEV", "ESTALE")
    if (number := getattr(errno, name, None)) is not None  # Windows lacks some
)


def left_alone(rules: Rules, settled: Settled) -> bool:
    """Say whether the photo is none of ours: unlisted on a private device (policy.md M18)."""
    from medsnap import policy

    return policy.leaves_alone(rules.policy, settled.evidence, rules.now)


def stops(problem: MedsnapError) -> bool:
    """Say whether an error stops the run: a vault that is full or closed fails every later photo too.

    Only the vault's errors name a place; a source's never do, and a bad sector of a card or a photo
    without read permission costs that photo alone.
    """
    cause = problem.__cause__
    return bool(problem.where) and isinstance(cause, OSError) and cause.errno in _VAULT_UNUSABLE


def exit_code(summary: RunSummary, *, fail_on_review: bool = False) -> Exit:
    """Turn counts into an exit code (DESIGN 3)."""
    if summary.failed or summary.held:
        return Exit.PARTIAL
    return Exit.REVIEW if fail_on_review and summary.waits else Exit.OK
