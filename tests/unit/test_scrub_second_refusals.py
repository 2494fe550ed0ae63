"""Smaller parts of the second readers, each against bytes that it must not call clean."""

from __future__ import annotations

import zlib

import pytest

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.raster import same_pixels
from medsnap.scrub import scrub
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.registry import not_kept
from medsnap.scrub.second import heif_streams, movie_boxes, png, tiff_jpeg
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders.jpeg import SECRET

# ── PNG ──────────────────────────────────────────────────────────────────────────────────────────


def adam7(width: int, height: int, channels: int) -> bytes:
    """The scanlines of an interlaced picture, counted pixel by pixel (PNG 8.2, figure 12)."""
    made = b""
    for number in "1234567":
        for y in range(height):
            count = sum(pass_of(x, y) == number for x in range(width))
            made += b"\x00" + bytes(range(count * channels)) if count else b""
    return made


_PASS = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"]


def pass_of(x: int, y: int) -> str:
    return _PASS[y % 8][x % 8]


def interlaced(width: int, height: int, data: bytes) -> bytes:
    parts = (p.SIGNATURE, p.header(width, height, interlace=1), p.chunk(b"IDAT", zlib.compress(data)))
    return b"".join((*parts, p.chunk(b"IEND")))


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (2, 1), (1, 3), (4, 4), (5, 5), (8, 8), (9, 3), (17, 11)]
)
def test_an_interlaced_picture_is_counted_to_the_byte(width: int, height: int) -> None:
    lines = adam7(width, height, 3)
    whole = interlaced(width, height, lines)
    facts = dict(png.account(whole, MediaType.PNG))
    assert facts["header"].endswith("01")
    assert scrub(whole) == whole
    assert same_pixels(whole, whole)
    for wrong in (lines + b"\x00", lines[:-1], lines + SECRET):
        with pytest.raises(NotClean, match=r"the picture|where it should"):
            png.account(interlaced(width, height, wrong), MediaType.PNG)


def frames(*parts: bytes, promised: int = 1) -> bytes:
    head = (p.SIGNATURE, p.header(), p.chunk(b"acTL", promised.to_bytes(4, "big") + bytes(4)))
    return b"".join((*head, *parts, p.chunk(b"IEND")))


IDAT = p.chunk(b"IDAT", zlib.compress(p.lines()))
CONTROLS = {
    "twice without a picture": frames(p.control(0), p.control(1), IDAT, promised=2),
    "a wrong number": frames(p.control(1), IDAT),
    "a first frame of another size": frames(p.control(0, 4, 6), IDAT),
    "an empty frame": frames(IDAT, p.control(0, 0, 6), p.chunk(b"fdAT", (1).to_bytes(4, "big"))),
    "a frame beyond the picture": frames(IDAT, p.control(0, 9, 6), p.chunk(b"fdAT", (1).to_bytes(4, "big"))),
    "data before a control": frames(IDAT, p.chunk(b"fdAT", bytes(4) + zlib.compress(p.lines()))),
    "data out of order": frames(IDAT, p.control(0), p.chunk(b"fdAT", (2).to_bytes(4, "big"))),
    "data that are broken": frames(
        IDAT, p.control(0), p.chunk(b"fdAT", (1).to_bytes(4, "big") + b"\xff\xff")
    ),
    "data that end too soon": frames(
        IDAT, p.control(0), p.chunk(b"fdAT", (1).to_bytes(4, "big") + zlib.compress(p.lines())[:-6])
    ),
    "a number cut off": frames(IDAT, p.control(0), p.chunk(b"fdAT", b"\0\0\0")),
    "a promise of nothing": frames(IDAT, promised=0),
    "a picture that is broken": p.picture(data=b"\x78\x9c\xff\xff\xff"),
    "a profile that does not inflate": p.picture(p.chunk(b"iCCP", b"icc\x00\x00" + SECRET)),
    "colours behind the picture": p.picture(late=(p.chunk(b"gAMA", b"\0\0\xb1\x8f"),)),
    "a second run of IDAT": p.picture(late=(p.control(0), IDAT)),
    "a picture of another kind": p.picture().replace(p.header(), p.header(colour=5), 1),
}


