"""A decision in sentences, from the decision alone (policy.md 3.10)."""

from __future__ import annotations

from typing import Final

from medsnap.model.decision import Decision, Verb, Vote
from medsnap.policy import plain
from medsnap.policy.plain import SAID
from medsnap.policy.waiver import PREFIX

_PORTAL: Final = " (patient portal)"  # ends the name in such a hold
_VERB_WORDS: Final = {
    Verb.ACCEPT: "Open to {who}: {why}",
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
    change = () if decision.verb is Verb.ACCEPT and not decision.provisional else (decision.counterfactual,)
    return (*_missing(decision), *_leaving(decision), _policy(decision), *change)


def headline(decision: Decision) -> str:
    """Return the decision in one sentence."""
    who = _who(decision)
    why = _why(decision.votes[0], decision) if decision.votes else ""
    if decision.verb is Verb.ACCEPT:
        lifted = [plain.fact(v, decision) for v in decision.votes if v.path.startswith(PREFIX)]
        why = _ended("; ".join(lifted) or "no reason speaks against it")
    return _VERB_WORDS[decision.verb].format(who=who, why=why)


def rows(decision: Decision) -> tuple[tuple[str, str, str, str, str], ...]:
    """Return one row per reason: verb, compartment, path, where, facts in words."""
    return tuple(
        (str(v.verb), v.compartment or "", v.path, v.where, v.because.partition(SAID)[0])
        for v in decision.votes
    )


def _why(vote: Vote, decision: Decision) -> str:
    own = vote.because.partition(SAID)[2]
    said = own or plain.fact(vote, decision) or vote.path
    return _ended(said)


def _ended(said: str) -> str:
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


def _listed(names: list[str], last: str = "and") -> str:
    """Write "a, b and c"."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _leaving(decision: Decision) -> tuple[str, ...]:
    """Say where it may go; targets that are held back for the same reason share a sentence."""
    may = (f"It may go to: {', '.join(decision.may_leave_to)}.",) if decision.may_leave_to else ()
    held: dict[str, list[str]] = {}
    portals: dict[str, list[str]] = {}
    for hold in decision.holds:
        name, _, why = hold.partition(": ")
        shown = portals if name.endswith(_PORTAL) else held
        shown.setdefault(why, []).append(name.removesuffix(_PORTAL))
    portal = (f"The patient's portal ({', '.join(n)}) does not show it {why}." for why, n in portals.items())
    return (*may, *portal, *(f"It may not go to {_listed(n, 'or')}: {why}." for why, n in held.items()))


def _policy(decision: Decision) -> str:
    ref = decision.policy
    state = "" if ref.in_force else ", not in force"
    day, _, time = decision.at.removesuffix("Z").partition("T")
    return (
        f"Decided on {day} at {time[:5]} UTC by the policy {ref.policy} {ref.version}"
        f" ({ref.signed}{state}), baseline {ref.baseline}."
    )
