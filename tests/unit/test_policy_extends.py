# ruff: noqa: E501 - tables with one case a line
"""A department's policy: what it inherits, what it may not say or loosen, and two parents at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.errors import PolicyError
from medsnap.model.decision import DeviceClass, Evidence, Verb
from medsnap.policy import Policy, Source
from medsnap.policy.parents import Parents
from tests.builders.policy import HOSPITAL, MANAGED, NOW, decide, described, looked, ordinary
from tests.unit.test_policy_properties import EVIDENCE, no_more_open

PARENT = policy.packaged("hospital").read_text("utf-8")
HEAD = """\
medsnap: 1
policy: ward
version: 1
extends: northside@4
department: surgery
in_force: {from: 2026-01-01, until: 2036-12-31}
"""
SKIN = policy.load(policy.packaged("dermatology"))


def parents(*texts: str) -> Parents:
    """Serve each text as the policy and version that it names."""

    def find(name: str, version: int) -> Source | None:
        for text in texts:
            if f"policy: {name}\n" in text and f"version: {version}\n" in text:
                return Source(name="northside.yaml", text=text)
        return None

    return find


def child(more: str = "", *, parent: str = PARENT, current: str | None = None) -> Policy:
    newer = Source(name="northside-5.yaml", text=current) if current is not None else None
    return policy.load_text(HEAD + more, "ward.yaml", parents=parents(parent), current=newer)


def lint(text: str, name: str = "ward.yaml", now: datetime | None = None) -> list[str]:
    return [str(f) for f in policy.lint(text, name, parents=parents(PARENT), now=now)]


# The planted mistakes of policy.md 3.10: a child of northside 4.
BAD = """\
medsnap: 1
policy: bad
version: 1
extends: northside@4
department: surgery
featurs: {}
features:
  tatoo: accept
  text:   {do: redact}
  face:   {do: redcat, to: identifable}
  scar: accept
  scar: restrict
sources:
  messaging_app:  accept
