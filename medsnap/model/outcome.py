"""What became of each file: exactly one outcome for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from medsnap.model.photo import ObjectId
from medsnap.model.private import Private


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Sealed under a decision (quarantine included)."""

    source: Private[str]
    object: ObjectId | None = None
    already: bool = False  # held from an earlier run; nothing was stored
    verb: str = ""
    waits: bool = False  # a person has to look
    left_to: tuple[str, ...] = ()  # export targets it reached in this run
    name: str = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Sealed as it came: something in it could not be understood or checked."""

    source: Private[str]
    reason: str
    object: ObjectId | None = None
    already: bool = False
    name: str = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Not a photo of ours: counted, untouched."""

    source: Private[str]
    reason: str
    name: str = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Could not be read or sealed; the source is untouched."""

    source: Private[str]
    error: str  # the error's id: "io.unreadable"
    reason: str
    name: str = "failed"


Outcome: TypeAlias = Done | Held | Skipped | Failed


@dataclass(slots=True, kw_only=True)
class RunSummary:
    """Counts of a run; never names."""

    done: int = 0
    held: int = 0
    skipped: int = 0
    failed: int = 0
    already: int = 0
    waits: int = 0
    left: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All files that got an outcome."""
        return self.done + self.held + self.skipped + self.failed

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        match outcome:
            case Done():
                self.done += 1
                self.already += outcome.already
                self.waits += outcome.waits
                self.left += bool(outcome.left_to)
            case Held():
                self.held += 1
                self.already += outcome.already
                self._reason(outcome.reason)
            case Skipped():
                self.skipped += 1
                self._reason(outcome.reason)
            case Failed():
                self.failed += 1
                self._reason(outcome.error)

    def _reason(self, reason: str) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> RunSummary:
        """Count many."""
        summary = cls()
        for outcome in outcomes:
            summary.add(outcome)
        return summary
