"""Consent by use: what the policy needs, what is recorded, who may give it (C1, C2, C3). Pure."""

from __future__ import annotations

from typing import Final

from medsnap.model.consent import BY_GUARDIAN, STOPS, TREATMENT, Pairs, named, overlay
from medsnap.policy.facts import ADULT, Facts
from medsnap.policy.fuse import PRESENT
from medsnap.policy.nouns import Export, Policy

_STRENGTH: Final = {"implied": 0, "verbal": 1, "written": 2}


def consent_problem(policy: Policy, given: Pairs, use: str, age: int | None) -> str | None:
    """Say what is wrong with the consent for a use; None when it is given.

    `age` is the patient's when the photo was taken: for a child, and for one who may be a child, a
    guardian must have spoken, save for treatment (C3).
    """
    words = [what.strip().lower() for name, what in given if named(name) == use]
    refused = sorted(STOPS.intersection(words))
    if refused:
        return f"consent for {use} was {refused[0]}"
    rule = policy.consent.get(use)
    if rule is None:
        return f"the policy allows no {use}"
    if rule.need == "implied":
        return None
    strong = [word for word in words if _strength(word) >= _STRENGTH[rule.need]]
    if not strong:
        ended = "ended" in words
        return f"consent for {use} has ended" if ended else f"{rule.need} consent for {use} is not recorded"
    return _of_child(strong, use, age)


def unrecorded(given: Pairs, use: str) -> bool:
    """Say whether nobody recorded that the patient agreed, whatever the policy takes as implied."""
    return not any(_strength(what.strip().lower()) > 0 for name, what in given if named(name) == use)


def shows_who(facts: Facts) -> bool:
    """Say whether a feature that can identify is seen or doubtful, accepted by the policy or not (C2)."""
    return any(known.state.state in PRESENT for known in facts.known.values())


def stopped(
    policy: Policy, export: Export, own: Pairs, said: Pairs, *, age: int | None, identifiable: bool
) -> str | None:
    """Say why consent stops an export today, whatever was decided at intake; None when it does not.

    `own` is the consent that the photo was decided on, `said` what the register says today.
    """
    use = named(export.purpose)
    given = overlay(own, said)
    problem = consent_problem(policy, given, use, age)
    if problem is None and use != TREATMENT and identifiable and unrecorded(given, use):
        problem = unrecorded_words(use)
    return f"{export.name}: {problem}" if problem else None


def unrecorded_words(use: str) -> str:
    """Return the sentence of C2."""
    return f"it shows who the patient is, and consent for {use} is not recorded"


def _strength(word: str) -> int:
    return _STRENGTH.get(word.removesuffix(BY_GUARDIAN), -1)


def _of_child(words: list[str], use: str, age: int | None) -> str | None:
    if use == TREATMENT or (age is not None and age >= ADULT) or any(w.endswith(BY_GUARDIAN) for w in words):
        return None
    if age is None:
        return f"the patient's age is not known, and for a child a guardian must consent to {use}"
    return f"the patient is {age}, and no guardian's consent for {use} is recorded"
