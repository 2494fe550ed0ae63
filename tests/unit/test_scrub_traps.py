"""Each trap of JPEG, PNG and WebP as a built file: the secret goes, the picture stays."""

from __future__ import annotations

import zlib

import pytest

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.formats import embedded
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierKind as K
from medsnap.raster import same_pixels
from medsnap.scrub import ScrubKeep, clean, scrub
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w
from tests.builders.jpeg import SECRET
from tests.scrubbing import gone

_JFXX = j.segment(0xE0, b"JFXX\x00\x10" + j.base()[:60] + SECRET)
_XMP = j.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x exif:GPSLatitude='1'>" + SECRET)
_MPF = j.segment(0xE2, b"MPF\x00II*\x00" + bytes(20) + SECRET)
_C2PA = j.segment(0xEB, b"JP\x00\x01\x00\x00\x00\x01" + SECRET)
_IRB = j.segment(0xED, b"Photoshop 3.0\x008BIM" + SECRET)
_ADOBE_LONG = j.segment(0xEE, b"Adobe\x00\x64\x12\x34\x56\x78\x01" + SECRET)
_EOI_INSIDE = j.segment(0xE4, b"\xff\xd9\xff\xd8\xff\xda" + SECRET)
_COMMENT = j.segment(0xFE, SECRET)

JPEGS: dict[str, tuple[bytes, set[K]]] = {
    "exif": (j.after_soi(j.base(), j.exif()), {K.EXIF}),
    "exif with orientation": (j.after_soi(j.base(), j.exif(6)), {K.EXIF}),
    "exif little-endian": (j.after_soi(j.base(), j.exif(3, little=True)), {K.EXIF}),
    "exif twice": (j.after_soi(j.base(), j.exif(6), j.exif(3)), {K.EXIF}),
    "EOI within a segment": (j.after_soi(j.base(), _EOI_INSIDE), {K.APPLICATION}),
    "JFXX": (j.after_soi(j.base(), _JFXX), {K.THUMBNAIL}),
    "JFIF thumbnail": (j.after_soi(j.without_jfif(j.base()), j.jfif_with_thumbnail()), {K.THUMBNAIL}),
    "XMP": (j.after_soi(j.base(), _XMP), {K.XMP}),
    "MPF and a second picture": (j.after_soi(j.base(), _MPF) + j.base() + SECRET, {K.SECONDARY_IMAGE}),
    "C2PA": (j.after_soi(j.base(), _C2PA), {K.C2PA}),
    "Photoshop": (j.after_soi(j.base(), _IRB), {K.IPTC}),
    "comment": (j.after_soi(j.base(), _COMMENT), {K.COMMENT}),
    "comment between scans": (j.before(j.base(progressive=True), 0xDA, _COMMENT), {K.COMMENT}),
    "Adobe too long": (j.after_soi(j.without_jfif(j.base()), _ADOBE_LONG), {K.APPLICATION}),
    "junk between segments": (j.before(j.base(), 0xDB, SECRET), {K.UNKNOWN}),
    "fill bytes": (j.before(j.base(), 0xDB, b"\xff\xff\xff"), {K.PADDING}),
    "motion clip": (j.base() + j.CLIP, {K.MOTION_VIDEO}),
    "Samsung trailer": (j.base() + b"\x00\x00\x01\x0a" + SECRET + b"SEFT", {K.TRAILER}),
    "zero padding": (j.base() + bytes(512), {K.PADDING}),
    "progressive": (j.after_soi(j.base(progressive=True), j.exif(8)), {K.EXIF}),
    "grey": (j.after_soi(j.base("L"), j.exif(2)), {K.EXIF}),
    "CMYK with ICC": (j.after_soi(j.base("CMYK"), *j.icc(j.profile())), {K.ICC}),
    "ICC out of order": (j.after_soi(j.base(), *reversed(j.icc(j.profile(), (100, 300)))), {K.ICC}),
    "no EOI": (j.base()[:-2], set()),
    "no EOI, cut in the scan": (j.base(size=(64, 64))[:-300], set()),
}

