"""Votes to one outcome: the strictest wins on each axis, so no order matters (M2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from medsnap.model.decision import Verb, Vote
from medsnap.policy.nouns import Policy
from medsnap.policy.picture_votes import LOOKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a set of votes comes to."""

    verb: Verb
    compartment: str
    reviewers: int


def resolve(policy: Policy, votes: Iterable[Vote]) -> Outcome:
    """Take the highest verb, the last compartment, the largest number of reviewers."""
    verb, rank, reviewers = Verb.ACCEPT, 0, 0
    for vote in votes:
        verb = max(verb, vote.verb)
        rank = max(rank, policy.rank(vote.compartment))
        reviewers = max(reviewers, vote.reviewers)
    if verb >= Verb.RESTRICT and rank == 0:
        # What waits is closed like a restricted photo (M3): never under the key that all staff hold.
        rank = max(rank, policy.rank(policy.review.keep_in))
    return Outcome(verb=verb, compartment=policy.compartments[rank].name, reviewers=reviewers)


def strictest(policy: Policy, outcomes: list[Outcome]) -> Outcome:
    """Take the stricter of several outcomes on each axis (M11)."""
    if len(outcomes) == 1:
        return outcomes[0]
    rank = max(policy.rank(outcome.compartment) for outcome in outcomes)
    return Outcome(
        verb=max(outcome.verb for outcome in outcomes),
        compartment=policy.compartments[rank].name,
        reviewers=max(outcome.reviewers for outcome in outcomes),
    )


def ordered(policy: Policy, votes: Iterable[Vote]) -> tuple[Vote, ...]:
    """Sort votes, strictest first; of equals, what is known before what nobody has looked for."""

    def key(vote: Vote) -> tuple[int, int, bool, str, str, str]:
        rank = policy.rank(vote.compartment)
        return (-vote.verb, -rank, vote.path == LOOKS, vote.path, vote.where, vote.because)

    return tuple(sorted(dict.fromkeys(votes), key=key))


def counterfactual(policy: Policy, votes: tuple[Vote, ...], provisional: tuple[str, ...]) -> str:
    """Say what the smallest set of votes is without which it would come out otherwise."""
    now = replace(resolve(policy, votes), reviewers=0)
    if now.verb is Verb.ACCEPT and policy.rank(now.compartment) == 0:
        return "Nothing speaks against opening it."
    if provisional:
        facts = " and ".join(fact.replace("_", " ") for fact in provisional)
        return f"It is decided again when {facts} is known."
    if now.verb is Verb.SAFEGUARD:
        return "Nothing less than a new signed policy can open it."
    strictest = [v for v in votes if v.verb == now.verb]
    placed = [v for v in votes if v.compartment == now.compartment]
    changes = [found for found in (strictest, placed) if found and _without(policy, votes, found) != now]
    smallest = min(changes, key=len)  # without the strictest votes the verb is another: never empty
    then = _without(policy, votes, smallest)
    names = " and ".join(dict.fromkeys(f"{v.where} ({v.path})" for v in smallest))
    return f"Without {names} it would be {_in_words(policy, then)}."


def _in_words(policy: Policy, then: Outcome) -> str:
    place = f" ({then.compartment})" if policy.rank(then.compartment) else ""
    return {
        Verb.ACCEPT: f"open{place}",
        Verb.REDACT: f"locked away{place}, with a covered copy for others",
        Verb.RESTRICT: f"locked away{place}",
        Verb.QUARANTINE: f"waiting for a person{place}",
        Verb.REJECT: "not taken in",
        Verb.SAFEGUARD: f"safeguarded{place}",
    }[then.verb]


def _without(policy: Policy, votes: tuple[Vote, ...], left_out: list[Vote]) -> Outcome:
    outcome = resolve(policy, (vote for vote in votes if vote not in left_out))
    return replace(outcome, reviewers=0)
