"""M1 to M19 of the policy's semantics: one named test each, beside the longer tests of each area."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medsnap import policy
from medsnap.errors import PolicyError
from medsnap.model.decision import DeviceClass, DeviceEvidence, LeakKind, LeakSign, Verb
from medsnap.model.finding import Reading, State
from medsnap.policy.resolve import ordered, resolve
from tests.builders.policy import (
    CENTERFACE,
    HOSPITAL,
    NOW,
    decide,
    described,
    edited,
    given,
    looked,
    ordinary,
    state,
    unlooked,
)

CHILD_INTIMATE = {**given({"intimate_region": State.SEEN}), "patient_age": 9}
PERSONAL = DeviceEvidence(device_class=DeviceClass.PERSONAL, asset="ED-BYOD-07")


def test_m1_each_source_of_doubt_casts_one_vote_with_its_line() -> None:
    signs = (LeakSign(kind=LeakKind.MESSAGING_APP, because="it lies in a folder of Signal"),)
    made = decide(
        ordinary(
            device=PERSONAL,
            signs=signs,
            description=described(body_site=None),
            consent=(("treatment", "refused"),),
            **given({"face": State.SEEN}),
        )
    )
    paths = [vote.path for vote in made.votes]
    wanted = ("devices.personal", "sources.messaging_app", "features.face", "vocabulary.body_site")
    for path in (*wanted, "consent.treatment"):
        assert paths.count(path) == 1
    assert all(vote.where for vote in made.votes)


def test_m2_the_strictest_verb_and_the_last_group_win_on_their_own() -> None:
    made = decide(ordinary(**given({"barcode": State.SEEN, "intimate_region": State.SEEN})))
    assert (made.verb, made.compartment, made.reviewers) == (Verb.RESTRICT, "intimate", 2)
    votes = decide(ordinary(device=PERSONAL, **CHILD_INTIMATE)).votes
    for turned in (votes, votes[::-1]):
        assert ordered(HOSPITAL, turned) == ordered(HOSPITAL, votes)
        assert resolve(HOSPITAL, ordered(HOSPITAL, (*turned, *turned))) == resolve(HOSPITAL, votes)


@pytest.mark.parametrize(
    ("features", "verb", "opens"),
    [
        ({}, Verb.ACCEPT, ("clinical-staff",)),
        ({"barcode": State.SEEN}, Verb.REDACT, ("medical-illustration",)),
        ({"face": State.SEEN}, Verb.RESTRICT, ("medical-illustration",)),
        ({"other_person": State.SEEN}, Verb.QUARANTINE, ("medical-illustration",)),
    ],
)
def test_m3_what_each_verb_opens(features: dict[str, State], verb: Verb, opens: tuple[str, ...]) -> None:
    made = decide(ordinary(**given(features)))
    assert (made.verb, made.opened_by) == (verb, opens)
    assert bool(made.may_leave_to) is (verb < Verb.QUARANTINE)


def test_m3_a_safeguard_goes_nowhere_and_only_its_group_opens_it() -> None:
    made = decide(ordinary(**CHILD_INTIMATE))
    assert (made.verb, made.opened_by, made.may_leave_to) == (Verb.SAFEGUARD, ("safeguarding-lead",), ())


def test_m4_a_forbidden_phone_cannot_destroy_evidence() -> None:
    rules = edited(("personal: quarantine", "personal: reject"))
    assert decide(ordinary(device=PERSONAL), rules).verb is Verb.REJECT
    assert decide(ordinary(device=PERSONAL, **CHILD_INTIMATE), rules).verb is Verb.SAFEGUARD


@pytest.mark.parametrize(
    ("site", "verb"), [("groin", Verb.SAFEGUARD), (None, Verb.SAFEGUARD), ("forearm", Verb.RESTRICT)]
)
def test_m5_a_missing_age_counts_as_a_childs_where_it_could_be_intimate(site: str | None, verb: Verb) -> None:
    side = None if site == "groin" else "left"
    photo = unlooked(patient_age=None, description=described(body_site=site, laterality=side))
    made = decide(photo)
    assert made.verb is verb
    assert ("patient_age" in made.provisional) is (verb is Verb.SAFEGUARD)


@pytest.mark.parametrize(
    ("looks", "verb", "goes"),
    [
        ("before_opening", Verb.RESTRICT, ("ehr",)),
        ("every_photo", Verb.QUARANTINE, ()),
    ],
)
def test_m6_what_nobody_has_looked_for(looks: str, verb: Verb, goes: tuple[str, ...]) -> None:
    rules = edited(("person_looks: before_opening", f"person_looks: {looks}"))
    made = decide(unlooked(), rules)
    assert (made.verb, made.may_leave_to) == (verb, goes)


@pytest.mark.parametrize(("word", "goes"), [("send", True), ("wait", False)])
def test_m6_a_target_may_wait_for_the_look(word: str, goes: bool) -> None:
    rules = edited(("ehr:              {as", f"ehr:              {{unlooked: {word}, as"))
    made = decide(unlooked(), rules)
    assert ("ehr" in made.may_leave_to) is goes
    assert ("ehr: it waits until a person has looked at the photo" in made.holds) is not goes
    assert "ehr" in decide(ordinary(), rules).may_leave_to  # once somebody has


@pytest.mark.parametrize(
    ("form", "goes"), [("fhir-r4", True), ("[dicom, fhir-r4]", True), ("dicom", False), ("folder", False)]
)
def test_m6_only_a_record_takes_what_nobody_has_looked_at_unless_it_is_said(form: str, goes: bool) -> None:
    rules = edited(
        ("pacs:             {as: dicom", f"pacs:             {{as: {form}"), (", unlooked: wait", "")
    )
    assert ("pacs" in decide(unlooked(), rules).may_leave_to) is goes
    assert "pacs" in decide(ordinary(), rules).may_leave_to


@pytest.mark.parametrize("gap", ["site", "age", "child", "intimate", "person"])
def test_m6_care_travels_unlooked_only_without_a_gap(gap: str) -> None:
    doubtful = {"intimate": "intimate_region", "person": "other_person"}
    changes: dict[str, object]
    if gap in doubtful:
        reading = Reading(feature=doubtful[gap], detector=CENTERFACE, score=0.3)
        changes = {"readings": (reading,)}
    elif gap == "site":
        changes = {"description": described(body_site=None)}
    else:
        changes = {"patient_age": None if gap == "age" else 17}
    assert "ehr" in decide(unlooked()).may_leave_to
    assert decide(unlooked(**changes)).may_leave_to == ()


def test_m7_a_person_raises_at_once_and_lowers_with_enough_others() -> None:
    certain = Reading(feature="face", detector=CENTERFACE, score=0.9)
    both = looked(HOSPITAL, "intimate_region")
    assert state(decide(ordinary(**given({"scar": State.SEEN}))), "scar") is State.SEEN
    region = Reading(feature="intimate_region", detector=CENTERFACE, score=0.9)
    one = unlooked(readings=(region, certain), statements=both[:1])
    assert state(decide(one), "intimate_region") is State.SEEN  # two must say so
    assert state(decide(replace(one, statements=both)), "intimate_region") is State.NOT_SEEN


def test_m8_what_nobody_knows_is_anything_else_and_an_unknown_verb_is_refused() -> None:
    made = decide(unlooked(readings=(Reading(feature="gait", detector=CENTERFACE, score=0.9),)))
    assert "features.anything_else" in {vote.path for vote in made.votes if vote.verb is Verb.RESTRICT}
    with pytest.raises(PolicyError, match="E102"):
        edited(("  tattoo:          {do: restrict", "  tattoo:          {do: redcat"))


def test_m9_a_department_or_device_that_is_not_listed_waits() -> None:
    for changes in ({"department": "radiology"}, {"department": None}, {"device": DeviceEvidence()}):
        assert decide(ordinary(**changes)).verb is Verb.QUARANTINE


def test_m13_time_is_an_argument_and_kept() -> None:
    later = NOW + timedelta(hours=1)
    assert decide(ordinary(), now=later).at == "2026-11-24T10:30:00Z"
    assert replace(decide(ordinary(), now=later), at="") == replace(decide(ordinary()), at="")


def test_m14_the_record_is_made_again_byte_for_byte() -> None:
    made = decide(unlooked())
    assert made == policy.decide(HOSPITAL, unlooked(), datetime.fromisoformat(made.at))
    ref = made.policy
    assert all((ref.policy, ref.version, ref.digest, ref.effective, ref.baseline, made.evidence))


def test_m16_out_of_force_everything_waits_and_nothing_leaves() -> None:
    for day in (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)):
        made = decide(ordinary(), now=day)
        assert (made.verb, made.may_leave_to, made.opened_by) == (Verb.QUARANTINE, (), ())


def test_m17_one_photo_of_a_visit_takes_the_others_with_it() -> None:
    child = decide(ordinary(description=described(reason="injury"), patient_age=9))
    votes = policy.study_votes(HOSPITAL, child)
    other = policy.decide(HOSPITAL, ordinary(patient_age=9), NOW, study=votes)
    assert (other.verb, other.compartment) == (Verb.RESTRICT, "safeguarding")


@pytest.mark.parametrize(
    ("kind", "verb"), [(DeviceClass.PERSONAL, Verb.REJECT), (DeviceClass.MANAGED, Verb.QUARANTINE)]
)
def test_m18_what_no_row_covers_is_left_or_waits(kind: DeviceClass, verb: Verb) -> None:
    photo = ordinary(listed=False)
    photo = replace(photo, device=replace(photo.device, device_class=kind))
    assert decide(photo).verb is verb
    assert policy.leaves_alone(HOSPITAL, photo, NOW) is (verb is Verb.REJECT)


@pytest.mark.parametrize(
    ("gap", "waits"), [("body_site", True), ("laterality", True), ("view", False), ("reason", False)]
)
def test_m19_a_missing_word_waits_where_the_policy_says_so(gap: str, waits: bool) -> None:
    made = decide(ordinary(description=described(**{gap: None})))
    held = {vote.path for vote in made.votes if vote.verb >= Verb.QUARANTINE}
    assert (f"vocabulary.{gap}" in held) is waits


class TestExports:
    """`labels_enforced`, `patient_portal`: what a target promises."""

    def test_a_target_carries_what_it_hides_only_once_somebody_has_tried_it(self) -> None:
        with pytest.raises(PolicyError, match="E220"):
            edited((", labels_enforced: {tested: 2026-08-12, by: s.kim}", ""))

    @pytest.mark.parametrize(("word", "held"), [("hold", True), ("release", False)])
    def test_the_patients_portal_shows_it_only_when_released(self, word: str, held: bool) -> None:
        rules = edited(("ehr:              {as", f"ehr:              {{patient_portal: {word}, as"))
        made = decide(ordinary(), rules)
        assert "ehr" in made.may_leave_to
        assert ("ehr (patient portal): until a person releases it" in made.holds) is held

    def test_the_portal_holds_where_the_policy_is_silent(self) -> None:
        assert "ehr (patient portal): until a person releases it" in decide(ordinary()).holds
