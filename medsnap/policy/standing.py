"""Whether a policy is in force, and what is missing (policy.md 3.9, M16). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from medsnap.errors import KeyRefused
from medsnap.policy import signatures
from medsnap.policy.keyring import Ring
from medsnap.policy.nouns import Policy
from medsnap.policy.signatures import InOffice, Signature, Tally

UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What a vault's signed directory says of policies."""

    root: str | None = None  # id of the root policy
    ring: str | None = None  # SHA-256 of the keyring
    lowest: int = 0  # version of the root policy
    unsigned_allowed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a policy is in force; `why` says what keeps it from being so."""

    signed: str
    why: str = ""
    tally: Tally | None = None
    ends: str = ""  # a daily warning near the end, and in the days of grace

    @property
    def in_force(self) -> bool:
        """Say whether nothing keeps it out of force."""
        return not self.why


def stand(
    policy: Policy,
    pins: Pins,
    ring: Ring | None,
    found: Iterable[Signature],
    now: datetime,
    *,
    in_office: InOffice | None = None,
) -> Standing:
    """Judge a policy by its dates, the vault's pins and its signatures; with people.csv also by that."""
    counted = None
    if ring is not None:
        subject = signatures.of_policy(policy)
        counted = signatures.tally(subject, policy.seats, ring, found, now.date(), in_office=in_office)
    why = _pinned(policy, pins) or _signed(pins, ring, counted) or _dated(policy, now.date())
    signed = UNSIGNED
    if counted is not None and counted.complete and ring is not None and ring.digest == pins.ring:
        signed = "signed by " + ", ".join(counted.people)
    return Standing(signed=signed, why=why, tally=counted, ends=_ends(policy, now.date()))


def enforce(policy: Policy, standing: Standing) -> Policy:
    """Return the policy as it decides: what is not in force by more than its dates quarantines all."""
    ref = replace(policy.ref, signed=standing.signed)
    return replace(policy, ref=ref, refused=standing.why)


def refuse_older(policy: Policy, seen: int) -> None:
    """Refuse a version lower than one that was in force before. Raises KeyRefused (77)."""
    if policy.ref.version < seen:
        raise KeyRefused(
            f"{policy.ref.policy} has version {policy.ref.version}, and version {seen} was in force before",
            hint="somebody put an old policy back; use the newest signed one",
        )


def _pinned(policy: Policy, pins: Pins) -> str:
    if pins.root is not None and policy.root != pins.root:
        return f"the vault is governed by the policy '{pins.root}', and this is '{policy.root}'"
    return ""


def _signed(pins: Pins, ring: Ring | None, counted: Tally | None) -> str:
    if pins.ring is None:
        return "" if pins.unsigned_allowed else "the vault allows no unsigned policy, and pins no keyring"
    if ring is None or counted is None or ring.digest != pins.ring:
        return "the keyring is not the one that the vault pins"
    missing = [f"{s.seat} ({len(s.signed)} of {s.needed})" for s in counted.seats if not s.complete]
    if missing:
        return "signatures are missing: " + ", ".join(missing)
    return "" if counted.complete else "the policy names nobody who signs it"


def _dated(policy: Policy, today: date) -> str:
    span = policy.in_force
    if today < span.first or today > span.last + span.grace:
        return f"the policy holds from {span.first} until {span.last}"
    return ""


def _ends(policy: Policy, today: date) -> str:
    span = policy.in_force
    left = (span.last - today).days
    if left < 0 and today <= span.last + span.grace:
        return (
            f"the policy ended on {span.last}; care goes on until {span.last + span.grace},"
            " teaching and publication have stopped"
        )
    return f"the policy ends in {left} days, on {span.last}" if 0 <= left <= 90 else ""
