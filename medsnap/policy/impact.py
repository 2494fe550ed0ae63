"""What another policy would do to photos that were decided: each distinct evidence decided once.

Pure: sightings and evidence in, effects out. Works for `policy diff --vault` and `policy apply`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from medsnap.model.codec import from_json
from medsnap.model.decision import BY_PERSON, OF_VISIT, PERSON, Decision, Evidence, Verb, Vote
from medsnap.policy.alike import Alike
from medsnap.policy.engine import decide, study_votes
from medsnap.policy.nouns import Policy

BY_HAND: Final = "by hand"  # stands where a vote of the policy has its line
_LATER: Final = frozenset({Verb.QUARANTINE})


class Move(StrEnum):
    """What becomes of a photo, most telling first."""

    OPENS = "opens"
    TIGHTENS = "tightens"
    LATER = "later"  # it waits under both, and would leave the queue elsewhere
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One photo's change, and the line of the policy that it comes from."""

    move: Move
    path: str
    where: str
    before: str  # "restrict in identifiable"
    after: str
    gains: tuple[str, ...] = ()  # targets and roles that get it only now
    loses: tuple[str, ...] = ()


def carried(policy: Policy, paths: Iterable[str]) -> tuple[Vote, ...]:
    """Return the votes of other photos of the visit, as this policy words them (M17), and a person's.

    Whoever asks may not be allowed to know those photos, so their votes come from the photo's record.
    """
    wanted = set(paths)
    groups = (path.removeprefix(PERSON) for path in sorted(wanted) if path.startswith(PERSON))
    moved = tuple(by_person(group) for group in groups if group in policy.ranks)
    return moved + tuple(
        Vote(
            verb=Verb.RESTRICT,
            path=rule.path,
            where=rule.where,
            compartment=rule.to,
            because=f"{OF_VISIT} — {rule.because}",
        )
        for rule in policy.rules
        if rule.whole_study and rule.path in wanted
    )


def by_person(group: str, why: str = "") -> Vote:
    """Return the vote of somebody who moved a photo to a locked group: it can only tighten."""
    because = f"{BY_PERSON}: {why}" if why else BY_PERSON
    return Vote(verb=Verb.RESTRICT, path=PERSON + group, where=BY_HAND, compartment=group, because=because)


def placed(policy: Policy, evidence: Evidence, study: Iterable[str], person: Vote, now: datetime) -> Decision:
    """Decide a photo again for a person (`by_person`) who moves it, whoever moved it before.

    The policy is not overruled: the decision names a group further back where the policy says so.
    """
    others = [path for path in study if not path.startswith(PERSON)]
    own = redecided(policy, evidence, others, now)
    if policy.rank(own.compartment) >= policy.rank(person.compartment):
        return own
    return decide(policy, evidence, now, study=(*carried(policy, others), person))


def redecided(policy: Policy, evidence: Evidence, study: Iterable[str], now: datetime) -> Decision:
    """Decide a photo again, with what its study said."""
    return decide(policy, evidence, now, study=carried(policy, study))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVisit:
    """A photo among those of its visit; `visit` is () where nobody said which it is."""

    object: str
    visit: tuple[str, ...]
    evidence: Evidence
    study: tuple[str, ...] = ()  # rules of other photos that its record already carries


def studies(policy: Policy, photos: Iterable[OfVisit], now: datetime) -> dict[str, tuple[str, ...]]:
    """Name, for each photo, the rules that other photos of its visit put on it (M17).

    A visit's photos come in several nights and from several devices: whoever knows two of them can
    tell what the one says of the other, and a vote once recorded stays.
    """
    known = list(photos)
    spread = any(rule.whole_study for rule in policy.rules)
    cast: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for photo in known:
        if spread and photo.visit:
            votes = study_votes(policy, decide(policy, photo.evidence, now))
            cast.setdefault(photo.visit, []).extend((photo.object, vote.path) for vote in votes)
    return {
        photo.object: tuple(
            sorted({*photo.study, *(path for by, path in cast.get(photo.visit, ()) if by != photo.object)})
        )
        for photo in known
    }


