"""JPEG within TIFF: the tables of tag 347 and the streams of strips and tiles (TIFF Technical Note 2)."""

from __future__ import annotations

from medsnap.errors import Malformed, Unsupported
from medsnap.formats import jpeg
from medsnap.formats.jpeg import Part, Segment
from medsnap.model.carrier import CarrierKind, Reveals
from medsnap.model.rewrite import Buffer, Keep, Step
from medsnap.scrub.core import Assembly

BASELINE = frozenset({0xC0, 0xC1, 0xC2})
LOSSLESS = frozenset({0xC3})
_TABLES = frozenset({jpeg.DQT, jpeg.DHT, jpeg.DRI})
_BODY = _TABLES | {jpeg.SOS, jpeg.DNL}


def tables(value: bytes, where: str) -> bytes:
    """Return the tables of tag 347 and nothing else. Raises Malformed, Unsupported."""
    view = jpeg.view(value)
    if not view.has_eoi:
        raise Malformed("the JPEG tables do not end", where=where)
    out = b"\xff\xd8"
    for segment in view.segments:
        if segment.part is Part.SEGMENT and segment.marker in _TABLES:
            out += value[segment.start : segment.stop]
        elif segment.part is not Part.SEGMENT or not _application(segment):
            raise Unsupported(f"the JPEG tables hold {segment.name}", where=where)
    return out + b"\xff\xd9"


def stream(data: Buffer, start: int, stop: int, frames: frozenset[int], out: Assembly) -> tuple[Step, ...]:
    """Return the steps that keep the JPEG at data[start:stop], its frame being one of `frames`.

    Raises Malformed, Unsupported. Application segments go, but for JFIF and Adobe, written anew.
    """
    where = f"JPEG of a strip or tile, byte {start}"
    part = memoryview(data)[start:stop]
    view = jpeg.view(part)
    if not view.has_eoi:
        raise Malformed("a JPEG within TIFF does not end", where=where)
    inner = Assembly()
    inner.keep(start, start + 2, coded=True)
    found = 0
    for segment in view.segments:
        if segment.part is Part.SEGMENT and _application(segment):
            _header(part, segment, start, inner, out)
            continue
        found += segment.marker in frames
        if not (segment.part is Part.SCAN or segment.marker in _BODY or segment.marker in frames):
            raise Unsupported(f"a JPEG within TIFF holds {segment.name}", where=where)
        inner.keep(start + segment.start, start + segment.stop, coded=True)
    if found != 1 or not any(s.part is Part.SCAN for s in view.segments):
        raise Malformed("a JPEG within TIFF holds no picture, or more than one", where=where)
    inner.keep(start + view.end - 2, start + view.end, coded=True)
    if view.end < view.size:
        out.carrier(CarrierKind.TRAILER, "strip behind EOI", start + view.end, stop, reveals=(Reveals.OTHER,))
    return tuple(inner.steps)


def length(steps: tuple[Step, ...]) -> int:
    """Return how many bytes the steps write."""
    return sum(s.stop - s.start if isinstance(s, Keep) else len(s.data) for s in steps)


def _application(segment: Segment) -> bool:
    return jpeg.APP0 <= segment.marker <= jpeg.APP15 or segment.marker == jpeg.COM


def _header(part: Buffer, segment: Segment, base: int, inner: Assembly, out: Assembly) -> None:
    content = jpeg.payload(part, segment)
    fresh = b""
    if segment.marker == jpeg.APP0 and content.startswith(b"JFIF\x00") and len(content) >= 12:
        unit = content[7] if content[7] <= 2 else 0
        fresh = b"JFIF\x00\x01\x02" + bytes((unit,)) + content[8:12] + b"\x00\x00"
    elif segment.marker == jpeg.APP0 + 14 and content.startswith(b"Adobe") and len(content) >= 12:
        fresh = b"Adobe\x00\x64\x00\x00\x00\x00" + content[11:12]
    if fresh:
        inner.insert(bytes((0xFF, segment.marker)) + (len(fresh) + 2).to_bytes(2, "big") + fresh)
    if content != fresh or segment.stop - segment.body > len(content):
        start, stop = base + segment.start, base + segment.stop
        kind = CarrierKind.COMMENT if segment.marker == jpeg.COM else CarrierKind.APPLICATION
        out.carrier(kind, f"strip {segment.name}", start, stop, reveals=(Reveals.OTHER,))
