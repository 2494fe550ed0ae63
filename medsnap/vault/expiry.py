"""Which photos the policy keeps no longer: a plan that people read before anything is removed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from medsnap.model.photo import ObjectId
from medsnap.model.record import PhotoRow
from medsnap.vault.holds import Hold, binding

HELD = "a legal hold is on it"
NOBODYS = "whose photo it is is not known"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A photo whose time is over: the last day that it had to be kept, and the digest of its seal."""

    object: ObjectId
    until: date
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `expire` would remove on a day, under one policy; `kept` are the others by what keeps them."""

    vault: str
    policy: str  # its id
    version: int
    digest: str  # sha256 of the resolved policy
    as_of: date
    due: tuple[Due, ...]
    kept: dict[str, tuple[ObjectId, ...]] = field(default_factory=dict)
    format: int = FORMAT


Terms = Callable[[PhotoRow], tuple[date | None, str]]  # the last day, None without an end, and why


def sort(
    rows: Iterable[PhotoRow], holds: Sequence[Hold], terms: Terms, as_of: date
) -> tuple[tuple[Due, ...], dict[str, tuple[ObjectId, ...]]]:
    """Part photos whose time is over from those that something keeps. What is not known keeps them."""
    due: list[Due] = []
    kept: dict[str, list[ObjectId]] = {}
    for row in rows:
        until, why = terms(row)
        if binding(holds, row):
            why = HELD
        elif until is not None and row.match.patient is None:
            why = NOBODYS  # it may be the photo of a patient whose photos are on hold
        elif until is not None and as_of > until:
            due.append(Due(object=row.seal.object, until=until, payload=row.seal.payload))
            continue
        kept.setdefault(why, []).append(row.seal.object)
    ordered = tuple(sorted(due, key=lambda d: (d.until, d.object)))
    return ordered, {why: tuple(sorted(ids)) for why, ids in sorted(kept.items())}


def stale(plan: Plan, due: Iterable[Due]) -> tuple[ObjectId, ...]:
    """Name the photos of a plan that are due no longer, or otherwise: somebody must look again."""
    now = {d.object: d for d in due}
    return tuple(d.object for d in plan.due if now.get(d.object) != d)
