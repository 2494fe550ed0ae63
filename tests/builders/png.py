"""PNGs and APNGs with every trap: what is added holds SECRET."""

from __future__ import annotations

import zlib

from tests.builders.jpeg import SECRET, exif

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes = b"", *, crc: int | None = None) -> bytes:
    """One chunk."""
    value = zlib.crc32(kind + content) if crc is None else crc
    return len(content).to_bytes(4, "big") + kind + content + value.to_bytes(4, "big")


def header(width: int = 8, height: int = 6, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    """An IHDR chunk."""
    raw = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, colour, 0, 0, interlace))
    return chunk(b"IHDR", raw)


def lines(width: int = 8, height: int = 6, channels: int = 3, seed: int = 1) -> bytes:
    """Filtered scanlines of a small gradient (filter type 0)."""
    return b"".join(
        b"\x00" + bytes((seed * 37 + x * 11 + y * 5) % 256 for x in range(width * channels))
        for y in range(height)
    )


def picture(*extra: bytes, late: tuple[bytes, ...] = (), data: bytes | None = None, parts: int = 1) -> bytes:
    """A whole PNG: `extra` chunks before IDAT, `late` ones behind it."""
    stream = zlib.compress(lines()) if data is None else data
    size = -(-len(stream) // parts)
    idats = [chunk(b"IDAT", stream[k : k + size]) for k in range(0, len(stream), size)]
    return b"".join((SIGNATURE, header(), *extra, *idats, *late, chunk(b"IEND")))


def orientation(value: int) -> bytes:
    """An eXIf chunk with an orientation and SECRET."""
    return chunk(b"eXIf", exif(value)[10:])


def raw_profile(value: int) -> bytes:
    """ImageMagick's Exif in a zTXt chunk."""
    payload = exif(value)[4:]
    text = b"\nexif\n%8d\n" % len(payload) + payload.hex().encode()
    return chunk(b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(text))


def control(number: int, width: int = 8, height: int = 6) -> bytes:
    """An fcTL chunk."""
    raw = b"".join(v.to_bytes(4, "big") for v in (number, width, height, 0, 0)) + b"\x00\x01\x00\x0a\x00\x00"
    return chunk(b"fcTL", raw)


def animation(*, tail: bytes = b"", second: bytes | None = None) -> bytes:
    """An APNG of two frames; `tail` stands behind the second frame's zlib stream."""
    frame = zlib.compress(lines(seed=3)) if second is None else second
    return b"".join(
        (
            SIGNATURE,
            header(),
            chunk(b"acTL", (2).to_bytes(4, "big") + bytes(4)),
            control(0),
            chunk(b"IDAT", zlib.compress(lines())),
            control(1),
            chunk(b"fdAT", (2).to_bytes(4, "big") + frame + tail),
            chunk(b"IEND"),
        )
    )


TEXT = chunk(b"tEXt", b"Author\x00" + SECRET)
