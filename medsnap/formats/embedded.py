"""Where Exif, XMP and ICC lie in each still format, and how large the stored picture is."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol, cast

from medsnap.formats import gif, jpeg, png, riff, tiff
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer

EXIF_PREFIX = b"Exif\x00\x00"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\x00"
ICC_PREFIX = b"ICC_PROFILE\x00"
_GIF_ICC = b"ICCRGBG1012"
_SUBFILE, _WIDTH, _HEIGHT, _TIFF_ICC = 254, 256, 257, 34675
MAX_INFLATED = 16 << 20  # bytes: a compressed text or profile beyond this is not read
_HEIF = frozenset({MediaType.HEIC, MediaType.HEIF, MediaType.AVIF})


class _Heif(Protocol):
    def exif(self, data: Buffer) -> bytes | None: ...
    def xmp(self, data: Buffer) -> bytes | None: ...
    def icc(self, data: Buffer) -> bytes | None: ...
    def size(self, data: Buffer) -> tuple[int, int] | None: ...


def _heif() -> _Heif:
    import importlib

    return cast(_Heif, importlib.import_module("medsnap.formats.heif"))


def exif(data: Buffer, media: MediaType) -> bytes | None:
    """Return the TIFF-structured Exif payload without its prefix, or None. Raises Malformed, TooLarge."""
    match media:
        case MediaType.JPEG:
            return _jpeg(data, jpeg.APP0 + 1, EXIF_PREFIX)
        case MediaType.PNG:
            return png_exif(data, png.view(data))
        case MediaType.WEBP:
            return _webp(data, b"EXIF")
        case MediaType.TIFF | MediaType.DNG:
            return bytes(data)
        case _ if media in _HEIF:
            return _heif().exif(data)
    return None


def xmp(data: Buffer, media: MediaType) -> bytes | None:
    """Return the XMP packet, or None. Raises Malformed, TooLarge."""
    match media:
        case MediaType.JPEG:
            return _jpeg(data, jpeg.APP0 + 1, XMP_PREFIX)
        case MediaType.PNG:
            return png_xmp(data, png.view(data))
        case MediaType.WEBP:
            return _webp(data, b"XMP ") or _webp(data, b"XMP\x00")
        case _ if media in _HEIF:
            return _heif().xmp(data)
    return None


def icc(data: Buffer, media: MediaType) -> bytes | None:
    """Return the ICC profile, decompressed and joined, or None. Raises Malformed, TooLarge."""
    match media:
        case MediaType.JPEG:
            return jpeg_icc(data, jpeg.view(data))
        case MediaType.PNG:
            chunk = next((c for c in png.view(data).chunks if c.type == b"iCCP"), None)
            return inflate(png.body(data, chunk).partition(b"\x00")[2][1:]) if chunk else None
        case MediaType.WEBP:
            return _webp(data, b"ICCP")
        case MediaType.GIF:
            return _gif_icc(data)
        case MediaType.TIFF | MediaType.DNG:
            found, picture = _tiff_picture(data)
            profile = found.get(picture, _TIFF_ICC)
            return profile.value or None if profile is not None else None
        case _ if media in _HEIF:
            return _heif().icc(data)
    return None


def size(data: Buffer, media: MediaType) -> tuple[int, int] | None:
    """Return (width, height) of the stored raster in pixels, before any rotation, or None."""
    match media:
        case MediaType.JPEG:
            frame = next((s for s in jpeg.headers(data) if s.marker in jpeg.SOF), None)
            head = jpeg.payload(data, frame) if frame else b""
            if len(head) < 6:
                return None
            return int.from_bytes(head[3:5], "big"), int.from_bytes(head[1:3], "big")
        case MediaType.PNG:
            header = png.view(data).header
            return header.width, header.height
        case MediaType.WEBP:
            return riff.canvas(data, riff.view(data))
        case MediaType.GIF:
            screen = bytes(memoryview(data)[6:10])
            width, height = int.from_bytes(screen[:2], "little"), int.from_bytes(screen[2:], "little")
            return (width, height) if width and height else None
        case MediaType.TIFF | MediaType.DNG:
            return _tiff_size(data)
        case _ if media in _HEIF:
            return _heif().size(data)
    return None


def without_prefix(payload: bytes) -> bytes:
    """Drop the "Exif" prefix that JPEG demands and other formats sometimes carry."""
    return payload[6:] if payload.startswith(EXIF_PREFIX) else payload


def inflate(compressed: bytes) -> bytes | None:
    """Return the zlib stream's content, or None where it is broken, cut or larger than MAX_INFLATED."""
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(compressed, MAX_INFLATED)
    except zlib.error:
        return None
    return content if reader.eof else None


