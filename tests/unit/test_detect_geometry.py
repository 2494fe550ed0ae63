"""Boxes, windows, tiles, strips of barcodes, and which pictures hold more than one frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.detect.barcode import LINEAR_HEIGHT, around
from medsnap.detect.boxes import Box, shared, suppress, within
from medsnap.detect.frames import several_frames
from medsnap.detect.picture import Picture, Window, split
from medsnap.detect.text import READ, UNREAD, worth
from medsnap.detect.text_map import TILE, tiles
from medsnap.model.finding import Region
from medsnap.model.photo import MediaType

numpy = pytest.importorskip("numpy")

boxes = st.builds(
    lambda x, y, w, h, s: Box(x, y, x + w, y + h, s),
    st.floats(0, 500), st.floats(0, 500), st.floats(1, 200), st.floats(1, 200), st.floats(0, 1),
)  # fmt: skip


class TestBoxes:
    @given(st.lists(boxes, max_size=20))
    def test_suppression_keeps_the_best_and_leaves_no_heap(self, found: list[Box]) -> None:
        kept = suppress(found, 0.3)
        assert set(kept) <= set(found)
        assert not found or max(b.score for b in kept) == max(b.score for b in found)
        for i, a in enumerate(kept):
            for b in kept[i + 1 :]:
                assert shared(a, b) < 0.3 * (a.area + b.area - shared(a, b)) + 1e-9

    @given(st.lists(boxes, max_size=20))
    def test_what_was_suppressed_lies_on_something_kept(self, found: list[Box]) -> None:
        kept = suppress(found, 0.3)
        for box in found:
            assert any(shared(box, k) > 0 or box == k for k in kept)

    def test_within_counts_one_cover_not_the_sum(self) -> None:
        part = Region(x=0.0, y=0.0, w=0.2, h=0.2)
        halves = [Region(x=0.0, y=0.0, w=0.08, h=0.2), Region(x=0.12, y=0.0, w=0.08, h=0.2)]
        assert not within(part, halves, 0.5)
        assert within(part, [Region(x=0.0, y=0.0, w=0.11, h=0.2)], 0.5)


class TestWindows:
    @given(st.integers(1, 20000), st.integers(1, 20000))
    def test_windows_cover_every_pixel_and_none_is_thin(self, width: int, height: int) -> None:
        windows = split(width, height)
        along = sorted((w.x, w.x + w.w) if width >= height else (w.y, w.y + w.h) for w in windows)
        assert along[0][0] == 0
        assert along[-1][1] == max(width, height)
        assert all(b[0] <= a[1] for a, b in pairwise(along))
        assert all(max(w.w, w.h) <= 2.5 * min(w.w, w.h) for w in windows)

    def test_an_ordinary_photo_is_one_window(self) -> None:
        assert split(4032, 3024) == (Window(0, 0, 4032, 3024),)
        assert split(1170, 2532) == (Window(0, 0, 1170, 2532),)

    def test_neighbours_overlap_by_a_quarter(self) -> None:
        first, second = split(10000, 1000)[:2]
        assert first.x + first.w - second.x >= first.w // 4

    @given(st.integers(33, 4000), st.integers(33, 4000))
    def test_tiles_partition_the_picture(self, width: int, height: int) -> None:
        cut = list(tiles(width, height))
        assert sum(t.w * t.h for t in cut) == width * height
        assert all(t.w < 2 * TILE and t.h < 2 * TILE for t in cut)
        assert len({(t.x, t.y) for t in cut}) == len(cut)

    def test_sizes_are_made_once_and_keep_the_ratio(self) -> None:
        picture = Picture(numpy.zeros((3024, 4032, 3), numpy.uint8))
        assert picture.at(1024).shape == (768, 1024, 3)
        assert picture.at(1024) is picture.at(1024)
        assert picture.at(5000) is picture.pixels

    @given(*(st.floats(-50, 150) for _ in range(4)))
    def test_regions_stay_in_the_picture(self, x0: float, y0: float, x1: float, y1: float) -> None:
        picture = Picture(numpy.zeros((80, 100, 3), numpy.uint8))
        r = picture.region(x0, y0, x1, y1)
        assert 0 <= r.x < 1
        assert 0 <= r.y < 1
        assert 0 < r.w <= 1 - r.x + 1e-9
        assert 0 < r.h <= 1 - r.y + 1e-9


class TestStrips:
    def test_a_scan_line_of_a_linear_code_grows_to_the_label(self) -> None:
        box = around([(100, 200), (400, 200), (400, 202), (100, 202)], linear=True)
        assert box.y1 - box.y0 >= LINEAR_HEIGHT * 300
        assert box.x0 < 100
        assert box.x1 > 400
        assert (box.y0 + box.y1) / 2 == pytest.approx(201)

    def test_a_tilted_strip_grows_across_its_own_direction(self) -> None:
        upright = around([(200, 100), (200, 400), (198, 400), (198, 100)], linear=True)
        assert upright.x1 - upright.x0 >= LINEAR_HEIGHT * 300
        assert upright.y1 - upright.y0 < 400

    def test_a_square_symbol_only_gets_its_margin(self) -> None:
        box = around([(0, 0), (100, 0), (100, 100), (0, 100)], linear=False)
        assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((-6, -6, 106, 106))

    def test_a_point_is_no_division_by_zero(self) -> None:
        assert around([(5, 5)] * 4, linear=True).area == 0


class TestWorth:
    @pytest.mark.parametrize(
        ("name", "text", "score", "length", "expected"),
        [
            ("a line that was read", "MRN 4711", 0.93, 8.0, 0.93),
            ("read, but two characters", "10", 0.99, 1.4, UNREAD),
            ("signs only", "-- .. --", 0.99, 8.0, UNREAD),
            ("unsure, many characters", "0kaf0r", 0.41, 5.0, UNREAD),
            ("a line in which nothing could be read", "", 0.0, 6.0, UNREAD),
            ("one unsure big letter: a wound", "O", 0.31, 1.1, 0.0),
            ("nothing read in a lone shape", "", 0.0, 1.5, 0.0),
            ("just below the score", "Maria", READ - 0.001, 4.0, UNREAD),
        ],
    )
    def test_what_an_outline_is_worth(
        self, name: str, text: str, score: float, length: float, expected: float
    ) -> None:
        assert worth(text, score, length) == expected


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(len(d).to_bytes(4, "big") + kind + d + b"\x00" * 4 for kind, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def webp(flags: int) -> bytes:
    return b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes([flags]) + b"\x00" * 9


@pytest.mark.parametrize(
    ("name", "data", "media", "several"),
    [
        ("a JPEG", b"\xff\xd8\xff\xd9", MediaType.JPEG, False),
        ("a still PNG", png((b"IHDR", b"\x00" * 13), (b"IDAT", b"")), MediaType.PNG, False),
        ("an animated PNG", png((b"IHDR", b"\x00" * 13), (b"acTL", b"\x00" * 8), (b"IDAT", b"")),
         MediaType.PNG, True),
        ("acTL after the pixels is no animation", png((b"IDAT", b""), (b"acTL", b"\x00" * 8)),
         MediaType.PNG, False),
        ("a PNG without pixels", png((b"IHDR", b"\x00" * 13)), MediaType.PNG, True),
        ("a still extended WebP", webp(0x10), MediaType.WEBP, False),
        ("an animated WebP", webp(0x12), MediaType.WEBP, True),
        ("a simple WebP", b"RIFF\x00\x00\x00\x00WEBPVP8 \x02", MediaType.WEBP, False),
        ("a GIF", b"GIF89a", MediaType.GIF, True),
        ("an image sequence", b"", MediaType.HEIF_SEQUENCE, True),
    ],
)  # fmt: skip
def test_several_frames(name: str, data: bytes, media: MediaType, several: bool) -> None:
    assert several_frames(memoryview(data), media) is several


def test_no_model_code_at_import() -> None:
    import subprocess
    import sys

    heavy = ("numpy", "cv2", "onnxruntime", "PIL", "rapidocr", "zxingcpp")
    script = f"import sys, medsnap.detect; print([m for m in {heavy!r} if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
