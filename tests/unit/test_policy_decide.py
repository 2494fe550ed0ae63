"""decide(): the cases of the hospital's own policy, and M1-M19 one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from medsnap import policy
from medsnap.model.decision import (
    DeviceClass,
    DeviceEvidence,
    Evidence,
    LeakKind,
    LeakSign,
    Person,
    Verb,
)
from medsnap.model.finding import Detector, Reading, State, Statement
from medsnap.model.study import Description
from medsnap.policy import Policy

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HOSPITAL = policy.load(policy.packaged("hospital"))
CLINIC = policy.load(policy.packaged("little-clinic"))
CENTERFACE = Detector(name="centerface", version="1", model="ab" * 32)
MANAGED = DeviceEvidence(
    device_class=DeviceClass.MANAGED,
    asset="WARD-TAB-07",
    os="ios",
    os_version="18.1",
    last_seen=date(2026, 11, 20),
    inventory_date=date(2026, 11, 23),
)
OPERATOR = Person(
    staff_id="r.lind", roles=("nurse",), valid_from=date(2026, 1, 1), valid_until=date(2027, 1, 1)
)


def looked(rules: Policy, *features: str, but: tuple[str, ...] = ()) -> tuple[Statement, ...]:
    """Two reviewers who saw none of the features."""
    return tuple(
        Statement(feature=name, seen=False, person=person, role="reviewer")
        for name in features or rules.features
        if name not in but
        for person in ("m.one", "m.two")
    )


def ordinary(rules: Policy = HOSPITAL, **changes: Any) -> Evidence:
    """An ordinary photo of an ordinary site that people have looked at."""
    plain = Evidence(
        statements=looked(rules),
        device=MANAGED,
        description=Description(body_site="forearm", laterality="left", view="regional", reason="assessment"),
        department="surgery" if rules is HOSPITAL else "clinic",
        patient_age=40,
        listed=True,
        manifest_given=True,
    )
    return replace(plain, **changes)


def described(**changes: str | None) -> Description:
    return replace(ordinary().description, **changes)


def given(features: Mapping[str, float | State], rules: Policy = HOSPITAL) -> dict[str, Any]:
    """Features as a policy test writes them: a score, seen, or not_checked."""
    readings = [
        Reading(feature=name, detector=CENTERFACE, score=score)
        for name, score in features.items()
        if isinstance(score, float) and not isinstance(score, State)
    ]
    seen = [
        Statement(feature=name, seen=True, person="r.lind", role="reviewer")
        for name, state in features.items()
        if state is State.SEEN
    ]
    return {"readings": tuple(readings), "statements": looked(rules, but=tuple(features)) + tuple(seen)}


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    do: Verb
    to: str | None = None
    decided_by: str | None = None
    may_leave_to: tuple[str, ...] | None = None
    provisional: bool | None = None
    photo: Mapping[str, Any] = field(default_factory=dict)


# policy.md 3.7, line by line.
CASES = [
    Case(name="an ordinary photo of an ordinary site is open", do=Verb.ACCEPT),
    Case(
        name="a face is hidden from everyone but the treating team",
        photo=given({"face": 0.93}),
        do=Verb.RESTRICT,
        to="identifiable",
        decided_by="features.face",
    ),
    Case(
        name="a doubtful face waits for a person",
        photo=given({"face": 0.41}),
        do=Verb.QUARANTINE,
        decided_by="detection.suspect_at",
    ),
    Case(
        name="nobody has looked for tattoos yet, so only reviewers and the record see the arm",
        photo=given({"tattoo": State.NOT_CHECKED}),
        do=Verb.RESTRICT,
        to="identifiable",
        may_leave_to=("ehr",),
        decided_by="detection.person_looks",
    ),
    Case(
        name="nobody has looked at a groin, so it stays",
        photo=given({"intimate_region": State.NOT_CHECKED}) | {"description": described(body_site="groin")},
        do=Verb.RESTRICT,
        to="intimate",
        may_leave_to=(),
        decided_by="detection.person_looks",
    ),
    Case(
        name="a name band is blacked out",
        photo=given({"barcode": 0.99, "text": 0.99}),
        do=Verb.REDACT,
        to="identifiable",
    ),
    Case(
        name="a photo that came through a messaging app",
        photo={"signs": (LeakSign(kind=LeakKind.MESSAGING_APP, because="folder of a messenger"),)},
        do=Verb.QUARANTINE,
        decided_by="sources.messaging_app",
    ),
    Case(
        name="an intimate photo of a child is safeguarded even from a personal phone",
        photo=given({"intimate_region": State.SEEN})
        | {"patient_age": 9, "device": DeviceEvidence(device_class=DeviceClass.PERSONAL)},
        do=Verb.SAFEGUARD,
        to="safeguarding",
        decided_by="rules.child-intimate",
        provisional=False,
    ),
    Case(
        name="an intimate photo with the age missing is treated as a child's",
        photo=given({"intimate_region": State.SEEN}) | {"patient_age": None},
        do=Verb.SAFEGUARD,
        decided_by="rules.child-intimate",
        provisional=True,
    ),
    Case(
        name="a feature the policy has never heard of",
        photo=given({"gait": State.SEEN}),
        do=Verb.RESTRICT,
        to="identifiable",
        decided_by="features.anything_else",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_hospital_decides_as_its_own_test_file_says(case: Case) -> None:
    decision = policy.decide(HOSPITAL, ordinary(**case.photo), NOW)
    assert decision.verb is case.do, policy.explain.sentences(decision)
    assert case.to in (None, decision.compartment)
    assert case.decided_by in (None, decision.decided_by)
    assert case.may_leave_to is None or decision.may_leave_to == case.may_leave_to
    assert case.provisional is None or bool(decision.provisional) is case.provisional
