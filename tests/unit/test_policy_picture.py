"""decide(): what the picture shows, who says so, and who has still to look (M6-M8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from medsnap import policy
from medsnap.model.decision import Verb
from medsnap.model.finding import Detector, Reading, State, Statement
from tests.builders.policy import (
    CENTERFACE,
    HOSPITAL,
    OPERATOR,
    decide,
    described,
    edited,
    given,
    looked,
    ordinary,
    state,
    unlooked,
)


class TestStates:
    """M6, M7, M8."""

    @pytest.mark.parametrize(
        ("detector", "score", "said"),
        [
            (CENTERFACE, 0.80, State.SEEN),
            (CENTERFACE, 0.79, State.DOUBTFUL),
            (CENTERFACE, 0.20, State.DOUBTFUL),
            (CENTERFACE, 0.19, State.NOT_SEEN),
            (CENTERFACE, 0.0, State.NOT_SEEN),
            (CENTERFACE, float("nan"), State.SEEN),
            (Detector(name="other", version="1"), 0.0, State.NOT_CHECKED),
        ],
    )
    def test_a_score_speaks_only_for_who_may_clear(
        self, detector: Detector, score: float, said: State
    ) -> None:
        reading = Reading(feature="face", detector=detector, score=score)
        assert state(decide(unlooked(readings=(reading,))), "face") is said

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            ("centerface", State.NOT_SEEN),
            (f"centerface@{'ab' * 8}", State.NOT_SEEN),
            (f"centerface@{'cd' * 8}", State.NOT_CHECKED),
            ("centerface/1", State.NOT_SEEN),
            ("centerface/2", State.NOT_CHECKED),
        ],
    )
    def test_clearing_may_ask_for_a_model_or_version(self, entry: str, said: State) -> None:
        rules = edited(("  certain_at: 0.80", f"  may_clear: {{face: ['{entry}']}}\n  certain_at: 0.80"))
        reading = Reading(feature="face", detector=CENTERFACE, score=0.0)
        assert state(decide(unlooked(readings=(reading,)), rules), "face") is said

    def test_a_failed_detector_outranks_one_that_cleared(self) -> None:
        clear = Reading(feature="face", detector=CENTERFACE, score=0.0)
        failed = Reading(feature="face", detector=CENTERFACE, state=State.NOT_ASSESSABLE, because="altered")
        for order in ((clear, failed), (failed, clear)):
            assert state(decide(unlooked(readings=order)), "face") is State.NOT_ASSESSABLE

    def test_a_claim_of_not_seen_needs_the_right_to_it(self) -> None:
        claim = Reading(feature="tattoo", detector=CENTERFACE, state=State.NOT_SEEN)
        assert state(decide(unlooked(readings=(claim,))), "tattoo") is State.NOT_CHECKED

    @pytest.mark.parametrize(
        ("score", "people", "said"),
        [
            (0.95, 1, State.SEEN),
            (0.95, 2, State.NOT_SEEN),
            (0.5, 1, State.NOT_SEEN),
            (None, 1, State.NOT_SEEN),
        ],
    )
    def test_lowering_a_certain_detector_takes_all_reviewers(
        self, score: float | None, people: int, said: State
    ) -> None:
        readings = (
            () if score is None else (Reading(feature="intimate_region", detector=CENTERFACE, score=score),)
        )
        said_no = tuple(
            Statement(feature="intimate_region", seen=False, person=f"p{i}", role="reviewer")
            for i in range(people)
        )
        twice = said_no + said_no  # the same person twice is one person
        decision = decide(unlooked(readings=readings, statements=twice))
        assert state(decision, "intimate_region") is said

    def test_one_who_sees_it_outranks_all_who_do_not(self) -> None:
        seen = Statement(feature="tattoo", seen=True, person="x", role="reviewer")
        decision = decide(ordinary(statements=(*looked(HOSPITAL), seen)))
        assert (state(decision, "tattoo"), decision.decided_by) == (State.SEEN, "features.tattoo")

    def test_an_unknown_feature_never_clears_anything_else(self) -> None:
        denied = Statement(feature="gait", seen=False, person="x", role="reviewer")
        decision = decide(unlooked(statements=(denied,)))
        assert state(decision, "anything_else") is State.NOT_CHECKED

    def test_every_feature_of_the_policy_has_a_state(self) -> None:
        assert [f.feature for f in decide(unlooked()).features] == list(HOSPITAL.features)


WORD = Statement(feature="tattoo", seen=False, person="r.lind", role="clinician")


class TestClinician:
    """M7: the word in a manifest."""

    rules = edited(("consent:\n", "manifest: {may_clear: [tattoo, face]}\n\nconsent:\n"))

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, State.NOT_SEEN),
            ({"manifest_given": False}, State.NOT_CHECKED),
            ({"operator": None}, State.NOT_CHECKED),
            ({"operator": replace(OPERATOR, staff_id="x.other")}, State.NOT_CHECKED),
            ({"operator": replace(OPERATOR, valid_until=date(2026, 11, 1))}, State.NOT_CHECKED),
            ({"operator": replace(OPERATOR, valid_from=date(2026, 12, 1))}, State.NOT_CHECKED),
            ({"readings": (Reading(feature="tattoo", detector=CENTERFACE, score=0.2),)}, State.DOUBTFUL),
        ],
    )
    def test_lowers_only_under_all_conditions(self, changes: dict[str, Any], said: State) -> None:
        evidence = unlooked(**({"statements": (WORD,), "operator": OPERATOR} | changes))
        assert state(decide(evidence, self.rules), "tattoo") is said

    def test_lowers_nothing_that_the_policy_does_not_list(self) -> None:
        assert state(decide(unlooked(statements=(WORD,), operator=OPERATOR)), "tattoo") is State.NOT_CHECKED

    def test_never_lowers_what_is_intimate_even_if_a_policy_slipped_through(self) -> None:
        slipped = replace(self.rules, clinician_may_clear=frozenset({"intimate_region", "other_person"}))
        for name in slipped.clinician_may_clear:
            evidence = unlooked(statements=(replace(WORD, feature=name),), operator=OPERATOR)
            assert state(decide(evidence, slipped), name) is State.NOT_CHECKED

    def test_raises_whoever_says_it(self) -> None:
        word = replace(WORD, seen=True, person="")
        decision = decide(unlooked(statements=(word,), manifest_given=False))
        assert state(decision, "tattoo") is State.SEEN

    @pytest.mark.parametrize(
        ("age", "denied", "goes"),
        [(40, False, True), (9, False, False), (9, True, True), (None, True, False)],
    )
    def test_a_child_travels_only_with_the_word(self, age: int | None, denied: bool, goes: bool) -> None:
        word = replace(WORD, feature="intimate_region")
        evidence = unlooked(
            statements=(word,) if denied else (), operator=OPERATOR, patient_age=age, readings=()
        )
        decision = decide(evidence)
        assert ("ehr" in decision.may_leave_to) is goes
        assert state(decision, "intimate_region") is State.NOT_CHECKED


class TestLooks:
    """M6: who looks, and what travels before."""

    def test_before_opening_only_reviewers_see_it_and_the_record_gets_it(self) -> None:
        decision = decide(unlooked())
        assert (decision.verb, decision.compartment) == (Verb.RESTRICT, "identifiable")
        assert decision.opened_by == ("medical-illustration",)
        assert decision.may_leave_to == ("ehr",)
        assert policy.waits_for_look(decision)

    def test_every_photo_waits(self) -> None:
        rules = edited(("person_looks: before_opening", "person_looks: every_photo"))
        decision = decide(unlooked(), rules)
        assert (decision.verb, decision.may_leave_to) == (Verb.QUARANTINE, ())

    def test_when_unsure_trusts_a_detector_that_may_clear(self) -> None:
        rules = edited(("person_looks: before_opening", "person_looks: when_unsure"))
        reading = Reading(feature="face", detector=CENTERFACE, score=0.0)
        cleared = ordinary(statements=looked(HOSPITAL, but=("face",)), readings=(reading,))
        assert decide(cleared, rules).verb is Verb.ACCEPT
        assert decide(cleared).verb is Verb.RESTRICT
        assert decide(replace(cleared, readings=()), rules).verb is Verb.RESTRICT

    def test_a_view_excludes_features_that_nobody_saw(self) -> None:
        rules = edited(
            ("  certain_at: 0.80", "  cannot_appear_in: {close-up: [tattoo, face]}\n  certain_at: 0.80")
        )
        close = unlooked(description=described(view="Close-Up"))
        assert state(decide(close, rules), "tattoo") is State.NOT_SEEN
        seen = Reading(feature="face", detector=CENTERFACE, score=0.9)
        assert state(decide(replace(close, readings=(seen,)), rules), "face") is State.SEEN

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"description": described(body_site="buttock")}, "sensitive"),
            ({"patient_age": None}, "age"),
            ({"readings": (Reading(feature="other_person", detector=CENTERFACE, score=0.3),)}, "waits"),
            ({"readings": (Reading(feature="intimate_region", detector=CENTERFACE, score=0.3),)}, "waits"),
        ],
    )
    def test_what_stays_until_somebody_has_looked(self, changes: dict[str, Any], why: str) -> None:
        decision = decide(unlooked(**changes))
        assert decision.may_leave_to == ()
        held = next(hold for hold in decision.holds if hold.startswith("ehr: "))
        assert why in held

    def test_an_intimate_photo_travels_only_after_the_look_and_only_where_labels_hide_it(self) -> None:
        seen = Reading(feature="intimate_region", detector=CENTERFACE, score=0.9)
        before = decide(unlooked(readings=(seen,)))
        assert (before.verb, before.compartment, before.may_leave_to) == (Verb.RESTRICT, "intimate", ())
        after = decide(ordinary(**given({"intimate_region": State.SEEN})))
        assert (after.compartment, after.may_leave_to) == ("intimate", ("ehr",))
        assert "pacs: it may not carry photos of the locked group 'intimate'" in after.holds

    def test_each_target_is_allowed_or_held_with_a_sentence(self) -> None:
        for evidence in (ordinary(), unlooked(), ordinary(patient_age=None, statements=())):
            decision = decide(evidence)
            held = {hold.partition(":")[0] for hold in decision.holds}
            for export in HOSPITAL.exports:
                assert (export.name in decision.may_leave_to) != (export.name in held)
