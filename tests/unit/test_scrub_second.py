"""The second readers refuse outputs that a rewriter must not make; none is made by the rewriter."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub import scrub
from medsnap.scrub.second import jpeg as second_jpeg
from medsnap.scrub.second import png as second_png
from medsnap.scrub.second import webp as second_webp
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w
from tests.builders.jpeg import SECRET

_J = scrub(j.after_soi(j.base(), j.exif(6), *j.icc(j.profile(), (200,))))
_RGB = scrub(j.after_soi(j.base(), j.adobe_rgb(6)))
_BARE = scrub(j.without_jfif(j.base()))
_Q = _J[_J.index(b"\xff\xdb") :][:69]
_W = scrub(w.riff(w.extended(0x28), w.chunk(b"ICCP", j.profile()), w.frame(), w.orientation(3)))


def _swap(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


JPEGS = {
    "SOI missing": _J[2:],
    "byte behind EOI": _J + b"\x00",
    "EOI missing": _J[:-2],
    "comment": j.before(_J, 0xDB, j.segment(0xFE, SECRET)),
    "empty comment": j.before(_J, 0xDB, j.segment(0xFE, b"")),
    "fill byte": j.before(_J, 0xDB, b"\xff"),
    "fill byte behind a scan": _J[:-2] + b"\xff\xff\xd9",
    "orientation 9": _swap(_J, b"\x00\x06\x00\x00\x00\x00\x00\x00", b"\x00\x09\x00\x00\x00\x00\x00\x00"),
    "orientation 1": _swap(_J, b"\x00\x06\x00\x00\x00\x00\x00\x00", b"\x00\x01\x00\x00\x00\x00\x00\x00"),
    "Exif with a second tag": j.after_soi(_BARE, j.exif(6)),
    "Adobe RGB with another index": _swap(_RGB, b"R03", b"R98"),
    "Adobe RGB with orientation 1": _swap(_RGB, b"\x00\x06\x00\x00\x87\x69", b"\x00\x01\x00\x00\x87\x69"),
    "Adobe RGB with a tail": _swap(_RGB, b"\xff\xe1\x00\x5e", b"\xff\xe1\x00\x60"),
    "Exif with a tail": _swap(_J, b"\xff\xe1\x00\x22", b"\xff\xe1\x00\x23"),
    "Exif before JFIF": j.after_soi(scrub(j.base()), _J[_J.index(b"\xff\xe1") :][:36]),
    "JFIF with a thumbnail": j.after_soi(j.without_jfif(scrub(j.base())), j.jfif_with_thumbnail()),
    "JFIF twice": j.after_soi(_J, _J[2:20]),
    "ICC chunk missing": j.after_soi(_BARE, j.icc(j.profile(), (200,))[0]),
    "ICC chunks in the wrong order": j.after_soi(_BARE, *reversed(j.icc(j.profile(), (200,)))),
    "ICC with a tail": j.after_soi(_BARE, *j.icc(j.profile() + SECRET)),
    "XMP": j.after_soi(_J, j.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + SECRET)),
    "Adobe with a tail": j.after_soi(_J, j.segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x01" + SECRET)),
    "Adobe with flags": j.after_soi(_J, j.segment(0xEE, b"Adobe\x00\x64Name\x01")),
    "a table that no scan uses": j.before(_J, 0xDB, _Q),
    "a table with a tail": _swap(_J, b"\xff\xdb\x00\x43", b"\xff\xdb\x00\x44"),
    "SOF with a tail": _swap(_J, b"\xff\xc0\x00\x11", b"\xff\xc0\x00\x12"),
    "two frames": j.before(_J, 0xC4, _J[_J.index(b"\xff\xc0") :][:19]),
    "lossless frame": _swap(_J, b"\xff\xc0", b"\xff\xc3"),
    "no scan": _J[: _J.index(b"\xff\xda")] + b"\xff\xd9",
    "stray restart marker": j.before(_J, 0xDB, b"\xff\xd0"),
    "APP12": j.before(_J, 0xDB, j.segment(0xEC, SECRET)),
}
PNGS = {
    "signature": b"\x89PNG\r\n\x1a\r" + p.picture()[8:],
    "text": p.picture(p.TEXT),
    "text behind the picture": p.picture(late=(p.TEXT,)),
    "byte behind IEND": p.picture() + b"\x00",
    "IEND missing": p.picture()[:-12],
    "IEND with content": p.picture()[:-12] + p.chunk(b"IEND", SECRET),
    "wrong CRC": p.picture()[:-1] + b"\x00",
    "tail in IDAT": p.picture(data=zlib.compress(p.lines()) + SECRET),
    "empty IDAT behind the stream, then data": p.picture(data=zlib.compress(p.lines()) + b"\x00"),
    "more than the picture": p.picture(data=zlib.compress(p.lines() + b"\x00")),
    "less than the picture": p.picture(data=zlib.compress(p.lines()[:-1])),
    "two headers": p.picture(p.header()),
    "Exif with another tag": p.picture(p.orientation(6)),
    "iCCP with a name": p.picture(p.chunk(b"iCCP", SECRET + b"\x00\x00" + zlib.compress(j.profile()))),
    "iCCP with a tail": p.picture(p.chunk(b"iCCP", b"icc\x00\x00" + zlib.compress(j.profile()) + SECRET)),
    "iCCP that holds more": p.picture(p.chunk(b"iCCP", b"icc\x00\x00" + zlib.compress(j.profile() + SECRET))),
    "gamma twice": p.picture(*[p.chunk(b"gAMA", b"\0\0\xb1\x8f")] * 2),
    "gamma too long": p.picture(p.chunk(b"gAMA", bytes(5))),
    "frame without acTL": p.picture(p.control(0)),
    "more frames promised": p.picture(p.chunk(b"acTL", (2).to_bytes(4, "big") + bytes(4)), p.control(0)),
    "tail in fdAT": p.animation(tail=SECRET),
    "control without picture": p.animation()[:-12] + p.control(3) + p.chunk(b"IEND"),
}
WEBPS = {
    "trailer": w.riff(w.frame(), tail=b"\x00"),
    "XMP": w.riff(w.extended(0x04), w.frame(), w.NOTE),
    "XMP unclaimed": w.riff(w.extended(0), w.frame(), w.NOTE),
    "XMP claimed, absent": w.riff(w.extended(0x04), w.frame()),
    "Exif claimed, absent": w.riff(w.extended(0x08), w.frame()),
    "Exif with another tag": w.riff(w.extended(0x08), w.frame(), w.orientation(6)),
    "ICC unclaimed": w.riff(w.extended(0), w.chunk(b"ICCP", j.profile()), w.frame()),
    "ICC with a tail": w.riff(w.extended(0x20), w.chunk(b"ICCP", j.profile() + SECRET), w.frame()),
    "reserved bit": w.riff(w.extended(0x40), w.frame()),
    "reserved bytes": w.riff(w.extended(0).replace(b"\0\0\0\x14", b"Dr.\x14"), w.frame()),
    "two pictures": w.riff(w.extended(0), w.frame(), w.frame()),
    "simple with a chunk": w.riff(w.frame(), w.NOTE),
    "pad byte": w.riff(w.chunk(b"VP8L", (w.frame(lossless=True)[8:] + b"\0")[: 2 * 30 + 1], pad=b"E")),
    "no picture": w.riff(w.extended(0)),
    "empty form": w.riff(),
    "chunk in a frame": w.animation(w.chunk(b"NOTE", SECRET), flags=0),
    "reserved bits of a frame": w.animation(),
}
_Reader = Callable[[bytes, MediaType], object]
CASES: list[tuple[str, bytes, _Reader, MediaType]] = [
    *((f"jpeg: {k}", v, second_jpeg.account, MediaType.JPEG) for k, v in JPEGS.items()),
    *((f"png: {k}", v, second_png.account, MediaType.PNG) for k, v in PNGS.items()),
    *((f"webp: {k}", v, second_webp.account, MediaType.WEBP) for k, v in WEBPS.items()),
]


@pytest.mark.parametrize(("data", "account", "media"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_does_not_belong_is_refused(data: bytes, account: _Reader, media: MediaType) -> None:
    with pytest.raises(NotClean) as caught:
        account(data, media)
    assert caught.value.where
    assert SECRET.decode() not in caught.value.message


def test_a_clean_file_gives_its_facts() -> None:
    facts = dict(second_jpeg.account(_J, MediaType.JPEG))
    assert facts["orientation"] == "6"
    assert facts["frame"].startswith("0800100018")
    assert dict(second_webp.account(_W, MediaType.WEBP))["orientation"] == "3"
    plain = dict(second_png.account(p.picture(), MediaType.PNG))
    assert plain == {"orientation": "1", "header": p.header()[8:-4].hex()}


@pytest.mark.parametrize("data", [_J, scrub(p.animation()), _W], ids=["jpeg", "png", "webp"])
def test_every_cut_is_refused(data: bytes) -> None:
    media, account = {
        0xFF: (MediaType.JPEG, second_jpeg.account),
        0x89: (MediaType.PNG, second_png.account),
        0x52: (MediaType.WEBP, second_webp.account),
    }[data[0]]
    for stop in range(len(data)):
        with pytest.raises(NotClean):
            account(data[:stop], media)


def test_the_second_readers_share_no_code() -> None:
    import ast
    from pathlib import Path

    import medsnap.scrub.second as package

    allowed = {"medsnap.errors", "medsnap.model.photo", "medsnap.model.rewrite", "medsnap.scrub.second"}
    for path in Path(package.__file__).parent.glob("[!h]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("medsnap"):
                own = (node.module or "").startswith("medsnap.scrub.second.")
                assert own or node.module in allowed, path.name