in_force: {from: 2026-01-01, until: 2036-12-31}
"""


def test_the_planted_mistakes_of_a_child() -> None:
    assert lint(BAD, "bad.yaml") == [
        "bad.yaml:6:1: E102 unknown section 'featurs'; did you mean 'features'?",
        "bad.yaml:8:3: E102 unknown feature 'tatoo'; did you mean 'tattoo'?",
        "bad.yaml:9:11: E110 'redact' needs 'to:', the compartment the original goes into",
        "bad.yaml:10:16: E102 unknown action 'redcat'; did you mean 'redact'?",
        "bad.yaml:10:28: E102 unknown compartment 'identifable'; did you mean 'identifiable'?",
        "bad.yaml:12:3: E101 'scar' is written twice (first on line 11)",
        "bad.yaml:14:19: E201 sources.messaging_app: 'accept' is weaker than 'quarantine' "
        "(northside.yaml:43); the hospital does not list it under departments_may_relax",
    ]


WEAKER = [
    ("a verb", "features: {face: accept}", "features.face: 'accept' is weaker than 'restrict'"),
    ("of baseline", "features: {ear: accept}", "'restrict' (baseline-1.yaml:"),
    ("a group", "features: {intimate_region: {do: restrict, to: identifiable}}", "features.intimate_region.to"),
    ("reviewers", "features: {intimate_region: {do: restrict, to: intimate, reviewers: 1}}", "'1' is weaker than '2'"),
    ("group alone", "features: {intimate_region: {to: identifiable}}", "'identifiable' is weaker than 'intimate'"),
    ("a floor", "devices: {managed: {os_at_least: {ios: 17.5}}}", "os_at_least.ios: '17.5' is weaker than '17.6'"),
    ("a system more", "devices: {managed: {os_at_least: {windows: 10}}}", "os_at_least.windows: the parent says no"),
    ("last seen", "devices: {managed: {seen_within: 15 days}}", "'15 days' is weaker than '14 days'"),
    ("private", "devices: {personal: accept}", "devices.personal"),
    ("another list", "devices: {inventory: mine.csv}", "devices.inventory"),
    ("left alone", "sources: {not_listed: leave}", "sources.not_listed.managed: 'leave'"),
    ("taken in", "sources: {not_listed: {personal: quarantine}}", "sources.not_listed.personal"),
    ("missing words", "vocabulary: {when_missing: {body_site: send}}", "'send' is weaker than 'quarantine'"),
    ("another word", "vocabulary: {body_site: {also_called: {bottom: forearm}}}", "also_called.bottom"),
    ("clearing", "manifest: {may_clear: [tattoo]}", "manifest.may_clear"),
    ("metadata", "scrub: {captured_at: keep}", "'keep' is weaker than 'catalogue'"),
    ("certain", "detection: {certain_at: 0.9}", "detection.certain_at"),
    ("certain, down", "detection: {certain_at: 0.7}", "detection.certain_at"),
    ("suspect", "detection: {suspect_at: 0.3}", "'0.3' is weaker than '0.2'"),
    ("trusted", "detection: {may_clear: {tattoo: [centerface]}}", "may_clear.tattoo: the parent says no"),
    ("trusted more", "detection: {may_clear: {face: [centerface, mine]}}", "detection.may_clear.face"),
    ("consent", "consent: {teaching: {need: verbal}}", "consent.teaching.need: 'verbal'"),
    ("shown", "consent: {teaching: {show: original}}", "consent.teaching.show"),
    ("agreed", "consent: {publication: {reviewers: 1}}", "'1' is weaker than '2'"),
    ("glass", "break_glass: {open_to: [emergency-physician, porter]}", "break_glass.open_to"),
    ("glass longer", "break_glass: {lasts: 5 hours}", "break_glass.lasts"),
    ("told fewer", "break_glass: {never: []}", "break_glass.never"),
    ("kept shorter", "retention: {keep: 7 years}", "'7 years' is weaker than '8 years'"),
    ("minors", "retention: {minors_until_age: 21}", "minors_until_age"),
    ("grace", "in_force: {from: 2026-01-01, until: 2036-12-31, grace: 60 days}", "in_force.grace"),
    ("looks later", "review: {within: 9 days}", "review.within"),
    ("other reviewers", "review: {by: [clinical-staff]}", "review.by"),
    ("waits elsewhere", "review: {keep_in: general}", "'general' is weaker than 'identifiable'"),
    ("a rule", "rules:\n- {id: child-injury, when: {reason: injury, patient_younger_than: 18}, do: restrict,"
     " to: intimate, whole_study: yes, because: x}", "rules.child-injury.to"),
    ("a rule asks more", "rules:\n- {id: child-injury, when: {reason: injury, patient_younger_than: 16}, do: restrict,"
     " to: safeguarding, whole_study: yes, because: x}", "when.patient_younger_than: '16' is weaker than '18'"),
    ("a rule asks another", "rules:\n- {id: child-injury, when: {reason: wound, view: overview}, do: restrict,"
     " to: safeguarding, whole_study: yes, because: x}", "when.view: 'overview' is weaker than 'anything'"),
    ("a rule for one", "rules:\n- {id: child-injury, when: {reason: injury, patient_younger_than: 18}, do: restrict,"
     " to: safeguarding, because: x}", "whole_study: 'no' is weaker than 'yes'"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "said"), [w[1:] for w in WEAKER], ids=[w[0] for w in WEAKER])
def test_a_weaker_line_is_e201_with_both_lines(more: str, said: str) -> None:
    text = HEAD.replace(HEAD.splitlines()[-1] + "\n", "") if more.startswith("in_force") else HEAD
    found = [f for f in lint(text + more + "\n") if " E201 " in f]
    assert any(said in f for f in found), found
    assert all("departments_may_relax" in f for f in found)
    with pytest.raises(PolicyError):
        policy.load_text(text + more + "\n", "ward.yaml", parents=parents(PARENT))


def test_a_silent_archive_waits_for_the_look_and_a_silent_record_does_not() -> None:
    """What the hospital does not say of a target is `wait`, unless the target takes fhir-r4: so a ward's `send`."""
    silent = PARENT.replace(", unlooked: wait", "").replace("  - exports\n", "")
    assert "unlooked" not in silent

    def said(target: str, word: str) -> list[str]:
        text = f"{HEAD}exports: {{{target}: {{unlooked: {word}}}}}\n"
        return [str(f) for f in policy.lint(text, "ward.yaml", parents=parents(silent)) if f.code == "E201"]

    assert said("ehr", "send") == said("ehr", "wait") == said("pacs", "wait") == []
    assert ["exports.pacs.unlooked: 'send' is weaker than 'wait'" in f for f in said("pacs", "send")] == [
        True
    ]


