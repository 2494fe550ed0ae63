"""What a file's container says of the program that wrote it: evidence that it is not the camera's own.

A mark is a thing that was seen in the file, and the words say no more than that: many programs share
libjpeg's tables, and a file without any metadata does not tell who stripped it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from medsnap.errors import MedsnapError
from medsnap.formats import embedded, jpeg, png
from medsnap.model.decision import LeakKind, LeakSign
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer

# ITU-T T.81 annex K, table K.1, in zig-zag order: what libjpeg scales by its quality
_LUMINANCE: Final = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40,
    26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
    56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip
_EMPTY_MD5: Final = bytes.fromhex(
    "d41d8cd98f00b204e9800998ecf8427e"
)  # Apple: digest of IPTC data that are none
_COMMENTS: Final = (
    (re.compile(rb"Lavc\d"), "ffmpeg"),
    (re.compile(rb"CREATOR: gd-jpeg"), "GD, a library of web servers"),
    (re.compile(rb"Optimized by JPEGmini|Compressed by jpeg-recompress", re.IGNORECASE), "a JPEG optimiser"),
    (re.compile(rb"Intel\(R\) (JPEG Library|IPP)"), "Intel's JPEG library"),
    (re.compile(rb"LEAD Technologies"), "LEADTOOLS"),
)
_EXIFTOOL: Final = re.compile(rb"x:xmptk\s*=\s*[\"']Image::ExifTool")
_LONGEST: Final = {1280: "1280", 1600: "1600", 2048: "2048", 2560: "2560"}  # what messengers scale to
_HEAD: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Signs that stand by themselves; and what a file without camera data looks like, in words."""

    signs: tuple[LeakSign, ...] = ()
    bare: str = ""


def read(data: Buffer, media: MediaType, xmp: bytes | None) -> Marks:
    """Read the marks of a photo's container; what cannot be read says nothing."""
    try:
        if media is MediaType.JPEG:
            return _jpeg(data, xmp)
        signs = (*_xmp(xmp), *(_png(data) if media is MediaType.PNG else ()))
    except MedsnapError:
        return Marks()  # the scrub will say what is wrong with the file
    return Marks(signs=signs)


def _jpeg(data: Buffer, xmp: bytes | None) -> Marks:
    found = jpeg.headers(data)
    signs = [*_xmp(xmp), *(sign for part in found for sign in _segment(data, part))]
    return Marks(signs=tuple(dict.fromkeys(signs)), bare=_bare(data, found))


def _segment(data: Buffer, part: jpeg.Segment) -> Iterator[LeakSign]:
    if part.name == "COM":
        text = jpeg.payload(data, part, 200)
        yield from (_written(by) for pattern, by in _COMMENTS if pattern.search(text))
    elif part.name == "APP12" and jpeg.payload(data, part, 5) == b"Ducky":
        yield _written("Adobe's Save for Web")
    elif part.name == "APP13":
        block = jpeg.payload(data, part, _HEAD)
        if b"FBMD" in block:
            because = "it bears the mark that Facebook, Messenger and Instagram write (FBMD)"
            yield LeakSign(kind=LeakKind.MESSAGING_APP, because=because)
        if b"8BIM\x04\x25" in block and _EMPTY_MD5 in block:
            yield _written("a program on an Apple device, not the camera")


def _written(by: str) -> LeakSign:
    return LeakSign(kind=LeakKind.EDITED, because=f"the container was written by {by}")


def _xmp(xmp: bytes | None) -> Iterator[LeakSign]:
    if xmp and _EXIFTOOL.search(xmp[:4096]):
        yield _written("ExifTool, which changed its metadata")


def _png(data: Buffer) -> Iterator[LeakSign]:
    """ImageMagick dates its PNG files in text chunks of its own."""
    view = png.view(data)
    words = {
        embedded.png_keyword(data, chunk)
        for chunk in view.chunks
        if chunk.type in (b"tEXt", b"zTXt", b"iTXt")
    }
    if {b"date:create", b"date:modify"} <= words:
        yield _written("ImageMagick")


def _bare(data: Buffer, found: tuple[jpeg.Segment, ...]) -> str:
    """Say how the file looks if it has no camera data: stripped as it was coded, or coded again."""
    carriers = [part.name for part in found if part.name.startswith("APP") or part.name == "COM"]
    quality = next(
        (q for part in found if part.name == "DQT" if (q := _quality(data, part)) is not None), None
    )
    if quality is None:
        coded = "coded with tables that are not libjpeg's, as cameras do"
        if not carriers:
            return f"stripped of every segment, as exiftool and mat2 do, and {coded}"
        return f"stripped, and {coded}" if carriers == ["APP0"] else ""
    size = _size(data)
    long = _LONGEST.get(max(size), "") if size else ""
    sent = f", {long} pixels long as messengers send" if long and carriers in (["APP0"], []) else ""
    if _canvas(data, found, quality):
        return "coded again as a browser's canvas does (sRGB profile, quality 92)"
    return f"coded by libjpeg at quality {quality}, as editors, browsers and messengers do{sent}"


def _canvas(data: Buffer, found: tuple[jpeg.Segment, ...], quality: int) -> bool:
    """Chromium writes JFIF without density, its own sRGB profile of 456 bytes, and quality 92."""
    head = [(part.name, part.stop - part.body) for part in found[:2]]
    jfif = (
        bool(head)
        and head[0][0] == "APP0"
        and jpeg.payload(data, found[0], 12)[7:12] == b"\x00\x00\x01\x00\x01"
    )
    return jfif and quality == 92 and head[1:] == [("APP2", 470)]


def _size(data: Buffer) -> tuple[int, int] | None:
    return embedded.size(data, MediaType.JPEG)


def _quality(data: Buffer, part: jpeg.Segment) -> int | None:
    """Return libjpeg's quality when the segment begins with its luminance table of 8 bits, else None."""
    body = jpeg.payload(data, part, 65)
    return _tables().get(body[1:]) if len(body) == 65 and body[0] == 0 else None


@cache
def _tables() -> dict[bytes, int]:
    """Scale the table by each quality as libjpeg does (jpeg_quality_scaling); 100 is all ones, so unsure."""
    made = {}
    for quality in range(1, 100):
        scale = 5000 // quality if quality < 50 else 200 - 2 * quality
        made[bytes(min(255, max(1, (value * scale + 50) // 100)) for value in _LUMINANCE)] = quality
    return made
