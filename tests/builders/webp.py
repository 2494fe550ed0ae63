"""WebPs with every trap: what is added holds SECRET."""

from __future__ import annotations

import io
from functools import cache

from tests.builders.jpeg import SECRET, exif


@cache
def frame(*, lossless: bool = False, alpha: bool = False) -> bytes:
    """The chunks of one coded picture, cut out of a file that Pillow writes."""
    from PIL import Image

    picture = Image.effect_noise((21, 15), 50).convert("RGBA" if alpha else "RGB")
    if alpha:
        picture.putalpha(Image.linear_gradient("L").resize((21, 15)))
    out = io.BytesIO()
    picture.save(out, "WEBP", lossless=lossless, quality=70)
    data = out.getvalue()
    if data[12:16] == b"VP8X":
        return data[30:]
    return data[12:]


def chunk(kind: bytes, content: bytes, *, pad: bytes = b"\x00") -> bytes:
    """One chunk with its pad byte."""
    return kind + len(content).to_bytes(4, "little") + content + pad * (len(content) & 1)


def extended(flags: int, width: int = 21, height: int = 15) -> bytes:
    """A VP8X chunk."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size)


def riff(*chunks: bytes, tail: bytes = b"") -> bytes:
    """A whole file; `tail` stands behind the RIFF form."""
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(content).to_bytes(4, "little") + content + tail


def orientation(value: int, *, prefix: bool = False) -> bytes:
    """An EXIF chunk with an orientation and SECRET."""
    return chunk(b"EXIF", exif(value)[4 if prefix else 10 :])


def animation(*inner: bytes, flags: int = 0xFE) -> bytes:
    """An animation of two frames; `inner` chunks and `flags` go into the second one."""
    head = bytes(6) + (20).to_bytes(3, "little") + (14).to_bytes(3, "little") + b"\x64\x00\x00"
    one = chunk(b"ANMF", head + b"\x00" + frame())
    two = chunk(b"ANMF", head + bytes((flags,)) + frame(lossless=True) + b"".join(inner))
    return riff(extended(0x02), chunk(b"ANIM", b"\xff\xff\xff\xff\x00\x00"), one, two)


NOTE = chunk(b"XMP ", b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>")
