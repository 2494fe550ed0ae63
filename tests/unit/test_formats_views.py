"""Views cover their files: spans follow each other and leave no byte out."""

from __future__ import annotations

import pytest

from medsnap.errors import Malformed
from medsnap.formats import embedded, jpeg, png, riff, tiff
from medsnap.model.photo import MediaType as M
from tests.builders import gif as g
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import tiff as t
from tests.builders import webp as w
from tests.builders.jpeg import SECRET


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_spans_cover_the_file(progressive: bool) -> None:
    data = j.before(j.after_soi(j.base(progressive=progressive), j.exif(6)), 0xDB, b"junk") + b"tail"
    view = jpeg.view(data)
    at = 2
    for segment in view.segments:
        assert segment.start == at
        assert segment.start <= segment.body <= segment.stop
        at = segment.stop
    assert (view.has_eoi, view.end, at + 2) == (True, len(data) - 4, view.end)
    names = [s.name for s in view.segments]
    assert names.count("scan") == names.count("SOS") == (10 if progressive else 1)
    assert names[0] == "APP1"
    assert "junk" in names


def test_jpeg_scan_ends_at_its_marker_only() -> None:
    scan = b"\x12\xff\x00\xff\xd0\xab\xff\xd7\xff\x00"
    data = b"\xff\xd8" + j.segment(0xDA, bytes(6)) + scan + b"\xff\xff\xd9"
    view = jpeg.view(data)
    assert [(s.name, s.start, s.stop) for s in view.segments] == [
        ("SOS", 2, 12),
        ("scan", 12, 12 + len(scan)),
        ("junk", 22, 23),
    ]
    assert view.has_eoi


def test_jpeg_refuses_with_a_place() -> None:
    with pytest.raises(Malformed) as caught:
        jpeg.view(b"\xff\xd8\xff\xe1\x00\x40Exif")
    assert caught.value.where == "APP1, byte 2"


def test_png_chunks_cover_the_file() -> None:
    data = p.picture(p.TEXT, late=(p.TEXT,)) + b"tail"
    view = png.view(data)
    assert [c.name for c in view.chunks] == ["IHDR", "tEXt", "IDAT", "tEXt", "IEND"]
    assert b"".join(data[c.start : c.stop] for c in view.chunks) == data[8:-4]
    assert all(png.crc_ok(data, c) for c in view.chunks)
    assert view.chunks[0].critical
    assert not view.chunks[1].critical


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (png.Header(width=3, height=2, depth=8, colour=2, interlace=0), 20),
        (png.Header(width=9, height=1, depth=1, colour=0, interlace=0), 3),
        (png.Header(width=1, height=1, depth=16, colour=6, interlace=1), 9),
        (png.Header(width=8, height=8, depth=8, colour=0, interlace=1), 64 + 15),
    ],
)
def test_png_raw_size(header: png.Header, expected: int) -> None:
    assert header.raw_size() == expected


def test_png_adam7_raw_size_is_the_sum_of_its_passes() -> None:
    header = png.Header(width=5, height=7, depth=8, colour=3, interlace=1)
    passes = [(1, 1), (1, 1), (2, 1), (1, 2), (3, 2), (2, 4), (5, 3)]
    assert header.raw_size() == sum(rows * (1 + columns) for columns, rows in passes)


def test_webp_chunks_and_canvas() -> None:
    data = w.riff(w.extended(0x08), w.frame(), w.orientation(6), tail=b"xyz")
    view = riff.view(data)
    assert [c.name for c in view.chunks] == ["VP8X", "VP8", "EXIF"]
    assert (view.end, view.size) == (len(data) - 3, len(data))
    for made in (data, w.riff(w.frame()), w.riff(w.frame(lossless=True))):
        assert embedded.size(made, M.WEBP) == (21, 15)


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (j.after_soi(j.base(), j.exif(7)), M.JPEG),
        (p.picture(p.orientation(7)), M.PNG),
        (p.picture(p.raw_profile(7)), M.PNG),
        (w.riff(w.extended(8), w.frame(), w.orientation(7)), M.WEBP),
        (w.riff(w.extended(8), w.frame(), w.orientation(7, prefix=True)), M.WEBP),
    ],
    ids=["jpeg", "eXIf", "raw profile", "webp", "webp with prefix"],
)
def test_embedded_exif(data: bytes, media: M) -> None:
    found = tiff.read(embedded.exif(data, media) or b"")
    artist = found.get("IFD0", 0x013B)
    assert found.orientation == 7
    assert artist is not None
    assert artist.ascii == SECRET.decode()


