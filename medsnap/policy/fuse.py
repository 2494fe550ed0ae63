"""What is known of each feature: detectors' readings and people's statements, fused (M6, M7, M8)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias

from medsnap.model.decision import Evidence, Person
from medsnap.model.finding import FeatureState, Reading, State, Statement
from medsnap.policy.nouns import Detection, Policy
from medsnap.policy.sites import normal
from medsnap.policy.table import NEVER_CLEARED

ANYTHING_ELSE: Final = "anything_else"
UNKNOWN: Final = frozenset({State.NOT_CHECKED, State.NOT_ASSESSABLE})
_Counts: TypeAlias = Callable[[Statement], bool]
PRESENT: Final = frozenset({State.SEEN, State.DOUBTFUL})

# Strictest first: what one detector cleared, another one's failure or doubt outranks.
_ORDER: Final = {
    State.SEEN: 0,
    State.DOUBTFUL: 1,
    State.NOT_ASSESSABLE: 2,
    State.NOT_SEEN: 3,
    State.NOT_CHECKED: 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One feature's state, whether a person spoke, and the facts in words."""

    state: FeatureState
    by_person: bool = False
    because: str = ""


def fuse(policy: Policy, evidence: Evidence, now: datetime) -> dict[str, Known]:
    """Return what is known of every feature of the policy, in its order."""
    readings: dict[str, list[Reading]] = defaultdict(list)
    statements: dict[str, list[Statement]] = defaultdict(list)
    for reading in evidence.readings:
        if name := _filed(policy, reading.feature, adverse=_adverse(reading, policy.detection)):
            readings[name].append(reading)
    for statement in evidence.statements:
        if statement.feature in policy.features:
            statements[statement.feature].append(statement)
        elif name := _filed(policy, statement.feature, adverse=statement.seen):
            statements[name].append(statement)
    hidden = policy.detection.cannot_appear_in.get(normal(evidence.description.view or ""), frozenset())
    trusted = _clinician(evidence, now)
    reviews = _reviewer(policy, evidence, now)
    known: dict[str, Known] = {}
    for name, rule in policy.features.items():
        if name not in readings and name not in statements and name not in hidden:
            known[name] = _blank(name, evidence.media_understood)
            continue
        seen = _detected(name, readings.get(name, ()), policy.detection, evidence.media_understood)
        lowers = name in policy.clinician_may_clear and name not in NEVER_CLEARED
        word = trusted if lowers else _nobody_s
        known[name] = _heard(name, seen, statements.get(name, ()), (word, reviews), rule.reviewers)
        if name in hidden and known[name].state.state is State.NOT_CHECKED:
            view = f"cannot appear in a {evidence.description.view} view"
            state = FeatureState(feature=name, state=State.NOT_SEEN, by=("detection.cannot_appear_in",))
            known[name] = Known(state=state, by_person=True, because=view)
    return known


def _filed(policy: Policy, feature: str, *, adverse: bool) -> str | None:
    """Return the feature it counts for; an unknown one raises `anything_else`, never clears it (M8)."""
    if feature in policy.features:
        return feature
    return ANYTHING_ELSE if adverse else None


def _adverse(reading: Reading, detection: Detection) -> bool:
    return reading.state in PRESENT or _score(reading) >= detection.suspect_at


def _score(reading: Reading) -> float:
    """Return the score; none is 0, and what is no number counts as certain."""
    if reading.score is None:
        return 0.0
    return 1.0 if math.isnan(reading.score) else reading.score


def _detected(name: str, readings: Iterable[Reading], detection: Detection, understood: bool) -> Known:
    """Fuse the detectors' readings of one feature."""
    states = [(_reading_state(name, reading, detection), reading) for reading in readings]
    best = min(states, key=_strictest) if states else None
    if best is None or (not understood and best[0] not in PRESENT):
        return _blank(name, understood)
    state, reading = best
    return Known(
        state=FeatureState(feature=name, state=state, by=(str(reading.detector),), score=reading.score),
        because=_words(reading, state, detection),
    )


def _strictest(judged: tuple[State, Reading]) -> tuple[int, float, str, bool, str]:
    """Order readings by all that a record keeps of them, so that their own order never matters."""
    state, reading = judged
    return _ORDER[state], -_score(reading), str(reading.detector), reading.score is None, reading.because


@lru_cache(maxsize=512)
def _blank(name: str, understood: bool) -> Known:
    """Return what is known of a feature that nobody spoke of."""
    state = State.NOT_CHECKED if understood else State.NOT_ASSESSABLE
    because = "nobody has looked" if understood else "the file could not be understood"
    return Known(state=FeatureState(feature=name, state=state), because=because)


