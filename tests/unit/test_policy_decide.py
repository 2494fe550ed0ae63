"""decide(): the cases of the hospital's own policy; missing facts, consent, time, the record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from medsnap import policy
from medsnap.model.codec import canonical, from_json, to_json
from medsnap.model.decision import DeviceClass, DeviceEvidence, LeakKind, LeakSign, Verb
from medsnap.model.finding import State
from tests.builders.policy import (
    HOSPITAL,
    NOW,
    decide,
    described,
    edited,
    given,
    ordinary,
    unlooked,
)


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


class TestMissing:
    """M5: a missing fact counts against opening."""

    @pytest.mark.parametrize(
        ("site", "age", "verb"),
        [
            ("forearm", None, Verb.RESTRICT),
            ("groin", None, Verb.SAFEGUARD),
            (None, None, Verb.SAFEGUARD),
            ("no such place", None, Verb.SAFEGUARD),
            ("groin", 9, Verb.SAFEGUARD),
            ("groin", 40, Verb.RESTRICT),
        ],
    )
    def test_not_checked_matches_only_where_it_could_be_intimate(
        self, site: str | None, age: int | None, verb: Verb
    ) -> None:
        decision = decide(unlooked(description=described(body_site=site), patient_age=age))
        assert decision.verb is verb
        assert bool(decision.provisional) is (verb is Verb.SAFEGUARD)

    @pytest.mark.parametrize("reason", [None, "injury", "injurry"])
    def test_a_reason_that_nobody_knows_counts_as_injury(self, reason: str | None) -> None:
        decision = decide(ordinary(description=described(reason=reason), patient_age=9))
        assert (decision.compartment, decision.decided_by) == ("safeguarding", "rules.child-injury")
        assert decision.provisional == (() if reason == "injury" else ("reason",))

    def test_an_age_that_cannot_be_is_missing(self) -> None:
        for age in (-1, 500):
            decision = decide(ordinary(**given({"intimate_region": State.SEEN}) | {"patient_age": age}))
            assert decision.provisional == ("patient_age",)


class TestConsent:
    """C1, C2 and the exports that are not care."""

    rules = edited(("may_carry: [], dates: shift", "may_carry: [general, identifiable], dates: shift"))

    @pytest.mark.parametrize(
        ("consent", "changes", "goes"),
        [
            ((), {}, False),
            ((("teaching", "written"),), {}, True),
            ((("teaching", "verbal"),), {}, False),
            ((("teaching", "written"), ("teaching", "withdrawn")), {}, False),
            ((("teaching", "maybe"),), {}, False),
            ((("publication", "written"),), {}, False),
            ((("teaching", "written"),), given({"face": 0.9}), False),
            ((("teaching", "written"),), {"statements": ()}, False),
        ],
    )
    def test_teaching(
        self, consent: tuple[tuple[str, str], ...], changes: dict[str, Any], goes: bool
    ) -> None:
        decision = decide(ordinary(**(changes | {"consent": consent})), self.rules)
        assert ("teaching-library" in decision.may_leave_to) is goes

    def test_publication_needs_two_people(self) -> None:
        carries = (
            "folder, purpose: teaching, may_carry: []",
            "folder, purpose: publication, may_carry: [general]",
        )
        decision = decide(ordinary(consent=(("publication", "written"),)), edited(carries))
        assert "teaching-library: 2 people must agree first" in decision.holds

    def test_consent_that_is_only_implied_shows_nobody(self) -> None:
        rules = edited(
            ("teaching:    {need: written, show: redacted}", "teaching: {need: implied, show: original}"),
            ("may_carry: [], dates: shift", "may_carry: [general, identifiable], dates: shift"),
        )
        assert "teaching-library" in decide(ordinary(), rules).may_leave_to
        assert "teaching-library" not in decide(ordinary(**given({"face": 0.9})), rules).may_leave_to

    @pytest.mark.parametrize("word", ["refused", "Withdrawn"])
    def test_care_that_was_refused_waits(self, word: str) -> None:
        decision = decide(ordinary(consent=(("treatment", word),)))
        assert (decision.verb, decision.decided_by) == (Verb.QUARANTINE, "consent.treatment")

    def test_a_photo_made_for_teaching_needs_its_consent(self) -> None:
        decision = decide(ordinary(purpose="teaching"))
        assert (decision.verb, decision.decided_by) == (Verb.QUARANTINE, "consent.teaching")


LIBRARY = "library: {as: folder, purpose: teaching, may_carry: [general]"


class TestInForce:
    """M13, M16: only the argument is the clock."""

    @pytest.mark.parametrize(
        ("day", "verb", "goes"),
        [
            (datetime(2025, 12, 31, tzinfo=UTC), Verb.QUARANTINE, ()),
            (datetime(2026, 11, 30, tzinfo=UTC), Verb.ACCEPT, ("ehr", "pacs", "library")),
            (datetime(2026, 12, 30, tzinfo=UTC), Verb.ACCEPT, ("ehr", "pacs")),
            (datetime(2026, 12, 31, tzinfo=UTC), Verb.QUARANTINE, ()),
        ],
    )
    def test_in_date_in_grace_and_out(self, day: datetime, verb: Verb, goes: tuple[str, ...]) -> None:
        rules = edited(
            ("until: 2036-12-31", "until: 2026-11-30"),
            (", seen_within: 14 days", ""),
            ("teaching-library: {as: folder, purpose: teaching, may_carry: []", LIBRARY),
        )
        decision = decide(ordinary(consent=(("teaching", "written"),)), rules, day)
        assert (decision.verb, decision.may_leave_to) == (verb, goes)
        assert decision.policy.in_force is (verb is Verb.ACCEPT)
        assert bool(decision.opened_by) is (verb is Verb.ACCEPT)

    def test_the_same_arguments_give_the_same_record(self) -> None:
        assert decide(unlooked()) == decide(unlooked())


class TestRecord:
    """M14, M17, and the digest."""

    def test_the_record_names_policy_and_evidence(self) -> None:
        evidence = unlooked()
        decision = decide(evidence)
        assert decision.policy == HOSPITAL.ref
        assert (decision.policy.signed, decision.policy.baseline) == ("unsigned", 1)
        assert decision.at == "2026-11-24T09:30:00Z"
        assert decision.evidence == hashlib.sha256(canonical(evidence)).hexdigest()
        assert all(vote.where.rpartition(":")[2].isdigit() for vote in decision.votes)
        assert from_json(type(decision), to_json(decision)) == decision

    def test_reasons_point_at_the_lines_that_say_them(self) -> None:
        lines = policy.packaged("hospital").read_text("utf-8").splitlines()
        decision = decide(ordinary(**given({"face": 0.93, "jewellery": State.SEEN})))
        for vote in decision.votes:
            name, _, number = vote.where.partition(":")
            if vote.path.startswith("features."):
                assert name == "hospital.yaml"
                assert lines[int(number) - 1].split(":")[0].strip() == vote.path.removeprefix("features.")

    def test_the_whole_study_follows(self) -> None:
        child = decide(ordinary(description=described(reason="injury"), patient_age=9))
        votes = policy.study_votes(HOSPITAL, child)
        assert [(v.path, v.compartment) for v in votes] == [("rules.child-injury", "safeguarding")]
        other = policy.decide(HOSPITAL, ordinary(patient_age=9), NOW, study=votes)
        assert (other.verb, other.compartment) == (Verb.RESTRICT, "safeguarding")
        assert policy.study_votes(HOSPITAL, decide(ordinary())) == ()

    def test_what_waits_is_never_under_the_key_of_all_staff(self) -> None:
        decision = decide(ordinary(device=DeviceEvidence()))
        assert (decision.compartment, decision.opened_by) == ("identifiable", ("medical-illustration",))


class TestExplained:
    """policy.md 3.10: sentences, and what would have to be otherwise."""

    def test_an_intimate_photo_of_a_child(self) -> None:
        features = given({"intimate_region": State.SEEN, "face": 0.93})
        phone = DeviceEvidence(device_class=DeviceClass.PERSONAL, asset="ED-BYOD-07")
        child = ordinary(**features | {"device": phone, "patient_age": 9})
        child = replace(child, description=described(reason="injury"))
        assert policy.explain.sentences(decide(child))[:6] == (
            "Kept for the safeguarding lead, because: Copying such a photo may be an offence. "
            "The safeguarding lead decides.",
            "  safeguard   safeguarding  rules.child-intimate      hospital.yaml:83"
            "  intimate_region seen by r.lind; patient is 9",
            "  quarantine                devices.personal          hospital.yaml:39"
            "  ED-BYOD-07 is a private device",
            "  restrict    safeguarding  rules.child-injury        hospital.yaml:88"
            "  reason injury; patient is 9",
            "  restrict    intimate      features.intimate_region  hospital.yaml:79"
            "  intimate_region seen by r.lind",
            "  restrict    identifiable  features.face             hospital.yaml:67"
            "  face 0.93, certain at 0.80",
        )
        assert decide(child).counterfactual == "Nothing less than a new signed policy can open it."

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, "Nothing speaks against opening it."),
            (given({"face": 0.93}), "Without hospital.yaml:67 (features.face) it would be open."),
            (
                given({"face": 0.93}) | {"department": None},
                "Without hospital.yaml:17 (departments) it would be locked away (identifiable).",
            ),
            (
                given({"face": 0.93, "intimate_region": 0.9}),
                "Without hospital.yaml:79 (features.intimate_region) it would be locked away (identifiable).",
            ),
            (
                given({"intimate_region": 0.9}) | {"patient_age": None},
                "It is decided again when patient age is known.",
            ),
        ],
    )
    def test_the_smallest_change_that_would_change_it(self, changes: dict[str, Any], said: str) -> None:
        assert decide(ordinary(**changes)).counterfactual == said

    def test_a_counterfactual_is_a_change(self) -> None:
        waits = unlooked(signs=(LeakSign(kind=LeakKind.SCREENSHOT, because="so"),))
        assert decide(waits).counterfactual == (
            "Without hospital.yaml:45 (sources.screenshot) it would be locked away (identifiable)."
        )
