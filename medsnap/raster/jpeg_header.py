"""What a JPEG says of itself before any pixel is decoded: frame, colour, profile, segments.

ITU-T T.81 Annex B. Apart from `formats.jpeg` on purpose: the native coder behind `jpeg_dct` gets
only streams that this strict walk has understood to the last byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from medsnap.errors import Malformed, TooLarge

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_ICC = b"ICC_PROFILE\0"
# A marker inside a scan: FF followed by neither a stuffed zero, a restart, nor another fill byte.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
MAX_SEGMENTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One marker segment as data[start:stop]; an SOS includes the entropy-coded data behind it."""

    marker: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One component of the frame header: id, sampling factors, quantisation table (T.81 B.2.2)."""

    id: int
    h: int
    v: int
    table: int


@dataclass(frozen=True, kw_only=True)
class JpegHeader:
    """The frame header and the application data that colour depends on; sizes in pixels."""

    sof: int  # 0 baseline, 1 extended, 2 progressive … (the n of SOFn)
    precision: int  # bits a sample
    height: int
    width: int
    components: tuple[Component, ...]
    segments: tuple[Segment, ...]
    jfif: bool
    adobe: int | None  # the transform flag of APP14, None without one
    icc_parts: tuple[tuple[int, int, bytes], ...]
    end: int  # just behind EOI

    @property
    def rgb_coded(self) -> bool:
        """Say whether three components are, or might be, RGB instead of YCbCr.

        JFIF means YCbCr, but readers disagree once Adobe's flag contradicts it: taken as RGB.
        """
        if len(self.components) != 3:
            return False
        return self.adobe == 0 or (
            not self.jfif and self.adobe is None and [c.id for c in self.components] == [0x52, 0x47, 0x42]
        )

    @cached_property
    def icc(self) -> bytes | None:
        """The embedded ICC profile, its chunks joined (ICC.1 Annex B.4); None without one.

        Raises Malformed when a chunk is missing or repeated.
        """
        if not self.icc_parts:
            return None
        parts = sorted(self.icc_parts)
        count = parts[0][1]
        if [p[0] for p in parts] != list(range(1, count + 1)) or any(p[1] != count for p in parts):
            raise Malformed("the colour profile has missing or repeated parts", where="JPEG APP2")
        return b"".join(p[2] for p in parts)


def read_header(data: bytes) -> JpegHeader:
    """Walk one JPEG from SOI to EOI. Raises Malformed (with the byte) and TooLarge."""
    segments, end = _walk(data)
    frames = [s for s in segments if s.marker in _SOF]
    if len(frames) != 1:
        raise Malformed(f"the JPEG has {len(frames)} frame headers, one is due", where="JPEG SOF")
    precision, height, width, components = _frame(data, frames[0])
    jfif, adobe, icc = False, None, []
    for s in segments:
        body = data[s.start + 4 : s.stop] if 0xE0 <= s.marker <= 0xEF else b""
        if s.marker == 0xE0 and body[:5] == b"JFIF\0":
            jfif = True
        elif s.marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        elif s.marker == 0xE2 and body[:12] == _ICC and len(body) >= 14:
            icc.append((body[12], body[13], body[14:]))
    return JpegHeader(
        sof=frames[0].marker - 0xC0, precision=precision, height=height, width=width,
        components=components, segments=segments, jfif=jfif, adobe=adobe, icc_parts=tuple(icc), end=end,
    )  # fmt: skip


def _walk(data: bytes) -> tuple[tuple[Segment, ...], int]:
    if data[:2] != b"\xff\xd8":
        raise Malformed("no JPEG: SOI is missing", where="JPEG byte 0")
    segments: list[Segment] = []
    at = 2
    while True:
        if len(segments) >= MAX_SEGMENTS:
            raise TooLarge(f"more than {MAX_SEGMENTS} segments", where=f"JPEG byte {at}")
        at, marker = _marker(data, at)
        if marker == _EOI:
            return tuple(segments), at + 2
        start, stop = at, _stop(data, at)
        if marker == _SOS:
            stop = _scan_end(data, stop, start)
        segments.append(Segment(marker=marker, start=start, stop=stop))
        at = stop


def _scan_end(data: bytes, at: int, start: int) -> int:
    """Find the marker behind entropy-coded data that begins at `at`."""
    last = data.rfind(b"\xff\xd9", at)
    if last >= 0:
        # A single scan up to EOI, the usual photo: every FF is a stuffed one or a restart. Counting
        # runs at memory speed, the pattern at a tenth of it.
        plain = data.count(b"\xff\x00", at, last)
        marks = data.count(b"\xff", at, last)
        if marks != plain:
            plain += sum(data.count(bytes((0xFF, 0xD0 + n)), at, last) for n in range(8))
        if marks == plain:
            return last
    found = _SCAN_END.search(data, at)
    if found is None:
        raise Malformed("the picture ends without EOI", where=f"JPEG byte {start}")
    return found.start()


def _marker(data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 1] != b"\xff":
        raise Malformed("a marker is due", where=f"JPEG byte {at}")
    while data[at : at + 2] == b"\xff\xff":  # fill bytes (T.81 B.1.1.2)
        at += 1
    if at + 2 > len(data):
        raise Malformed("the file ends in a marker", where=f"JPEG byte {at}")
    marker = data[at + 1]
    if marker in {0x00, 0x01, _SOI} or 0xD0 <= marker <= 0xD7:
        raise Malformed(f"marker FF{marker:02X} has no place here", where=f"JPEG byte {at}")
    return at, marker


def _stop(data: bytes, at: int) -> int:
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    stop = at + 2 + length
    if length < 2 or stop > len(data):
        raise Malformed("a segment reaches past the end", where=f"JPEG byte {at}")
    return stop


def _frame(data: bytes, segment: Segment) -> tuple[int, int, int, tuple[Component, ...]]:
    body = data[segment.start + 4 : segment.stop]
    where = f"JPEG SOF, byte {segment.start}"
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise Malformed("the frame header has a wrong length", where=where)
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    components = tuple(
        Component(id=body[i], h=body[i + 1] >> 4, v=body[i + 1] & 15, table=body[i + 2])
        for i in range(6, len(body), 3)
    )
    sound = all(1 <= c.h <= 4 and 1 <= c.v <= 4 and c.table <= 3 for c in components)
    if not (height and width and components and sound):
        raise Malformed("the frame header has impossible values", where=where)
    return body[0], height, width, components
