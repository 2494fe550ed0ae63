"""Names within archives: which may become a path below a folder, and which are an attack."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

MAX_PARTS = 64
_MAX_PART = 255  # bytes, what file systems take


def safe(name: str) -> str | None:
    """Return the member's path below the archive with '/' between its parts; None where it is no such path.

    Absolute paths, drive letters, '..', NUL and control characters are what attacks are made of.
    """
    plain = name.replace("\\", "/")
    if plain.startswith("/") or plain[1:2] == ":" or not plain.isprintable():
        return None
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if not parts or len(parts) > MAX_PARTS or ".." in parts:
        return None
    if any(len(part.encode("utf-8", "surrogatepass")) > _MAX_PART for part in parts):
        return None
    return "/".join(parts)


@dataclass(slots=True)
class Taken:
    """The paths given away so far: two members must not meet in one place, whatever a disk thinks of case."""

    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def take(self, path: str) -> bool:
        """Claim a path; False where it, a folder of it, or a file below it, has been claimed."""
        folded = unicodedata.normalize("NFC", path).casefold()
        parts = folded.split("/")
        above = {"/".join(parts[:n]) for n in range(1, len(parts))}
        if folded in self.files or folded in self.folders or above & self.files:
            return False
        self.files.add(folded)
        self.folders |= above
        return True
