"""Rules C1, C2, C3: consent for the use, nothing identifiable without a record, a guardian for a child."""

from __future__ import annotations

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from medsnap.model.consent import STOPS, Pairs, named
from medsnap.model.decision import Decision, Verb
from medsnap.model.finding import State
from medsnap.policy import Policy
from medsnap.policy.consents import stopped
from tests.builders.policy import HOSPITAL, decide, edited, given, ordinary

TEACHING = "teaching-library"
GENERAL = ("purpose: teaching, may_carry: []", "purpose: teaching, may_carry: [general, identifiable]")
IMPLIED = ("{need: written, show: redacted}\n  publication", "{need: implied, show: original}\n  publication")


def teaches(*pairs: tuple[str, str]) -> Policy:
    return edited(GENERAL, *pairs)


def why(decision: Decision, target: str = TEACHING) -> str:
    return next((h for h in decision.holds if h.startswith(f"{target}:")), "")


class TestC1:
    """Consent recorded for the use being made; withdrawn consent stops it."""

    @pytest.mark.parametrize(
        ("consent", "said"),
        [
            ((), "written consent for teaching is not recorded"),
            ((("teaching", "verbal"),), "written consent for teaching is not recorded"),
            ((("publication", "written"),), "written consent for teaching is not recorded"),
            ((("teaching", "withdrawn"),), "was withdrawn"),
            ((("teaching", "written"), ("teaching", "refused")), "was refused"),
            ((("teaching", "ended"),), "has ended"),
            ((("teaching", "written"),), ""),
        ],
    )
    def test_c1_teaching_needs_its_own_consent(self, consent: Pairs, said: str) -> None:
        rules = teaches()
        made = decide(ordinary(rules, department="surgery", consent=consent), rules)
        assert (TEACHING in made.may_leave_to) is (said == "")
        assert said in why(made)

    def test_c1_care_withdrawn_holds_the_photo(self) -> None:
        made = decide(ordinary(consent=(("care", "withdrawn"),)))
        assert made.verb is Verb.QUARANTINE
        assert made.decided_by == "consent.treatment"
        assert made.may_leave_to == ()

    @pytest.mark.parametrize(
        ("own", "register", "stops"),
        [
            ((("teaching", "written"),), (), None),
            ((("teaching", "written"),), (("teaching", "withdrawn"),), "was withdrawn"),
            ((("teaching", "written"),), (("teaching", "ended"),), "has ended"),
            ((), (), "not recorded"),
            ((), (("teaching", "written"),), None),
            ((("teaching", "refused"),), (("teaching", "written"),), "was refused"),
        ],
    )
    def test_c1_what_the_register_says_today_stops_an_export_decided_before(
        self, own: Pairs, register: Pairs, stops: str | None
    ) -> None:
        export = HOSPITAL.export(TEACHING)
        assert export is not None
        found = stopped(HOSPITAL, export, own, register, age=40, identifiable=False)
        assert (found is None) is (stops is None)
        assert (stops or "") in (found or "")

    def test_c1_a_withdrawal_for_teaching_does_not_stop_care(self) -> None:
        export = HOSPITAL.export("ehr")
        assert export is not None
        said = (("teaching", "withdrawn"),)
        assert stopped(HOSPITAL, export, (), said, age=9, identifiable=True) is None
        withdrawn = stopped(HOSPITAL, export, (), (("treatment", "withdrawn"),), age=9, identifiable=True)
        assert withdrawn == "ehr: consent for treatment was withdrawn"


