"""`policy apply`: the photos of a visit follow each other over several nights (M17)."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsnap.model.study import Match, MatchState, Patient, Visit
from tests.builders.decided import Decided
from tests.builders.policy import described, ordinary
from tests.unit.test_policy_diff import access, call, vault, write

__all__ = ["vault"]


def _of(encounter: str | None, number: str = "0070042") -> Match:
    patient = Patient(mrn=number, issuer="2.999.1.7")
    return Match(state=MatchState.MATCHED, patient=patient, visit=Visit(encounter=encounter))


def test_a_visit_follows_over_several_nights(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M17: earlier and later photos of a child's injury follow; other visits and unknown ones do not."""
    hurt, plain = ordinary(patient_age=9, description=described(reason="injury")), ordinary(patient_age=9)
    [before] = vault.add([plain], match=_of("E-1"))
    [cause] = vault.add([hurt], match=_of("E-1"))
    [after] = vault.add([plain], match=_of("E-1"))
    vault.add([plain], match=_of("E-2"))
    vault.add([plain], match=_of("E-1", "0070063"))
    vault.add([plain], match=_of(None))
    code, lines = call(capsys, "apply", write(tmp_path), *access(vault), "-n")
    *records, summary = lines
    assert (code, summary["left"], summary["unchanged"]) == (3, 2, 4)
    told = {(r["object"], r["after"], r["decided_by"]) for r in records if r["type"] == "photo"}
    assert told == {(o, "restrict in safeguarding", "rules.child-injury") for o in (before, after)}
    assert cause not in {r["object"] for r in records}
    gone = write(tmp_path, ("whole_study: yes", "whole_study: no"))
    assert call(capsys, "apply", gone, *access(vault), "-n")[1][-1]["left"] == 0
