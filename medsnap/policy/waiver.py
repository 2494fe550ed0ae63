"""Waivers: signed exceptions that end (policy.md M12). Each removes one vote of one rule, no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from medsnap.model.decision import Decision, Verb, Vote
from medsnap.policy.facts import Facts
from medsnap.policy.sites import normal

PREFIX: Final = "waivers."  # of the path of the vote that tells of a waiver in a decision
SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """Whose photos a waiver is for: all that is said must be so; None asks nothing."""

    department: str | None = None
    device: str | None = None  # asset
    view: str | None = None
    reason: str | None = None
    body_site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One exception: the rule, for what, until when, why, and the bytes that are signed."""

    id: str
    policy: str
    rule: str
    narrow: Narrow
    first: date | None
    until: date
    because: str
    where: str  # "W-2026-014.yaml:2"
    digest: str  # SHA-256 of the file as it is
    text: str = ""


class State(StrEnum):
    """How a waiver stands on a day."""

    USED = "in use"
    UNUSED = "unused"
    ENDS_SOON = "ends soon"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A waiver's state, and how many decisions it has changed."""

    waiver: Waiver
    state: State
    used: int

    def sentence(self) -> str:
        """Say what to do about it."""
        return {
            State.USED: f"in use until {self.waiver.until}",
            State.UNUSED: "no decision has needed it: withdraw it",
            State.ENDS_SOON: f"ends on {self.waiver.until}: mend the cause or have the next one signed",
            State.ENDED: f"ended on {self.waiver.until}: remove the file",
        }[self.state]


def lift(
    votes: Iterable[Vote], waivers: Iterable[Waiver], facts: Facts, policies: Iterable[str]
) -> tuple[Vote, ...]:
    """Replace the votes that a waiver removes by one that tells of it.

    `waivers` were judged in force by whoever calls; their dates are asked here once more. `policies`
    are the ids that may be meant: the policy's own and its parent's.
    """
    named = frozenset(policies)
    fit = [w for w in waivers if w.policy in named and _holds(w, facts)]
    if not fit:
        return tuple(votes)
    return tuple(_told(vote, fit) for vote in votes)


def _told(vote: Vote, fit: Iterable[Waiver]) -> Vote:
    # A safeguard is never lifted: the file before it may be an offence to copy (M4).
    found = next((w for w in fit if w.rule == vote.path and Verb.ACCEPT < vote.verb < Verb.SAFEGUARD), None)
    if found is None:
        return vote
    facts = vote.because.partition(" — ")[0]
    why = f"lifts {vote.verb} of {vote.path} ({vote.where}: {facts}) until {found.until}"
    return Vote(
        verb=Verb.ACCEPT, path=PREFIX + found.id, where=found.where, because=f"{why} — {found.because}"
    )


def _holds(waiver: Waiver, facts: Facts) -> bool:
    """Say whether a waiver is for this photo today; a missing fact is no reason to open."""
    today, narrow, evidence = facts.now.date(), waiver.narrow, facts.evidence
    if today > waiver.until or (waiver.first is not None and today < waiver.first):
        return False
    # A device that the file contradicts is not the one that the waiver names.
    asset = None if evidence.device.contradictions else evidence.device.asset
    site = facts.site.code if facts.site else None
    return (
        narrow.department in (None, evidence.department)
        and narrow.device in (None, asset)
        and (narrow.view is None or normal(narrow.view) == facts.view)
        and (narrow.reason is None or normal(narrow.reason) == facts.reason)
        and narrow.body_site in (None, site)
        and narrow != Narrow()
    )


def lifted(decision: Decision) -> tuple[str, ...]:
    """Name the waivers that changed a decision."""
    return tuple(v.path.removeprefix(PREFIX) for v in decision.votes if v.path.startswith(PREFIX))


def standing(waivers: Iterable[Waiver], used: Mapping[str, int], today: date) -> tuple[Standing, ...]:
    """Say how each waiver stands; `used` counts decisions by the waiver's id (`lifted`)."""
    found = []
    for waiver in sorted(waivers, key=lambda w: (w.until, w.id)):
        count = used.get(waiver.id, 0)
        if today > waiver.until:
            state = State.ENDED
        elif count == 0:
            state = State.UNUSED
        else:
            state = State.ENDS_SOON if waiver.until - today <= SOON else State.USED
        found.append(Standing(waiver=waiver, state=state, used=count))
    return tuple(found)
