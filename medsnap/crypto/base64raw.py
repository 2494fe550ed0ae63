"""Base 64 without padding, canonical only (RFC 4648, sections 4 and 3.5), as age headers use it."""

from __future__ import annotations

import binascii

from medsnap.errors import Malformed


def encode(raw: bytes) -> str:
    """Encode without `=`."""
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").decode("ascii")


def decode(text: str, *, where: str) -> bytes:
    """Decode; raise Malformed for padding, foreign characters and non-zero spare bits.

    A lax decoder would let one file exist in many spellings: headers would be malleable.
    """
    try:
        raw = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError as problem:
        raise Malformed("base64 is broken", where=where) from problem
    if encode(raw) != text:
        raise Malformed("base64 is not canonical", where=where)
    return raw