PNGS: dict[str, tuple[bytes, set[K]]] = {
    "text": (p.picture(p.TEXT), {K.TEXT}),
    "text behind the picture": (p.picture(late=(p.TEXT,)), {K.TEXT}),
    "eXIf": (p.picture(p.orientation(6)), {K.EXIF}),
    "eXIf behind the picture": (p.picture(late=(p.orientation(8),)), {K.EXIF}),
    "raw profile": (p.picture(p.raw_profile(3)), {K.EXIF}),
    "time": (p.picture(p.chunk(b"tIME", b"\x07\xe9\x03\x04\x05\x06\x07")), {K.TIME}),
    "C2PA": (p.picture(p.chunk(b"caBX", SECRET)), {K.C2PA}),
    "unknown chunk": (p.picture(p.chunk(b"meDs", SECRET)), {K.UNKNOWN}),
    "suggested palette": (p.picture(p.chunk(b"sPLT", SECRET + b"\x00\x08")), {K.UNKNOWN}),
    "tail in IDAT": (p.picture(data=zlib.compress(p.lines()) + SECRET), {K.TRAILER}),
    "tail over IDATs": (p.picture(data=zlib.compress(p.lines()) + SECRET * 9, parts=7), {K.TRAILER}),
    "IDAT in one-byte pieces": (p.picture(data=zlib.compress(p.lines()), parts=10_000), set()),
    "after IEND": (p.picture() + SECRET, {K.TRAILER}),
    "a picture after IEND": (p.picture() + p.picture() + SECRET, {K.SECONDARY_IMAGE}),
    "iCCP name": (p.picture(p.chunk(b"iCCP", SECRET + b"\x00\x00" + zlib.compress(j.profile()))), {K.ICC}),
    "iCCP tail": (p.picture(p.chunk(b"iCCP", b"x\x00\x00" + zlib.compress(j.profile()) + SECRET)), {K.ICC}),
    "iCCP without checksum": (
        p.picture(p.chunk(b"iCCP", b"x\x00\x00" + zlib.compress(j.profile())[:-4])),
        {K.ICC},
    ),
    "gamma of a wrong length": (p.picture(p.chunk(b"gAMA", bytes(4) + SECRET)), {K.UNKNOWN}),
    "gamma behind the picture": (p.picture(late=(p.chunk(b"gAMA", b"\0\0\xb1\x8f"),)), {K.UNKNOWN}),
    "gamma twice": (p.picture(p.chunk(b"gAMA", b"\0\0\xb1\x8f"), p.chunk(b"gAMA", b"name")), {K.UNKNOWN}),
    "APNG": (p.animation(), set()),
    "tail in fdAT": (p.animation(tail=SECRET), {K.TRAILER}),
    "frames without acTL": (p.picture(p.control(0)), {K.UNKNOWN}),
    "IEND missing": (p.picture()[:-12], set()),
}

WEBPS: dict[str, tuple[bytes, set[K]]] = {
    "simple": (w.riff(w.frame()), set()),
    "lossless": (w.riff(w.frame(lossless=True)), set()),
    "alpha": (w.riff(w.extended(0x10), w.frame(alpha=True)), set()),
    "XMP": (w.riff(w.extended(0x04), w.frame(), w.NOTE), {K.XMP}),
    "Exif": (w.riff(w.extended(0x08), w.frame(), w.orientation(6)), {K.EXIF}),
    "Exif with prefix": (w.riff(w.extended(0x08), w.frame(), w.orientation(6, prefix=True)), {K.EXIF}),
    "Exif without VP8X": (w.riff(w.frame(), w.orientation(5)), {K.EXIF}),
    "ICC": (w.riff(w.extended(0x20), w.chunk(b"ICCP", j.profile()), w.frame()), {K.ICC}),
    "unknown chunk": (w.riff(w.extended(0), w.chunk(b"NOTE", SECRET), w.frame()), {K.UNKNOWN}),
    "pad byte": (
        w.riff(w.extended(0), w.frame(), w.chunk(b"odd ", b"x" + SECRET[:-1], pad=b"E")),
        {K.UNKNOWN},
    ),
    "trailer": (w.riff(w.frame(), tail=SECRET), {K.TRAILER}),
    "animation": (w.animation(), set()),
    "chunk in a frame": (w.animation(w.chunk(b"NOTE", SECRET)), {K.UNKNOWN}),
    "reserved bits": (w.riff(w.extended(0).replace(b"\0\0\0\x14", b"Dr.\x14"), w.frame()), set()),
}

ALL = {
    **{f"jpeg: {k}": v for k, v in JPEGS.items()},
    **{f"png: {k}": v for k, v in PNGS.items()},
    **{f"webp: {k}": v for k, v in WEBPS.items()},
}


@pytest.mark.parametrize("name", ALL)
def test_the_secret_goes_and_the_picture_stays(name: str) -> None:
    done, out = gone(*ALL[name])
    assert done.report.size_out == len(out) == done.rewrite.size


@pytest.mark.parametrize("name", ALL)
def test_orientation_and_profile_are_kept(name: str) -> None:
    data, _ = ALL[name]
    out = scrub(data)
    media = sniff(data)
    assert sniff(out) is media
    assert _orientation(out) == _orientation(data)
    assert _profile(out) == _profile(data) or name == "png: iCCP without checksum"


def _orientation(data: bytes) -> int:
    from medsnap.raster.decode import orientation

    return orientation(data, sniff(data))


def _profile(data: bytes) -> bytes | None:
    return embedded.icc(data, sniff(data))


@pytest.mark.parametrize("value", range(2, 9))
def test_each_orientation_is_written_in_each_format(value: int) -> None:
    for data in (
        j.after_soi(j.base(), j.exif(value)),
        p.picture(p.orientation(value)),
        w.riff(w.extended(0x08), w.frame(), w.orientation(value)),
    ):
        assert clean(data).report.orientation == value
        assert _orientation(scrub(data)) == value