@pytest.mark.parametrize("data", CONTROLS.values(), ids=list(CONTROLS))
def test_a_png_that_the_rewriter_never_makes_is_not_clean(data: bytes) -> None:
    with pytest.raises(NotClean) as refused:
        png.account(data, MediaType.PNG)
    assert refused.value.where and SECRET.decode() not in refused.value.message


# ── coded pictures of HEIF ───────────────────────────────────────────────────────────────────────

_SPS = b"\x42\x01\x80"


def hvcc(*lists: tuple[int, list[bytes]], count: int | None = None, tail: bytes = b"") -> bytes:
    head = b"\x01" + bytes(20) + b"\x00" + bytes((len(lists) if count is None else count,))
    body = b""
    for kind, units in lists:
        body += bytes((kind,)) + len(units).to_bytes(2, "big")
        body += b"".join(len(u).to_bytes(2, "big") + u for u in units)
    return head + body + tail


def test_an_hevc_configuration_is_its_parameter_sets_and_nothing_else() -> None:
    good = hvcc((33, [_SPS]))
    assert heif_streams.check_hvcc(good)
    wrong = {
        "version": b"\x02" + good[1:],
        "cut": good[:-1],
        "short": good[:22],
        "tail": good + b"\x00",
        "more lists than there are": hvcc((33, [_SPS]), count=2),
        "an empty list": hvcc((33, [])),
        "a reserved bit": hvcc((33 | 0x40, [_SPS])),
        "a kind of its own": hvcc((48, [b"\x60\x01" + SECRET])),
        "a unit of another kind": hvcc((33, [b"\x44\x01\x80"])),
        "a unit of one byte": hvcc((33, [b"\x42"])),
        "a message with text": hvcc((39, [b"\x4e\x01\x05" + bytes((len(SECRET),)) + SECRET + b"\x80"])),
        "a message without its end": hvcc((39, [b"\x4e\x01\x89\x01\x07"])),
        "a message that is empty": hvcc((39, [b"\x4e\x01\x80"])),
        "half a message": hvcc((39, [b"\x4e\x01\x89\x80"])),
        "lengths of three bytes": good[:21] + b"\x02" + good[22:],
    }
    assert [name for name, value in wrong.items() if heif_streams.check_hvcc(value)] == []


def obu(kind: int, body: bytes = b"", *, first: int = 2, size: bytes | None = None) -> bytes:
    return bytes((kind << 3 | first,)) + (bytes((len(body),)) if size is None else size) + body


def test_an_av1_picture_holds_no_text_and_no_filler() -> None:
    sequence, frame = obu(1, b"\x00"), obu(6, b"\x10\x20")
    light = obu(5, b"\x01" + bytes(4) + b"\x80")
    good = obu(2) + sequence + light + frame
    assert heif_streams.check_av1(memoryview(good))
    assert heif_streams.check_av1(memoryview(sequence + b"\x30\x10\x20")), "the last may have no size"
    assert heif_streams.check_av1(memoryview(sequence + b"\x36\x00\x02\x10\x20")), "an extension byte"
    wrong = {
        "no frame": sequence,
        "nothing": b"",
        "padding": good + obu(15, SECRET),
        "a reserved kind": good + obu(9, SECRET),
        "a tile list": good + obu(8),
        "a delimiter with content": obu(2, SECRET) + frame,
        "text as metadata": sequence + obu(5, b"\x04" + SECRET + b"\x80") + frame,
        "light with a tail": sequence + obu(5, b"\x01" + bytes(5) + b"\x80") + frame,
        "the forbidden bit": sequence + b"\xb2\x01\x10",
        "a size beyond the end": sequence + obu(6, b"\x10", size=b"\x7f"),
        "a size without end": sequence + obu(6, size=b"\xff" * 9),
        "a size that is cut off": sequence + b"\x32\xff",
    }
    assert [name for name, data in wrong.items() if heif_streams.check_av1(memoryview(data))] == []
    assert heif_streams.check_av1c(b"\x81\x00\x00\x00" + sequence)
    for bad in (b"\x81\x00\x00", b"\x01\x00\x00\x00" + sequence, b"\x81\x00\x00\x00" + frame):
        assert not heif_streams.check_av1c(bad)


