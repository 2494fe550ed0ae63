"""How much a dump may hold before intake stops reading it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one walk: bytes of a file, entries of a dump, levels of folders."""

    file_bytes: int = 4 << 30
    entries: int = 2_000_000
    depth: int = 64
