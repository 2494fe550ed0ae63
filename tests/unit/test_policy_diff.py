"""`policy diff`, `apply`, `replay`, `explain --as` on vaults whose photos were decided before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.model.decision import OF_VISIT, Verb
from medsnap.model.finding import State
from medsnap.policy import Policy
from medsnap.policy.diff import Effect, changes
from medsnap.policy.impact import Move, carried, effect, redecided
from medsnap.vault.create import MEMBER_VERBS
from medsnap.vault.directory import WriterVerb
from tests.builders.decided import Decided, decided
from tests.builders.policy import HOSPITAL, NOW, described, given, ordinary, unlooked
from tests.builders.signing import hospital
from tests.helpers import stop_clock

SCAR = "  scar:            {do: restrict, to: identifiable}"
JEWELLERY = "  jewellery:       {do: redact, to: identifiable}"
VERSION = ("version: 4", "version: 5")


def rules(*pairs: tuple[str, str]) -> Policy:
    return policy.load_text(hospital(*pairs), "hospital.yaml")


LINES = [
    ("a feature opens", SCAR, "  scar: accept", "opens", "features.scar"),
    (
        "a feature tightens", JEWELLERY, "  jewellery: {do: restrict, to: identifiable}", "tightens",
        "features.jewellery",
    ),
    ("a group further back", SCAR, "  scar: {do: restrict, to: intimate}", "tightens", "features.scar.to"),
    (
        "fewer reviewers", "reviewers: 2}\n  anything", "reviewers: 1}\n  anything", "opens",
        "features.intimate_region.reviewers",
    ),
    ("a higher threshold", "suspect_at: 0.20", "suspect_at: 0.30", "opens", "detection.suspect_at"),
    (
        "a person looks at each", "person_looks: before_opening", "person_looks: every_photo", "tightens",
        "detection.person_looks",
    ),
    (
        "a role more", "open_to: [senior-illustration]", "open_to: [senior-illustration, ward]", "opens",
        "compartments.intimate.open_to",
    ),
    (
        "a department more", "  surgery:     [m.duarte]", "  surgery:     [m.duarte]\n  oncology: [m.duarte]",
        "opens", "departments",
    ),
    ("a department fewer", "  surgery:     [m.duarte]\n", "", "tightens", "departments"),
    (
        "an export carries less", "may_carry: [general, identifiable], unlooked",
        "may_carry: [general], unlooked", "tightens", "exports.pacs.may_carry",
    ),
    ("an older system", "android: 14", "android: 13", "opens", "devices.managed.os_at_least.android"),
    (
        "a rule narrower", "injury, patient_younger_than: 18", "injury, patient_younger_than: 16", "opens",
        "rules.child-injury.when.patient_younger_than",
    ),
    ("a rule gone", "  - id: child-injury", "  - id: child-hurt", "opens", "rules.child-injury"),
    ("a rule more", "  - id: child-injury", "  - id: child-hurt", "tightens", "rules.child-hurt"),
]  # fmt: skip


@pytest.mark.parametrize(("_", "old", "new", "leans", "path"), LINES, ids=[line[0] for line in LINES])
def test_which_way_a_line_leans(_: str, old: str, new: str, leans: str, path: str) -> None:
    pair = (old, new)
    found = {c.path: c for c in changes(HOSPITAL, rules(pair))}
    assert str(found[path].effect) == leans
    assert found[path].where.startswith("hospital.yaml:")
    back = {c.path: c for c in changes(rules(pair), HOSPITAL)}
    assert {str(back[path].effect), leans} in ({"opens", "tightens"}, {"changes"})


def test_the_same_policy_changes_nothing() -> None:
    assert changes(HOSPITAL, HOSPITAL) == ()
    assert changes(HOSPITAL, rules(VERSION, ("title: Clinical", "title: All clinical"))) == ()


def test_the_baseline_below_counts_too() -> None:
    old = rules(("  fingerprint:     {do: redact, to: identifiable}\n", ""))
    assert changes(HOSPITAL, old) == ()


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Decided:
    for name in ("MEDSNAP_VAULT", "MEDSNAP_KEY_FILE", "MEDSNAP_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MEDSNAP_STATE", "MEDSNAP_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    stop_clock(monkeypatch, NOW)  # devices were last seen and people are employed around that day
    return decided(tmp_path, tmp_path / "medsnap_state")


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[dict[str, object]]]:
    code = run(root(), ["policy", *map(str, words), "--format", "ndjson", "--quiet"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def access(vault: Decided) -> tuple[object, ...]:
    return "--vault", vault.vault, "--key-file", vault.owner


def write(tmp_path: Path, *pairs: tuple[str, str], name: str = "hospital.yaml") -> Path:
    (tmp_path / name).write_text(hospital(*pairs), "utf-8")
    return tmp_path / name


def test_diff_over_a_vault_names_what_opens_first(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, scarred, ringed, both = (
        ordinary(),
        *(
            ordinary(**given(dict.fromkeys(names, State.SEEN)))
            for names in (["scar"], ["jewellery"], ["scar", "jewellery"])
        ),
    )
    vault.add([plain, scarred, scarred, ringed, both])
    vault.add([scarred], keep=False)
    old = write(tmp_path, name="old.yaml")
    new = write(
        tmp_path,
        VERSION,
        (SCAR, "  scar: accept"),
        (JEWELLERY, "  jewellery: {do: restrict, to: identifiable}"),
    )
    code, lines = call(capsys, "diff", old, new, *access(vault))
    *records, summary = lines
    assert code == 1
    counts = [summary[name] for name in ("photos", "opens", "tightens", "same", "unknown")]
    assert counts == [6, 2, 1, 2, 1]
    assert {r["object"] for r in records[:2]} == {vault.ids[1], vault.ids[2]}
    assert all((r["path"], r["after"]) == ("features.scar", "accept in general") for r in records[:2])
    assert [r["type"] for r in records] == ["photo"] * 2 + ["impact"] * 2 + ["change"] * 2
    assert call(capsys, "diff", old, old, *access(vault))[0] == 3  # one photo has no evidence
    assert call(capsys, "diff", old, new)[0] == 1
    assert call(capsys, "diff", new, old, *access(vault))[0] == 1  # jewellery would show again


def test_diff_for_people_says_how_many_and_which_line(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault.add([ordinary(**given({"scar": State.SEEN}))] * 3)
    old, new = write(tmp_path, name="old.yaml"), write(tmp_path, VERSION, (SCAR, "  scar: accept"))
    code = run(root(), ["policy", "diff", str(old), str(new), *map(str, access(vault))])
    out = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert (
        "opens 3 photos: features.scar (hospital.yaml:71): restrict in identifiable → accept in general"
        in out
    )
    assert "This change opens 3 photos." in out


def test_apply_records_what_tightens_and_lists_the_rest(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [plain, ringed, waits] = vault.add(
        [
            ordinary(),
            ordinary(**given({"jewellery": State.SEEN})),
            ordinary(**given({"jewellery": State.SEEN}), department="oncology"),
        ]
    )
    new = write(
        tmp_path,
        VERSION,
        (JEWELLERY, "  jewellery: {do: restrict, to: identifiable}"),
        ("  surgery:     [m.duarte]\n", "  surgery:     [m.duarte]\n  oncology:    [m.duarte]\n"),
        ("ehr:              {as", "ehr:              {unlooked: wait, as"),
    )
    code, lines = call(capsys, "apply", new, *access(vault), "-n")
    assert code == 3
    assert (lines[-1]["tightened"], lines[-1]["would_open"], lines[-1]["left"]) == (1, 1, 0)
    before = {i: explained(capsys, vault, i) for i in vault.ids}
    assert before[ringed]["verb"] == "redact"
    code, lines = call(capsys, "apply", new, *access(vault))
    assert (code, lines[-1]["tightened"]) == (3, 1)
    after = explained(capsys, vault, ringed)
    assert (after["verb"], after["policy"]["version"]) == ("restrict", 5)
    assert explained(capsys, vault, waits) == before[waits]
    assert explained(capsys, vault, plain) == before[plain]
    code, lines = call(capsys, "apply", new, *access(vault), "--open")
    assert (code, lines[-1]["opened"], lines[-1]["tightened"]) == (0, 1, 0)
    assert explained(capsys, vault, waits)["verb"] == "restrict"
    code, lines = call(capsys, "replay", *access(vault))
    assert code == 0, lines
    assert (lines[-1]["decisions"], lines[-1]["follow"]) == (5, 5)
    assert vault_is_sound(capsys, vault)


def explained(capsys: pytest.CaptureFixture[str], vault: Decided, photo: str) -> dict[str, object]:
    code, lines = call(capsys, "explain", photo, *access(vault))
    assert code == 0, lines
    found = lines[-1]["decision"]
    assert isinstance(found, dict)
    return found


def vault_is_sound(capsys: pytest.CaptureFixture[str], vault: Decided) -> bool:
    code = run(root(), ["audit", "verify", "--vault", str(vault.vault)])
    capsys.readouterr()
    return code == 0


def test_apply_tells_what_must_move_and_changes_nothing_of_it(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [photo] = vault.add([ordinary(**given({"scar": State.SEEN}))])
    new = write(tmp_path, VERSION, (SCAR, "  scar: {do: restrict, to: intimate}"))
    code, lines = call(capsys, "apply", new, *access(vault), "--open")
    assert (code, lines[-1]["left"], lines[-1]["tightened"]) == (3, 1, 0)
    assert explained(capsys, vault, photo)["policy"]["version"] == 4  # type: ignore[index]


def test_who_may_only_tighten_cannot_open_even_by_writing_the_event(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [waits] = vault.add([ordinary(**given({"jewellery": State.SEEN}), department="oncology")])
    groups = [c.name for c in HOSPITAL.compartments]
    clerk = vault.member("clerk", groups, MEMBER_VERBS)
    reader = vault.member("reader", groups, [WriterVerb.LOG])
    new = write(
        tmp_path,
        VERSION,
        ("  surgery:     [m.duarte]\n", "  surgery:     [m.duarte]\n  oncology:    [m.duarte]\n"),
    )
    for key in (clerk, reader):
        code, _ = call(capsys, "apply", new, "--open", "--vault", vault.vault, "--key-file", key)
        assert code == 77
    forged(vault, clerk, waits, new)
    assert explained(capsys, vault, waits)["verb"] == "quarantine"
    run(root(), ["policy", "explain", waits, *map(str, access(vault))])


def forged(vault: Decided, key: Path, photo: str, new: Path) -> None:
    """Write an opening decision as one that tightens, with the clerk's own key."""
    from medsnap.model.photo import ObjectId
    from medsnap.model.record import DecisionRow
    from medsnap.vault import keys
    from medsnap.vault.member_writer import MemberWriter

    opening = policy.decide(
        policy.load(new), ordinary(**given({"jewellery": State.SEEN}), department="oncology"), NOW
    )
    assert opening.verb < Verb.QUARANTINE
    writer = MemberWriter(
        vault.vault, vault.directory, keys.load_file(key), random=vault.dice, log=lambda *_: None
    )
    writer.add(opening.compartment, DecisionRow(object=ObjectId(photo), decision=opening))
    shut = replace(opening, verb=Verb.REJECT, may_leave_to=(), opened_by=())
    writer.add("general", DecisionRow(object=ObjectId(photo), decision=shut))  # the photo lies elsewhere
    assert writer.commit() is not None


