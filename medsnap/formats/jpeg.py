"""The segments and scans of a JPEG file (ITU-T T.81 annex B), as spans."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from medsnap.errors import Malformed, TooLarge
from medsnap.model.rewrite import Buffer

MAX_SEGMENTS = 20_000

SOI, EOI, SOS, DQT, DHT, DAC, DRI, DNL, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xDC, 0xFE
APP0, APP15 = 0xE0, 0xEF
SOF = frozenset({*range(0xC0, 0xD0)} - {DHT, 0xC8, DAC})
RST = frozenset(range(0xD0, 0xD8))
TEM = 0x01

# What ends a scan: FF and neither a stuffed 00, nor a restart marker, nor a fill FF (T.81 B.1.1.2, B.1.1.5).
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_PREFIX = 96  # bytes of a payload that say what it is


class Part(Enum):
    """What a span of the file is."""

    SEGMENT = "segment"
    SCAN = "scan"
    JUNK = "junk"  # bytes where a marker should stand, fill bytes too: readers skip them


@dataclass(frozen=True, slots=True)
class Segment:
    """One span: a marker segment (with its marker), entropy-coded data, or junk."""

    part: Part
    marker: int  # 0 for scans and junk
    start: int  # of the marker's FF
    body: int  # start of the payload, behind the two length bytes
    stop: int
    name: str  # "APP1", "SOF0", "scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The spans in order; they and the two-byte markers SOI and EOI cover data[:end] exactly."""

    segments: tuple[Segment, ...]
    end: int  # just behind EOI; the end of the file where EOI is missing
    has_eoi: bool
    size: int  # bytes of the file


def name_of(marker: int) -> str:
    """Return the standard's name of a marker code."""
    if APP0 <= marker <= APP15:
        return f"APP{marker - APP0}"
    if marker in SOF:
        return f"SOF{marker - 0xC0}"
    names = {SOS: "SOS", DQT: "DQT", DHT: "DHT", DAC: "DAC", DRI: "DRI", DNL: "DNL", COM: "COM", TEM: "TEM"}
    return names.get(marker, f"marker {marker:02X}")


def payload(data: Buffer, segment: Segment, limit: int = _PREFIX) -> bytes:
    """Return up to `limit` bytes of a segment's payload."""
    return bytes(memoryview(data)[segment.body : min(segment.stop, segment.body + limit)])


def headers(data: Buffer) -> tuple[Segment, ...]:
    """Return the spans up to the first scan; the last is its SOS, if there is one. Raises as `view` does."""
    return view(data, only_headers=True).segments


def view(data: Buffer, *, only_headers: bool = False) -> View:
    """Return the spans of a JPEG file. Raises Malformed, TooLarge."""
    size = len(data)
    if bytes(memoryview(data)[:2]) != b"\xff\xd8":
        raise Malformed("this is no JPEG: SOI is missing", where="byte 0")
    parts: list[Segment] = []
    at = 2
    while at < size:
        if len(parts) >= MAX_SEGMENTS:
            raise TooLarge(f"more than {MAX_SEGMENTS} segments", where=f"byte {at}")
        start, at = _marker(data, at, size, parts)
        if start == size:
            break
        marker = data[at - 1]
        if marker == EOI:
            return View(segments=tuple(parts), end=at, has_eoi=True, size=size)
        if marker == SOI:
            raise Malformed("a second SOI stands before EOI", where=f"byte {start}")
        if marker in RST or marker == TEM:
            parts.append(Segment(Part.JUNK, marker, start, at, at, "stray marker"))
            continue
        at = _segment(data, start, at, size, parts)
        if marker == SOS:
            if only_headers:
                return View(segments=tuple(parts), end=at, has_eoi=False, size=size)
            at = _scan(data, at, size, parts)
    return View(segments=tuple(parts), end=size, has_eoi=False, size=size)


def _marker(data: Buffer, at: int, size: int, parts: list[Segment]) -> tuple[int, int]:
    """Find the next marker; what stands before it is junk. Return (its FF, the byte behind its code)."""
    if at + 1 < size and data[at] == 0xFF and 0 < data[at + 1] < 0xFF:
        return at, at + 2
    match = _MARKER.search(data, at)
    start = match.start() if match else size
    if start > at:
        parts.append(Segment(Part.JUNK, 0, at, at, start, "junk"))
    return start, min(start + 2, size)


def _segment(data: Buffer, start: int, at: int, size: int, parts: list[Segment]) -> int:
    marker = data[at - 1]
    name = name_of(marker)
    if at + 2 > size:
        raise Malformed(f"the file ends within segment {name}", where=f"{name}, byte {start}")
    length = data[at] << 8 | data[at + 1]
    if length < 2 or at + length > size:
        raise Malformed(f"segment {name} reaches past the end", where=f"{name}, byte {start}")
    parts.append(Segment(Part.SEGMENT, marker, start, at + 2, at + length, name))
    return at + length


def _scan(data: Buffer, at: int, size: int, parts: list[Segment]) -> int:
    match = _SCAN_END.search(data, at)
    stop = match.start() if match else size
    while stop > at and data[stop - 1] == 0xFF:  # fill bytes belong to the marker, not to the scan
        stop -= 1
    if stop > at:
        parts.append(Segment(Part.SCAN, 0, at, at, stop, "scan"))
    return stop
