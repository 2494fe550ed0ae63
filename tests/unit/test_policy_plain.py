"""`policy explain` of ten different photos, read by somebody who has never seen YAML."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from hypothesis import given, settings

from medsnap import policy
from medsnap.commands.policy import _explained
from medsnap.model.decision import Decision, Verb
from medsnap.policy import explain, plain
from medsnap.report import human
from tests.builders.policy import HOSPITAL, NOW, decide, ordinary
from tests.builders.policy import given as features
from tests.builders.ten import decisions
from tests.unit.test_policy_properties import EVIDENCE

TEN = dict(decisions())
SAID = {
    "an ordinary photo": "Open to the clinical staff: no reason speaks against it.",
    "text in the picture": "others get a covered copy, because: it shows text (a detector is 97% sure).",
    "a face": "Kept for the medical illustration, because: it shows a face (a detector is 93% sure).",
    "an intimate photo": "Kept for the senior illustration, because: it shows an intimate region (seen by",
    "an intimate photo of a child": "Copying such a photo may be an offence. The safeguarding lead decides.",
    "no body site, nobody has looked": "Waits for a person (the senior illustration), because: the body site",
    "a device that nobody listed": "Waits for a person (the medical illustration), because: TAB-99 ",
    "through a messenger": "Waits for a person (the medical illustration), because: it lay in a folder",
    "for teaching, without consent in writing": "because: written consent for teaching is not recorded.",
    "a private phone with a waiver": "and an exception until 2026-12-24 allows that: Two managed phones",
}


def page(decision: Decision, width: int = 80) -> str:
    out = StringIO()
    human.render(_explained(decision), out, width=width)
    return out.getvalue()


def sentences(decision: Decision) -> list[str]:
    """What is said in words: the headline, the reasons without their places, what follows."""
    told = [explain.headline(decision), *(reason for reason, _ in plain.reasons(decision))]
    return told + [re.sub(r"\S+\.yaml:\d+ \(.*?\)", "a line", line) for line in explain.closing(decision)]


@pytest.mark.parametrize("name", TEN)
def test_the_first_sentence_says_what_happens_and_why(name: str) -> None:
    assert SAID[name] in explain.headline(TEN[name])


@pytest.mark.parametrize("name", TEN)
def test_no_word_of_the_language_has_to_be_known(name: str) -> None:
    verbs = "|".join(str(verb) for verb in Verb if verb is not Verb.SAFEGUARD)
    for line in sentences(TEN[name]):
        assert not re.search(rf"_|\b({verbs})\b|\b0\.\d\d\b", line), line


@pytest.mark.parametrize("name", TEN)
def test_each_reason_names_its_line_and_fits_a_terminal(name: str) -> None:
    shown = page(TEN[name])
    for vote in TEN[name].votes:
        assert f"{vote.where}, {vote.path}" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_ten_are_different() -> None:
    assert len({explain.headline(decision) for decision in TEN.values()}) >= 9
    assert {decision.verb for decision in TEN.values()} >= {
        Verb.ACCEPT, Verb.REDACT, Verb.RESTRICT, Verb.QUARANTINE, Verb.SAFEGUARD
    }  # fmt: skip


def test_an_exception_says_what_it_lifts_until_when_and_why() -> None:
    [told] = [r for r, where in plain.reasons(TEN["a private phone with a waiver"]) if "waivers." in where]
    assert "ED-BYOD-03 is a private device, and an exception until 2026-12-24 allows that" in told
    assert "ticket IG-4471" in told


def test_a_doubt_says_how_sure_a_detector_is_of_what() -> None:
    found = decide(ordinary(**features({"partial_face": 0.41})))
    assert "a person must look, because a detector is 41% sure of part of a face" in page(found, 200)


def test_targets_held_back_for_one_reason_share_a_sentence() -> None:
    shown = page(TEN["through a messenger"], 200)
    assert "It may not go to ehr, pacs or teaching-library: the photo waits for a person." in shown


def test_every_feature_of_the_policy_can_be_said() -> None:
    for name in HOSPITAL.features:
        assert "_" not in plain.shows(name)


@settings(max_examples=150, deadline=None)
@given(EVIDENCE)
def test_whatever_is_decided_can_be_said(evidence: policy.Evidence) -> None:
    decision = policy.decide(HOSPITAL, evidence, NOW)
    told = plain.reasons(decision)
    assert len(told) == len(decision.votes)
    assert all(reason and where for reason, where in told)
    assert explain.headline(decision).endswith((".", "!", "?"))
