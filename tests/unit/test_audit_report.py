"""The auditor's check: what each rule answers, and the command over a vault."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.model.decision import Decision, DeviceClass, DeviceEvidence, Evidence, LeakKind, LeakSign, Verb
from medsnap.model.photo import Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import PhotoRow
from medsnap.policy.audit_rules import RULES, SOURCES, audit
from medsnap.policy.auditing import Answer, Case, Verdict, audited
from tests.builders.decided import decided
from tests.builders.export import row as photo_row
from tests.builders.policy import HOSPITAL, NOW, given, ordinary


def photo(evidence: Evidence | None = None, **changes: Any) -> PhotoRow:
    """A photo decided under the hospital's policy, as a row of the catalogue."""
    facts = evidence if evidence is not None else ordinary()
    decision = policy.decide(HOSPITAL, facts, NOW)
    made = photo_row(b"photo", decision=decision, evidence=facts, at=NOW.isoformat())
    return replace(made, seal=replace(made.seal, compartment=decision.compartment), **changes)


def milder(row: PhotoRow, verb: Verb = Verb.ACCEPT, compartment: str = "general") -> PhotoRow:
    """The same row as somebody would have it who wants it open."""
    opened = replace(row.decision, verb=verb, compartment=compartment)
    return replace(row, decision=opened)


def sent(row: PhotoRow, target: str) -> Receipt:
    ids = Identifiers(study_uid="2.25.1", series_uid="2.25.2", sop_uid="2.25.3", document="urn:uuid:1")
    return Receipt(
        object=row.seal.object,
        target=target,
        kind="fhir-r4",
        at=row.at,
        identifiers=ids,
        digest=Sha256("0" * 64),
    )


def answers(row: PhotoRow, *receipts: Receipt, **case: Any) -> dict[str, Answer]:
    made = Case(policy=HOSPITAL, photos=(audited(HOSPITAL, row, receipts),), now=NOW, **case)
    return {rule.id: answer for rule, answer in audit(made)}


def test_every_rule_is_answered_once_and_names_known_sources() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids)) == 41
    assert {s for rule in RULES for s in rule.sources.split(", ")} == set(SOURCES)


def test_an_ordinary_photo_violates_nothing() -> None:
    row = photo()
    found = answers(row, sent(row, "ehr"), signed="signed by all")
    assert {k: a.found for k, a in found.items() if a.verdict is Verdict.VIOLATION} == {}
    assert found["D1"].verdict is found["F2"].verdict is found["E1"].verdict is Verdict.OK


SIGN = LeakSign(kind=LeakKind.MESSAGING_APP, because="a folder of a messenger")
STRICT = (
    ("L1", ordinary(signs=(SIGN,))),
    ("D1", ordinary(device=DeviceEvidence(device_class=DeviceClass.PERSONAL))),
    ("F2", ordinary(**given({"face": 0.93}))),
    ("V1", ordinary(description=replace(ordinary().description, body_site=None))),
)


@pytest.mark.parametrize(("rule", "evidence"), STRICT, ids=[rule for rule, _ in STRICT])
def test_what_was_decided_milder_is_a_violation_with_its_id(rule: str, evidence: Evidence) -> None:
    row = photo(evidence)
    assert answers(row)[rule].verdict is Verdict.OK
    found = answers(milder(row))[rule]
    assert (found.verdict, found.objects) == (Verdict.VIOLATION, (row.seal.object,))
    assert found.todo


def test_the_right_verb_in_a_group_too_open_is_a_violation() -> None:
    row = photo(ordinary(**given({"face": 0.93})))
    assert answers(milder(row, row.decision.verb, "general"))["F2"].verdict is Verdict.VIOLATION


def test_what_nobody_looked_for_is_never_ok() -> None:
    assert answers(photo(ordinary(statements=())))["F3"].verdict is Verdict.WARN


def test_a_photo_without_evidence_is_never_ok() -> None:
    assert answers(replace(photo(), evidence=None))["L1"].verdict is Verdict.WARN


def test_what_may_leave_must_have_left_by_the_next_day() -> None:
    row = photo()
    assert "ehr" in row.decision.may_leave_to
    assert answers(row)["E1"].verdict is Verdict.WARN
    late = replace(row, at=(NOW - timedelta(days=2)).isoformat())
    assert answers(late)["E1"].verdict is Verdict.VIOLATION
    assert answers(late, sent(late, "ehr"))["E1"].verdict is Verdict.OK


def test_a_target_that_may_not_carry_it_or_a_purpose_not_allowed() -> None:
    row = photo()
    assert answers(row, sent(row, "teaching-library"))["E2"].verdict is Verdict.VIOLATION
    assert answers(row, sent(row, "teaching-library"))["C2"].verdict is Verdict.VIOLATION
    assert answers(row, sent(row, "nobody-knows"))["E2"].verdict is Verdict.VIOLATION


def test_out_of_force_and_a_broken_log() -> None:
    found = answers(photo(), refused="signatures are missing: it (0 of 1)", log="entry 3 does not match")
    assert found["G1"].verdict is found["A2"].verdict is Verdict.VIOLATION
    assert answers(photo())["G1"].verdict is Verdict.WARN  # in date, but nobody has signed


def test_the_command_over_a_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    for name in ("MEDSNAP_VAULT", "MEDSNAP_KEY_FILE", "MEDSNAP_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MEDSNAP_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    site = decided(tmp_path / "site", tmp_path / "host")
    monkeypatch.setenv("MEDSNAP_STATE", str(site.state))
    signed = ordinary(signs=(SIGN,))

    def lax(rules: policy.Policy, evidence: Evidence, now: Any) -> Decision:
        made = policy.decide(rules, evidence, now)
        return replace(made, verb=Verb.ACCEPT, compartment="general")

    site.add([ordinary()])
    [bad] = site.add([signed], decide=lax)
    words = [
        "audit",
        "report",
        "--vault",
        str(site.vault),
        "--policy",
        "hospital",
        "--key-file",
        str(site.owner),
    ]
    code = run(root(), [*words, "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    rules = {entry["rule"]: entry for entry in told["rules"]}
    assert code == 1
    assert (rules["L1"]["state"], rules["L1"]["objects"]) == ("violation", [bad])

    page = tmp_path / "report.html"
    assert run(root(), [*words, "-o", str(page)]) == 1
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r'<td class="id">', text)) == len(RULES)
    assert bad in text
    assert not re.search(r"<script|<img|<link|https?://|url\(", text)
    assert page.stat().st_mode & 0o077 == 0
