"""Random names of objects, batches, commits and rings, and the padding that hides sizes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TypeAlias

from medsnap.model.photo import ObjectId

Random: TypeAlias = Callable[[int], bytes]

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lower case
_NAME = re.compile(r"[a-z2-7]{26}")
SHORT = 8  # characters that lists show: 40 bits
_PREFIX = re.compile(r"[a-z2-7]{6,26}")


def random_id(random: Random) -> ObjectId:
    """Make 26 characters of a-z2-7 (130 bits) that say nothing of time, content or compartment."""
    return ObjectId(base64.b32encode(random(17))[:26].decode("ascii").lower())


def is_id(text: str) -> bool:
    """Say whether a text has the form of an id; only such texts ever become a file name."""
    return _NAME.fullmatch(text) is not None


def is_prefix(text: str) -> bool:
    """Say whether a text is an id or a beginning of one that is long enough to mean one photo."""
    return _PREFIX.fullmatch(text) is not None


def padme(length: int) -> int:
    """Return the padded size of `length` bytes by Padmé (PURBs, PETS 2019, section 4).

    At most 12 % more, about 1 % for photos; leaves O(log log length) bits of the size.
    """
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask
