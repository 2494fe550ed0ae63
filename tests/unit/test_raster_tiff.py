"""TIFF: Pillow turns it by itself, and reduced copies of pages are no pages."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from medsnap.model.photo import MediaType
from medsnap.raster.compare import same_pixels
from medsnap.raster.decode import upright


def tiff(*pages: tuple[Image.Image, dict[int, int]]) -> bytes:
    out = io.BytesIO()
    made = []
    for picture, tags in pages:
        directory = ImageFileDirectory_v2()
        for tag, value in tags.items():
            directory[tag] = value
        picture.encoderinfo = {"tiffinfo": directory}
        made.append(picture)
    made[0].save(out, "TIFF", save_all=True, append_images=made[1:], tiffinfo=made[0].encoderinfo["tiffinfo"])
    return out.getvalue()


def test_a_turned_tiff_is_turned_once() -> None:
    data = tiff((Image.new("RGB", (8, 6), "red"), {274: 6}))
    assert upright(data, MediaType.TIFF).size == (6, 8)


def test_a_reduced_page_is_no_page(tmp_path: Path) -> None:
    page, small = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (4, 3), "red")
    assert same_pixels(tiff((page, {}), (small, {254: 1})), tiff((page, {})))
    assert not same_pixels(tiff((page, {}), (small, {254: 0})), tiff((page, {})))
    assert not same_pixels(tiff((page, {})), tiff((Image.new("RGB", (8, 6), "blue"), {})))
