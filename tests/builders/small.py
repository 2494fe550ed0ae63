"""Tiny pictures that are the same bytes for ever: no encoder, whose next version might write others.

What is computed from them may be kept as golden values, and a fuzzer gets far with few bytes.
"""

from __future__ import annotations

import zlib

from tests.builders import jpeg as j
from tests.builders import png as p

_TABLES = (
    j.segment(0xDB, b"\x00" + b"\x01" * 64),
    j.segment(0xC4, b"\x00\x01\x01" + bytes(14) + b"\x00\x05"),  # DC: 0 is no difference, 10 one of 5 bits
    j.segment(0xC4, b"\x10\x01" + bytes(15) + b"\x00"),  # AC: 0 is the end of the block
)
SCAN = bytes.fromhex("a8258f")  # four blocks: +20, 0, -20, 0
EOI = b"\xff\xd9"


def jpeg() -> bytes:
    """A grey JPEG of 16 x 16 pixels, four blocks of one shade each (ITU-T T.81)."""
    frame = j.segment(0xC0, b"\x08\x00\x10\x00\x10\x01\x01\x11\x00")
    return b"\xff\xd8" + b"".join(_TABLES) + frame + _scan(1) + EOI


def jpeg_of_scans(*between: bytes) -> bytes:
    """A JPEG of three components in three scans; `between` stands before the second one."""
    parts = b"".join(bytes((n, 0x11, 0)) for n in (1, 2, 3))
    frame = j.segment(0xC0, b"\x08\x00\x10\x00\x10\x03" + parts)
    scans = _scan(1) + b"".join(between) + _scan(2) + _scan(3)
    return b"\xff\xd8" + b"".join(_TABLES) + frame + scans + EOI


def _scan(component: int) -> bytes:
    return j.segment(0xDA, bytes((1, component, 0, 0, 63, 0))) + SCAN


def stored(content: bytes) -> bytes:
    """A zlib stream of one stored block (RFC 1950, RFC 1951 3.2.4)."""
    size = len(content).to_bytes(2, "little")
    check = zlib.adler32(content).to_bytes(4, "big")
    return b"\x78\x01\x01" + size + bytes(255 - b for b in size) + content + check


def png(*extra: bytes, late: tuple[bytes, ...] = (), behind: bytes = b"") -> bytes:
    """A PNG of 8 x 6 pixels; `behind` stands after its compressed stream, within IDAT."""
    return p.picture(*extra, late=late, data=stored(p.lines()) + behind)


def apng(behind: bytes = b"") -> bytes:
    """An APNG of two frames; `behind` stands after the second one's stream."""
    first = p.picture(data=stored(p.lines()))
    at = first.index(b"IDAT") - 4
    count = p.chunk(b"acTL", (2).to_bytes(4, "big") + bytes(4))
    second = p.chunk(b"fdAT", (2).to_bytes(4, "big") + stored(p.lines(seed=3)) + behind)
    return first[:at] + count + p.control(0) + first[at:-12] + p.control(1) + second + p.chunk(b"IEND")


# One pixel each, as cwebp once wrote them.
VP8L = b"VP8L" + (13).to_bytes(4, "little") + bytes.fromhex("2f00000010071011118888fe0700")
VP8 = b"VP8 " + (22).to_bytes(4, "little") + bytes.fromhex("3001009d012a010001000ec0fe25a400037000000000")


def profile() -> bytes:
    """A profile of 200 bytes that holds no tag (ICC.1 7.2)."""
    return (200).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(160)