def test_embedded_profile_and_xmp() -> None:
    assert embedded.icc(j.after_soi(j.base(), *reversed(j.icc(j.profile(), (9, 99)))), M.JPEG) == j.profile()
    packet = b"http://ns.adobe.com/xap/1.0/\x00<x/>"
    assert embedded.xmp(j.after_soi(j.base(), j.segment(0xE1, packet)), M.JPEG) == b"<x/>"
    text = p.chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00<y/>")
    assert embedded.xmp(p.picture(text), M.PNG) == b"<y/>"
    assert embedded.xmp(p.picture(), M.PNG) is None
    assert embedded.size(j.base(size=(24, 16)), M.JPEG) == (24, 16)
    assert embedded.size(b"%PDF-", M.PDF) is None


@pytest.mark.parametrize("little", [False, True])
def test_tiff_values(little: bool) -> None:
    order = "little" if little else "big"
    rational = (54).to_bytes(4, order) + (7).to_bytes(4, order)
    payload = j.tiff(
        (0x0112, 3, 1, j.short(3, little=little)),
        (0x011A, 5, 1, rational),
        (0x010E, 2, 6, b"a\x1bb c\x00"),
        (0x0100, 9, 1, (2**32 - 5).to_bytes(4, order)),
        little=little,
    )
    found = tiff.read(payload)
    assert found.valid
    assert found.little is little
    values = {e.tag: e for e in found.entries}
    assert values[0x0112].integer == 3
    assert values[0x011A].rationals == ((54, 7),)
    assert values[0x010E].ascii == "a b c"
    assert values[0x0100].integers == (-5,)


def test_tiff_loops_and_overlaps_end() -> None:
    loop = (
        b"MM\x00*\x00\x00\x00\x08\x00\x01"
        + b"\x87\x69\x00\x04\x00\x00\x00\x01\x00\x00\x00\x08"
        + b"\x00\x00\x00\x08"
    )
    assert len(tiff.read(loop).entries) == 1
    # 1,900 entries that all point at one value of 30,000 bytes: 57 MB if each were copied
    entry = b"\x92\x7c\x00\x07" + (30_000).to_bytes(4, "big") + (30_000).to_bytes(4, "big")
    bomb = b"MM\x00*\x00\x00\x00\x08" + (1900).to_bytes(2, "big") + entry * 1900 + bytes(40_000)
    assert sum(len(e.value) for e in tiff.read(bomb).entries) < 4 * len(bomb)


def test_tiff_of_nonsense_is_empty() -> None:
    for payload in (b"", b"II", b"II*\x00", b"II*\x00\xff\xff\xff\xff", b"hello"):
        assert tiff.read(payload).entries == ()
        assert tiff.read(payload).orientation == 1


def test_size_and_profile_of_gif_and_tiff() -> None:
    made = g.file(g.COMMENT, g.PROFILE, g.image())
    assert embedded.size(made, M.GIF) == (8, 6)
    assert embedded.icc(made, M.GIF) == j.profile()
    assert embedded.icc(g.file(g.image()), M.GIF) is None
    reduced = t.picture(4, 3, extra={254: (4, (1,))}, seed=7)
    for little, big in ((True, False), (False, True)):
        page = t.picture(24, 16, extra={34675: (7, j.profile())})
        made = t.file(reduced, page, little=little, big=big)
        assert embedded.size(made, M.TIFF) == (24, 16)
        assert embedded.icc(made, M.TIFF) == j.profile()
    assert embedded.icc(t.file(t.picture()), M.TIFF) is None
    assert embedded.size(b"II*\x00\x08\x00\x00\x00", M.TIFF) is None
    raw = t.dng()  # the reduced picture comes first, the full one lies below it
    assert embedded.size(raw, M.DNG) == (8, 6)
