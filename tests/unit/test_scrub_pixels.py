"""Decoding upright and comparing pixels."""

from __future__ import annotations

import io
import zlib

import pytest

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.model.photo import MediaType as M
from medsnap.raster import same_pixels
from medsnap.raster.decode import upright
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w


def _corner(orientation: int) -> bytes:
    """A PNG of 8 x 6, black but for a white corner at the top left of the stored raster."""
    from PIL import Image

    picture = Image.new("RGB", (8, 6))
    picture.paste((255, 255, 255), (0, 0, 3, 2))
    out = io.BytesIO()
    picture.save(out, "PNG")
    data = out.getvalue()
    return data[:33] + p.orientation(orientation) + data[33:]


# Exif 3.0, 4.6.5.1.6: where the stored top left corner belongs in the upright picture, and its size.
_UPRIGHT = {
    1: ((0, 0), (8, 6)),
    2: ((7, 0), (8, 6)),
    3: ((7, 5), (8, 6)),
    4: ((0, 5), (8, 6)),
    5: ((0, 0), (6, 8)),
    6: ((5, 0), (6, 8)),
    7: ((5, 7), (6, 8)),
    8: ((0, 7), (6, 8)),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_turns_as_exif_says(orientation: int) -> None:
    turned = upright(_corner(orientation), M.PNG)
    corner, size = _UPRIGHT[orientation]
    assert turned.size == size
    white = [xy for xy in ((0, 0), (size[0] - 1, 0), (0, size[1] - 1), (size[0] - 1, size[1] - 1))
             if turned.getpixel(xy) == (255, 255, 255)]  # fmt: skip
    assert white == [corner]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "1"])
def test_upright_is_rgb_and_forgets(mode: str) -> None:
    data = j.base(mode if mode != "1" else "L")
    turned = upright(data, M.JPEG)
    assert (turned.mode, turned.info) == ("RGB", {})


def test_transparent_parts_are_white() -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(out, "PNG")
    assert upright(out.getvalue(), M.PNG).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("I;16", (2, 2), 0x8000).save(out, "PNG")
    assert upright(out.getvalue(), M.PNG).getpixel((0, 0)) == (128, 128, 128)


def test_limits_and_damage() -> None:
    with pytest.raises(TooLarge):
        upright(j.base(size=(64, 64)), M.JPEG, max_pixels=4095)
    with pytest.raises(Malformed):
        upright(b"\xff\xd8\xff\xe0nothing", M.JPEG)
    cut = j.base(size=(64, 64))[:-300]
    with pytest.raises(Malformed):
        upright(cut, M.JPEG)
    assert upright(cut, M.JPEG, truncated=True).size == (64, 64)
    with pytest.raises(Unsupported):
        upright(b"%PDF-1.7", M.PDF)


def test_only_the_named_decoder_is_tried() -> None:
    with pytest.raises(Malformed):
        upright(p.picture(), M.JPEG)


def test_same_pixels_sees_differences() -> None:
    one = p.picture()
    assert same_pixels(one, p.picture(p.TEXT))
    assert not same_pixels(one, p.picture(data=zlib.compress(p.lines(seed=2))))
    assert not same_pixels(one, j.base())
    assert not same_pixels(p.animation(), p.picture())
    assert not same_pixels(w.riff(w.frame()), w.riff(w.frame(lossless=True)))
    other = p.animation(second=zlib.compress(p.lines(seed=9)))
    assert not same_pixels(p.animation(), other)
