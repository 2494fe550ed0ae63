"""Every hiding place, built around tiny pictures that are the same bytes with every library.

`TRAPS` names each file; the table beside it says what a scrub must find there and what it writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

from tests.builders import heif as h
from tests.builders import jpeg as j
from tests.builders import movie as m
from tests.builders import png as p
from tests.builders import sequence as q
from tests.builders import small as s
from tests.builders import webp as w
from tests.builders.jpeg import SECRET
from tests.unit.test_heif_traps import HARMLESS
from tests.unit.test_heif_traps import TRAPS as HEIF
from tests.unit.test_scrub_gif import TRAPS as GIF
from tests.unit.test_scrub_movie_traps import LAYOUTS
from tests.unit.test_scrub_movie_traps import TRAPS as MOVIE
from tests.unit.test_scrub_tiff import TRAPS as TIFF
from tests.unit.test_scrub_tiff_dng import CLEAN as DNG

# Built with an encoder or with today's date: their bytes are not the same for ever.
_PASSING = re.compile(r"\bICC( |$)|Pillow|^JPEG|tables with|lossy|deflate|profile of")

_XMP = b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta exif:GPSLatitude='1' dc:creator='" + SECRET + b"'/>"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\x00" + b"0" * 32 + bytes(8) + SECRET
_MPF = j.segment(0xE2, b"MPF\x00II*\x00" + bytes(20) + SECRET)
_GAIN_MAP = j.segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\x00" + SECRET)
_C2PA = j.segment(0xEB, b"JP\x00\x01\x00\x00\x00\x01" + b"\x00\x00\x00\x20jumb" + SECRET)
_MOTION = _XMP.replace(b"dc:creator", b"GCamera:MicroVideo='1' dc:creator")


@cache
def phone_exif(orientation: int = 6) -> bytes:
    """An APP1 as phones write it: place, serial, times, maker note, artist, and a thumbnail."""
    import piexif

    tags = {
        "0th": {0x010F: b"Maker", 0x0110: b"Phone", 0x0112: orientation, 0x013B: SECRET, 0x0132: b"2025"},
        "Exif": {0x9003: b"2025:03:04 05:06:07", 0x927C: SECRET * 5, 0xA431: b"F0041"},
        "GPS": {0: (2, 3, 0, 0), 1: b"N", 2: ((54, 1), (41, 1), (1, 1)), 29: b"2025:03:04"},
        "1st": {},
        "thumbnail": s.jpeg(),
    }
    return j.segment(0xE1, bytes(piexif.dump(tags)))


def _jpeg(*parts: bytes, behind: bytes = b"") -> bytes:
    return j.after_soi(s.jpeg(), *parts) + behind


JPEGS: dict[str, Callable[[], bytes]] = {
    "nothing": s.jpeg,
    "phone": lambda: _jpeg(phone_exif()),
    "little-endian Exif": lambda: _jpeg(j.exif(3, little=True)),
    "two Exif": lambda: _jpeg(j.exif(6), j.exif(3)),
    "Adobe RGB": lambda: _jpeg(j.adobe_rgb(8)),
    "XMP and more of it": lambda: _jpeg(j.segment(0xE1, _XMP), j.segment(0xE1, _MORE_XMP)),
    "motion photo": lambda: _jpeg(phone_exif(), j.segment(0xE1, _MOTION), behind=j.CLIP),
    "MPF and second picture": lambda: _jpeg(j.exif(), _MPF, behind=s.jpeg() + SECRET),
    "gain map": lambda: _jpeg(_MPF, _GAIN_MAP, behind=_jpeg(_GAIN_MAP)),
    "C2PA": lambda: _jpeg(_C2PA),
    "JFIF thumbnail": lambda: _jpeg(j.jfif_with_thumbnail()),
    "JFXX thumbnail": lambda: _jpeg(j.segment(0xE0, b"JFXX\x00\x10" + s.jpeg() + SECRET)),
    "FlashPix": lambda: _jpeg(j.segment(0xE2, b"FPXR\x00" + SECRET)),
    "Photoshop": lambda: _jpeg(j.segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04" + SECRET)),
    "over-long Adobe": lambda: _jpeg(j.segment(0xEE, b"Adobe\x00\x64\x12\x34\x56\x78\x01" + SECRET)),
    "end of image in a segment": lambda: _jpeg(j.segment(0xE4, b"\xff\xd9\xff\xd8\xff\xda" + SECRET)),
    "comment": lambda: _jpeg(j.segment(0xFE, SECRET)),
    "comment between scans": lambda: s.jpeg_of_scans(j.segment(0xFE, SECRET)),
    "Exif between scans": lambda: s.jpeg_of_scans(j.exif(6)),
    "junk between segments": lambda: j.before(s.jpeg(), 0xC4, SECRET),
    "fill bytes": lambda: j.before(s.jpeg(), 0xC4, b"\xff\xff\xff"),
    "AFCP trailer": lambda: s.jpeg() + b"AXS!\x00\x01" + SECRET + b"AXS!" + bytes(8),
    "Samsung trailer": lambda: s.jpeg() + b"\x00\x00\x01\x0a" + SECRET + b"SEFHSEFT",
    "zeros behind": lambda: s.jpeg() + bytes(64),
    "profile": lambda: _jpeg(*j.icc(s.profile())),
    "profile out of order": lambda: _jpeg(*reversed(j.icc(s.profile(), (60, 130)))),
    "broken profile": lambda: _jpeg(*j.icc(SECRET * 9)),
    "no end": lambda: _jpeg(j.exif(3))[:-2],
}

PNGS: dict[str, Callable[[], bytes]] = {
    "nothing": s.png,
    "acropalypse": lambda: s.png() + p.chunk(b"IDAT", SECRET) + p.chunk(b"IEND"),
    "stream tail": lambda: s.png(behind=SECRET),
    "text": lambda: s.png(p.TEXT, late=(p.TEXT,)),
    "XMP": lambda: s.png(p.chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + _XMP[29:])),
    "Exif": lambda: s.png(p.orientation(6)),
    "late Exif": lambda: s.png(late=(p.orientation(8),)),
    "time": lambda: s.png(p.chunk(b"tIME", b"\x07\xe9\x03\x04\x05\x06\x07")),
    "C2PA": lambda: s.png(p.chunk(b"caBX", SECRET)),
    "unknown chunk": lambda: s.png(p.chunk(b"meDs", SECRET)),
    "suggested palette": lambda: s.png(p.chunk(b"sPLT", SECRET + b"\x00\x08")),
    "profile name": lambda: s.png(p.chunk(b"iCCP", SECRET + b"\x00\x00" + s.stored(s.profile()))),
    "two gammas": lambda: s.png(p.chunk(b"gAMA", b"\0\0\xb1\x8f"), p.chunk(b"gAMA", b"name")),
    "behind the end": lambda: s.png() + SECRET,
    "animation": s.apng,
    "animation with a tail": lambda: s.apng(SECRET),
    "frames that no animation shows": lambda: s.png(p.control(0)),
}


def _webp(*more: bytes, flags: int = 0, tail: bytes = b"", pixel: bytes = s.VP8) -> bytes:
    return w.riff(w.extended(flags, 1, 1), pixel, *more, tail=tail)


def _frames(*inner: bytes) -> bytes:
    head = bytes(12) + b"\x64\x00\x00"
    frames = (w.chunk(b"ANMF", head + b"\x00" + s.VP8), w.chunk(b"ANMF", head + b"\xfe" + s.VP8L), *inner)
    return w.riff(w.extended(2, 1, 1), w.chunk(b"ANIM", b"\xff\xff\xff\xff\x00\x00"), *frames)


WEBPS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: w.riff(s.VP8),
    "lossless": lambda: w.riff(s.VP8L),
    "XMP": lambda: _webp(w.NOTE, flags=4),
    "Exif": lambda: _webp(w.orientation(6), flags=8),
    "Exif with prefix": lambda: _webp(w.orientation(6, prefix=True), flags=8),
    "Exif without VP8X": lambda: w.riff(s.VP8, w.orientation(5)),
    "profile": lambda: w.riff(w.extended(0x20, 1, 1), w.chunk(b"ICCP", s.profile()), s.VP8),
    "unknown chunk": lambda: _webp(w.chunk(b"NOTE", SECRET)),
    "pad byte": lambda: _webp(w.chunk(b"odd ", b"x" + SECRET[:-1], pad=b"E")),
    "trailer": lambda: _webp(tail=SECRET),
    "animation": _frames,
    "chunk between frames": lambda: _frames(w.chunk(b"NOTE", SECRET)),
}


def _avif(*more: h.Part) -> bytes:
    coded = h.obu(1, b"sequence") + h.obu(5, b"\4" + SECRET + b"\x80") + h.obu(6, b"frame")
    picture = h.Part(1, b"av01", coded, [(b"av1C", b"\x81\0\x0c\0", True), h.ispe(64, 64)])
    refs = [(b"cdsc", part.id, [1]) for part in more]
    return h.Heif([picture, *more], refs, brands=(b"avif", b"avif", b"mif1")).build()


AVIFS: dict[str, Callable[[], bytes]] = {
    "message in the stream": _avif,
    "Exif": lambda: _avif(h.Part(7, b"Exif", h.EXIF)),
    "XMP": lambda: _avif(h.Part(8, b"mime", h.XMP, content_type=b"application/rdf+xml")),
}
HEICS: dict[str, Callable[[], bytes]] = {
    name: lambda build=build: build().build()
    for name, build in {**{n: b for n, (b, _) in HEIF.items()}, **HARMLESS}.items()
}

MOVIES: dict[str, Callable[[], bytes]] = {
    name: lambda build=build: build().build()
    for name, build in {**{n: row[0] for n, row in MOVIE.items()}, **LAYOUTS}.items()
}
_AV01 = m.visual(b"av01", h.box(b"av1C", b"\x81\0\x0c\0"), q.CCST)
_OBUS = [h.obu(1, b"sequence") + h.obu(6, b"frame" + bytes((n,))) for n in range(3)]
SEQUENCES: dict[str, Callable[[], bytes]] = {
    "still and alpha": lambda: q.Sequence().build(),
    "still of its own": lambda: q.Sequence(own=h.FAKE_SLICE[:-1] + b"\x7e").build(),
    "user data and metadata track": lambda: q.Sequence(
        tracks=[q.pictures(), m.metadata()], in_moov=[m.udta(SECRET)]
    ).build(),
    "AVIF": lambda: m.Movie(
        [q.pictures(entries=(_AV01,), samples=_OBUS), m.metadata()],
        brands=(b"avis", b"avis", b"msf1", b"miaf"),
        in_moov=[m.udta(SECRET)],
    ).build(),
}


def _lasting(traps: Mapping[str, bytes | tuple[bytes, object]]) -> dict[str, Callable[[], bytes]]:
    files = {n: x if isinstance(x, bytes) else x[0] for n, x in traps.items() if not _PASSING.search(n)}
    return {name: lambda data=data: data for name, data in files.items()}


GIFS, TIFFS, DNGS = _lasting(GIF), _lasting(TIFF), _lasting(DNG)

TRAPS: dict[str, Callable[[], bytes]] = {
    f"{family}: {name}": build
    for family, files in (
        ("jpeg", JPEGS),
        ("png", PNGS),
        ("webp", WEBPS),
        ("heic", HEICS),
        ("avif", AVIFS),
        ("gif", GIFS),
        ("tiff", TIFFS),
        ("dng", DNGS),
        ("movie", MOVIES),
        ("sequence", SEQUENCES),
    )
    for name, build in files.items()
}
