"""Small clips made of boxes (ISO/IEC 14496-12, QuickTime): real structure, no real frames."""

from __future__ import annotations

CONTENT_IDENTIFIER = b"com.apple.quicktime.content.identifier"


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box with a 32-bit size."""
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def movie(*, brand: bytes, payload: bytes, identifier: str | None = None) -> bytes:
    """A clip of three seconds: ftyp, mdat, moov; `identifier` joins it to a Live Photo's still."""
    moov = [_movie_header()]
    if identifier:
        moov.append(_metadata(identifier))
    return box(b"ftyp", brand, bytes(4), brand) + box(b"mdat", payload) + box(b"moov", *moov)


def _movie_header() -> bytes:
    timescale, duration = (600).to_bytes(4, "big"), (1800).to_bytes(4, "big")
    unity = b"".join(v.to_bytes(4, "big") for v in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))
    rest = (0x10000).to_bytes(4, "big") + (0x100).to_bytes(2, "big") + bytes(10) + unity + bytes(24)
    return box(b"mvhd", bytes(12), timescale, duration, rest, (2).to_bytes(4, "big"))


def _metadata(identifier: str) -> bytes:
    handler = box(b"hdlr", bytes(8), b"mdta", bytes(12), b"\x00")
    keys = box(b"keys", bytes(4), (1).to_bytes(4, "big"), box(b"mdta", CONTENT_IDENTIFIER))
    value = box(b"data", (1).to_bytes(4, "big"), bytes(4), identifier.encode("ascii"))
    return box(b"meta", handler, keys, box(b"ilst", box((1).to_bytes(4, "big"), value)))
