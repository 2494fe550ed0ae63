"""Places that a decoder passes over and that a walker of containers alone would take for the picture."""

from __future__ import annotations

import pytest

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub import clean, scrub
from medsnap.scrub.second import jpeg as second_jpeg
from medsnap.scrub.second import png as second_png
from medsnap.scrub.second import webp as second_webp
from tests.builders import jpeg as j
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


QUANTISER = (SECRET * 9)[:64]
CODES = bytes(7) + bytes((len(SECRET),)) + bytes(8) + SECRET  # a Huffman table of 8-bit codes


def _with_a_spare(data: bytes, marker: int, spare: bytes) -> bytes:
    """Write one more table into the first segment of its kind, behind those that are used."""
    at = data.index(bytes((0xFF, marker)))
    size = int.from_bytes(data[at + 2 : at + 4], "big")
    longer = (size + len(spare)).to_bytes(2, "big")
    return data[: at + 2] + longer + data[at + 4 : at + 2 + size] + spare + data[at + 2 + size :]


def _unused(progressive: bool) -> dict[str, bytes]:
    base = j.base(progressive=progressive)
    last_scan = base.rindex(b"\xff\xda")
    return {
        "a quantiser of its own": j.before(base, 0xDB, j.segment(0xDB, b"\x03" + QUANTISER)),
        "a quantiser beside others": _with_a_spare(base, 0xDB, b"\x03" + QUANTISER),
        "codes of their own": j.before(base, 0xDA, j.segment(0xC4, b"\x13" + CODES)),
        "codes beside others": _with_a_spare(base, 0xC4, b"\x13" + CODES),
        "a table overwritten before a scan": j.before(base, 0xDB, j.segment(0xDB, b"\x00" + QUANTISER)),
        "codes overwritten between scans": base[:last_scan]
        + 40 * j.segment(0xC4, b"\x13" + CODES)
        + base[last_scan:],
        "conditioning where nothing is arithmetic": j.before(base, 0xDA, j.segment(0xCC, b"\x01P")),
        "codes behind the last scan": base[:-2] + j.segment(0xC4, b"\x13" + CODES) + base[-2:],
        "an interval behind the last scan": base[:-2] + j.segment(0xDD, b"ZQ") + base[-2:],
    }


@pytest.mark.parametrize("name", _unused(progressive=False))
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
def test_a_table_that_no_scan_uses_goes(name: str, progressive: bool) -> None:
    made, base = _unused(progressive)[name], j.base(progressive=progressive)
    with pytest.raises(NotClean):
        second_jpeg.account(scrub(base)[:2] + made[2:], MediaType.JPEG)
    done = clean(made, verify_pixels=True)
    copy = done.data(made)
    assert SECRET not in copy
    assert copy == scrub(base)
    assert any("that no scan uses" in carrier.where for carrier in done.report.carriers)


def test_a_table_that_only_a_later_scan_uses_stays() -> None:
    base = j.base(progressive=True)
    assert base.count(b"\xff\xda") > 2
    assert scrub(base)[20:] == base[20:]  # behind SOI and JFIF


def test_a_table_of_a_second_scan_in_a_baseline_file_stays() -> None:
    """A guess from the headers knows the first scan only: it must drop nothing."""
    base = j.base("L")
    at = base.index(b"\xff\xda")
    codes = next(base[k:] for k in range(len(base)) if base[k : k + 2] == b"\xff\xc4" and base[k + 4] == 0x10)
    spare = codes[: 2 + int.from_bytes(codes[2:4], "big")]
    spare = (
        spare[:4] + b"\x11" + spare[5:]
    )  # the same AC codes, for the destination that the second scan names
    scan = base[at:-2]
    second = scan[:6] + b"\x01" + scan[7:]
    made = base[:at] + spare + scan + second + base[-2:]
    assert scrub(made)[20:] == made[20:]
    gone = base[:at] + spare + scan + base[-2:]
    assert scrub(gone) == scrub(base)
