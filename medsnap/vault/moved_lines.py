"""What becomes of the catalogue's lines on a photo that goes to another locked group. Pure.

Its row takes the decisions along that held where it lay, and stands there under the decision that moved it.
Receipts and holds go with it under its new name, and so does the end of a hold. Who signed a line and where
the log names it stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from medsnap.model.codec import canonical, to_json
from medsnap.model.decision import Decision
from medsnap.model.photo import ObjectId
from medsnap.model.record import ADD, RECEIPT, RELEASE, MoveRow
from medsnap.model.seal import Seal
from medsnap.vault import decisions
from medsnap.vault.batches import Line
from medsnap.vault.rights import VERB_FOR, subject

Event: TypeAlias = dict[str, Any]
_TOLD: Final = frozenset({ADD, *decisions.KINDS})  # what the row tells there


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A photo that is to go: what holds of it from then on, and what has held so far, in order."""

    object: ObjectId
    decision: Decision
    decided: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Who moves photos, when and why: it stands sealed with each of them."""

    at: str  # RFC 3339 UTC
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Parts lines into those that stay and those that go.

    `names` are the new names of photos by their old ones; those that are not in `photos` went before, and
    something that was written at that moment goes after them. `home` says in which commit a row stands,
    `holds` are ids of holds on the photos.
    """

    photos: Mapping[ObjectId, Moving]
    names: Mapping[ObjectId, ObjectId]
    home: Mapping[ObjectId, str]
    holds: AbstractSet[str]
    why: Why
    seals: Mapping[ObjectId, Seal] = field(default_factory=dict)  # new ones by the old name

    def goes(self, event: Event) -> bool:
        """Say whether a line leaves its batch: it speaks of a photo that goes, or ends a hold on one."""
        if event.get("event") == RELEASE:
            return event.get("id") in self.holds
        name = subject(event)
        return name in self.names and (name in self.photos or event.get("event") == RECEIPT)

    def stay(self, lines: Iterable[Line]) -> list[bytes]:
        """Return the lines that stay."""
        return [line for event, line in lines if not self.goes(event)]

    def come(self, commit: str, lines: Iterable[Line], counted: AbstractSet[bytes]) -> Iterator[bytes]:
        """Yield those that go as they stand in the other group; `counted` are the lines that count here.

        What did not count because its signer had no right does not go along.
        """
        rows: set[str | None] = set()
        for event, line in lines:
            kind, name = event.get("event"), subject(event)
            if not self.goes(event) or (name in self.photos and kind in VERB_FOR and line not in counted):
                continue
            if kind == ADD and name not in rows and self.home[ObjectId(str(name))] == commit:
                rows.add(name)  # the first row of an object counts
                yield canonical(self._row(event))
            elif kind == RELEASE:
                yield line
            elif kind == RECEIPT:
                yield canonical({**event, "receipt": self._renamed(event["receipt"])})
            elif kind not in _TOLD:
                yield canonical(self._renamed(event))

    def _renamed(self, part: Event) -> Event:
        return {**part, "object": self.names[ObjectId(part["object"])]}

    def _row(self, event: Event) -> Event:
        """Rewrite what the move changes; fields that this medsnap does not know stay."""
        old = event["seal"]
        moving = self.photos[ObjectId(old["object"])]
        moves = list(event.get("moves") or ())
        before = sum(len(m.get("decisions") or ()) for m in moves)
        here = MoveRow(
            was=ObjectId(old["object"]),
            source=old["compartment"],
            at=self.why.at,
            by=self.why.by,
            reason=self.why.reason,
            decisions=moving.decided[before:],
        )
        return {
            **event,
            "seal": self._sealed(old),
            "companions": [
                {**c, "seal": self._sealed(c["seal"])} if c.get("seal") else c
                for c in event.get("companions") or ()
            ],
            "decision": to_json(moving.decision),
            "moves": [*moves, to_json(here)],
        }

    def _sealed(self, old: Event) -> Event:
        return {**old, **to_json(self.seals[ObjectId(old["object"])])}
