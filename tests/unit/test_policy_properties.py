"""decide(): no order matters, no further vote and no missing fact ever opens a photo."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.model.codec import canonical
from medsnap.model.decision import (
    Decision,
    DeviceClass,
    DeviceEvidence,
    Evidence,
    LeakKind,
    LeakSign,
    Verb,
    Vote,
)
from medsnap.model.finding import Detector, Reading, State, Statement
from medsnap.model.study import Description
from medsnap.policy import Policy
from medsnap.policy.digest import evidence_digest
from medsnap.policy.resolve import ordered, resolve
from tests.builders.policy import CLINIC, HOSPITAL, MANAGED, NOW, OPERATOR, REVIEWERS, edited

WHEN_UNSURE = edited(("person_looks: before_opening", "person_looks: when_unsure"))
TRUSTING = edited(
    (
        "person_looks: before_opening",
        "person_looks: when_unsure\n  cannot_appear_in: {close-up: [face, tattoo]}",
    ),
    ("consent:\n", "manifest: {may_clear: [tattoo, face, text, scar]}\n\nconsent:\n"),
)
PRIVATE = replace(MANAGED, device_class=DeviceClass.PERSONAL)
POLICIES = st.sampled_from([HOSPITAL, CLINIC, WHEN_UNSURE, TRUSTING])
FEATURES = [*HOSPITAL.features, "gait"]

DETECTORS = [Detector(name=n, version="1") for n in ("centerface", "ppocr-v4", "zxing-cpp", "other")]
READING = st.builds(
    Reading,
    feature=st.sampled_from(FEATURES),
    detector=st.sampled_from(DETECTORS),
    score=st.none() | st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.8, 1.0]),
    state=st.none() | st.sampled_from([State.NOT_CHECKED, State.NOT_ASSESSABLE, State.NOT_SEEN]),
)
STATEMENT = st.builds(
    Statement,
    feature=st.sampled_from(FEATURES),
    seen=st.booleans(),
    person=st.sampled_from(["r.lind", "m.one", "m.two"]),
    role=st.sampled_from(["clinician", "reviewer"]),
)
ALL_LOOKED = tuple(
    Statement(feature=f, seen=False, person=p, role="reviewer") for f in HOSPITAL.features for p in ("a", "b")
)
EVIDENCE = st.builds(
    Evidence,
    readings=st.lists(READING, max_size=5).map(tuple),
    statements=st.just(ALL_LOOKED) | st.lists(STATEMENT, max_size=6).map(tuple),
    device=st.sampled_from(
        [MANAGED, MANAGED, replace(MANAGED, device_class=DeviceClass.PERSONAL), DeviceEvidence()]
    ),
    signs=st.lists(
        st.builds(LeakSign, kind=st.sampled_from(LeakKind), because=st.just("so")), max_size=1
    ).map(tuple),
    description=st.builds(
        Description,
        body_site=st.sampled_from(["forearm", "groin", "forehead", "left hand", "nowhere", None]),
        laterality=st.sampled_from(["left", "none", None]),
        view=st.sampled_from(["regional", "close-up", None]),
        reason=st.sampled_from(["wound", "injury", None]),
    ),
    department=st.sampled_from(["surgery", "clinic", None]),
    patient_age=st.sampled_from([3, 17, 18, 40, None]),
    operator=st.sampled_from([OPERATOR, None]),
    reviewers=st.sampled_from([REVIEWERS, REVIEWERS, ()]),
    listed=st.booleans(),
    manifest_given=st.booleans(),
    consent=st.sampled_from([(), (("teaching", "written"),), (("treatment", "refused"),)]),
    media_understood=st.sampled_from([True, True, False]),
)
VOTE = st.builds(
    Vote,
    verb=st.sampled_from(Verb),
    path=st.sampled_from(["features.face", "rules.a", "devices.managed"]),
    where=st.just("p.yaml:1"),
    compartment=st.sampled_from([c.name for c in HOSPITAL.compartments]) | st.none(),
    reviewers=st.integers(0, 3),
)


def shut(decision: Decision) -> int:
    """How closed a photo is: quarantine, reject and safeguard open nothing, each in its way."""
    return min(int(decision.verb), int(Verb.QUARANTINE))


def no_more_open(rules: Policy, before: Decision, after: Decision) -> None:
    assert shut(after) >= shut(before)
    assert set(after.may_leave_to) <= set(before.may_leave_to)
    if after.verb is not Verb.REJECT and before.verb is not Verb.REJECT:
        assert rules.rank(after.compartment) >= rules.rank(before.compartment)


@settings(max_examples=200, deadline=None)
@given(POLICIES, EVIDENCE, st.randoms(use_true_random=False))
def test_no_order_matters(rules: Policy, evidence: Evidence, dice: random.Random) -> None:
    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dice.sample(items, len(items)))

    other = replace(
        evidence,
        readings=mixed(evidence.readings),
        statements=mixed(evidence.statements),
        signs=mixed(evidence.signs),
    )
    turned = replace(rules, rules=mixed(rules.rules), features=dict(mixed(tuple(rules.features.items()))))
    first, second = policy.decide(rules, evidence, NOW), policy.decide(turned, other, NOW)
    same = (
        "verb",
        "compartment",
        "reviewers",
        "decided_by",
        "provisional",
        "may_leave_to",
        "opened_by",
        "holds",
    )
    assert [getattr(first, f) for f in same] == [getattr(second, f) for f in same]
    assert {v.path for v in first.votes} == {v.path for v in second.votes}
    assert set(first.features) == set(second.features)


@settings(max_examples=200, deadline=None)
@given(st.lists(VOTE, max_size=6), VOTE, st.randoms(use_true_random=False))
def test_votes_are_a_set_and_one_more_never_opens(votes: list[Vote], more: Vote, dice: random.Random) -> None:
    plain = resolve(HOSPITAL, votes)
    assert resolve(HOSPITAL, dice.sample(votes, len(votes)) + votes) == plain
    after = resolve(HOSPITAL, [*votes, more])
    assert after.verb >= plain.verb
    assert HOSPITAL.rank(after.compartment) >= HOSPITAL.rank(plain.compartment)
    assert after.reviewers >= plain.reviewers
    row = ordered(HOSPITAL, [*votes, *votes])
    assert len(row) == len(set(votes))
    assert [v.verb for v in row] == sorted((v.verb for v in row), reverse=True)


def gaps(evidence: Evidence) -> list[Evidence]:
    """Each fact that speaks for opening, taken away."""
    described = evidence.description
    words = [
        replace(evidence, description=replace(described, **{f.name: None}))
        for f in fields(described)
        if getattr(described, f.name) is not None
    ]
    readings = [
        replace(evidence, readings=tuple(r for r in evidence.readings if r is not taken))
        for taken in evidence.readings
        if taken.state is State.NOT_SEEN
        or (taken.state is None and taken.score is not None and taken.score < 0.2)
    ]
    statements = [
        replace(evidence, statements=tuple(s for s in evidence.statements if s != taken))
        for taken in dict.fromkeys(evidence.statements)
        if not taken.seen
    ][:8]
    others = [
        replace(evidence, patient_age=None),
        replace(evidence, department=None),
        replace(evidence, operator=None),
        replace(evidence, manifest_given=False),
        replace(evidence, consent=tuple(c for c in evidence.consent if c[1] == "refused")),
        replace(evidence, media_understood=False),
    ]
    if evidence.device.device_class is DeviceClass.MANAGED:
        lost = ("os", "os_version", "last_seen")
        others += [replace(evidence, device=replace(evidence.device, **{name: None})) for name in lost]
        others.append(replace(evidence, device=DeviceEvidence()))
    return words + readings + statements + others


@settings(max_examples=250, deadline=None)
@given(POLICIES, EVIDENCE)
def test_a_missing_fact_never_opens(rules: Policy, evidence: Evidence) -> None:
    whole = policy.decide(rules, evidence, NOW)
    for less in gaps(evidence):
        no_more_open(rules, whole, policy.decide(rules, less, NOW))


@settings(max_examples=150, deadline=None)
@given(POLICIES, EVIDENCE, READING.filter(lambda r: r.score is not None and r.score >= 0.2))
def test_a_detector_that_finds_more_never_opens(rules: Policy, evidence: Evidence, found: Reading) -> None:
    found = replace(found, state=None)
    before = policy.decide(rules, evidence, NOW)
    after = policy.decide(rules, replace(evidence, readings=(*evidence.readings, found)), NOW)
    assert set(after.may_leave_to) <= set(before.may_leave_to)
    # From unchecked to seen may end the wait for a look, never open it to all.
    assert after.verb >= min(before.verb, Verb.REDACT)


@settings(max_examples=200, deadline=None)
@given(POLICIES, EVIDENCE)
def test_what_every_decision_holds(rules: Policy, evidence: Evidence) -> None:
    decision = policy.decide(rules, evidence, NOW)
    assert decision.votes
    assert decision.votes[0].path == decision.decided_by
    assert decision.votes[0].verb is decision.verb
    assert all(vote.where and vote.because for vote in decision.votes)
    assert decision.evidence == evidence_digest(evidence)
    held = {hold.partition(":")[0] for hold in decision.holds}
    assert {e.name for e in rules.exports} == set(decision.may_leave_to) | (
        held & {e.name for e in rules.exports}
    )
    if decision.verb >= Verb.QUARANTINE:
        assert decision.may_leave_to == ()
    if decision.verb >= Verb.RESTRICT:
        assert decision.compartment != "general"
    assert set(decision.opened_by) <= set(rules.compartment(decision.compartment).open_to)
    told = policy.explain.sentences(decision)
    assert all(vote.path in "\n".join(told) for vote in decision.votes)
    assert told[-1].endswith(".")


@settings(max_examples=200, deadline=None)
@given(EVIDENCE)
def test_the_quick_digest_is_that_of_the_canonical_evidence(evidence: Evidence) -> None:
    import hashlib

    assert evidence_digest(evidence) == hashlib.sha256(canonical(evidence)).hexdigest()


@pytest.mark.parametrize("born", [date(2026, 1, 1)])
def test_the_digest_covers_dates_and_people(born: date) -> None:
    import hashlib

    evidence = Evidence(operator=replace(OPERATOR, valid_from=born), device=MANAGED, consent=(("a", "é"),))
    assert evidence_digest(evidence) == hashlib.sha256(canonical(evidence)).hexdigest()
    assert evidence_digest(replace(evidence, patient_age=1)) != evidence_digest(evidence)