def effect(old: Policy, new: Policy, before: Decision, after: Decision) -> Effect:
    """Compare two decisions on one photo."""
    gains = _more(new, before, after)
    loses = _more(new, after, before)
    move = _move(new, before, after, gains, loses)
    path = _cause(before, after, gains if move is Move.OPENS else loses, opens=move is Move.OPENS)
    return Effect(
        move=move,
        path=path,
        where=new.where(path) or old.where(path),
        before=_fate(before),
        after=_fate(after),
        gains=gains,
        loses=loses,
    )


def _move(
    new: Policy, before: Decision, after: Decision, gains: tuple[str, ...], loses: tuple[str, ...]
) -> Move:
    ranks = new.rank(before.compartment), new.rank(after.compartment)
    if after.verb < before.verb or gains or (ranks[1] < ranks[0] and not _waits(before, after)):
        return Move.OPENS
    if _waits(before, after) and ranks[0] != ranks[1]:
        return Move.LATER
    more = after.reviewers > before.reviewers
    if after.verb > before.verb or loses or ranks[1] > ranks[0] or more:
        return Move.TIGHTENS
    return Move.OPENS if after.reviewers < before.reviewers else Move.SAME


def _waits(before: Decision, after: Decision) -> bool:
    return before.verb in _LATER and after.verb in _LATER


def _more(policy: Policy, one: Decision, other: Decision) -> tuple[str, ...]:
    """Name the targets and roles that the other decision gives and the one does not.

    A locked group further back has other roles; that is no gain, for the order of groups is law (M2).
    """
    targets = (name for name in other.may_leave_to if name not in one.may_leave_to)
    further = policy.rank(other.compartment) > policy.rank(one.compartment)
    roles = () if further else tuple(role for role in other.opened_by if role not in one.opened_by)
    return (*targets, *roles)


def _cause(before: Decision, after: Decision, given: tuple[str, ...], *, opens: bool) -> str:
    """Name the line: the strictest reason that only one side has; else the target or group."""
    has, lacks = (before, after) if opens else (after, before)
    known = {_key(vote) for vote in lacks.votes}
    for vote in has.votes:
        if _key(vote) not in known and vote.verb > Verb.ACCEPT:
            return vote.path
    targets = set(before.may_leave_to) ^ set(after.may_leave_to)
    named = next((name for name in given if name in targets), None)
    if named is not None:
        return f"exports.{named}"
    return f"compartments.{after.compartment}" if given else after.decided_by


def _key(vote: Vote) -> tuple[str, Verb, str | None, int]:
    return vote.path, vote.verb, vote.compartment, vote.reviewers


def _fate(decision: Decision) -> str:
    return f"{decision.verb} in {decision.compartment}"


class Impact:
    """Decides under two policies and remembers: what neither can tell apart is decided once."""

    def __init__(self, old: Policy, new: Policy, now: datetime) -> None:
        self._old, self._new, self._now = old, new, now
        self._alike = Alike((old, new), now)
        self._texts: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._known: dict[tuple[str, tuple[str, ...]], Effect] = {}

    def learn(self, digest: str, text: str) -> None:
        """Take evidence in, as canonical JSON; of those alike the first stands for all."""
        key = self._alike.key(text)
        self._keys[digest] = key
        self._texts.setdefault(key, text)

    def of(self, digest: str, study: tuple[str, ...]) -> Effect:
        """Return what becomes of the photos with this evidence. Raises KeyError when it was not learnt."""
        key = self._keys[digest]
        found = self._known.get((key, study))
        if found is None:
            evidence = from_json(Evidence, json.loads(self._texts[key]))
            before = redecided(self._old, evidence, study, self._now)
            after = redecided(self._new, evidence, study, self._now)
            found = self._known[key, study] = effect(self._old, self._new, before, after)
        return found

    @property
    def decided(self) -> int:
        """How many photos had to be decided, under each policy."""
        return len(self._known)
