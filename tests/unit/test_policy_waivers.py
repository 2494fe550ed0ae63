# ruff: noqa: E501 - tables with one case a line
"""Waivers: what lint refuses, that one removes one vote and no other, and which are past their use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings

from medsnap import policy
from medsnap.errors import PolicyError
from medsnap.model.decision import DeviceClass, Evidence, LeakKind, LeakSign, Verb
from medsnap.policy import waiver
from medsnap.policy.linting import lint_path
from medsnap.policy.waiver import Waiver, lifted, standing
from medsnap.policy.waiver_file import lint_waiver, load_waiver
from tests.builders.policy import CLINIC, HOSPITAL, MANAGED, NOW, described, ordinary
from tests.builders.policy import given as features
from tests.unit.test_policy_properties import EVIDENCE

TEXT = """\
medsnap: 1
waiver: W-2026-014
policy: northside
rule: devices.personal
for: {department: emergency, device: ED-BYOD-03}
do: accept
until: 2026-12-31
because: Two managed phones are under repair (ticket IG-4471).
"""
PHONE = replace(MANAGED, device_class=DeviceClass.PERSONAL, asset="ED-BYOD-03")
PHOTO = replace(ordinary(), device=PHONE, department="emergency")


def made(tmp_path: Path, *changes: tuple[str, str]) -> Waiver:
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "W-2026-014.yaml"
    path.write_text(text, "utf-8")
    return load_waiver(path, HOSPITAL, now=NOW)


MISTAKES = [
    ("of the design", "", "", "", ""),
    ("too long", "until: 2026-12-31", "until: 2027-06-01", "E210", "189 days; the policy allows 90"),
    ("too long from a day", "do: accept", "from: 2026-09-01\ndo: accept", "E210", "121 days"),
    ("forbidden", "devices.personal", "rules.child-intimate", "E210", "'rules.child-intimate' is never waived"),
    ("too wide", ", device: ED-BYOD-03", "", "E210", "too wide"),
    ("for all", "{department: emergency, device: ED-BYOD-03}", "{}", "E210", "too wide"),
    ("unknown rule", "devices.personal", "devices.persnal", "E102", "did you mean 'devices.personal'"),
    ("no rule at all", "devices.personal", "in_force", "E102", "no rule 'in_force'"),
    ("looks", "devices.personal", "detection.person_looks", "E102", "no rule"),
    ("another verb", "do: accept", "do: restrict", "E102", "'restrict'"),
    ("another policy", "policy: northside", "policy: southside", "E203", "'northside', not 'southside'"),
    ("without end", "until: 2026-12-31\n", "", "E107", "'until'"),
    ("without reason", "because: Two managed phones are under repair (ticket IG-4471).\n", "", "E107", "because"),
    ("two rules", "rule: devices.personal", "rule: [devices.personal, devices.unknown]", "E103", "a list"),
    ("crossed", "do: accept", "from: 2027-01-09\ndo: accept", "E111", "before 'from'"),
    ("unknown site", "device: ED-BYOD-03", "body_site: forerm", "E102", "Forearm"),
    ("unknown key", "device:", "divice:", "E102", "did you mean 'device'"),
    ("empty", TEXT, "", "E107", "empty"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "code", "said"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_lint(old: str, new: str, code: str, said: str) -> None:
    assert old in TEXT
    found = lint_waiver(TEXT.replace(old, new, 1) if old else TEXT, "w.yaml", HOSPITAL, now=NOW)
    if not code:
        assert found == ()
    else:
        assert any(f.code == code and said.lower() in f.message.lower() for f in found), [
            str(f) for f in found
        ]


def test_a_policy_without_a_section_allows_none() -> None:
    found = lint_waiver(TEXT.replace("northside", "little-clinic"), "w.yaml", CLINIC, now=NOW)
    assert [(f.code, f.line) for f in found] == [("E210", 4)]
    assert "allows no waivers" in found[0].message


def test_a_safeguard_is_never_waived_even_where_nobody_forbids_it() -> None:
    text = (
        policy.packaged("hospital")
        .read_text("utf-8")
        .replace("never_for: [rules.child-intimate]", "never_for: []")
    )
    open_ = policy.load_text(text, "hospital.yaml")
    found = lint_waiver(TEXT.replace("devices.personal", "rules.child-intimate"), "w.yaml", open_, now=NOW)
    assert [f.code for f in found] == ["E210"]
    child = replace(ordinary(**features({"intimate_region": 0.9})), patient_age=9)
    forged = Waiver(
        id="X", policy="northside", rule="rules.child-intimate", narrow=waiver.Narrow(device="WARD-TAB-07"),
        first=None, until=date(2030, 1, 1), because="x", where="x:1", digest="",
    )  # fmt: skip
    assert policy.decide(HOSPITAL, child, NOW, waivers=(forged,)).verb is Verb.SAFEGUARD


def test_a_file_is_linted_with_the_policy_above_it(tmp_path: Path) -> None:
    (tmp_path / "waivers").mkdir()
    path = tmp_path / "waivers" / "W.yaml"
    path.write_text(TEXT.replace("devices.personal", "devices.persnal"), "utf-8")
    assert [f.code for f in lint_path(path, now=NOW)] == ["E203"]
    (tmp_path / "our.yaml").write_text(policy.packaged("hospital").read_text("utf-8"), "utf-8")
    assert [f.code for f in lint_path(path, now=NOW)] == ["E102"]
    with pytest.raises(PolicyError) as refused:
        load_waiver(path, HOSPITAL, now=NOW)
    assert refused.value.where.endswith("W.yaml:4:7")


def test_it_lifts_one_vote_and_says_so(tmp_path: Path) -> None:
    before = policy.decide(HOSPITAL, PHOTO, NOW)
    after = policy.decide(HOSPITAL, PHOTO, NOW, waivers=(made(tmp_path),))
    assert (before.verb, before.decided_by) == (Verb.QUARANTINE, "devices.personal")
    assert (after.verb, after.may_leave_to) == (Verb.ACCEPT, ("ehr", "pacs"))
    told = next(v for v in after.votes if v.path == "waivers.W-2026-014")
    assert told.where == "W-2026-014.yaml:2"
    assert "lifts quarantine of devices.personal (hospital.yaml:39: ED-BYOD-03" in told.because
    assert lifted(after) == ("W-2026-014",)
    assert {v.path for v in before.votes} - {v.path for v in after.votes} == {"devices.personal"}
    assert any("ticket IG-4471" in line for line in policy.explain.sentences(after))


def test_every_other_vote_stands(tmp_path: Path) -> None:
    sign = LeakSign(kind=LeakKind.MESSAGING_APP, because="WhatsApp folder")
    photo = replace(PHOTO, signs=(sign,))
    decision = policy.decide(HOSPITAL, photo, NOW, waivers=(made(tmp_path),))
    assert (decision.verb, decision.decided_by) == (Verb.QUARANTINE, "sources.messaging_app")


OUTSIDE = [
    ("another device", {"device": replace(PHONE, asset="ED-BYOD-04")}),
    ("no asset", {"device": replace(PHONE, asset=None)}),
    ("a contradicted device", {"device": replace(PHONE, contradictions=("made by another",))}),
    ("another department", {"department": "surgery"}),
    ("no department", {"department": None}),
]


@pytest.mark.parametrize("changes", [o[1] for o in OUTSIDE], ids=[o[0] for o in OUTSIDE])
def test_it_is_narrow(tmp_path: Path, changes: dict[str, object]) -> None:
    photo = replace(PHOTO, **changes)
    decision = policy.decide(HOSPITAL, photo, NOW, waivers=(made(tmp_path),))
    assert decision.votes == policy.decide(HOSPITAL, photo, NOW).votes


def test_it_ends(tmp_path: Path) -> None:
    one = made(tmp_path)
    last, after = datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, 0, 1, tzinfo=UTC)
    fresh = replace(PHOTO, device=replace(PHONE, last_seen=date(2026, 12, 31)))
    assert policy.decide(HOSPITAL, fresh, last, waivers=(one,)).verb is Verb.ACCEPT
    assert policy.decide(HOSPITAL, fresh, after, waivers=(one,)).decided_by == "devices.personal"
    later = replace(one, first=date(2026, 12, 30))
    assert policy.decide(HOSPITAL, fresh, NOW, waivers=(later,)).decided_by == "devices.personal"


def test_a_missing_word_is_not_what_the_waiver_names(tmp_path: Path) -> None:
    one = made(
        tmp_path,
        ("rule: devices.personal", "rule: features.scar"),
        ("device: ED-BYOD-03", "reason: wound, body_site: left forearm"),
    )
    scar = replace(ordinary(**features({"scar": 0.9})), department="emergency")
    fits = replace(scar, description=described(reason="wound"))
    assert policy.decide(HOSPITAL, fits, NOW, waivers=(one,)).verb is Verb.ACCEPT
    for words in ({"reason": None}, {"reason": "injury"}, {"reason": "wound", "body_site": "hand"}):
        other = replace(scar, description=described(**words))
        assert policy.decide(HOSPITAL, other, NOW, waivers=(one,)).verb >= Verb.RESTRICT


def test_one_of_another_policy_lifts_nothing(tmp_path: Path) -> None:
    one = replace(made(tmp_path), policy="southside")
    assert policy.decide(HOSPITAL, PHOTO, NOW, waivers=(one,)).verb is Verb.QUARANTINE


@settings(max_examples=100, deadline=None)
@given(EVIDENCE)
def test_no_waiver_opens_more_than_its_own_vote(evidence: Evidence) -> None:
    one = Waiver(
        id="X", policy="northside", rule="devices.personal", narrow=waiver.Narrow(device="WARD-TAB-07"),
        first=None, until=date(2030, 1, 1), because="x", where="x:1", digest="",
    )  # fmt: skip
    plain, with_it = (
        policy.decide(HOSPITAL, evidence, NOW),
        policy.decide(HOSPITAL, evidence, NOW, waivers=(one,)),
    )
    stays = [v for v in plain.votes if v.path != "devices.personal"]
    assert [v for v in with_it.votes if not v.path.startswith("waivers.")][: len(stays)] == stays
    if not lifted(with_it):
        assert with_it == plain


def test_standing_says_which_are_past_their_use(tmp_path: Path) -> None:
    one = made(tmp_path)
    rows = [
        (date(2026, 12, 1), 3, "in use", "until 2026-12-31"),
        (date(2026, 12, 20), 3, "ends soon", "ends on"),
        (date(2026, 12, 20), 0, "unused", "withdraw"),
        (date(2027, 1, 1), 3, "ended", "remove"),
    ]
    for today, used, state, said in rows:
        (found,) = standing([one], {"W-2026-014": used}, today)
        assert (found.state, found.used) == (state, used)
        assert said in found.sentence()
