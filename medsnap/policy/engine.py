"""decide(): evidence and a policy in, one explained decision out. Pure; time is an argument (M13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from medsnap.model.decision import Decision, Evidence, Verb, Vote
from medsnap.policy.digest import evidence_digest
from medsnap.policy.facts import Facts, gather
from medsnap.policy.intake_votes import intake_votes, is_left
from medsnap.policy.leaving import leaving
from medsnap.policy.nouns import Policy
from medsnap.policy.picture_votes import LOOKS, Look, feature_votes, look_vote, to_look
from medsnap.policy.resolve import Outcome, counterfactual, ordered, resolve
from medsnap.policy.rule_votes import Match, rule_matches


def decide(policy: Policy, evidence: Evidence, now: datetime, *, study: Iterable[Vote] = ()) -> Decision:
    """Decide one photo (policy.md M1-M9, M13, M14, M16-M19).

    `now` has a time zone. `study` are the votes that other photos of the same visit cast on this one
    (`study_votes`, M17).
    """
    now = now.astimezone(UTC)
    facts = gather(policy, evidence, now)
    matches = _matches(policy, facts)
    look = to_look(policy, facts)
    votes = ordered(policy, [*_votes(policy, facts, matches, look), *study])
    outcome = resolve(policy, votes)
    provisional = tuple(sorted({fact for match in matches for fact in match.missing}))
    in_force, in_grace = _in_force(policy, now)
    goes, holds = leaving(policy, facts, outcome, look, in_force=in_force, in_grace=in_grace)
    return Decision(
        verb=outcome.verb,
        compartment=outcome.compartment,
        votes=votes,
        decided_by=votes[0].path,
        policy=policy.ref if in_force else replace(policy.ref, in_force=False),
        at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        evidence=evidence_digest(evidence),
        reviewers=outcome.reviewers,
        provisional=provisional,
        may_leave_to=goes,
        holds=holds,
        features=tuple(known.state for known in facts.known.values()),
        opened_by=_opened_by(policy, outcome, unlooked=bool(look.features)) if in_force else (),
        counterfactual=counterfactual(policy, votes, provisional),
    )


def _matches(policy: Policy, facts: Facts) -> list[Match]:
    """List the rules that match. A photo that is left alone is not judged by facts that are missing:
    nothing of a private phone is taken in on a suspicion (M18)."""
    left = is_left(policy, facts)
    return [match for match in rule_matches(policy, facts) if not (left and match.missing)]


def _votes(policy: Policy, facts: Facts, matches: list[Match], look: Look) -> Iterator[Vote]:
    yield from intake_votes(policy, facts)
    yield from feature_votes(policy, facts)
    yield look_vote(policy, look)
    yield from (match.vote for match in matches)
    in_force, _ = _in_force(policy, facts.now)
    if not in_force:
        span = policy.in_force
        why = policy.refused or f"the policy holds from {span.first} until {span.last}"
        yield Vote(verb=Verb.QUARANTINE, path="in_force", where=span.where, because=why)


def _in_force(policy: Policy, now: datetime) -> tuple[bool, bool]:
    """Say whether the policy is in force, and whether only by its grace (M16)."""
    if policy.refused:
        return False, False
    span, today = policy.in_force, now.date()
    in_grace = span.last < today and today - span.last <= span.grace
    return span.first <= today and (today <= span.last or in_grace), in_grace


def _opened_by(policy: Policy, outcome: Outcome, *, unlooked: bool) -> tuple[str, ...]:
    """Name the roles that may open it now: of its compartment, and only reviewers while it waits."""
    roles = policy.compartment(outcome.compartment).open_to
    if outcome.verb is Verb.REJECT:
        return ()
    if outcome.verb is Verb.SAFEGUARD or not (unlooked or outcome.verb is Verb.QUARANTINE):
        return roles
    return tuple(role for role in roles if role in policy.review.by) or roles


def study_votes(policy: Policy, decision: Decision) -> tuple[Vote, ...]:
    """Return the votes that a photo casts on every other photo of its visit (M17); mostly none."""
    spread = {rule.path: rule for rule in policy.rules if rule.whole_study}
    return tuple(
        Vote(
            verb=Verb.RESTRICT,
            path=vote.path,
            where=vote.where,
            compartment=vote.compartment,
            because=f"another photo of the visit — {spread[vote.path].because}",
        )
        for vote in decision.votes
        if vote.path in spread
    )


def leaves_alone(policy: Policy, evidence: Evidence, now: datetime) -> bool:
    """Say whether M18 leaves a photo where it is, untouched and only counted."""
    return is_left(policy, gather(policy, evidence, now.astimezone(UTC)))


def waits_for_look(decision: Decision) -> bool:
    """Say whether a person has still to look at the photo before it opens."""
    return any(vote.path == LOOKS and vote.verb > Verb.ACCEPT for vote in decision.votes)
