"""Votes on what the picture shows, and on what nobody has looked for (M5, M6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from medsnap.model.decision import Verb, Vote
from medsnap.model.finding import State
from medsnap.policy.facts import INTIMATE, OTHER_PERSON, Facts
from medsnap.policy.fuse import PRESENT, UNKNOWN
from medsnap.policy.nouns import Looks, Policy

LOOKS: Final = "detection.person_looks"
SUSPECT: Final = "detection.suspect_at"


@dataclass(frozen=True, slots=True)
class Look:
    """What a person has still to look for, and the compartment it could lead to."""

    features: tuple[str, ...]
    compartment: str | None


def feature_votes(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Cast one vote for each feature that is seen or doubtful, and one for all doubts."""
    doubts: list[str] = []
    for name, known in facts.known.items():
        if known.state.state not in PRESENT:
            continue
        rule = policy.features[name]
        yield Vote(
            verb=rule.verb,
            path=f"features.{name}",
            where=rule.where,
            compartment=rule.to,
            reviewers=rule.reviewers if rule.verb > Verb.ACCEPT else 0,
            because=known.because,
        )
        matters = rule.verb > Verb.ACCEPT or name in (INTIMATE, OTHER_PERSON)
        if known.state.state is State.DOUBTFUL and matters:
            doubts.append(known.because)
    if doubts:
        yield Vote(
            verb=Verb.QUARANTINE,
            path=SUSPECT,
            where=policy.detection.where_suspect,
            reviewers=1,
            because="; ".join(sorted(doubts)),
        )


def look_vote(policy: Policy, look: Look) -> Vote:
    """Say what `person_looks` does with what nobody has looked for; accept when all is settled."""
    if not look.features:
        why = "every feature was looked for"
        return Vote(verb=Verb.ACCEPT, path=LOOKS, where=policy.detection.where_looks, because=why)
    every = policy.detection.person_looks is Looks.EVERY_PHOTO
    return Vote(
        verb=Verb.QUARANTINE if every else Verb.RESTRICT,
        path=LOOKS,
        where=policy.detection.where_looks,
        compartment=look.compartment,
        reviewers=1,
        because=_named(look.features),
    )


def to_look(policy: Policy, facts: Facts) -> Look:
    """List the features that a person must still look for (M6).

    `when_unsure` trusts a detector that may say *not seen*; the others want a person for each.
    """
    unsure = policy.detection.person_looks is Looks.WHEN_UNSURE
    features: list[str] = []
    rank = -1
    for name, known in facts.known.items():
        state, rule = known.state.state, policy.features[name]
        cleared = state is State.NOT_SEEN and (known.by_person or unsure)
        if rule.verb is Verb.ACCEPT or cleared or state in PRESENT:
            continue
        features.append(name)
        if state in UNKNOWN and (name != INTIMATE or facts.site_may_be_intimate):
            rank = max(rank, policy.rank(rule.to))
    return Look(tuple(features), policy.compartments[rank].name if rank >= 0 else None)


def _named(features: tuple[str, ...]) -> str:
    first = ", ".join(features[:3])
    more = len(features) - 3
    return f"nobody has looked for {first}" + (f" and {more} more" if more > 0 else "")
