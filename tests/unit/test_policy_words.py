"""Words of policies and photos: unknown, contradicting, in another list; with the nearest term offered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.model.codec import canonical
from medsnap.model.decision import Verb, Vote
from medsnap.model.study import Description
from medsnap.policy import Policy, Source, sites
from medsnap.policy import described as described_module
from medsnap.policy.alike import Alike
from medsnap.policy.described import nearest
from tests.builders.policy import HOSPITAL, NOW, described, edited, ordinary
from tests.builders.policy import SMALL as HEAD

SKIN = policy.load(policy.packaged("dermatology"))
ASKS_NOTHING = edited(("required: [body_site, laterality, view, reason]", "when_missing: {laterality: send}"))


def said(rules: Policy = HOSPITAL, **words: str | None) -> list[Vote]:
    """The votes on the description of an ordinary photo, described otherwise."""
    department = "dermatology" if rules is SKIN else "surgery"
    photo = ordinary(description=described(**words), department=department)
    decision = policy.decide(rules, photo, NOW)
    return [vote for vote in decision.votes if vote.path.startswith("vocabulary.")]


def only(votes: list[Vote]) -> tuple[str, Verb, str]:
    (vote,) = votes
    assert vote.where
    return vote.path.removeprefix("vocabulary."), vote.verb, vote.because


HELD, NOTED = Verb.QUARANTINE, Verb.ACCEPT


def test_v1_what_is_missing_is_said() -> None:
    assert only(said(body_site=None)) == ("body_site", HELD, "the body site is not given")
    assert only(said(body_site="  ")) == ("body_site", HELD, "the body site is not given")
    assert only(said(view=None)) == ("view", NOTED, "the view is not given")
    assert only(said(reason=None)) == ("reason", NOTED, "the reason is not given")
    assert only(said(SKIN, view="close-up")) == ("lesion", NOTED, "the lesion is not given")


@pytest.mark.parametrize(
    ("key", "word", "because"),
    [
        ("body_site", "forarm", "site 'forarm' is not in the list; nearest 'forearm'"),
        ("body_site", "left forarm", "site 'left forarm' is not in the list; nearest 'left forearm'"),
        ("body_site", "forarm, left", "site 'forarm, left' is not in the list; nearest 'left forearm'"),
        ("body_site", "bely", "site 'bely' is not in the list; nearest 'belly'"),
        ("body_site", "qqqq", "site 'qqqq' is not in the list"),
        ("body_site", "999999", "the site: '999999' is no code of a body site"),
        ("body_site", "14975008 |Hand|", "the site: 14975008 is 'Forearm', not 'hand'"),
        ("laterality", "lft", "laterality 'lft' is not in the list; nearest 'left'"),
        ("laterality", "bilateral", "laterality 'bilateral' is not in the list; nearest 'both'"),
        ("view", "macro", "view 'macro' is not in the list; nearest 'close up'"),
        ("view", "regoinal", "view 'regoinal' is not in the list; nearest 'regional'"),
        ("reason", "injurry", "reason 'injurry' is not in the list; nearest 'injury'"),
        ("body_site", "for\x1b[2Jarm", "site 'for\\u001b[2Jarm' is not in the list; nearest 'forearm'"),
    ],
)
def test_v2_an_unknown_word_comes_with_the_nearest(key: str, word: str, because: str) -> None:
    verb = NOTED if key in ("view", "reason") else HELD
    assert only(said(**{key: word})) == (key, verb, because)


def test_v2_a_term_of_another_list_is_noted_and_stays_known() -> None:
    because = "warning: 'Skin of forehead' is a term of dicom-dermatology, not of dicom-anatomy"
    assert only(said(body_site="forehead")) == ("body_site", NOTED, because)
    for word in ("forehead", "forearm"):  # a department's lists add to the hospital's
        assert [vote for vote in said(SKIN, body_site=word) if "lesion" not in vote.path] == []


@pytest.mark.parametrize("words", ["14975008", "SCT:14975008", "14975008 |Forearm|", "sct:14975008|forearm|"])
def test_v3_a_code_means_its_term(words: str) -> None:
    assert said(body_site=words) == []


@pytest.mark.parametrize(
    ("site", "side", "because"),
    [
        ("left hand", "right", "the site says 'left hand', the laterality 'right'"),
        ("hand, left", "both", "the site says 'left hand', the laterality 'both'"),
        ("Left inguinal region", "right", "the site says 'left inguinal region', the laterality 'right'"),
        ("nose", "left", "'Nose' lies in the midline, but the side is said to be 'left'"),
        ("left nose", None, "'Nose' lies in the midline, but the side is said to be 'left'"),
        ("sternum", "both", "'Sternum' lies in the midline, but the side is said to be 'both'"),
        ("forearm", None, "the laterality is not given; 'Forearm' is paired: left, right or both"),
        ("forearm", "none", "the laterality is not given; 'Forearm' is paired: left, right or both"),
        ("forearm", "unilateral", "the laterality is not given; 'Forearm' is paired: left, right or both"),
    ],
)
def test_v4_a_side_is_missing_or_contradicts(site: str, side: str | None, because: str) -> None:
    assert only(said(body_site=site, laterality=side)) == ("laterality", HELD, because)


@pytest.mark.parametrize(
    ("site", "side"),
    [("left hand", None), ("left hand", "none"), ("left hand", "left"), ("hand left", None), ("nose", None),
     ("nose", "none"), ("abdomen", None), ("abdomen", "left"), ("left inguinal region", None)],
)  # fmt: skip
def test_v4_a_side_that_fits_is_no_reason(site: str, side: str | None) -> None:
    assert said(body_site=site, laterality=side) == []


def test_v4_holds_even_where_no_laterality_is_asked_for() -> None:
    assert said(ASKS_NOTHING, body_site="forearm", laterality=None)[0].verb is NOTED
    assert only(said(ASKS_NOTHING, body_site="left hand", laterality="right"))[1] is HELD


def test_v4_words_of_two_sides_are_no_site() -> None:
    assert sites.packaged().find("right left inguinal region") is None
    found = sites.packaged().find("left left inguinal region")
    assert found is not None
    assert found.laterality == "left"


def test_a_department_asks_for_more() -> None:
    """M10: lists under vocabulary add; the hospital's words are still asked for."""
    text = policy.packaged("hospital").read_text("utf-8")
    child = (
        "medsnap: 1\npolicy: ward\nversion: 1\nextends: northside@4\ndepartment: surgery\n"
        "in_force: {from: 2026-01-01, until: 2036-12-31}\n"
        "vocabulary: {required: [lesion], when_missing: {reason: quarantine}}\n"
    )
    parents = {("northside", 4): Source(name="northside.yaml", text=text)}
    ward = policy.load_text(child, "ward.yaml", parents=lambda name, version: parents.get((name, version)))
    assert ward.vocabulary.required == ("body_site", "laterality", "view", "reason", "lesion")
    assert only(said(ward)) == ("lesion", HELD, "the lesion is not given")
    assert said(ward, lesion="L-1") == []
    assert only(said(ward, lesion="L-1", reason=None))[1] is HELD
    assert only(said(ward, lesion="L-1", body_site=None))[1] is HELD
    less = child.replace("reason: quarantine", "body_site: send")
    found = policy.lint(less, "ward.yaml", parents=lambda name, version: parents.get((name, version)))
    assert [f.code for f in found] == ["E201"]