STRICTER = [
    "features: {face: quarantine, text: {do: restrict, to: intimate}, tattoo: {reviewers: 2}}",
    "features: {intimate_region: quarantine}",
    "features: {scar: accept, birthmark: {do: redact, to: general}}",  # listed
    "exports: {mine: {as: dicom, may_carry: [general]}, ehr: {unlooked: wait, may_carry: [general]}}",  # listed
    "detection: {person_looks: when_unsure, suspect_at: 0.1, cannot_appear_in: {regional: [face]}}",  # listed
    "devices: {managed: {os_at_least: {ios: 18, android: 15}, seen_within: 3 days}, unknown: reject}",
    "vocabulary: {required: [lesion], view: [dermoscopy], body_site: {also_called: {tum: abdomen}}}",
    "vocabulary: {when_missing: {view: quarantine, lesion: send}}",
    "consent: {treatment: verbal, teaching: {reviewers: 3}}",
    "retention: {keep: for ever, off_the_device_within: 1 hours}",
    "break_glass: {open_to: [], lasts: 1 hours, tell: [privacy-office, board], never: [safeguarding, intimate]}",
    "scrub: {captured_at: remove}",
    "rules:\n- {id: child-injury, when: {reason: [injury, wound], patient_younger_than: 21}, do: quarantine,"
    " to: safeguarding, whole_study: yes, because: x}",
    "rules:\n- {id: mine, when: {view: overview}, do: accept, because: x}",
    "review: {within: 1 days, keep_in: intimate}",
]


@pytest.mark.parametrize("more", STRICTER)
def test_what_tightens_or_is_listed_passes(more: str) -> None:
    assert lint(HEAD + more + "\n") == []


@pytest.mark.parametrize(
    "more",
    [
        "compartments: {general: {open_to: [a]}}",
        "governance: {body: x, seats: {it: [a]}}",
        "departments: {surgery: [me]}",
        "departments_may_relax: [features]",
        "waivers: {signed_by: [it], at_most: 900 days}",
    ],
)
def test_what_only_the_parent_may_say_is_e202(more: str) -> None:
    found = lint(HEAD + more + "\n")
    assert any(f.startswith("ward.yaml:7:") and " E202 " in f for f in found), found
    assert not [f for f in found if " E201 " in f and "compartments" in f]


UNUSABLE = [
    ("none", "extends: northside@4", "extends: northside@3", "northside 3 is not found"),
    ("no version", "northside@4", "northside", "no policy@version"),
    ("itself", "northside@4", "ward@1", "ward 1 is not found"),
    ("no department", "department: surgery\n", "", "'department' is missing"),
    ("unknown department", "surgery", "surgeri", "did you mean 'surgery'"),
]


@pytest.mark.parametrize(("old", "new", "said"), [u[1:] for u in UNUSABLE], ids=[u[0] for u in UNUSABLE])
def test_a_child_that_cannot_be_resolved_is_refused(old: str, new: str, said: str) -> None:
    text = HEAD.replace(old, new, 1)
    assert any(said in f for f in lint(text)), lint(text)
    with pytest.raises(PolicyError):
        policy.load_text(text, "ward.yaml", parents=parents(PARENT))


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        (PARENT.replace("certain_at: 0.80", "certain_at: 80"), "it has an error: E104"),
        (PARENT.replace("policy: northside\n", "policy: northside\nextends: other@1\n"), "cannot be used"),
        (PARENT.replace("version: 4\n", 'version: "04"\n'), "not found"),
    ],
)
def test_a_parent_that_cannot_be_used_is_e203(parent: str, said: str) -> None:
    found = policy.lint(HEAD, "ward.yaml", parents=parents(parent))
    assert [f.code for f in found] == ["E203"]
    assert said in found[0].message


def test_a_file_that_only_a_comment_calls_the_parent_is_refused(tmp_path: Path) -> None:
    other = PARENT.replace("policy: northside\n", "policy: southside\n") + "# so:\n"
    trick = other.replace("title: ", "title: |\n policy: northside\n version: 4\n# ")
    (tmp_path / "northside.yaml").write_text(trick, "utf-8")
    (tmp_path / "ward.yaml").write_text(HEAD, "utf-8")
    assert [f.code for f in policy.lint_file(tmp_path / "ward.yaml")] == ["E203"]


