"""Places that a decoder passes over and that a walker of containers alone would take for the picture."""

from __future__ import annotations

import pytest

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub import scrub
from medsnap.scrub.second import png as second_png
from medsnap.scrub.second import webp as second_webp
from tests.builders import png as p
from tests.builders import webp as w
from tests.builders.jpeg import SECRET

PALETTE = (SECRET * 3)[: len(SECRET) * 3]


def test_the_suggested_palette_of_a_true_colour_png_goes() -> None:
    made = p.picture(p.chunk(b"PLTE", PALETTE))
    clean = scrub(made)
    assert clean == scrub(p.picture())
    with pytest.raises(NotClean):
        second_png.account(made, MediaType.PNG)


def _transparent(plane: bytes) -> bytes:
    """A WebP of 21 by 15 pixels with an uncompressed alpha plane."""
    return w.riff(w.extended(0x10), w.chunk(b"ALPH", plane), w.frame())


def test_an_uncompressed_alpha_plane_has_a_byte_for_each_pixel_and_no_more() -> None:
    plane = b"\x00" + bytes(21 * 15)
    assert scrub(_transparent(plane)) == _transparent(plane)
    for longer in (plane + SECRET, plane[:-1], b"\xc0" + plane[1:], b"\x02" + plane[1:] + SECRET):
        with pytest.raises(NotClean):
            second_webp.account(_transparent(longer), MediaType.WEBP)
        with pytest.raises(NotClean):
            scrub(_transparent(longer))
