"""A decision in sentences, from the decision alone (policy.md 3.10)."""

from __future__ import annotations

from typing import Final

from medsnap.model.decision import Decision, Verb, Vote

_SAID: Final = " — "  # between the facts and the policy's own reason, in Vote.because

_VERB_WORDS: Final = {
    Verb.ACCEPT: "Open to {who}, because: {why}",
    Verb.REDACT: "The original is kept for {who}; others get a covered copy, because: {why}",
    Verb.RESTRICT: "Kept for {who}, because: {why}",
    Verb.QUARANTINE: "Waits for a person ({who}), because: {why}",
    Verb.REJECT: "Not taken in, because: {why}",
    Verb.SAFEGUARD: "Kept for {who}, because: {why}",
}


def sentences(decision: Decision) -> tuple[str, ...]:
    """Return the lines to print: headline, one row per reason, what is missing, where it may go."""
    return (headline(decision), *("  " + row for row in _rows(decision)), *closing(decision))


def closing(decision: Decision) -> tuple[str, ...]:
    """Return what stands below the reasons: missing facts, targets, policy, what would change it."""
    return (*_missing(decision), *_leaving(decision), _policy(decision), decision.counterfactual)


def headline(decision: Decision) -> str:
    """Return the decision in one sentence."""
    who = _who(decision)
    return _VERB_WORDS[decision.verb].format(who=who, why=_why(decision.votes[0]) if decision.votes else "")


def rows(decision: Decision) -> tuple[tuple[str, str, str, str, str], ...]:
    """Return one row per reason: verb, compartment, path, where, facts in words."""
    return tuple(
        (str(v.verb), v.compartment or "", v.path, v.where, v.because.partition(_SAID)[0])
        for v in decision.votes
    )


def _why(vote: Vote) -> str:
    facts, _, own = vote.because.partition(_SAID)
    said = own or facts or vote.path
    return said if said.endswith((".", "!", "?")) else said + "."


def _who(decision: Decision) -> str:
    if not decision.opened_by:
        return "nobody yet"
    return " and ".join(f"the {role.replace('-', ' ')}" for role in decision.opened_by)


def _rows(decision: Decision) -> list[str]:
    return [f"{reason}  {facts}".rstrip() for reason, facts in reasons(decision)]


def reasons(decision: Decision) -> tuple[tuple[str, str], ...]:
    """Return each reason as aligned text (verb, compartment, path, where) and its facts in words."""
    cells = rows(decision)
    widths = [max((len(row[i]) for row in cells), default=0) for i in range(4)]
    return tuple(
        ("  ".join(text.ljust(width) for text, width in zip(row[:4], widths, strict=True)), row[4])
        for row in cells
    )


def _missing(decision: Decision) -> tuple[str, ...]:
    facts = {"patient_age": "the age", "body_site": "the body site"}
    names = [facts.get(name, name.replace("_", " ")) for name in decision.provisional]
    return (f"Provisional, until we know {_listed(names)}.",) if names else ()


def _listed(names: list[str]) -> str:
    """Write "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _leaving(decision: Decision) -> tuple[str, ...]:
    may = ("May leave to: " + ", ".join(decision.may_leave_to) + ".",) if decision.may_leave_to else ()
    return may + tuple(f"Held back from {hold}." for hold in decision.holds)


def _policy(decision: Decision) -> str:
    ref = decision.policy
    state = "" if ref.in_force else ", not in force"
    return (
        f"Decided {decision.at} by {ref.policy} {ref.version} ({ref.signed}{state}), baseline {ref.baseline}."
    )
