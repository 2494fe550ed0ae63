"""Lint: every planted mistake gives its code, place and sentence; nothing crashes the loader."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.errors import InputMissing, PolicyError
from medsnap.policy import Severity
from medsnap.policy.findings import CODES
from tests.builders.policy import SMALL as HEAD

# The planted mistakes of policy.md 3.10, in a file of its shape (the hospital's own sections added).
BAD = """\
medsnap: 1
policy: bad
version: 1
in_force: {from: 2026-01-01, until: 2036-12-31}
governance: {body: B, seats: {clinical: [a], it: [b], ehr: [c], executive: [d]}}
featurs: {}
features:
  tatoo: accept
  text:   {do: redact}
  face:   {do: redcat, to: identifable}
  scar: accept
  scar: restrict
sources:
  messaging_app:  accept
departments: {ward: [a]}
compartments:
  general: {open_to: [s]}
  identifiable: {open_to: [d]}
  intimate: {open_to: [d]}
  safeguarding: {open_to: [l]}
review: {by: [d]}
"""
SAID = [
    "bad.yaml:6:1: E102 unknown section 'featurs'; did you mean 'features'?",
    "bad.yaml:8:3: E102 unknown feature 'tatoo'; did you mean 'tattoo'?",
    "bad.yaml:9:11: E110 'redact' needs 'to:', the compartment the original goes into",
    "bad.yaml:10:16: E102 unknown action 'redcat'; did you mean 'redact'?",
    "bad.yaml:10:28: E102 unknown compartment 'identifable'; did you mean 'identifiable'?",
    "bad.yaml:12:3: E101 'scar' is written twice (first on line 11)",
]


def test_planted_mistakes_are_named_with_line_column_and_guess() -> None:
    assert [str(f) for f in policy.lint(BAD, "bad.yaml")] == SAID


def test_an_error_keeps_the_policy_out_and_carries_all_findings() -> None:
    with pytest.raises(PolicyError) as refused:
        policy.load_text(BAD, "some/where/bad.yaml")
    assert [str(f).removeprefix("some/where/") for f in refused.value.findings] == SAID
    assert refused.value.where == "some/where/bad.yaml:6:1"
    assert "medsnap policy lint" in refused.value.hint


@pytest.mark.parametrize("name", policy.packaged_names())
def test_packaged_policies_are_clean(name: str) -> None:
    path = policy.packaged(name)
    assert policy.lint(path.read_text("utf-8"), path.name, parents=policy.beside(path.parent)) == ()
    policy.load(path)


def test_the_small_head_is_clean() -> None:
    assert policy.lint(HEAD, "p.yaml") == ()


def swap(old: str, new: str) -> str:
    assert old in HEAD
    return HEAD.replace(old, new)


def without(start: str) -> str:
    return "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(start))


ITEM = "- {id: a, when: {view: overview}, do: quarantine, because: b}\n"


def rule(old: str = "", new: str = "") -> str:
    return HEAD + "rules:\n" + ITEM.replace(old, new, 1)


def called(word: str, term: str) -> str:
    return HEAD + f"vocabulary: {{body_site: {{also_called: {{{word}: {term}}}}}}}\n"


NEVER = "vocabulary: {view: [x]}\ndetection: {cannot_appear_in: {x: [face]}}\n"
MISTAKES = [
    ("not yaml", "a: [", "E100", ""),
    ("not yaml: tab", "a:\n\tb: c", "E100", ""),
    ("brackets without end", "[" * 100_000, "E100", "nested deeper"),
    ("mappings without end", "{a: " * 100_000, "E100", "nested deeper"),
    ("too large", "#" * 500_000, "E100", "larger"),
    ("empty", "", "E107", "empty"),
    ("a list", "[1]", "E103", "a list"),
    ("a word", "hello", "E103", "one value"),
    ("a section as a list", HEAD + "features: [face]\n", "E103", "a list"),
    ("a null value", HEAD + "features: {face: }\n", "E103", "missing"),
    ("a mapping as a key", HEAD + "? {a: b}\n: c\n", "E103", "key"),
    ("anchor", HEAD + "retention: &x {keep: for ever}\n", "E105", "anchor"),
    ("alias", HEAD + "features: {face: *x}\n", "E105", "alias"),
    ("tag", HEAD + "features: {face: !!python/name:os.system accept}\n", "E105", "tag"),
    ("merge key", HEAD + "retention: {<<: {keep: for ever}}\n", "E105", "merge"),
    ("second document", HEAD + "---\nmedsnap: 1\n", "E105", "second"),
    ("directive", "%YAML 1.1\n---\n" + HEAD, "E105", "directive"),
    ("right to left override", HEAD + "title: a\u202eb\n", "E106", "RIGHT-TO-LEFT OVERRIDE"),
    ("the same, escaped", HEAD + 'title: "a\\u202eb"\n', "E106", "U+202E"),
    ("zero width space", HEAD + "features: {fa\u200bce: accept}\n", "E106", "U+200B"),
    ("line separator in a comment", HEAD + "# so\u2028features: {face: accept}\n", "E106", "U+2028"),
    ("next line in a comment", HEAD + "# so\u0085features: {face: accept}\n", "E106", "U+0085"),
    ("lone carriage return", HEAD + "# so\rfeatures: {face: accept}\n", "E106", "U+000D"),
    ("no-break space", HEAD + "title: a\u00a0b\n", "E106", "U+00A0"),
    ("half a surrogate pair", HEAD + "title: \ud800\n", "E106", "U+D800"),
    ("duplicate section", HEAD + "review: {by: [desk]}\n", "E101", "first on line 12"),
    ("duplicate in a list", HEAD + "manifest: {may_clear: [scar, scar]}\n", "E101", "twice"),
    ("duplicate rule", rule() + ITEM, "E101", "'a'"),
    ("unknown key in a rule", rule("when", "wen"), "E102", "'when'"),
    ("unknown role", swap("by: [desk]", "by: [dsk]"), "E102", "did you mean 'desk'"),
    ("unknown seat", swap("clinical:", "clincal:"), "E102", "did you mean 'clinical'"),
    ("unknown schema version", swap("medsnap: 1", "medsnap: 2"), "E102", "'2'"),
    ("unknown department in a rule", rule("view: overview", "department: wrd"), "E102", "'ward'"),
    ("unknown site in a rule", rule("view: overview", "body_site: forerm"), "E102", "'forearm'"),
    ("yes and no are words", rule("because", "whole_study: true, because"), "E102", "'true'"),
    ("a date that is none", swap("2036-12-31", "2036-02-30"), "E104", "calendar"),
    ("a date in words", swap("2036-12-31", "31/12/2036"), "E104", "2026-09-01"),
    ("a duration without unit", HEAD + "retention: {keep: 8}\n", "E104", "14 days"),
    ("a number with a sign", swap("version: 1", "version: -1"), "E104", "whole number"),
    ("a score above one", HEAD + "detection: {certain_at: 1.5}\n", "E104", "0 to 1"),
    ("a score that is no number", HEAD + "detection: {certain_at: .nan}\n", "E104", "0 to 1"),
    ("no version", without("version"), "E107", "'version'"),
    ("no governance", without("governance"), "E107", "governance"),
    ("no review", without("review"), "E107", "review"),
    ("first compartment", swap("general:     ", "open-to-all: "), "E107", "general"),
    ("a compartment that baseline needs", without("  safeguarding"), "E107", "baseline-1.yaml:"),
    ("a rule without facts", rule("view: overview", ""), "E107", "at least one fact"),
    ("thresholds crossed", HEAD + "detection: {certain_at: 0.1}\n", "E111", "above"),
    ("dates crossed", swap("until: 2036", "until: 2025"), "E111", "before"),
    ("a synonym for nothing", called("tum", "abdmen"), "E121", "'abdomen'"),
    ("a code that is none", called("tum", "'123456'"), "E120", "'123456'"),
    ("a code in a rule", rule("view: overview", "body_site: 'SCT:99'"), "E120", "'SCT:99'"),
    ("a synonym for two", called("forearm", "hand"), "E121", "Forearm"),
    ("a seat is missing", swap("ehr: [c.three], ", ""), "E130", "'ehr'"),
    ("a person in two seats", swap("[c.three]", "[a.one]"), "E130", "'a.one'"),
    ("a quorum too large", swap("[a.one], it", "{people: [a.one], sign: 2}, it"), "E131", "2 signatures"),
    ("a parent", HEAD + "extends: northside@4\n", "E203", "northside 4 is not found"),
    ("a parent without version", HEAD + "extends: northside\n", "E203", "policy@version"),
    ("carries the intimate", HEAD + "exports: {pacs: {as: pdf, may_carry: [intimate]}}\n", "E220", "'pacs'"),
    ("clears the intimate", HEAD + "manifest: {may_clear: [intimate_region]}\n", "E103", "never"),
    ("compartments widen", swap("[desk]}\n  intimate", "[desk, two]}\n  intimate"), "W302", "'identifiable'"),
    ("nobody looks", HEAD + NEVER, "W303", "'face'"),
    ("no departments", without("departments"), "W306", "waits"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "said"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_has_its_code(text: str, code: str, said: str) -> None:
    found = policy.lint(text, "p.yaml")
    assert any(f.code == code and said in f.message for f in found), [str(f) for f in found]
    if code.startswith("E"):
        with pytest.raises(PolicyError):
            policy.load_text(text, "p.yaml")
    else:
        assert policy.load_text(text, "p.yaml").warnings


def test_every_code_that_needs_no_clock_is_tried() -> None:
    elsewhere = {"E102", "E110", "W304", "W305", "E201", "E202", "E210", "W301"}  # clocks, parents, cases
    assert set(CODES) - {m[2] for m in MISTAKES} <= elsewhere


def test_plain_words_are_never_typed_by_yaml() -> None:
    text = HEAD.replace("policy: small", "policy: off").replace("[lead]", "[yes]") + "title: 12:30\n"
    rules = policy.load_text(text, "p.yaml")
    assert (rules.ref.policy, rules.title) == ("off", "12:30")
    assert rules.compartment("safeguarding").open_to == ("yes",)


def test_a_policy_that_ends_soon_is_warned_of(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    path = tmp_path / "p.yaml"
    path.write_text(HEAD, "utf-8")
    loaded = policy.load(path, now=datetime(2036, 12, 1, tzinfo=UTC))
    assert [f.code for f in loaded.warnings] == ["W304"]
    assert policy.load(path, now=datetime(2036, 1, 1, tzinfo=UTC)).warnings == ()


def test_what_is_said_wins_and_silence_names_baseline() -> None:
    rules = policy.load_text(HEAD + "features: {scar: accept}\n", "dir/p.yaml")
    scar, face = rules.features["scar"], rules.features["face"]
    assert (scar.where, scar.to) == ("p.yaml:13", None)  # it must not inherit baseline's `to`
    assert face.where.startswith("baseline-1.yaml:")
    line = policy.packaged("baseline-1").read_text("utf-8").splitlines()[int(face.where.split(":")[1]) - 1]
    assert line.split() == ["face:", "{do:", "restrict,", "to:", "identifiable}"]


def test_own_rules_stand_beside_those_of_baseline() -> None:
    assert [r.path for r in policy.load_text(rule(), "p.yaml").rules] == ["rules.child-intimate", "rules.a"]
    replaced = policy.load_text(rule("id: a", "id: child-intimate"), "p.yaml")
    assert [(r.path, r.where) for r in replaced.rules] == [("rules.child-intimate", "p.yaml:14")]


def test_digests_tell_file_and_meaning_apart() -> None:
    plain, comment = policy.load_text(HEAD, "p.yaml"), policy.load_text(HEAD + "# more\n", "p.yaml")
    other = policy.load_text(HEAD + "detection: {suspect_at: 0.10}\n", "p.yaml")
    assert plain.ref.digest != comment.ref.digest
    assert plain.ref.effective == comment.ref.effective != other.ref.effective


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        policy.load(tmp_path / "none.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: b\ntitle: caf\xe9\n")
    with pytest.raises(PolicyError) as refused:
        policy.load(latin)
    assert refused.value.where.endswith("latin.yaml:2")
    assert [f.code for f in policy.lint_file(latin)] == ["E100"]
    for name in ("../hospital", "/etc/passwd", "nothing"):
        with pytest.raises(InputMissing):
            policy.packaged(name)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "features:\n" + "".join(f"  face{n}: accept\n" for n in range(15_000)),
        "".join(f"section{n}: a\n" for n in range(15_000)),
        HEAD
        + "vocabulary: {body_site: {also_called: {"
        + ", ".join(f"w{n}: skim{n}" for n in range(9_000))
        + "}}}\n",
        HEAD + "manifest: {may_clear: [" + ", ".join(f"tatoo{n}" for n in range(15_000)) + "]}\n",
    ],
    ids=["features", "sections", "synonyms", "list"],
)
def test_a_file_of_mistakes_is_answered_soon(text: str) -> None:
    start = time.process_time()
    assert 0 < len(policy.lint(text, "p.yaml")) <= 600
    assert time.process_time() - start < 10


TOKENS = "medsnap policy features face rules do accept 1 &a *a !!x << --- % { } [ ] | # ? , \" '"
WORDS = st.sampled_from([*TOKENS.split(), "- ", ": ", "\n", "  "])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=40).map("".join)))
def test_no_text_crashes_the_loader(text: str) -> None:
    errors = [f for f in policy.lint(text, "p.yaml") if f.severity is Severity.ERROR]
    assert errors  # no such text is a whole policy
    assert all(f.line >= 1 and f.column >= 1 and f.code in CODES for f in errors)
    with pytest.raises(PolicyError):
        policy.load_text(text, "p.yaml")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_edit_of_a_good_policy_crashes_the_loader(data: st.DataObject) -> None:
    text = policy.packaged("hospital").read_text("utf-8")
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 30))
    edited = text[:at] + data.draw(st.text(max_size=8)) + text[at + length :]
    found = policy.lint(edited, "p.yaml")
    try:
        policy.load_text(edited, "p.yaml")
    except PolicyError:
        assert any(f.severity is Severity.ERROR for f in found)
