"""Read a scrubbed GIF byte by byte: nothing may stand in it that this reader does not expect.

Written from the GIF89a specification apart from the rewriter; it shares no code with it or with
medsnap.formats.
"""

from __future__ import annotations

import hashlib

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second import icc


class _Reader:
    def __init__(self, data: Buffer) -> None:
        self.view = memoryview(data)
        self.at = 0
        self.shown = hashlib.sha256()
        self.frames = 0
        self.coded = 0  # bytes
        self.facts = {"orientation": "1"}

    def take(self, length: int) -> bytes:
        piece = bytes(self.view[self.at : self.at + length])
        if len(piece) != length:
            raise self.wrong("the file ends too early")
        self.at += length
        return piece

    def wrong(self, what: str) -> NotClean:
        return NotClean(what, where=f"byte {self.at}")


def account(data: Buffer, media: MediaType) -> tuple[tuple[str, str], ...]:
    """Account for every byte of a scrubbed GIF. Raises NotClean; returns what rendering depends on."""
    reader = _Reader(data)
    if media is not MediaType.GIF or bytes(reader.view[:6]) not in (b"GIF87a", b"GIF89a"):
        raise reader.wrong("the GIF signature is missing")
    head = reader.take(13)
    reader.facts["screen"] = head.hex()
    reader.shown.update(head + reader.take(_colours(head[10])))
    _before_frames(reader)
    while (kind := reader.take(1)) != b"\x3b":
        _frame(reader, kind)
    if not reader.coded:
        raise reader.wrong("there is no picture before the trailer")
    if reader.at != len(reader.view):
        raise reader.wrong("bytes follow the trailer")
    reader.facts["frames"] = str(reader.frames)
    reader.facts["colours, timing and places"] = reader.shown.hexdigest()
    return tuple(reader.facts.items())


def _colours(packed: int) -> int:
    return 3 << (packed & 7) + 1 if packed >> 7 else 0


def _before_frames(reader: _Reader) -> None:
    """Read what may stand between the screen and the first frame: a loop count, then a profile."""
    stage = 0
    while bytes(reader.view[reader.at : reader.at + 3]) == b"\x21\xff\x0b":
        name = reader.take(14)[3:]
        if name in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and stage < 1:
            stage = 1
            content = reader.take(5)
            if content[:2] != b"\x03\x01" or content[4]:
                raise reader.wrong("the loop block holds more than a count")
            reader.facts["loop"] = str(content[2] | content[3] << 8)
        elif name == b"ICCRGBG1012" and stage < 2:
            stage = 2
            _profile(reader)
        else:
            raise reader.wrong("an application block is not on the list or out of place")


def _profile(reader: _Reader) -> None:
    profile = bytearray()
    while length := reader.take(1)[0]:
        profile += reader.take(length)
    size = int.from_bytes(profile[:4], "big")
    rest = profile[size:]
    if profile[36:40] != b"acsp" or not 128 < size <= len(profile) or len(rest) > 3 or any(rest):
        raise reader.wrong("the colour profile is none, or bytes follow it")
    reader.facts.update(icc.facts("icc", bytes(profile)))


def _frame(reader: _Reader, kind: bytes) -> None:
    head = kind
    if kind == b"\x21":
        head += reader.take(8)
        if head[:3] != b"\x21\xf9\x04" or head[3] & 0xE0 or head[7] or head[8] != 0x2C:
            raise reader.wrong("an extension is not on the list, or controls no frame")
        kind = head[8:]
    if kind != b"\x2c":
        raise reader.wrong("a byte stands where a frame should begin")
    head += reader.take(9)
    if head[-1] & 0x18:
        raise reader.wrong("reserved bits of a frame are set")
    reader.shown.update(head)
    reader.frames += 1
    reader.take(_colours(head[-1]))
    width = int.from_bytes(head[-5:-3], "little")
    height = int.from_bytes(head[-3:-1], "little")
    _pixels(reader, width * height)


def _pixels(reader: _Reader, wanted: int) -> None:
    """Follow the LZW codes of one frame: the last pixel or the end code lies in the last byte."""
    size = reader.take(1)[0]
    if not 1 <= size <= 8 or not wanted:
        raise reader.wrong("a frame has no pixels, or no code size")
    codes = bytearray()
    start = reader.at
    while length := reader.view[reader.at] if reader.at < len(reader.view) else -1:
        if length < 0:
            raise reader.wrong("a frame does not end")
        codes += reader.take(1 + length)[1:]
    reader.take(1)
    reader.coded += len(codes)
    ends = _last_byte(codes, size, wanted)
    if ends != len(codes):
        raise NotClean("a frame's data go on behind its end, or are broken", where=f"byte {start}")


def _last_byte(codes: bytearray, size: int, wanted: int) -> int:
    """Return the number of bytes that decoding needs; -1 for a broken stream."""
    clear, stop = 1 << size, (1 << size) + 1
    table: list[int] = []
    width = size + 1
    position = got = previous = done = 0
    end = 8 * len(codes)
    while position + width <= end:
        first = position >> 3
        word = codes[first] | codes[first + 1] << 8 if first + 1 < len(codes) else codes[first]
        if first + 2 < len(codes):
            word |= codes[first + 2] << 16
        code = word >> (position & 7) & (1 << width) - 1
        position += width
        if code == stop:
            return position + 7 >> 3
        if code == clear:
            if got >= wanted and done < 0:
                break
            table, width, previous = [], size + 1, 0
            done = -abs(done)
            continue
        if got >= wanted:
            break
        if previous and len(table) < 4094 - clear:
            table.append(previous + 1)
            if len(table) + clear + 2 == 1 << width and width < 12:
                width += 1
        if code > stop and (code - clear - 2 >= len(table) or not previous):
            return -1
        previous = table[code - clear - 2] if code > stop else 1
        got += previous
        if got >= wanted:
            done = position + 7 >> 3
    return abs(done) if got >= wanted else len(codes)
