"""Formats without a rewriter: refused, with what was seen in them and no value of it."""

from __future__ import annotations

import pytest

from medsnap.errors import Unsupported
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import Reveals
from medsnap.model.photo import MediaType as M
from medsnap.scrub import clean
from medsnap.scrub.refused import seen_in
from tests.builders import jpeg as j
from tests.builders import tiff as t
from tests.builders.jpeg import SECRET

_XMP = b"<x:xmpmeta exif:GPSLatitude='1' aux:SerialNumber='7'>" + SECRET + b"</x:xmpmeta>"
_PAYLOAD = j.tiff((0x013B, 2, len(SECRET), SECRET), (0x0132, 2, 20, b"2024:05:06 07:08:09\0"))


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


_JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + _box(b"ftyp", b"jxl \0\0\0\0jxl ")
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n" + _box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
_RAW = t.file(
    t.picture(extra={262: (3, (32803,)), 315: (2, SECRET)}, below={34665: (t.EXIF,), 34853: (t.GPS,)})
)
_RAF = (
    b"FUJIFILMCCD-RAW ".ljust(84, b"\0")
    + (100).to_bytes(4, "big")
    + bytes(12)
    + j.after_soi(j.base(), j.exif(6))
)
_CR3 = _box(b"ftyp", b"crx \0\0\0\1crx ") + _box(
    b"moov",
    _box(b"CMT1", _PAYLOAD) + _box(b"CMT4", j.tiff((2, 5, 3, bytes(range(24))))) + _box(b"THMB", SECRET),
)

SEEN: dict[str, tuple[bytes, M, set[Reveals]]] = {
    "raw": (_RAW, M.RAW, {Reveals.PLACE, Reveals.SERIAL, Reveals.TIME, Reveals.PERSON}),
    "raw with a version of its own": (
        b"IIU\0" + _RAW[4:],
        M.RAW,
        {Reveals.PLACE, Reveals.SERIAL, Reveals.TIME, Reveals.PERSON},
    ),
    "Fujifilm": (_RAF, M.RAW, {Reveals.PERSON}),
    "Canon CR3": (_CR3, M.RAW, {Reveals.PLACE, Reveals.TIME, Reveals.PERSON, Reveals.THUMBNAIL}),
    "JPEG XL": (_JXL + _box(b"Exif", bytes(4) + _PAYLOAD), M.JXL, {Reveals.PERSON, Reveals.TIME}),
    "JPEG XL with XMP": (_JXL + _box(b"xml ", _XMP), M.JXL, {Reveals.PLACE, Reveals.SERIAL}),
    "JPEG XL with JUMBF": (
        _JXL + _box(b"jumb", SECRET),
        M.JXL,
        {Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE},
    ),
    "JPEG 2000": (
        _JP2 + _box(b"uuid", b"JpgTiffExif->JP2" + _PAYLOAD),
        M.JP2,
        {Reveals.PERSON, Reveals.TIME},
    ),
    "BMP": (
        b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0" + bytes(40) + _XMP,
        M.BMP,
        {Reveals.PLACE, Reveals.SERIAL},
    ),
    "PDF": (b"%PDF-1.7\n/Author (" + SECRET + b") /CreationDate", M.PDF, {Reveals.PERSON, Reveals.TIME}),
    "nothing": (b"\xff\x0a" + bytes(40), M.JXL, set()),
    "boxes that are broken": (_JXL + b"\xff\xff\xff\xffExif", M.JXL, set()),
}


@pytest.mark.parametrize("name", SEEN)
def test_it_is_refused_with_what_was_seen(name: str) -> None:
    data, media, seen = SEEN[name]
    assert sniff(data) is media
    with pytest.raises(Unsupported) as caught:
        clean(data)
    assert all(what.value in caught.value.message for what in seen)
    assert ("seen in it" in caught.value.message) is bool(seen)
    assert SECRET.decode() not in f"{caught.value.message}{caught.value.hint}"
    assert set(seen_in(data, media)) == seen


@pytest.mark.parametrize("name", SEEN)
def test_any_cut_is_refused_too(name: str) -> None:
    data, media, _ = SEEN[name]
    for stop in range(0, len(data), 5):
        assert Reveals.OTHER not in seen_in(data[:stop], media)