@pytest.mark.parametrize("value", [0, 1, 9, 4711])
def test_no_exif_is_written_without_need(value: int) -> None:
    for data in (j.after_soi(j.base(), j.exif(value)), p.picture(p.orientation(value))):
        assert b"MM\x00*" not in scrub(data)


@pytest.mark.parametrize(("mode", "given", "written"), [("RGB", 7, 1), ("RGB", 0, 0), ("CMYK", 9, 2)])
def test_the_colour_transform_is_what_decoders_take(mode: str, given: int, written: int) -> None:
    bare = j.base(mode).replace(b"Adobe", b"Other") if mode == "CMYK" else j.without_jfif(j.base(mode))
    data = j.after_soi(bare, j.segment(0xEE, b"Adobe\x00\x64\x80\x00\x00\x00" + bytes((given,))))
    out = scrub(data)
    assert out.count(b"Adobe\x00\x64\x00\x00\x00\x00" + bytes((written,))) == 1
    assert same_pixels(data, out)


def test_the_last_adobe_before_the_picture_counts() -> None:
    first, last = (j.segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00" + bytes((t,))) for t in (0, 1))
    data = j.after_soi(j.without_jfif(j.base()), first, last)
    assert first not in scrub(data)
    assert same_pixels(data, scrub(data))


def test_nothing_is_kept_that_the_caller_does_not_want() -> None:
    data = j.after_soi(j.base(), j.exif(6), *j.icc(j.profile()))
    out = clean(data, keep=ScrubKeep(orientation=False, icc=False)).data(data)
    assert out == scrub(j.base())


_HUGE = j.base().replace(b"\xff\xdb\x00\x43", b"\xff\xdb\xff\xff", 1)
REFUSED: dict[str, tuple[bytes, type[MedsnapError]]] = {
    "empty": (b"", Unsupported),
    "text": (b"hello, world", Unsupported),
    "jpeg: only SOI": (b"\xff\xd8\xff", Malformed),
    "jpeg: no frame": (b"\xff\xd8" + j.exif() + b"\xff\xd9", Malformed),
    "jpeg: length past the end": (_HUGE, Malformed),
    "jpeg: length 1": (b"\xff\xd8\xff\xe0\x00\x01" + bytes(9), Malformed),
    "jpeg: second SOI": (j.after_soi(j.base(), b"\xff\xd8"), Malformed),
    "jpeg: two frames": (j.before(j.base(), 0xC4, j.base()[j.base().index(b"\xff\xc0") :][:19]), Malformed),
    "jpeg: lossless": (j.base().replace(b"\xff\xc0", b"\xff\xc3", 1), Unsupported),
    "jpeg: JPEG-LS extension": (j.after_soi(j.base(), j.segment(0xF8, b"\x01")), Unsupported),
    "jpeg: ICC longer than it says": (j.after_soi(j.base(), *j.icc(j.profile() + SECRET)), Unsupported),
    "png: more than the picture": (p.picture(data=zlib.compress(p.lines() + SECRET)), Unsupported),
    "png: cut short": (p.picture(data=zlib.compress(p.lines())[:-9]), Malformed),
    "png: too few lines": (p.picture(data=zlib.compress(p.lines()[:-1])), Malformed),
    "png: wrong CRC": (p.picture().replace(b"IDAT", b"IDAT")[:-20] + b"xxxx" + p.picture()[-16:], Malformed),
    "png: iOS CgBI": (p.SIGNATURE + p.chunk(b"CgBI", bytes(4)) + p.picture()[8:], Malformed),
    "png: unknown critical": (p.picture(p.chunk(b"SECR", SECRET)), Unsupported),
    "png: split picture": (_split := p.picture(data=zlib.compress(p.lines()), parts=2), Malformed),
    "png: frames out of order": (
        p.animation().replace(b"fdAT\x00\x00\x00\x02", b"fdAT\x00\x00\x00\x07"),
        Malformed,
    ),
    "webp: size too large": (w.riff(w.frame())[:-1], Malformed),
    "webp: two pictures": (w.riff(w.extended(0), w.frame(), w.frame(lossless=True)), Unsupported),
    "webp: frames in a still": (w.riff(w.extended(0), w.frame(), w.animation()[44:]), Unsupported),
    "webp: no picture": (w.riff(w.extended(0), w.NOTE), Malformed),
    "webp: frame without picture": (
        w.riff(w.extended(2), w.chunk(b"ANIM", bytes(6)), w.chunk(b"ANMF", bytes(24))),
        MedsnapError,
    ),
}
_CUT = _split.index(b"IDAT", _split.index(b"IDAT") + 4) - 4
REFUSED["png: split picture"] = (_split[:_CUT] + p.TEXT + _split[_CUT:], Malformed)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(name: str) -> None:
    data, kind = REFUSED[name]
    with pytest.raises(kind) as caught:
        clean(data)
    assert SECRET.decode() not in f"{caught.value.message}{caught.value.where}{caught.value.hint}"