BOTH = "codes: [dicom-anatomy, dicom-dermatology], "


def called(words: str, codes: str = "") -> str:
    return f"{HEAD}vocabulary: {{body_site: {{{codes}also_called: {{{words}}}}}}}\n"


def rule(when: str) -> str:
    return f"{HEAD}rules:\n  - {{id: a, when: {{{when}}}, do: quarantine, because: b}}\n"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (called("tum: '999999'"), "E120", "'999999' is no code of a body site"),
        (called("tum: '14975008 |Hand|'"), "E120", "14975008 is 'Forearm', not 'hand'"),
        (called("'14975008': hand"), "E120", "14975008 is the code of 'Forearm', not of 'Hand'"),
        (called("tum: chin"), "E120", "'Skin of chin' stands in dicom-dermatology, not in dicom-anatomy"),
        (called("tum: forearm", "codes: dicom-dermatology, "), "E120", "not in dicom-dermatology"),
        (rule("body_site: chin"), "E120", "add it to 'codes'"),
        (rule("body_site: '14975008 |Hand|'"), "E120", "14975008 is 'Forearm', not 'hand'"),
        (called("tum: abdmen"), "E121", "'tum' means 'abdmen', which is no term; did you mean 'abdomen'?"),
        (called("Tum: abdomen, tum: hand"), "E121", "two terms: 'Abdomen' and 'Hand' ('Tum' is the same)"),
        (called("hand: forearm"), "E121", "'hand' is already a word for 'Hand'"),
        (rule("body_site: forerm"), "E102", "unknown body site 'forerm'; did you mean 'forearm'?"),
        (rule("view: dermoscpy"), "E102", "unknown view 'dermoscpy'"),
        (rule("reason: [wound, injurry]"), "E102", "unknown reason 'injurry'; did you mean 'injury'?"),
        (HEAD + "detection: {cannot_appear_in: {close-upp: [face]}}\n", "E102", "did you mean 'close-up'?"),
    ],
)
def test_lint_names_a_word_that_means_nothing(text: str, code: str, message: str) -> None:
    (found,) = policy.lint(text, "p.yaml", now=NOW)
    assert (found.code, found.line > 12) == (code, True)
    assert message in found.message


