"""Lossless turning: every orientation and sampling, its refusals, and what stays in the file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from medsnap.errors import MedsnapError, Unsupported
from medsnap.raster import jpeg_dct
from medsnap.raster.jpeg_dct import upright
from medsnap.raster.jpeg_header import read_header
from tests.builders import export as make

pytest.importorskip("jpeglib")


@dataclass(frozen=True)
class Coding:
    name: str
    mode: str = "RGB"
    subsampling: int = 0
    progressive: bool = False

    def encode(self, size: tuple[int, int]) -> bytes:
        extra = {} if self.mode == "L" else {"subsampling": self.subsampling}
        return make.jpeg(size, self.mode, progressive=self.progressive, **extra)


CODINGS = (
    Coding("444"),
    Coding("422", subsampling=1),
    Coding("420", subsampling=2),
    Coding("grey", mode="L"),
    Coding("progressive-420", subsampling=2, progressive=True),
    Coding("progressive-grey", mode="L", progressive=True),
)


def _pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def _turned_by_pillow(data: bytes, orientation: int) -> Image.Image:
    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }  # fmt: skip
    image = _pixels(data)
    return image if orientation == 1 else image.transpose(how[orientation])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("coding", CODINGS, ids=lambda c: c.name)
def test_a_turn_shows_the_same_picture(coding: Coding, orientation: int) -> None:
    source = coding.encode((96, 64))
    turned = upright(source, orientation)
    expected, shown = _turned_by_pillow(source, orientation), _pixels(turned)
    assert shown.size == expected.size
    # chroma is interpolated after the turn instead of before; luma has to be exact up to rounding
    limit = 3 if coding.mode == "L" or coding.subsampling == 0 else 12
    differences = [abs(a - b) for a, b in zip(shown.tobytes(), expected.tobytes(), strict=True)]
    assert max(differences) <= limit


@pytest.mark.parametrize("coding", CODINGS, ids=lambda c: c.name)
def test_four_quarter_turns_give_the_first_bytes(coding: Coding) -> None:
    start = upright(coding.encode((96, 64)), 1)
    turned = start
    for _ in range(4):
        turned = upright(turned, 6)
    assert turned == start


@pytest.mark.parametrize("pair", [(2, 2), (3, 3), (4, 4), (5, 5), (7, 7), (6, 8)])
def test_a_turn_and_its_opposite_cancel(pair: tuple[int, int]) -> None:
    start = upright(make.jpeg(subsampling=2), 1)
    assert upright(upright(start, pair[0]), pair[1]) == start


def test_progressive_becomes_baseline_with_equal_pixels() -> None:
    source = make.jpeg((101, 67), progressive=True, subsampling=2)
    assert read_header(source).sof == 2
    made = upright(source, 1)
    assert read_header(made).sof == 0
    assert _pixels(made).tobytes() == _pixels(source).tobytes()


SIZES = {  # orientation: (width must fit, height must fit) for blocks of 16
    2: (True, False), 3: (True, True), 4: (False, True), 5: (False, False),
    6: (False, True), 7: (True, True), 8: (True, False),
}  # fmt: skip


@pytest.mark.parametrize("orientation", SIZES)
@pytest.mark.parametrize("size", [(91, 64), (96, 61), (91, 61)])
def test_a_partial_edge_block_is_never_turned_inwards(size: tuple[int, int], orientation: int) -> None:
    source = make.jpeg(size, subsampling=2)
    needs_width, needs_height = SIZES[orientation]
    if (needs_width and size[0] % 16) or (needs_height and size[1] % 16):
        with pytest.raises(Unsupported, match="cannot be turned without loss"):
            upright(source, orientation)
    else:
        assert _pixels(upright(source, orientation)).size in {size, size[::-1]}


def test_only_profile_and_rendering_markers_stay() -> None:
    source = make.jpeg(icc_profile=make.profile(), comment=b"Jane Doe")
    exif = b"\xff\xe1\x00\x0aExif\0\0xx"
    source = source[:2] + exif + source[2:]
    made = upright(source, 6)
    header = read_header(made)
    assert header.icc == make.profile()
    assert b"Exif" not in made
    assert b"Jane" not in made
    assert {s.marker for s in header.segments} == {0xE0, 0xE2, 0xDB, 0xC0, 0xC4, 0xDA}
    assert [c.id for c in header.components] == [1, 2, 3]


def test_the_adobe_marker_of_a_ycbcr_picture_stays() -> None:
    adobe = bytes.fromhex("ffee000e4164 6f6265 0064 0000 0000 01")
    source = make.jpeg()
    made = upright(source[:2] + adobe + source[2:], 3)
    assert read_header(made).adobe == 1


def _with_sof(data: bytes, marker: int, precision: int = 8) -> bytes:
    header = read_header(data)
    frame = next(s for s in header.segments if s.marker == 0xC0)
    raw = bytearray(data)
    raw[frame.start + 1], raw[frame.start + 4] = marker, precision
    return bytes(raw)


def _rgb_coded() -> bytes:
    source = make.jpeg(subsampling=0)
    adobe = bytes.fromhex("ffee000e4164 6f6265 0064 0000 0000 00")
    return source[:2] + adobe + source[2:]


REFUSED = {
    "arithmetic": (lambda: _with_sof(make.jpeg(), 0xC9), "SOF9"),
    "lossless": (lambda: _with_sof(make.jpeg(), 0xC3), "SOF3"),
    "12 bit": (lambda: _with_sof(make.jpeg(), 0xC1, 12), "12 bits"),
    "cmyk": (lambda: make.encode(make.picture().convert("CMYK"), "JPEG"), "CMYK"),
    "rgb": (_rgb_coded, "RGB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusual_codings_are_refused_by_name(name: str) -> None:
    build, words = REFUSED[name]
    with pytest.raises(Unsupported, match=words):
        upright(build(), 6)


def test_without_jpeglib_the_photo_is_held_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "jpeglib._bind", None)
    with pytest.raises(Unsupported) as refusal:
        upright(make.jpeg(), 6)
    assert "medsnap[dct]" in refusal.value.hint


def test_pixels_never_touch_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import tempfile

    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memory files")

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was made")

    for name in ("TemporaryDirectory", "NamedTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, forbidden)
    assert upright(make.jpeg(), 6)


def test_a_private_folder_serves_where_memory_files_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    expected = upright(make.jpeg(), 6)
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert upright(make.jpeg(), 6) == expected


def test_a_result_with_other_coefficients_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = jpeg_dct._finish

    def other(coded: bytes, source: bytes, header: object) -> bytes:
        del coded
        return finish(source, source, header)  # type: ignore[arg-type]

    monkeypatch.setattr(jpeg_dct, "_finish", other)
    with pytest.raises(Unsupported, match="same coefficients"):
        upright(make.jpeg((64, 64)), 3)


SOURCE = make.jpeg((48, 32), subsampling=2)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.tuples(st.integers(0, len(SOURCE) - 1), st.integers(0, 255)), max_size=4), st.integers(1, 8)
)
def test_broken_bytes_give_a_jpeg_or_a_medsnap_error(
    changes: list[tuple[int, int]], orientation: int
) -> None:
    broken = bytearray(SOURCE)
    for at, value in changes:
        broken[at] = value
    try:
        made = upright(bytes(broken), orientation)
    except MedsnapError:
        return
    assert read_header(made).sof == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SOURCE)))
def test_a_cut_file_is_refused(length: int) -> None:
    if length < len(SOURCE):
        with pytest.raises(MedsnapError):
            upright(SOURCE[:length], 6)