def test_the_parent_is_found_beside_the_child_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "any-name.yaml").write_text(PARENT, "utf-8")
    (tmp_path / "ward.yaml").write_text(HEAD + "features: {tattoo: quarantine}\n", "utf-8")
    loaded = policy.load(tmp_path / "ward.yaml")
    assert loaded.parent is not None
    assert (loaded.parent.ref.digest, loaded.parent.text) == (HOSPITAL.ref.digest, PARENT)
    shown = {s.path: s for s in policy.show(loaded)}
    assert shown["features.tattoo"].where == "ward.yaml:7"
    assert shown["features.face"].where == "any-name.yaml:67"
    assert shown["features.ear"].where.startswith("baseline-1.yaml:")


def test_dermatology_of_the_design_resolves() -> None:
    assert SKIN.vocabulary.required == ("body_site", "laterality", "view", "reason", "lesion")
    assert SKIN.vocabulary.view == ("overview", "regional", "close up", "dermoscopy", "total body")
    floors = SKIN.devices.managed.os_at_least
    assert (floors, SKIN.devices.managed.seen_within) == (
        {"ios": (18, 0), "android": (14,)},
        timedelta(days=14),
    )
    assert SKIN.devices.managed.rule.verb is Verb.ACCEPT
    assert [SKIN.features[name].verb for name in ("scar", "face")] == [Verb.ACCEPT, Verb.RESTRICT]
    assert [rule.id for rule in SKIN.rules] == ["child-intimate", "child-injury", "total-body-series"]
    assert {e.name for e in SKIN.exports} == {"ehr", "pacs", "teaching-library", "melanoma-registry"}
    assert SKIN.ref.effective != HOSPITAL.ref.effective


def test_a_department_decides_no_other_departments_photos() -> None:
    skin = ordinary(HOSPITAL, statements=looked(SKIN), department="dermatology")
    skin = replace(skin, description=described(lesion="7"))
    assert decide(skin, SKIN).verb is Verb.ACCEPT
    other = decide(replace(skin, department="surgery"), SKIN)
    assert (other.verb, other.decided_by) == (Verb.QUARANTINE, "departments")


def test_a_stricter_word_keeps_the_parents_group_and_reviewers() -> None:
    loaded = child("features: {intimate_region: quarantine, face: {do: restrict, to: intimate}}\n")
    groin, face = loaded.features["intimate_region"], loaded.features["face"]
    assert (groin.verb, groin.to, groin.reviewers) == (Verb.QUARANTINE, "intimate", 2)
    assert (face.to, face.where) == ("intimate", "ward.yaml:7")


def test_a_child_ends_with_its_parent() -> None:
    ended = PARENT.replace("until: 2036-12-31", "until: 2026-10-01")
    loaded = child(parent=ended)
    assert policy.decide(loaded, ordinary(), NOW).decided_by == "in_force"
    found = policy.lint(HEAD, "ward.yaml", now=NOW, parents=parents(ended))
    assert [(f.code, f.line) for f in found] == [("E203", 4)]
    assert "ended on 2026-10-01" in found[0].message
    assert child().in_force.last == HOSPITAL.in_force.last


# M11: northside 5 arrives while the ward is still pinned to 4.

FIVE = PARENT.replace("version: 4\n", "version: 5\n")
SCAR = "features: {scar: accept}\n"


def seen(feature: str, rules: Policy) -> Evidence:
    from medsnap.model.finding import State
    from tests.builders.policy import given as features

    return replace(ordinary(**features({feature: State.SEEN}, rules)), department="surgery")


def test_a_newer_parent_takes_back_a_relaxation() -> None:
    assert decide(seen("scar", child(SCAR)), child(SCAR)).verb is Verb.ACCEPT
    same = child(SCAR, current=FIVE)
    assert decide(seen("scar", same), same).verb is Verb.ACCEPT
    taken = child(SCAR, current=FIVE.replace("  - features.scar\n", ""))
    decision = decide(seen("scar", taken), taken)
    assert (decision.verb, decision.compartment) == (Verb.RESTRICT, "identifiable")
    assert decision.votes[0].where.startswith("northside-5.yaml:")
    assert decision.policy.effective not in (same.ref.effective, child(SCAR).ref.effective)


