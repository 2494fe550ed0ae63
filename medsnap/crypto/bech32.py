"""Bech32 as in BIP 173, without its limit on length, as age keys use it."""

from __future__ import annotations

from collections.abc import Iterable

from medsnap.errors import KeyRefused

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_MAX = 8192  # characters; the longest age key has 1,960


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(_GENERATOR):
            if top >> bit & 1:
                check ^= factor
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(values: Iterable[int], width: int, to: int) -> tuple[list[int], int, int]:
    """Regroup bits; return the whole groups, the bits left over and how many they are."""
    pending = bits = 0
    out: list[int] = []
    for value in values:
        pending = pending << width | value
        bits += width
        while bits >= to:
            bits -= to
            out.append(pending >> bits)
            pending &= (1 << bits) - 1
    return out, pending, bits


def encode(prefix: str, data: bytes) -> str:
    """Encode bytes under a human-readable prefix, in lower case."""
    prefix = prefix.lower()
    values, rest, bits = _regroup(data, 8, 5)
    if bits:
        values.append(rest << (5 - bits))
    check = _polymod([*_expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(_ALPHABET[v] for v in values)


def decode(text: str) -> tuple[str, bytes]:
    """Decode into (prefix in lower case, bytes); raise KeyRefused. The text is never repeated: it
    may be a secret."""
    lower = text.lower()
    if len(text) > _MAX or text not in (lower, text.upper()) or not text.isascii():
        raise KeyRefused("this is no age key: mixed case, foreign characters or too long")
    prefix, mark, tail = lower.rpartition("1")
    if not (mark and prefix and len(tail) >= 6) or any(c not in _VALUE for c in tail):
        raise KeyRefused("this is no age key: prefix or characters are wrong")
    values = [_VALUE[c] for c in tail]
    if _polymod([*_expand(prefix), *values]) != 1:
        raise KeyRefused("the age key has a typing error: its check sum is wrong")
    data, rest, bits = _regroup(values[:-6], 5, 8)
    if bits >= 5 or rest:
        raise KeyRefused("the age key is broken: spare bits are set")
    return prefix, bytes(data)
