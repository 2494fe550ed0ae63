"""What this host remembers of checkpoints that left it, so that `doctor` can say when none did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medsnap import disk
from medsnap.errors import ConfigError, IoFailed
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.platform import write_durably

FILE = "shipped.json"
DAYS = 7  # without a checkpoint outside; the setting checkpoint_days changes it
_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The last checkpoint that left: when, of which size, to where ("file", "syslog" or "line")."""

    at: str  # RFC 3339
    size: int
    to: str


def most(text: str) -> int:
    """Return the setting checkpoint_days. Raises ConfigError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 100_000):
        raise ConfigError("checkpoint_days is no number of days", hint=f"the default is {DAYS}")
    return int(text)


def note(folder: Path, left: Left) -> None:
    """Remember it in this host's folder of the vault, which is made when it is not there."""
    try:
        disk.make_folders(folder)
        write_durably(folder / FILE, canonical(left) + b"\n")
    except OSError as failure:
        raise IoFailed(
            f"it left, but this host cannot remember that: {failure.strerror}", where=str(folder)
        ) from failure


def last(folder: Path) -> Left | None:
    """Return what left last; None when nothing is known of it, also for a broken note."""
    try:
        with (folder / FILE).open("rb") as handle:
            left = from_json(Left, json.loads(handle.read(_MAX)))
        datetime.fromisoformat(left.at)
    except (OSError, ValueError, RecursionError, CodecError):
        return None
    return left


def age(left: Left, now: datetime) -> int:
    """Return how many whole days ago it left."""
    at = datetime.fromisoformat(left.at)
    return (now - (at if at.tzinfo else at.replace(tzinfo=now.tzinfo))).days
