"""The evidence of a row, cut out of its bytes instead of reading them: the same as if it were read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from medsnap import policy
from medsnap.model.codec import canonical
from medsnap.model.decision import OF_VISIT, Evidence, Verb, Vote
from medsnap.model.record import PhotoRow
from medsnap.vault import decisions
from tests.builders.export import row as photo_row
from tests.builders.policy import HOSPITAL, NOW, described, ordinary
from tests.unit.test_policy_properties import EVIDENCE

TRAP = '","findings":[],"evidence":{"x":1},"'


def made(evidence: Evidence | None, **changes: object) -> PhotoRow:
    decision = policy.decide(HOSPITAL, evidence or ordinary(), NOW)
    return photo_row(b"photo", decision=decision, evidence=evidence, **changes)


def seen(raw: bytes) -> tuple[str, bytes, tuple[str, ...]]:
    return decisions.sight(raw, json.loads(raw))


def read(raw: bytes) -> tuple[str, bytes, tuple[str, ...]]:
    """The same answer from the parsed row."""
    row = json.loads(raw)
    found = row.get("evidence")
    text = b"" if found is None else canonical(found)
    assert decisions.evidence_of(row).encode() == text
    return hashlib.sha256(text).hexdigest() if text else "", text, decisions.study_paths(row)


@settings(max_examples=100, deadline=None)
@given(EVIDENCE)
def test_what_is_cut_out_is_what_would_be_read(evidence: Evidence) -> None:
    raw = canonical(made(evidence))
    found = seen(raw)
    assert found == read(raw)
    assert found[1] == canonical(evidence)


@pytest.mark.parametrize("name", [TRAP, '{"evidence":{', "\\", '\\",', "\u2028"])
def test_no_text_in_a_row_leads_astray(name: str) -> None:
    evidence = ordinary(description=described(reason=name), department=name)
    raw = canonical(made(evidence, source_name=name, reason=name))
    assert seen(raw) == read(raw)


def test_a_row_without_evidence_or_of_another_writer_is_read_in_full() -> None:
    bare = canonical(made(None))
    assert seen(bare) == read(bare) == ("", b"", ())
    spaced = json.dumps(json.loads(canonical(made(ordinary())))).encode()
    assert seen(spaced) == read(spaced)
    raw = canonical(made(ordinary()))
    other = raw.replace(b'"listed":true', b'"listed":false')
    assert other != raw
    assert seen(other) == read(other)


def test_the_rules_of_a_study_are_named() -> None:
    row = made(ordinary())
    vote = Vote(verb=Verb.RESTRICT, path="rules.child-injury", where="h.yaml:1", because=f"{OF_VISIT} — so")
    told = replace(row, decision=replace(row.decision, votes=(*row.decision.votes, vote)))
    assert seen(canonical(told))[2] == ("rules.child-injury",)
