"""decide(): evidence and a policy in, one explained decision out. Pure; time is an argument (M13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from medsnap.model.decision import Decision, Evidence, Verb, Vote
from medsnap.model.finding import FeatureState, State
from medsnap.policy.digest import evidence_digest
from medsnap.policy.facts import Facts, gather
from medsnap.policy.intake_votes import intake_votes, is_left
from medsnap.policy.leaving import leaving
from medsnap.policy.nouns import Policy
from medsnap.policy.picture_votes import LOOKS, Look, feature_votes, look_vote, to_look
from medsnap.policy.resolve import Outcome, counterfactual, ordered, resolve, strictest
from medsnap.policy.rule_votes import Match, rule_matches
from medsnap.policy.waiver import Waiver, lift


@dataclass(frozen=True, slots=True)
class _Side:
    """One policy's view of a photo. A child has two: under its pinned parent and the current one (M11)."""

    policy: Policy
    facts: Facts
    look: Look
    votes: tuple[Vote, ...]
    missing: frozenset[str]


def decide(
    policy: Policy,
    evidence: Evidence,
    now: datetime,
    *,
    study: Iterable[Vote] = (),
    waivers: tuple[Waiver, ...] = (),
) -> Decision:
    """Decide one photo (policy.md M1-M9, M11-M14, M16-M19).

    `now` has a time zone. `study` are the votes that other photos of the same visit cast on this one
    (`study_votes`, M17). `waivers` are those whose signatures were found good, beside the policy's own;
    each removes one vote.
    """
    now, waivers = now.astimezone(UTC), (*policy.waivers, *waivers)
    sides = [_side(side, evidence, now, waivers) for side in (policy, policy.also) if side is not None]
    top = sides[-1].policy  # versions only append compartments, so it knows them all
    votes = ordered(top, [*_joined(sides), *study])
    outcome = strictest(top, [resolve(side.policy, votes) for side in sides])
    provisional = tuple(sorted(frozenset().union(*(side.missing for side in sides))))
    judged = [_in_force(side.policy, now) for side in sides]
    in_force, in_grace = all(yes for yes, _ in judged), any(grace for _, grace in judged)
    unlooked = any(side.look.features for side in sides)
    goes, holds = _leaving(sides, outcome, in_force=in_force, in_grace=in_grace)
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
        features=_states(sides),
        opened_by=_openers(sides, outcome, unlooked=unlooked) if in_force else (),
        counterfactual=counterfactual(top, votes, provisional),
    )


def _side(policy: Policy, evidence: Evidence, now: datetime, waivers: tuple[Waiver, ...]) -> _Side:
    facts = gather(policy, evidence, now)
    matches = _matches(policy, facts)
    look = to_look(policy, facts)
    votes = tuple(_votes(policy, facts, matches, look))
    if waivers:
        votes = lift(votes, waivers, facts, (policy.ref.policy, policy.root))
    kept = set(votes)
    missing = frozenset(fact for match in matches if match.vote in kept for fact in match.missing)
    return _Side(policy, facts, look, votes, missing)


def _joined(sides: list[_Side]) -> list[Vote]:
    """Join the votes; what both parents say alike is said once, with the pinned one's line."""
    first, *others = sides
    known = {replace(vote, where="") for vote in first.votes} if others else set()
    more = (vote for side in others for vote in side.votes if replace(vote, where="") not in known)
    return [*first.votes, *more]


def _leaving(
    sides: list[_Side], outcome: Outcome, *, in_force: bool, in_grace: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ask each side where the photo may go; it goes where all agree."""
    asked = [
        leaving(side.policy, side.facts, outcome, side.look, in_force=in_force, in_grace=in_grace)
        for side in sides
    ]
    if len(asked) == 1:
        return asked[0]
    agreed = set(asked[0][0]).intersection(*(goes for goes, _ in asked))
    holds = dict.fromkeys(hold for _, found in asked for hold in found)
    said = {hold.partition(":")[0] for hold in holds}
    gone = [name for goes, _ in asked for name in goes if name not in agreed and name not in said]
    holds |= dict.fromkeys(
        f"{name}: the parent's policy of today does not allow this target" for name in gone
    )
    return tuple(name for name in asked[0][0] if name in agreed), tuple(holds)


def _states(sides: list[_Side]) -> tuple[FeatureState, ...]:
    """Return the features' states; where two parents see it differently, the one that opens less."""
    first, *others = (side.facts.known for side in sides)
    if not others:
        return tuple(known.state for known in first.values())
    order = (State.SEEN, State.DOUBTFUL, State.NOT_ASSESSABLE, State.NOT_CHECKED, State.NOT_SEEN)
    names = dict.fromkeys(name for known in (first, *others) for name in known)
    rows = ([known[name].state for known in (first, *others) if name in known] for name in names)
    return tuple(min(row, key=lambda known: order.index(known.state)) for row in rows)


def _openers(sides: list[_Side], outcome: Outcome, *, unlooked: bool) -> tuple[str, ...]:
    first, *others = (_opened_by(side.policy, outcome, unlooked=unlooked) for side in sides)
    return tuple(role for role in first if all(role in more for more in others))


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
