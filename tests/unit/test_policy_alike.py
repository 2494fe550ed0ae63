"""Photos that two policies cannot tell apart: the same key means the same fate, and words do not count."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.model.codec import canonical
from medsnap.model.decision import DeviceClass, Evidence, LeakKind, LeakSign
from medsnap.model.finding import Reading
from medsnap.policy import Policy
from medsnap.policy.alike import Alike
from medsnap.policy.impact import Effect, Impact, effect, redecided
from medsnap.policy.waiver import Narrow, Waiver
from tests.builders.policy import (
    CENTERFACE,
    CLINIC,
    HOSPITAL,
    MANAGED,
    NOW,
    described,
    edited,
    ordinary,
    unlooked,
)

OTHER = edited(
    ("suspect_at: 0.20", "suspect_at: 0.30"),
    (
        "person_looks: before_opening",
        "person_looks: when_unsure\n  cannot_appear_in: {close-up: [face, tattoo]}",
    ),
    ("seen_within: 14 days", "seen_within: 2 days"),
    (
        "  - id: child-injury",
        "  - id: elbow\n    when: {body_site: [elbow], view: overview, department: emergency}\n"
        "    do: restrict\n    to: intimate\n    because: Elbows.\n"
        "  - id: teenager\n    when: {patient_younger_than: 21, reason: wound}\n"
        "    do: quarantine\n    because: Ask.\n  - id: child-injury",
    ),
)  # fmt: skip
PAIRS = [(HOSPITAL, OTHER), (OTHER, HOSPITAL), (HOSPITAL, CLINIC)]


def key(evidence: Evidence, pair: tuple[Policy, Policy] = (HOSPITAL, OTHER)) -> str:
    return Alike(pair, NOW).key(canonical(evidence).decode())


def face(score: float, because: str = "") -> tuple[Reading, ...]:
    return (Reading(feature="face", detector=CENTERFACE, score=score, because=because),)


def device(**changes: Any) -> Evidence:
    return unlooked(device=replace(MANAGED, **changes))


def sign(because: str) -> tuple[LeakSign, ...]:
    return (LeakSign(kind=LeakKind.EDITED, because=because),)


ALIKE = {
    "scores of one band": (unlooked(readings=face(0.31)), unlooked(readings=face(0.79))),
    "words of a detector": (unlooked(readings=face(0.5, 'a "b" \\')), unlooked(readings=face(0.5))),
    "ages between limits": (unlooked(patient_age=21), unlooked(patient_age=80)),
    "assets": (device(asset="A"), device(asset='B", "age": "1')),
    "days within both spans": (device(last_seen=date(2026, 11, 24)), device(last_seen=date(2026, 11, 22))),
    "which contradiction": (device(contradictions=("a", "b]")), device(contradictions=('"c"',))),
    "reasons that no rule names": (
        unlooked(description=described(reason="assessment")),
        unlooked(description=described(reason="teaching")),
    ),
    "plain sites": (
        unlooked(description=described(body_site="forearm")),
        unlooked(description=described(body_site="knee")),
    ),
    "unknown sites": (
        unlooked(description=described(body_site="nowhere")),
        unlooked(description=described(body_site=None)),
    ),
    "departments that no rule names": (unlooked(department="surgery"), unlooked(department="dermatology")),
    "words of a sign": (unlooked(signs=sign("a")), unlooked(signs=sign("b"))),
}
APART = {
    "scores across a threshold": (unlooked(readings=face(0.29)), unlooked(readings=face(0.30))),
    "nothing and a little": (unlooked(readings=face(0.0)), unlooked(readings=face(0.01))),
    "no score": (unlooked(readings=face(0.0)), unlooked()),
    "ages across a limit": (unlooked(patient_age=17), unlooked(patient_age=18)),
    "an age and none": (unlooked(patient_age=40), unlooked(patient_age=None)),
    "days across a span": (device(last_seen=date(2026, 11, 22)), device(last_seen=date(2026, 11, 21))),
    "no day": (device(last_seen=None), device(last_seen=date(2026, 11, 22))),
    "a contradiction and none": (device(contradictions=("a",)), device()),
    "device classes": (device(device_class=DeviceClass.PERSONAL), device()),
    "systems": (device(os_version="17.5"), device(os_version="17.6")),
    "a sensitive site": (
        unlooked(description=described(body_site="knee")),
        unlooked(description=described(body_site="groin")),
    ),
    "a site that a rule names": (
        unlooked(description=described(body_site="elbow")),
        unlooked(description=described(body_site="knee")),
    ),
    "a reason that a rule names": (
        unlooked(description=described(reason="wound")),
        unlooked(description=described(reason="teaching")),
    ),
    "a view that a rule names": (
        unlooked(description=described(view="close-up")),
        unlooked(description=described(view="regional")),
    ),
    "an unknown reason": (
        unlooked(description=described(reason="wnd")),
        unlooked(description=described(reason="teaching")),
    ),
    "a department not listed": (unlooked(department="oncology"), unlooked(department="surgery")),
    "signs": (unlooked(signs=sign("a")), unlooked()),
}


@pytest.mark.parametrize(("one", "other"), ALIKE.values(), ids=ALIKE)
def test_what_no_line_tells_apart_has_one_key(one: Evidence, other: Evidence) -> None:
    assert one != other
    assert key(one) == key(other)
    assert fate(one) == fate(other)


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART)
def test_what_a_line_tells_apart_has_two_keys(one: Evidence, other: Evidence) -> None:
    assert key(one) != key(other)


def fate(evidence: Evidence, pair: tuple[Policy, Policy] = (HOSPITAL, OTHER)) -> Effect:
    old, new = pair
    before, after = (redecided(side, evidence, (), NOW) for side in pair)
    return effect(old, new, before, after)


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "readings": st.lists(
            st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.3, 0.5, 0.8, 0.9]).map(lambda s: face(s)[0]), max_size=2
        ).map(tuple),
        "patient_age": st.none() | st.sampled_from([-1, 0, 3, 17, 18, 20, 21, 40, 150, 151]),
        "device": st.builds(
            lambda days, asset, **k: replace(
                MANAGED, asset=asset, last_seen=NOW.date() - timedelta(days=days), **k
            ),
            st.sampled_from([-3, 0, 2, 3, 14, 15, 90]),
            st.sampled_from(["A", 'B"']),
            contradictions=st.sampled_from([(), ("a",), ("a", 'b"')]),
            inventory_date=st.none() | st.sampled_from([date(2026, 11, 23), date(2026, 11, 1)]),
        ),
        "description": st.builds(
            described,
            body_site=st.sampled_from(["forearm", "knee", "elbow", "groin", "left hand", "x", None]),
            laterality=st.sampled_from(["left", "none", None]),
            view=st.sampled_from(["regional", "overview", "close-up", "close up", "x", None]),
            reason=st.sampled_from(["wound", "injury", "teaching", "operation", "x", None]),
        ),
        "department": st.sampled_from(["surgery", "emergency", "oncology", "clinic", None]),
        "signs": st.sampled_from([(), sign("a"), sign("b")]),
        "statements": st.sampled_from([(), ordinary().statements]),
        "listed": st.booleans(),
    },
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PAIRS), CHANGES, CHANGES)
def test_one_key_is_one_fate(pair: tuple[Policy, Policy], one: dict[str, Any], other: dict[str, Any]) -> None:
    first = unlooked(**one)
    # changes of the second fill what the first leaves as it is, so that keys often meet
    second = unlooked(
        **(one | {k: v for k, v in other.items() if k in ("device", "patient_age", "readings")})
    )
    for a, b in ((first, second), (first, unlooked(**(one | other)))):
        if key(a, pair) == key(b, pair):
            assert fate(a, pair) == fate(b, pair)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PAIRS), CHANGES, st.text(max_size=20))
def test_any_words_leave_key_and_fate_alone(
    pair: tuple[Policy, Policy], changes: dict[str, Any], words: str
) -> None:
    evidence = unlooked(**changes)
    said = replace(
        evidence,
        device=replace(evidence.device, asset=words, owner=words, claimed_by=words),
        signs=tuple(replace(s, because=words) for s in evidence.signs),
        readings=tuple(replace(r, because=words) for r in evidence.readings),
    )
    assert key(said, pair) == key(evidence, pair)
    assert fate(said, pair) == fate(evidence, pair)


def test_impact_decides_what_is_alike_once() -> None:
    impact = Impact(HOSPITAL, OTHER, NOW)
    many = [unlooked(readings=face(score / 1000)) for score in range(1000)]
    for number, evidence in enumerate(many):
        impact.learn(str(number), canonical(evidence).decode())
    found = [impact.of(str(number), ()) for number in range(1000)]
    assert impact.decided == 5  # nothing, below both, between the two, doubtful, certain
    assert found == [fate(evidence) for evidence in many]
    with pytest.raises(KeyError):
        impact.of("unknown", ())


def test_a_baseline_alone_has_keys_too() -> None:
    base = policy.load(policy.packaged("baseline-1"))
    assert key(unlooked(patient_age=3), (base, base)) != key(unlooked(patient_age=30), (base, base))


def test_a_waiver_for_one_device_keeps_devices_apart() -> None:
    made = Waiver(
        id="W-1",
        policy="northside",
        rule="devices.personal",
        narrow=Narrow(device="A"),
        first=None,
        until=date(2026, 12, 1),
        because="So.",
        where="W-1.yaml:2",
        digest="",
    )
    pair = (HOSPITAL, replace(HOSPITAL, waivers=(made,)))
    assert key(device(asset="A"), pair) != key(device(asset="B"), pair)