@pytest.mark.parametrize(
    "text",
    [
        called("tum: abdomen, Tum: belly"),
        called("tum: '818981001 |Abdomen|'"),
        called("tum: SCT:818981001"),
        called("tum: chin, mole site: forearm", BOTH),
        called("tum: abdomen") + "rules:\n  - {id: a, when: {body_site: tum}, do: quarantine, because: b}\n",
        rule("body_site: [left hand, groin], view: Close_Up, reason: Injury"),
    ],
)
def test_lint_takes_a_word_that_means_something(text: str) -> None:
    assert policy.lint(text, "p.yaml", now=NOW) == ()


WORDS = st.sampled_from(
    ["forearm", "forarm", "left hand", "left nose", "nose", "chin", "abdomen", "Left inguinal region", "tum",
     "14975008 |Hand|", "right left groin", "groin"]
) | st.text(max_size=30)  # fmt: skip
SIDE = st.sampled_from(["left", "right", "both", "none", "lft", "unilateral", ""]) | st.none()


@settings(max_examples=150, deadline=None)
@given(st.none() | WORDS, SIDE, SIDE)
def test_words_never_break_a_decision_and_alike_photos_are_decided_alike(
    site: str | None, side: str | None, other: str | None
) -> None:
    alike = Alike([HOSPITAL], NOW)
    photos = [
        ordinary(description=Description(body_site=site, laterality=s, view="regional", reason="wound"))
        for s in (side, other)
    ]
    first, second = (policy.decide(HOSPITAL, photo, NOW) for photo in photos)
    if HOSPITAL.vocabulary.sites.find(site) is None:
        assert first.verb is HELD
    if len({alike.key(canonical(photo).decode()) for photo in photos}) == 1:
        assert (first.verb, first.compartment) == (second.verb, second.compartment)


def test_a_wrong_word_is_compared_once() -> None:
    words = [f"forarm {at}" for at in range(40)]
    described_module._nearest.cache_clear()
    for word in words * 20:
        assert nearest(word, HOSPITAL.vocabulary.sites.terms) == "forearm"
    assert described_module._nearest.cache_info().misses == len(words)
    assert nearest("x" * 10_000, HOSPITAL.vocabulary.sites.terms) is None