def test_a_newer_milder_parent_opens_nothing_for_the_pinned_child() -> None:
    milder = FIVE.replace("tattoo:          {do: restrict, to: identifiable}", "tattoo:          accept")
    loaded = child(current=milder)
    decision = decide(seen("tattoo", loaded), loaded)
    assert (decision.verb, decision.votes[0].where) == (Verb.RESTRICT, "northside.yaml:69")


def test_a_newer_stricter_parent_holds_at_once_and_closes_a_target() -> None:
    strict = FIVE.replace("  ehr:              {as", "  old:              {as").replace(
        "screenshot:     quarantine", "screenshot:     reject"
    )
    loaded = child(current=strict)
    decision = decide(ordinary(), loaded)
    assert decision.verb is Verb.ACCEPT
    assert "ehr" not in decision.may_leave_to
    assert "ehr: the parent's policy of today does not allow this target" in decision.holds


def test_votes_of_two_like_parents_are_said_once() -> None:
    loaded = child(current=FIVE)
    decision = decide(ordinary(), loaded)
    assert [v.path for v in decision.votes] == [v.path for v in decide(ordinary(), child()).votes]
    assert not any(v.where.startswith("northside-5") for v in decision.votes)


@pytest.mark.parametrize(
    ("current", "said"),
    [
        (PARENT.replace("version: 4\n", "version: 3\n"), "does not follow"),
        (FIVE.replace("policy: northside\n", "policy: southside\n"), "does not follow"),
        (FIVE.replace("\nin_force", "\nin_farce"), "cannot be used"),
        (FIVE.replace("  intimate:     {open_to: [senior-illustration], label: V}\n", "").replace(
            "  safeguarding: {open", "  intimate:     {open_to: [a], label: V}\n  safeguarding: {open").replace(
            "  identifiable: {open_to: [medical-illustration], label: R}", "  new: {open_to: []}\n  identifiable: "
            "{open_to: [medical-illustration], label: R}"), "moves or drops compartments"),
    ],
    ids=["older", "another", "broken", "moved"],
)  # fmt: skip
def test_a_current_parent_that_is_none_is_refused(current: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        child(current=current)


TIGHT = [
    child("features: {face: quarantine, text: {do: restrict, to: intimate}}\ndetection: {suspect_at: 0.1}\n"),
    child("exports: {ehr: {unlooked: wait, may_carry: [general]}}\nsources: {edited: reject}\n"),
    child("detection: {person_looks: every_photo}\nvocabulary: {when_missing: {view: quarantine}}\n"),
    child("rules:\n- {id: mine, when: {reason: wound}, do: restrict, to: intimate, because: x}\n"),
    child("review: {keep_in: intimate}\nconsent: {treatment: verbal}\ndevices: {managed: quarantine}\n"),
    child(current=FIVE.replace("certain_at: 0.80", "certain_at: 0.90")),
    child(SCAR, current=FIVE.replace("  - features.scar\n", "")),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TIGHT), EVIDENCE)
def test_a_child_never_opens_what_its_parent_shuts(rules: Policy, evidence: Evidence) -> None:
    evidence = replace(evidence, department="surgery")
    no_more_open(HOSPITAL, policy.decide(HOSPITAL, evidence, NOW), policy.decide(rules, evidence, NOW))


def test_two_sides_are_no_more_open_than_either() -> None:
    loaded = child(SCAR, current=FIVE.replace("certain_at: 0.80", "certain_at: 0.95"))
    assert loaded.also is not None
    private = replace(ordinary(), device=replace(MANAGED, device_class=DeviceClass.PERSONAL))
    for evidence in (ordinary(), private, seen("face", loaded), seen("intimate_region", loaded)):
        whole = policy.decide(loaded, evidence, NOW)
        for side in (replace(loaded, also=None), loaded.also):
            no_more_open(HOSPITAL, policy.decide(side, evidence, NOW), whole)
    assert policy.decide(loaded, ordinary(), datetime(2040, 1, 1, tzinfo=UTC)).policy.in_force is False
