"""M14: whatever was decided and kept can be decided again, byte for byte, from the kept texts alone."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.model.codec import canonical, from_json
from medsnap.model.decision import Decision, Evidence
from medsnap.policy import replay
from medsnap.policy.loading import load_text
from tests.builders.policy import NOW
from tests.unit.test_policy_properties import EVIDENCE

TEXTS = {name: policy.packaged(name).read_text("utf-8") for name in ("hospital", "little-clinic")}
KEPT = {rules.ref.digest: text for text in TEXTS.values() for rules in [load_text(text, "kept.yaml")]}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), EVIDENCE)
def test_replay_equals_the_record(name: str, evidence: Evidence) -> None:
    made = policy.decide(load_text(TEXTS[name], f"{name}.yaml"), evidence, NOW)
    # what a batch holds: the record and its evidence, as JSON
    kept = from_json(Decision, json.loads(canonical(made)))
    shown = from_json(Evidence, json.loads(canonical(evidence)))
    ways = replay.readings(kept, KEPT)
    assert any(replay.same(rules, shown, kept) for rules in ways)
    forged = replace(kept, may_leave_to=(*kept.may_leave_to, "press"))
    assert not any(replay.same(rules, shown, forged) for rules in ways)