def _words(reading: Reading, state: State, detection: Detection) -> str:
    if reading.score is None or state in UNKNOWN:
        return f"{reading.detector.name}: {reading.because or state.replace('_', ' ')}"
    if state is State.SEEN:
        return f"{reading.feature} {reading.score:.2f}, certain at {detection.certain_at:.2f}"
    if state is State.DOUBTFUL:
        return f"{reading.feature} {reading.score:.2f}, suspect at {detection.suspect_at:.2f}"
    return f"cleared by {reading.detector.name}"


def _reading_state(name: str, reading: Reading, detection: Detection) -> State:
    if reading.state is not None:
        if (
            reading.state is State.NOT_SEEN
        ):  # a claim, not a score: only as good as the detector's right to it
            return State.NOT_SEEN if may_clear(name, reading, detection) else State.NOT_CHECKED
        return reading.state
    if reading.score is None:
        return State.NOT_CHECKED
    score = _score(reading)
    if score >= detection.certain_at:
        return State.SEEN
    if score >= detection.suspect_at and score > 0:
        return State.DOUBTFUL
    return State.NOT_SEEN if may_clear(name, reading, detection) else State.NOT_CHECKED


def may_clear(name: str, reading: Reading, detection: Detection) -> bool:
    """Say whether a detector's silence means *not seen*: it, its model or version must be named."""
    detector = reading.detector
    for entry in detection.may_clear.get(name, ()):
        plain, _, digest = entry.partition("@")
        plain, _, version = plain.partition("/")
        if plain == detector.name and detector.model.startswith(digest) and version in ("", detector.version):
            return True
    return False


def _clinician(evidence: Evidence, now: datetime) -> _Counts:
    """Return the test whether a statement is the capturing clinician's word that counts (M7)."""
    operator = evidence.operator
    valid = evidence.manifest_given and operator is not None and in_office(operator, now)

    def counts(statement: Statement) -> bool:
        if statement.role != "clinician":
            return False
        return valid and operator is not None and statement.person == operator.staff_id

    return counts


def _reviewer(policy: Policy, evidence: Evidence, now: datetime) -> _Counts:
    """Return the test whether somebody may lower as a reviewer: in people.csv, in date, in a role of `by`."""
    by = set(policy.review.by)
    there = {
        person.staff_id.casefold()
        for person in evidence.reviewers
        if in_office(person, now) and (not by or by & set(person.roles))
    }
    judged: dict[str, bool] = {}  # two people speak of thirty features

    def counts(statement: Statement) -> bool:
        known = judged.get(statement.person)
        if known is None:
            known = judged[statement.person] = statement.person.casefold() in there
        return known

    return counts


def _nobody_s(_: Statement) -> bool:
    return False


def in_office(person: Person, now: datetime) -> bool:
    """Say whether a person's row is valid on that day."""
    day = now.date()
    return (person.valid_from is None or person.valid_from <= day) and (
        person.valid_until is None or day <= person.valid_until
    )


def clinician_denies(evidence: Evidence, feature: str, now: datetime) -> bool:
    """Say whether the capturing clinician's word that counts says that a feature is not there."""
    counts = _clinician(evidence, now)
    said = [s for s in evidence.statements if s.feature == feature]
    return any(counts(s) and not s.seen for s in said) and not any(s.seen for s in said)


def _heard(
    name: str,
    detected: Known,
    statements: Iterable[Statement],
    trust: tuple[_Counts, _Counts],
    reviewers: int,
) -> Known:
    """Let people speak: *seen* outranks at once, *not seen* only under the conditions of M7.

    `trust` says whose word counts as the clinician's, and whose as a reviewer's.
    """
    counts, reviews = trust
    at = detected.state
    seen: list[str] = []
    deny: list[str] = []
    word: list[str] = []
    other = ""
    for statement in statements:
        if statement.seen:
            seen.append(statement.person)
            other = other or statement.feature
        elif statement.role == "reviewer" and reviews(statement):
            deny.append(statement.person)
        elif statement.role == "clinician" and counts(statement):
            word.append(statement.person)
    if seen:
        by = tuple(sorted(set(seen)))
        state = FeatureState(feature=name, state=State.SEEN, by=by, score=at.score)
        return Known(state=state, by_person=True, because=f"{other or name} seen by {_people(by)}")
    needed = reviewers if at.state is State.SEEN else 1
    if deny and len(deniers := set(deny)) >= needed:
        return _denied(name, tuple(sorted(deniers)), at.score)
    if word and at.state not in PRESENT:  # never against a detector at or above suspect_at
        return _denied(name, tuple(sorted(set(word))), at.score)
    return detected


def _people(names: tuple[str, ...]) -> str:
    return ", ".join(name or "somebody not named" for name in names)


@lru_cache(maxsize=4096)
def _denied(name: str, by: tuple[str, ...], score: float | None) -> Known:
    state = FeatureState(feature=name, state=State.NOT_SEEN, by=by, score=score)
    return Known(state=state, by_person=True, because=f"not seen by {_people(by)}")