def test_a_policy_that_is_not_in_force_is_not_applied(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault.add([ordinary()])
    ended = write(tmp_path, VERSION, ("until: 2036-12-31", "until: 2026-02-01"))
    code, lines = call(capsys, "apply", ended, *access(vault))
    assert code == 78
    assert "not in force" in str(lines[-1])


def test_replay_finds_a_record_that_does_not_follow(
    vault: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    good, forged, swapped, bare = ordinary(), ordinary(patient_age=3), unlooked(), ordinary(patient_age=9)

    def milder(rules: Policy, evidence: object, now: object) -> object:
        return replace(policy.decide(rules, evidence, now), may_leave_to=("ehr", "pacs", "teaching-library"))  # type: ignore[arg-type]

    def other(rules: Policy, evidence: object, now: object) -> object:
        return policy.decide(rules, good, now)  # type: ignore[arg-type]

    vault.add([good, unlooked(department=None)])
    vault.add([forged], decide=milder)  # type: ignore[arg-type]
    vault.add([swapped], decide=other)  # type: ignore[arg-type]
    vault.add([bare], keep=False)
    code, lines = call(capsys, "replay", *access(vault))
    assert code == 4
    assert {line["object"]: line["outcome"] for line in lines[:-1]} == {
        vault.ids[2]: "does not follow",
        vault.ids[3]: "the evidence is not what was decided on",
        vault.ids[4]: "no evidence is kept",
    }
    assert lines[-1]["follow"] == 2


def test_replay_follows_photos_decided_out_of_force_and_by_their_study(
    vault: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt = ordinary(patient_age=9, description=described(reason="injury"))
    votes = policy.study_votes(HOSPITAL, policy.decide(HOSPITAL, hurt, NOW))
    assert all(vote.because.startswith(OF_VISIT) for vote in votes)
    vault.add([ordinary()], decide=lambda r, e, n: policy.decide(r, e, n, study=votes))
    refused = replace(HOSPITAL, refused="signatures are missing: it (0 of 1)")
    vault.add([ordinary(), ordinary(patient_age=4)], refused)
    code, lines = call(capsys, "replay", *access(vault))
    assert (code, lines[-1]["follow"]) == (0, 3), lines


def test_a_study_keeps_its_word_when_a_photo_is_decided_again(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt = ordinary(patient_age=9, description=described(reason="injury"))
    votes = policy.study_votes(HOSPITAL, policy.decide(HOSPITAL, hurt, NOW))
    assert carried(HOSPITAL, [votes[0].path]) == votes
    vault.add([ordinary()], decide=lambda r, e, n: policy.decide(r, e, n, study=votes))
    old, same = write(tmp_path, name="old.yaml"), write(tmp_path, VERSION)
    code, lines = call(capsys, "diff", old, same, *access(vault))
    assert (code, lines[-1]["same"]) == (0, 1)
    gone = write(tmp_path, VERSION, ("whole_study: yes", "whole_study: no"))
    code, lines = call(capsys, "diff", old, gone, *access(vault))
    assert (code, lines[-1]["opens"]) == (1, 1)


@pytest.mark.parametrize("role", ["clinical-staff", "senior-illustration", "privacy-office"])
def test_explain_as_a_role_that_may_not_see_is_like_no_photo(
    vault: Decided, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    [hidden] = vault.add([ordinary(**given({"face": 0.93}))])
    answers = []
    for photo in (hidden, "a" * 26, hidden[:8], "no id at all"):
        for form in ("human", "json"):
            words = ["policy", "explain", photo, "--as", role, *map(str, access(vault)), "--format", form]
            answers.append((form, run(root(), words), *capsys.readouterr()))
    assert len(set(answers)) == 2
    assert answers[0][1] == 66


def test_explain_as_a_role_counts_only_what_the_role_may_see(
    vault: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = "abcdefgh"
    vault.add([ordinary(**given({"face": 0.93}))], begins=letter)
    vault.add([ordinary()], begins=letter)
    assert call(capsys, "explain", letter, *access(vault))[0] == 2  # several of ours begin so
    code, lines = call(capsys, "explain", letter, "--as", "clinical-staff", *access(vault))
    assert code == 0
    assert lines[-1]["decision"]["verb"] == "accept"  # type: ignore[index]


_WORDS = st.sampled_from(
    [
        (SCAR, "  scar: accept"),
        (SCAR, "  scar: quarantine"),
        (JEWELLERY, "  jewellery: {do: restrict, to: intimate}"),
        ("suspect_at: 0.20", "suspect_at: 0.50"),
        ("person_looks: before_opening", "person_looks: every_photo"),
        ("  surgery:     [m.duarte]\n", ""),
        ("unlooked: wait", "unlooked: send"),
        ("seen_within: 14 days", "seen_within: 2 days"),
    ]
)
_FEATURES = st.dictionaries(
    st.sampled_from(["scar", "jewellery", "face", "text"]), st.sampled_from([0.1, 0.4, 0.9]), max_size=3
)


@settings(max_examples=60, deadline=None)
@hypothesis_given(_WORDS, _FEATURES, st.sampled_from([None, 4, 40]))
def test_what_opens_one_way_never_opens_the_other_way_alone(
    pair: tuple[str, str], features: dict[str, float], age: int | None
) -> None:
    new = rules(pair)
    evidence = ordinary(**given(features), patient_age=age)
    before, after = (redecided(p, evidence, (), NOW) for p in (HOSPITAL, new))
    there, back = effect(HOSPITAL, new, before, after), effect(new, HOSPITAL, after, before)
    assert (there.move is Move.SAME) == (back.move is Move.SAME)
    if there.move is Move.TIGHTENS:
        assert back.move is Move.OPENS
    leans = {c.effect for c in changes(HOSPITAL, new)}
    if leans == {Effect.TIGHTENS}:
        assert there.move in (Move.SAME, Move.TIGHTENS, Move.LATER)
