"""Where a photo may go: one sentence for every target it may not go to (M6, M16, C2, E2)."""

from __future__ import annotations

from typing import Final

from medsnap.model.consent import named
from medsnap.model.decision import Verb
from medsnap.policy.consents import consent_problem, shows_who, unrecorded, unrecorded_words
from medsnap.policy.facts import ADULT, INTIMATE, OTHER_PERSON, Facts
from medsnap.policy.nouns import Export, Policy
from medsnap.policy.picture_votes import Look
from medsnap.policy.resolve import Outcome

_STAYS: Final = {
    Verb.QUARANTINE: "the photo waits for a person",
    Verb.REJECT: "the photo is not taken in",
    Verb.SAFEGUARD: "the photo is safeguarded and goes nowhere",
}


def leaving(
    policy: Policy, facts: Facts, outcome: Outcome, look: Look, *, in_force: bool, in_grace: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the targets it may go to, and a sentence for each other target or portal."""
    allowed: list[str] = []
    holds: list[str] = []
    for export in policy.exports:
        problem = (
            _no_policy(export, in_force=in_force, in_grace=in_grace)
            or _STAYS.get(outcome.verb)
            or _carried(export, outcome)
            or (None if export.purpose == "care" else _other_use(policy, facts, export, outcome, look))
            or (_unlooked(facts, export) if look.features else None)
        )
        if problem:
            holds.append(f"{export.name}: {problem}")
            continue
        allowed.append(export.name)
        if export.purpose == "care" and export.patient_portal == "hold":
            holds.append(f"{export.name} (patient portal): until a person releases it")
    return tuple(allowed), tuple(holds)


def _no_policy(export: Export, *, in_force: bool, in_grace: bool) -> str | None:
    if not in_force:
        return "no policy is in force"
    if in_grace and export.purpose != "care":
        return f"the policy has ended; {export.purpose} stops at once"
    return None


def _carried(export: Export, outcome: Outcome) -> str | None:
    if outcome.compartment in export.may_carry:
        return None
    return f"it may not carry photos of the locked group '{outcome.compartment}'"


def _other_use(policy: Policy, facts: Facts, export: Export, outcome: Outcome, look: Look) -> str | None:
    """Teaching and publication: consent on record, nothing identifiable, enough people who agree."""
    use = named(export.purpose)
    given = facts.evidence.consent
    problem = consent_problem(policy, given, use, facts.age)
    if problem:
        return problem
    if look.features:
        return f"nobody has looked whether it shows who the patient is, as {use} needs"
    rule = policy.consent[use]
    if outcome.verb is not Verb.ACCEPT and rule.show == "redacted":
        return f"only a covered copy may go to {use}, and there is none"
    if (outcome.verb is not Verb.ACCEPT or shows_who(facts)) and unrecorded(given, use):
        return unrecorded_words(use)  # C2, also where the policy takes consent as implied
    if rule.reviewers > 1:
        return f"{rule.reviewers} people must agree first"
    return None


def _unlooked(facts: Facts, export: Export) -> str | None:
    """What M6 asks of a photo that travels before a person has looked."""
    if export.unlooked == "wait":
        return "it waits until a person has looked at the photo"
    if facts.site is None:
        return "nobody has looked, and the body site is not known"
    if facts.site.sensitive:
        return "nobody has looked, and the body site is sensitive"
    if facts.age is None:
        return "nobody has looked, and the patient's age is not known"
    if facts.age < ADULT and not facts.denied_intimate:
        return "nobody has looked, and no clinician said that nothing intimate of the child shows"
    for feature in (INTIMATE, OTHER_PERSON):
        if facts.present(feature):
            return f"{feature.replace('_', ' ')} may be in it"
    return None
