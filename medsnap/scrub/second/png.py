"""Read a scrubbed PNG byte by byte: nothing may stand in it that this reader does not expect.

Written from the W3C PNG specification apart from the rewriter; it shares no code with it or with
medsnap.formats.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass, field

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second import exif, icc

_LENGTHS = {
    b"IHDR": {13}, b"IEND": {0}, b"gAMA": {4}, b"cHRM": {32}, b"sRGB": {1}, b"cICP": {4},
    b"mDCV": {24}, b"cLLI": {8}, b"sBIT": {1, 2, 3, 4}, b"pHYs": {9}, b"bKGD": {1, 2, 6}, b"acTL": {8},
    b"tRNS": set(range(1, 257)), b"PLTE": set(range(3, 769, 3)), b"fcTL": {26},
}  # fmt: skip
_ANY_LENGTH = frozenset({b"eXIf", b"iCCP", b"IDAT", b"fdAT"})
_MANY = frozenset({b"IDAT", b"fcTL", b"fdAT"})
_BEFORE_IDAT = frozenset(_LENGTHS) - {b"IEND", b"fcTL", b"IHDR"} | {b"iCCP", b"eXIf"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(slots=True)
class _Picture:
    """A zlib stream and the scanline bytes it must give, neither more nor less."""

    wanted: int
    got: int = 0
    inflater: zlib._Decompress = field(default_factory=zlib.decompressobj)


@dataclass(slots=True)
class _State:
    facts: dict[str, str] = field(default_factory=lambda: {"orientation": "1"})
    seen: set[bytes] = field(default_factory=set)
    last: bytes = b""
    header: bytes = b""
    current: _Picture | None = None
    sequence: int = 0
    frames: int = 0
    promised: int = 0


def account(data: Buffer, media: MediaType) -> tuple[tuple[str, str], ...]:
    """Account for every byte of a scrubbed PNG. Raises NotClean; returns what rendering depends on."""
    view = memoryview(data)
    if media is not MediaType.PNG or bytes(view[:8]) != b"\x89PNG\r\n\x1a\n":
        raise NotClean("the PNG signature is missing", where="byte 0")
    state = _State()
    at = 8
    while state.last != b"IEND":
        if at + 12 > len(view):
            raise NotClean("the file ends before IEND", where=f"byte {at}")
        length = int.from_bytes(view[at : at + 4], "big")
        stop = at + 12 + length
        if stop > len(view):
            raise NotClean("a chunk reaches past the end", where=f"byte {at}")
        if binascii.crc32(view[at + 4 : stop - 4]) != int.from_bytes(view[stop - 4 : stop], "big"):
            raise NotClean("a CRC is wrong", where=f"byte {at}")
        _chunk(state, bytes(view[at + 4 : at + 8]), view[at + 8 : stop - 4], at)
        at = stop
    if at != len(view):
        raise NotClean("bytes follow IEND", where=f"byte {at}")
    if state.frames != state.promised:
        raise NotClean("acTL promises another number of frames", where=f"byte {at}")
    return tuple(state.facts.items())


def _chunk(state: _State, kind: bytes, body: memoryview, at: int) -> None:
    where = f"chunk {kind.decode('ascii', 'replace')}, byte {at}"
    if kind not in _ANY_LENGTH and len(body) not in _LENGTHS.get(kind, ()):
        raise NotClean("a chunk is not on the list or has a wrong length", where=where)
    if (kind == b"IHDR") != (state.last == b"") or (kind in state.seen and kind not in _MANY):
        raise NotClean("a chunk stands twice or out of place", where=where)
    if b"IDAT" in state.seen and (kind in _BEFORE_IDAT or (kind == b"IDAT" and state.last != b"IDAT")):
        raise NotClean("a chunk stands behind the picture", where=where)
    if kind not in (b"IDAT", b"fdAT") and state.last in (b"IDAT", b"fdAT"):
        _close(state, where)
    if not _content(state, kind, body):
        raise NotClean("a chunk holds more or other than it may", where=where)
    if kind in (b"IDAT", b"fdAT"):
        _pixels(state, kind, body, where)
    state.seen.add(kind)
    state.last = kind


def _content(state: _State, kind: bytes, body: memoryview) -> bool:
    colour = state.header[9] if state.header else -1
    match kind:
        case b"IHDR":
            state.header = bytes(body)
            state.facts["header"] = state.header.hex()
            return body[9] in _CHANNELS and body[10] == body[11] == 0 and body[12] <= 1
        case b"eXIf":
            said = exif.read(bytes(body)) or {"colour": ""}
            state.facts.update(said)
            return "colour" not in said  # a PNG has chunks of its own for colours
        case b"iCCP":
            return _profile(state, bytes(body))
        case b"tRNS":
            return (colour, len(body)) in ((0, 2), (2, 6)) or colour == 3
        case b"PLTE":
            return colour == 3  # elsewhere it is a suggestion, which could say anything
        case b"acTL":
            state.promised = int.from_bytes(body[:4], "big")
            return state.promised > 0
        case b"fcTL":
            return _control(state, body)
        case b"IEND":
            return b"IDAT" in state.seen and state.last != b"fcTL"
    return True


def _profile(state: _State, body: bytes) -> bool:
    if body[:5] != b"icc\x00\x00":
        return False
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(body[5:], 16 << 20)
    except zlib.error:
        return False
    state.facts.update(icc.facts("icc", profile))
    size = int.from_bytes(profile[:4], "big")
    rest = profile[size:]
    whole = inflater.eof and not inflater.unused_data and profile[36:40] == b"acsp"
    return whole and 128 < size <= len(profile) and len(rest) <= 3 and not rest.strip(b"\x00")


def _control(state: _State, body: memoryview) -> bool:
    number = int.from_bytes(body[:4], "big")
    width, height, left, top = (int.from_bytes(body[k : k + 4], "big") for k in (4, 8, 12, 16))
    across, down = int.from_bytes(state.header[:4], "big"), int.from_bytes(state.header[4:8], "big")
    inside = min(width, height) > 0 and left + width <= across and top + height <= down
    fits = number == state.sequence and b"acTL" in state.seen and body[24] <= 2 and body[25] <= 1
    if state.current is not None and state.last == b"fcTL":
        return False  # the control before it has no picture
    state.sequence += 1
    state.frames += 1
    first = b"IDAT" not in state.seen
    state.current = None if first else _Picture(_scanlines(state.header, width, height))
    return inside and fits and not (first and (state.frames > 1 or (width, height) != (across, down)))


def _scanlines(header: bytes, width: int, height: int) -> int:
    pixel = header[8] * _CHANNELS[header[9]]
    if not header[12]:
        return height * (1 + (width * pixel + 7) // 8)
    total = 0
    for x, y, right, down in zip(
        (0, 4, 0, 2, 0, 1, 0),
        (0, 0, 4, 0, 2, 0, 1),
        (8, 8, 4, 4, 2, 2, 1),
        (8, 8, 8, 4, 4, 2, 2),
        strict=True,
    ):
        across, lines = len(range(x, width, right)), len(range(y, height, down))
        total += lines * (1 + (across * pixel + 7) // 8) if across else 0
    return total


def _pixels(state: _State, kind: bytes, body: memoryview, where: str) -> None:
    if kind == b"fdAT":
        if int.from_bytes(body[:4], "big") != state.sequence or len(body) < 4 or state.current is None:
            raise NotClean("a frame's data are out of order", where=where)
        state.sequence += 1
        body = body[4:]
    elif b"IDAT" not in state.seen:
        width, height = int.from_bytes(state.header[:4], "big"), int.from_bytes(state.header[4:8], "big")
        state.current = _Picture(_scanlines(state.header, width, height))
    picture = state.current
    if picture is None:
        raise NotClean("picture data stand out of place", where=where)
    piece: bytes | memoryview = body
    while len(piece) and not _ended(picture):
        try:
            picture.got += len(picture.inflater.decompress(piece, 1 << 18))
        except zlib.error as broken:
            raise NotClean("the compressed picture is broken", where=where) from broken
        if picture.got > picture.wanted:
            raise NotClean("the compressed data hold more than the picture", where=where)
        piece = picture.inflater.unconsumed_tail
    if len(piece) or picture.inflater.unused_data:
        raise NotClean("bytes follow the zlib stream", where=where)


def _ended(picture: _Picture) -> bool:
    return picture.inflater.eof


def _close(state: _State, where: str) -> None:
    """Demand that the stream before this chunk has ended with exactly the picture."""
    picture = state.current
    if picture is None:
        return
    if not _ended(picture):
        try:
            picture.got += len(picture.inflater.flush())
        except zlib.error as broken:
            raise NotClean("the compressed picture is broken", where=where) from broken
    if not _ended(picture) or picture.got != picture.wanted:
        raise NotClean("the compressed picture does not end where it should", where=where)
    state.current = None
