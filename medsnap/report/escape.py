"""The one escape for foreign strings on their way to a terminal, a page or a CSV cell."""

from __future__ import annotations

import unicodedata

_DIRECTION = frozenset(map(chr, (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str, *, limit: int = 500) -> str:
    """Replace control, escape and direction-changing characters (terminal injection, bidi attack)."""
    shown = "".join(
        "�" if c in _DIRECTION or unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"} else c
        for c in text[:limit]
    )
    return shown + ("…" if len(text) > limit else "")


def cell(text: str) -> str:
    """Make a CSV cell that no spreadsheet runs as a formula."""
    return "'" + text if text.startswith(_FORMULA) else text