class TestC2:
    """Unrecorded consent and identifiable: no teaching, no publication, whatever the policy implies."""

    @pytest.mark.parametrize(
        ("consent", "seen", "leaves"),
        [
            ((), False, True),  # the policy takes it as implied, and nothing shows who it is
            ((), True, False),
            ((("teaching", "verbal"),), True, True),
            ((("publication", "written"),), True, False),
        ],
    )
    def test_c2_an_accepted_feature_still_identifies(self, consent: Pairs, seen: bool, leaves: bool) -> None:
        rules = teaches(IMPLIED, ("  scar:            {do: restrict, to: identifiable}", "  scar: accept"))
        shown = given({"scar": State.SEEN}, rules) if seen else {}
        made = decide(ordinary(rules, department="surgery", consent=consent, **shown), rules)
        assert made.verb is Verb.ACCEPT
        assert (TEACHING in made.may_leave_to) is leaves
        assert ("shows who the patient is" in why(made)) is not leaves

    def test_c2_an_original_with_a_face_needs_a_record(self) -> None:
        rules = teaches(IMPLIED)
        shown = given({"face": State.SEEN}, rules)
        bare = decide(ordinary(rules, department="surgery", **shown), rules)
        assert TEACHING not in bare.may_leave_to
        signed = decide(
            ordinary(rules, department="surgery", consent=(("teaching", "written"),), **shown), rules
        )
        assert TEACHING in signed.may_leave_to

    def test_c2_holds_at_the_export_too(self) -> None:
        rules = teaches(IMPLIED)
        export = rules.export(TEACHING)
        assert export is not None
        assert stopped(rules, export, (), (), age=40, identifiable=False) is None
        found = stopped(rules, export, (), (), age=40, identifiable=True)
        assert found == f"{TEACHING}: it shows who the patient is, and consent for teaching is not recorded"


class TestC3:
    """Under age: a guardian consents; a child's intimate photo is safeguarded."""

    @pytest.mark.parametrize(
        ("age", "word", "said"),
        [
            (17, "written", "no guardian's consent"),
            (17, "written by guardian", ""),
            (17, "verbal by guardian", "written consent for teaching is not recorded"),
            (18, "written", ""),
            (None, "written", "age is not known"),
            (None, "written by guardian", ""),
        ],
    )
    def test_c3_a_guardian_consents_for_a_child(self, age: int | None, word: str, said: str) -> None:
        rules = teaches()
        photo = ordinary(rules, department="surgery", patient_age=age, consent=(("teaching", word),))
        made = decide(photo, rules)
        assert (TEACHING in made.may_leave_to) is (said == "")
        assert said in why(made)

    def test_c3_an_intimate_photo_of_a_child_is_safeguarded_with_any_consent(self) -> None:
        shown = given({"intimate_region": State.SEEN})
        consent = (("teaching", "written by guardian"), ("treatment", "written by guardian"))
        made = decide(ordinary(patient_age=9, consent=consent, **shown))
        assert made.verb is Verb.SAFEGUARD
        assert made.may_leave_to == ()


USES = st.sampled_from(("treatment", "care", "teaching", "publication"))
WORDS = st.sampled_from(
    (
        "written",
        "verbal",
        "written by guardian",
        "ended",
        "implied",
        "none",
        "refused",
        "withdrawn",
        "WRITTEN ",
    )
)
PAIRS = st.lists(st.tuples(USES, WORDS), max_size=4).map(tuple)
AGES = st.one_of(st.none(), st.integers(0, 99))


@settings(max_examples=200, deadline=None)
@examples(PAIRS, PAIRS, USES, AGES, st.booleans())
def test_a_refusal_or_a_missing_fact_never_opens(
    own: Pairs, said: Pairs, use: str, age: int | None, identifiable: bool
) -> None:
    """C1 to C3 as properties: what was stopped stays stopped when less is known, or somebody refuses."""
    for export in HOSPITAL.exports:
        before = stopped(HOSPITAL, export, own, said, age=age, identifiable=identifiable)
        refused = stopped(
            HOSPITAL, export, own, (*said, (use, "refused")), age=age, identifiable=identifiable
        )
        assert refused is not None or (before is None and named(use) != named(export.purpose))
        if before is not None:
            assert stopped(HOSPITAL, export, own, said, age=None, identifiable=True) is not None
            assert stopped(HOSPITAL, export, (), (), age=age, identifiable=identifiable) is not None or any(
                word.strip().lower() in STOPS for _, word in (*own, *said)
            )
