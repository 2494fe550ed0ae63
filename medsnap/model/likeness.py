"""A fingerprint by which two codings of one picture are known again, and how far two of them lie apart.

It is the signs of a picture's lowest frequencies, 256 bits: bit 16·v + u stands for the frequency v
down and u across (0 is the mean and says nothing). Signs survive another codec, another size and
another exposure; turning a picture only moves and flips them, so turned copies need no second look.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

SIDE: Final = 16  # frequencies down and across
BITS: Final = SIDE * SIDE
PREFIX: Final = "d1:"  # of this way of making it; another one never compares with it
_FORM: Final = re.compile(r"d1:[0-9a-f]{64}")
_ODD_ACROSS: Final = sum(1 << i for i in range(BITS) if i % SIDE % 2)
_ODD_DOWN: Final = sum(1 << i for i in range(BITS) if i // SIDE % 2)
_MIRRORS: Final = (0, _ODD_ACROSS, _ODD_DOWN, _ODD_ACROSS ^ _ODD_DOWN)


def written(bits: int) -> str:
    """Write a fingerprint as text."""
    return f"{PREFIX}{bits:064x}"


def distance(one: str | None, other: str | None) -> int | None:
    """Count the bits in which two pictures differ, however they are turned; None when nobody can say.

    Of two pictures that have nothing in common it is around 110 of 255.
    """
    if not (one and other and _FORM.fullmatch(one) and _FORM.fullmatch(other)):
        return None
    a, b = int(one[len(PREFIX) :], 16), int(other[len(PREFIX) :], 16)
    apart = a ^ b
    best = min((apart ^ mirror).bit_count() for mirror in _MIRRORS)
    apart = transposed(a) ^ b
    return min(best, *((apart ^ mirror).bit_count() for mirror in _MIRRORS))


@lru_cache(maxsize=4096)
def transposed(bits: int) -> int:
    """Return the fingerprint of the picture with rows and columns exchanged."""
    turned = 0
    while bits:
        low = bits & -bits
        down, across = divmod(low.bit_length() - 1, SIDE)
        turned |= 1 << (across * SIDE + down)
        bits ^= low
    return turned
