"""Evidence and policies for the tests of policy: an ordinary photo, and what is changed about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from medsnap import policy
from medsnap.model.decision import Decision, DeviceClass, DeviceEvidence, Evidence, Person, Verb
from medsnap.model.finding import Detector, Reading, State, Statement
from medsnap.model.study import Description
from medsnap.policy import Policy

SMALL = """\
medsnap: 1
policy: small
version: 1
in_force: {from: 2026-01-01, until: 2036-12-31}
governance: {body: Board, seats: {clinical: [a.one], it: [b.two], ehr: [c.three], executive: [d.four]}}
departments: {ward: [a.one]}
compartments:
  general:      {open_to: [staff]}
  identifiable: {open_to: [desk]}
  intimate:     {open_to: [desk]}
  safeguarding: {open_to: [lead]}
review: {by: [desk]}
"""
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

REVIEWERS = tuple(
    Person(staff_id=name, roles=("medical-illustration", "photo-desk"))
    for name in ("m.one", "m.two", "r.lind", "a", "b", "x", "p0", "p1", "p2")
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
        reviewers=REVIEWERS,
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


def decide(evidence: Evidence, rules: Policy = HOSPITAL, now: datetime = NOW) -> Decision:
    return policy.decide(rules, evidence, now)


def state(decision: Decision, feature: str) -> State:
    return next(f.state for f in decision.features if f.feature == feature)


def unlooked(**changes: Any) -> Evidence:
    """An ordinary photo that only detectors have looked at."""
    return ordinary(**({"statements": ()} | changes))


def edited(*changes: tuple[str, str]) -> Policy:
    text = policy.packaged("hospital").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return policy.load_text(text, "hospital.yaml")


def paths(decision: Decision, verb: Verb) -> set[str]:
    return {vote.path for vote in decision.votes if vote.verb is verb}
