"""What an archive holds: members to take, and what is refused or left, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from medsnap.model.photo import MediaType, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Limits of one archive: members, bytes of one and of all, unpacked to packed bytes, bytes of a head."""

    entries: int = 100_000
    file_bytes: int = 4 << 30
    total_bytes: int = 256 << 30
    ratio: int = 200
    head: int = 64 << 10
    whole: int = 256 << 20  # bytes: a TIFF up to here is read whole to tell what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member that may be taken, with its type by content."""

    path: str  # safe, '/' between its parts
    member: Member
    mtime_ns: int
    media: MediaType
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A member that is refused. `path` is made safe to show; it never becomes a path on disk."""

    path: str
    reason: str


Found: TypeAlias = Entry | Refused


def shown(name: str) -> str:
    """Make any name fit to be shown: control characters become '?', the length is bounded."""
    return "".join(c if c.isprintable() else "?" for c in name[:300]) or "(no name)"


LINK = "refused: a link in an archive"
SPECIAL = "refused: no ordinary file in an archive"
UNSAFE = "refused: a name that would leave the folder"
TWICE = "refused: another file of the archive has this place"
ENCRYPTED = "refused: encrypted; unpack the archive with its password first"
OVERLAP = "refused: its bytes belong to another file of the archive too"
RATIO = "refused: it unpacks to far more than it is"
TOO_LARGE = "refused: larger than the limit for one file"
SPARSE = "refused: a sparse file in an archive"
UNKNOWN = "refused: an entry of an unknown kind"
DISAGREES = "refused: the archive's two descriptions of it disagree"