# ── JPEG within TIFF, boxes of a movie ───────────────────────────────────────────────────────────

_PIECE = j.without_jfif(j.base())
_DQT = j.segment(0xDB, b"\x00" + bytes(range(1, 65)))
PIECES = {
    "no start": _PIECE[2:],
    "bytes behind the end": _PIECE + b"\x00",
    "no end": _PIECE[:-2],
    "a comment": j.after_soi(_PIECE, j.segment(0xFE, SECRET)),
    "JFIF with a thumbnail": j.after_soi(_PIECE, j.jfif_with_thumbnail()),
    "JFIF twice": j.after_soi(_PIECE, j.base()[2:20], j.base()[2:20]),
    "JFIF behind a table": j.after_soi(_PIECE, _DQT, j.base()[2:20]),
    "Adobe with a name": j.after_soi(_PIECE, j.segment(0xEE, b"Adobe\x00\x64Name\x01")),
    "a segment that is cut": _PIECE[:2] + b"\xff\xdb\xff\xff" + _PIECE[2:],
    "a segment without length": _PIECE[:2] + b"\xff\xdb\x00\x01" + _PIECE[2:],
    "a byte for a marker": _PIECE[:2] + b"\x00" + _PIECE[2:],
    "no scan": _PIECE[: _PIECE.index(b"\xff\xda")] + b"\xff\xd9",
    "an empty scan": _PIECE[: _PIECE.index(b"\xff\xda") + 14] + b"\xff\xd9",
    "a frame header with more": _PIECE.replace(b"\xff\xc0\x00\x11", b"\xff\xc0\x00\x12", 1),
    "a scan of a component that is not there": _PIECE.replace(
        b"\xff\xda\x00\x0c\x03\x01", b"\xff\xda\x00\x0c\x03\x07", 1
    ),
}


@pytest.mark.parametrize("piece", PIECES.values(), ids=list(PIECES))
def test_a_strip_that_is_more_than_one_picture_is_not_clean(piece: bytes) -> None:
    tiff_jpeg.check(memoryview(_PIECE), lossless=False, at=100)
    with pytest.raises(NotClean, match="JPEG within TIFF") as refused:
        tiff_jpeg.check(memoryview(piece), lossless=False, at=100)
    assert int(refused.value.where.removeprefix("byte ")) >= 100, "in the file, not in the strip"


def test_tables_of_a_tiff_are_tables_and_nothing_else() -> None:
    tiff_jpeg.check_tables(b"\xff\xd8" + _DQT + b"\xff\xd9")
    for inner in (j.segment(0xFE, SECRET), _DQT + _DQT, j.segment(0xDB, b"\x00" + bytes(63)), b"\xff\xd9"):
        with pytest.raises(NotClean):
            tiff_jpeg.check_tables(b"\xff\xd8" + inner + b"\xff\xd9")
    with pytest.raises(NotClean):
        tiff_jpeg.check(memoryview(_PIECE), lossless=True, at=0)


def test_a_box_of_a_movie_fits_and_says_its_size_the_short_way() -> None:
    long = (1).to_bytes(4, "big") + b"mdat" + ((1 << 32) + 16).to_bytes(8, "big")
    assert movie_boxes.span(b"\0\0\0\x0cfree\0\0\0\0", 0) == ("free", 8, 12)
    for head, what in (
        ((1).to_bytes(4, "big") + b"mdat" + (16).to_bytes(8, "big"), "a long size for a short box"),
        (long, "does not fit"),
        (b"\0\0\0\x0dfree\0\0\0\0", "does not fit"),
        (b"\0\0\0\x07free\0\0\0\0", "does not fit"),
        (b"\0\0\0\0free", "does not fit"),
    ):
        with pytest.raises(NotClean, match=what):
            movie_boxes.span(head, 0)


def test_a_wish_that_a_format_cannot_meet_is_said() -> None:
    wish = ScrubKeep(captured_at="keep")
    assert not_kept(MediaType.JPEG, wish) == ()
    (said,) = not_kept(MediaType.GIF, wish)
    assert "were removed" in said
    bare = ScrubKeep(icc_text=False)
    assert not_kept(MediaType.PNG, bare) == ()
    assert "stays" in not_kept(MediaType.DNG, bare)[0]
