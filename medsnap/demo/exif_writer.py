"""Write Exif as phones do (Exif 3.0, 4.6): big-endian directories, GPS, a maker note, a thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_THUMBNAIL_AT, _THUMBNAIL_SIZE = 0x0201, 0x0202


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry: number, TIFF type, count of values, and the values' bytes."""

    tag: int
    type: int
    count: int
    value: bytes


def text(tag: int, value: str) -> Tag:
    """An ASCII entry, with its NUL."""
    raw = value.encode("ascii") + b"\x00"
    return Tag(tag, ASCII, len(raw), raw)


def short(tag: int, *values: int) -> Tag:
    """A SHORT entry."""
    return Tag(tag, SHORT, len(values), b"".join(v.to_bytes(2, "big") for v in values))


def rational(tag: int, *values: tuple[int, int]) -> Tag:
    """A RATIONAL entry of (numerator, denominator) pairs."""
    raw = b"".join(n.to_bytes(4, "big") + d.to_bytes(4, "big") for n, d in values)
    return Tag(tag, RATIONAL, len(values), raw)


def undefined(tag: int, value: bytes) -> Tag:
    """An UNDEFINED entry."""
    return Tag(tag, UNDEFINED, len(value), value)


def write(
    *, ifd0: Sequence[Tag], exif: Sequence[Tag], gps: Sequence[Tag] = (), thumbnail: bytes = b""
) -> bytes:
    """Return the payload with its "Exif" prefix, as an APP1 segment holds it."""
    at = 8
    first = [*ifd0, _long(_EXIF_IFD, 0), *([_long(_GPS_IFD, 0)] if gps else [])]
    sizes = [_size(first), _size(exif), _size(gps) if gps else 0]
    exif_at, gps_at, last_at = at + sizes[0], at + sizes[0] + sizes[1], at + sum(sizes)
    first = [*ifd0, _long(_EXIF_IFD, exif_at), *([_long(_GPS_IFD, gps_at)] if gps else [])]
    body = directory(first, at, last_at if thumbnail else 0) + directory(exif, exif_at, 0)
    body += directory(gps, gps_at, 0) if gps else b""
    if thumbnail:
        second = [short(0x0103, 6), _long(_THUMBNAIL_AT, 0), _long(_THUMBNAIL_SIZE, len(thumbnail))]
        second[1] = _long(_THUMBNAIL_AT, last_at + _size(second))
        body += directory(second, last_at, 0) + thumbnail
    return b"Exif\x00\x00MM\x00*" + (8).to_bytes(4, "big") + body


def _long(tag: int, value: int) -> Tag:
    return Tag(tag, LONG, 1, value.to_bytes(4, "big"))


def _padded(value: bytes) -> bytes:
    return value + b"\x00" * (len(value) % 2)


def _size(tags: Sequence[Tag]) -> int:
    return 6 + 12 * len(tags) + sum(len(_padded(t.value)) for t in tags if len(t.value) > 4)


def directory(tags: Sequence[Tag], at: int, following: int) -> bytes:
    """Write one directory at `at`: count, entries in ascending order, offset of the next, long values."""
    entries, values = b"", b""
    data_at = at + 6 + 12 * len(tags)
    for tag in sorted(tags, key=lambda t: t.tag):
        inline = tag.value.ljust(4, b"\x00")
        if len(tag.value) > 4:
            inline = (data_at + len(values)).to_bytes(4, "big")
            values += _padded(tag.value)
        entries += tag.tag.to_bytes(2, "big") + tag.type.to_bytes(2, "big")
        entries += tag.count.to_bytes(4, "big") + inline
    return len(tags).to_bytes(2, "big") + entries + following.to_bytes(4, "big") + values
