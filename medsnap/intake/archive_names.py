"""Names within archives: which may become a path below a folder, and which are an attack."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

MAX_PARTS = 64
_MAX_PATH = 4096  # bytes
_MAX_PART = 255  # bytes, what file systems take
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, halves of pairs, separators of lines
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # show a name as another


def safe(name: str) -> str | None:
    """Return the member's path below the archive with '/' between its parts; None where it is no such path.

    Absolute paths, drive letters, '..', NUL, control characters and overrides of direction are what attacks
    are made of. Narrow and wide spaces, joiners and marks of direction are in names of screenshots and chats.
    """
    plain = name.replace("\\", "/")
    if plain.startswith("/") or plain[1:2] == ":" or any(map(_attacks, plain)):
        return None
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if not parts or len(parts) > MAX_PARTS or ".." in parts:
        return None
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    if max(sizes) > _MAX_PART or sum(sizes) + len(sizes) > _MAX_PATH:
        return None
    return "/".join(parts)


def _attacks(character: str) -> bool:
    return character in _OVERRIDES or unicodedata.category(character) in _CONTROLS


@dataclass(slots=True)
class Taken:
    """The paths given away so far: two members must not meet in one place, whatever a disk thinks of case.

    A tree, so that many long paths cost no more memory than their names.
    """

    _files: set[str] = field(default_factory=set)
    _folders: dict[str, Taken] = field(default_factory=dict)

    def take(self, path: str) -> bool:
        """Claim a path; False where it, a folder of it, or a file below it, has been claimed."""
        *folders, name = unicodedata.normalize("NFC", path).casefold().split("/")
        place = self
        for folder in folders:
            if folder in place._files:
                return False
            place = place._folders.setdefault(folder, Taken())
        if name in place._files or name in place._folders:
            return False
        place._files.add(name)
        return True