def _jpeg(data: Buffer, marker: int, prefix: bytes) -> bytes | None:
    for segment in jpeg.view(data).segments:
        if segment.marker == marker and jpeg.payload(data, segment).startswith(prefix):
            return bytes(memoryview(data)[segment.body + len(prefix) : segment.stop])
    return None


def jpeg_icc(data: Buffer, view: jpeg.View) -> bytes | None:
    """Join the ICC chunks of APP2 in the order of their numbers (ICC.1 annex B.4); first wins."""
    parts: dict[int, bytes] = {}
    for segment in view.segments:
        head = jpeg.payload(data, segment)
        if segment.marker == jpeg.APP0 + 2 and head.startswith(ICC_PREFIX) and len(head) > 14:
            parts.setdefault(head[12], bytes(memoryview(data)[segment.body + 14 : segment.stop]))
    return b"".join(parts[k] for k in sorted(parts)) or None


def _gif_icc(data: Buffer) -> bytes | None:
    """Return the content of the first ICC block (ICCRGBG1012, ICC.1 annex B.5)."""
    for block in gif.view(data).blocks:
        if block.label == gif.APPLICATION and gif.joined(data, block, len(_GIF_ICC)) == _GIF_ICC:
            return gif.joined(data, block, MAX_INFLATED)[len(_GIF_ICC) :] or None
    return None


def _tiff_picture(data: Buffer) -> tuple[tiff.Tiff, str]:
    """Return the directories, and the name of the first whose picture is no reduced one (TIFF 6.0, p. 36)."""
    found = tiff.read(data)
    reduced = {e.ifd for e in found.entries if e.tag == _SUBFILE and (e.integer or 0) & 1}
    wide = (e.ifd for e in found.entries if e.tag == _WIDTH and e.ifd.startswith(("IFD", "Sub")))
    return found, next((ifd for ifd in wide if ifd not in reduced), "IFD0")


def _tiff_size(data: Buffer) -> tuple[int, int] | None:
    found, picture = _tiff_picture(data)
    sides = [entry.integer for tag in (_WIDTH, _HEIGHT) if (entry := found.get(picture, tag)) is not None]
    return (sides[0], sides[1]) if len(sides) == 2 and sides[0] and sides[1] else None


def _webp(data: Buffer, kind: bytes) -> bytes | None:
    chunk = riff.view(data).first(kind)
    if chunk is None:
        return None
    content = riff.body(data, chunk)
    return without_prefix(content) if kind == b"EXIF" else content


_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")


def png_exif(data: Buffer, view: png.View) -> bytes | None:
    """Return the eXIf payload, else that of an ImageMagick raw profile in a text chunk."""
    for chunk in view.chunks:
        if chunk.type == b"eXIf":
            return without_prefix(png.body(data, chunk))
    for _, text in _texts(data, view, _RAW_PROFILES):
        raw = raw_profile(text)
        if raw is not None and raw.startswith(EXIF_PREFIX):
            return without_prefix(raw)
    return None


def png_xmp(data: Buffer, view: png.View) -> bytes | None:
    """Return the XMP packet of an iTXt chunk (PNG 11.3.3.4 keyword XML:com.adobe.xmp), or None."""
    for keyword, text in _texts(data, view, (b"XML:com.adobe.xmp", b"Raw profile type xmp")):
        return raw_profile(text) if keyword.startswith(b"Raw") else text
    return None


_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def png_keyword(data: Buffer, chunk: png.Chunk) -> bytes:
    """Return the keyword of tEXt, zTXt or iTXt (at most 79 bytes), without reading the text."""
    return png.body(data, chunk, 80).partition(b"\x00")[0]


def png_text(data: Buffer, chunk: png.Chunk) -> bytes:
    """Return the text of tEXt, zTXt or iTXt, decompressed; b"" where it cannot be read."""
    _, _, rest = png.body(data, chunk).partition(b"\x00")
    if chunk.type == b"tEXt":
        return rest
    if chunk.type == b"zTXt":
        return inflate(rest[1:]) or b""
    compressed, rest = rest[:1] == b"\x01", rest[2:]
    text = rest.split(b"\x00", 2)[-1]
    return (inflate(text) or b"") if compressed else text


def _texts(data: Buffer, view: png.View, keywords: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (keyword, text) of the first few text chunks with these keywords."""
    left = 16  # each may inflate to MAX_INFLATED
    for chunk in view.chunks:
        if chunk.type in _TEXTS and (keyword := png_keyword(data, chunk)) in keywords and left:
            left -= 1
            yield keyword, png_text(data, chunk)


def raw_profile(text: bytes) -> bytes | None:
    """Decode ImageMagick's raw profile: newline, name, newline, length, newline, hexadecimal digits."""
    fields = text.split(None, 2)
    if len(fields) != 3:
        return None
    digits = fields[2].translate(None, b" \t\r\n")
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
