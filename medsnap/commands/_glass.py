"""Is a break-glass open, or over and not ended? For whoever looks at a vault, with or without keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsnap.commands._directory import pending
from medsnap.report.page import Block, Line, Tone

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory

END = "medsnap vault break-glass end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glass:
    """What waits for its end: groups, whose keys were used, how long it was to last (None: unknown)."""

    groups: tuple[str, ...]
    used: tuple[str, ...]
    until: datetime | None
    over: bool

    @property
    def when(self) -> str:
        """Say until or since when, in the words of a sentence."""
        if self.until is None:
            return "over, since when is not known,"
        day = self.until.isoformat(timespec="seconds")
        return f"over since {day}" if self.over else f"open until {day}"

    @property
    def text(self) -> str:
        """Say all of it."""
        return f"A break-glass is {self.when}: new keys are due for {', '.join(self.groups)}"

    @property
    def data(self) -> dict[str, Any]:
        """Say it to programs."""
        return {
            "groups": list(self.groups),
            "custodians": list(self.used),
            "until": self.until.isoformat(timespec="seconds") if self.until else None,
            "overdue": self.over,
        }


def found(vault: Path, directory: Directory, now: datetime) -> Glass | None:
    """Return the break-glass that has not ended, None without one. Raises what is wrong with the log."""
    from medsnap.vault.due import ends, groups_of, over

    dues = pending(vault, directory)
    if not dues:
        return None
    return Glass(
        groups=tuple(name or "the audit log" for name in groups_of(dues)),
        used=tuple(dict.fromkeys(due.used for due in dues if due.used)),
        until=ends(dues),
        over=over(dues, now),
    )


def lines(glass: Glass | None) -> list[Block]:
    """Say it on a page."""
    if glass is None:
        return []
    return [Line(f"{glass.text} ({END}).", Tone.BAD if glass.over else Tone.WARN)]
