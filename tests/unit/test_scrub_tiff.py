"""Each trap of TIFF as a built file: the secret goes, every page stays with its strips as they were."""

from __future__ import annotations

import io

import pytest

from medsnap.errors import Malformed, MedsnapError, TooLarge, Unsupported
from medsnap.model.carrier import CarrierKind as K
from medsnap.raster import same_pixels
from medsnap.scrub import ScrubKeep, clean, scrub
from tests.builders import jpeg as j
from tests.builders import tiff as t
from tests.builders.jpeg import SECRET, profile
from tests.scrubbing import gone, refused

_LEAKS = {K.TEXT, K.TIME, K.XMP, K.IPTC, K.SECONDARY_IMAGE, K.APPLICATION, K.UNKNOWN}
_BELOW = {34665: (t.EXIF,), 34853: (t.GPS,)}
_ICC = {34675: (7, profile())}
_SMALL = t.picture(4, 3, extra={254: (4, (1,))}, seed=7)


def jpeg_page(*inside: bytes, tail: bytes = b"", tables: bytes = b"") -> t.Ifd:
    """A page of one JPEG strip, with segments put behind SOI and its tables perhaps in tag 347."""
    stream = j.after_soi(j.without_jfif(j.base()), *inside) + tail
    page = t.picture(24, 16, compression=7, extra={262: (3, (6,)), 530: (3, (2, 2))})
    page.strips = [stream]
    if tables:
        page.tags = {**page.tags, 347: (7, tables)}
    return page


_TABLES = b"\xff\xd8" + j.base()[j.base().index(b"\xff\xdb") :][:69] + b"\xff\xd9"
_TWICE = t.picture(rows=3)
_TWICE.strips = [_TWICE.strips[0]]
_SHARED = t.Ifd({**_TWICE.tags, 273: (4, (8, 8)), 279: (4, (72, 72))}, _TWICE.strips)
_MORE = t.picture(rows=3)
_MORE.strips = [*_MORE.strips, SECRET]

TRAPS: dict[str, tuple[bytes, set[K]]] = {
    "plain": (t.file(t.picture()), set()),
    "every leak": (t.file(t.picture(extra=t.NOISY)), _LEAKS),
    "every leak, big-endian": (t.file(t.picture(extra=t.NOISY), little=False), _LEAKS),
    "every leak, BigTIFF": (t.file(t.picture(extra=t.NOISY), big=True), _LEAKS),
    "Exif, GPS, maker note": (t.file(t.picture(below=_BELOW)), {K.EXIF, K.GPS, K.MAKER_NOTE}),
    "leaks on each page": (t.file(t.picture(extra=t.NOISY), t.picture(extra=t.NOISY, seed=5)), _LEAKS),
    "bytes that nothing names": (t.file(t.picture(rows=2, gap=SECRET), tail=SECRET), set()),
    "ICC": (t.file(t.picture(extra=_ICC)), {K.ICC}),
    "ICC that is none": (t.file(t.picture(extra={34675: (7, SECRET)})), {K.ICC}),
    "a picture below": (t.file(t.picture(below={330: (_SMALL,)})), {K.THUMBNAIL}),
    "layers of Photoshop": (t.file(t.picture(extra={37724: (7, SECRET)})), {K.SECONDARY_IMAGE}),
    "uncompressed, count too large": (t.file(t.picture(tail=SECRET)), {K.TRAILER}),
    "deflate with a tail": (t.file(t.picture(rows=2, compression=8, tail=SECRET)), {K.TRAILER}),
    "PackBits with a tail": (t.file(t.picture(rows=2, compression=32773, tail=SECRET)), {K.TRAILER}),
    "LZW with a tail": (t.file(t.picture(rows=4, compression=5, tail=SECRET)), {K.TRAILER}),
    "one strip twice": (t.file(_SHARED), set()),
    "palette": (t.file(t.picture(channels=1, extra={262: (3, (3,)), 320: (3, range(768))})), set()),
    "a palette that nothing uses": (t.file(t.picture(extra={320: (3, range(768))})), {K.UNKNOWN}),
    "a resolution that is text": (t.file(t.picture(extra={282: (2, SECRET)})), {K.UNKNOWN}),
    "JPEG": (t.file(jpeg_page()), set()),
    "JPEG with tables": (t.file(jpeg_page(tables=_TABLES)), set()),
    "JPEG with segments": (
        t.file(jpeg_page(j.exif(6), j.segment(0xFE, SECRET), j.segment(0xED, SECRET))),
        {K.APPLICATION, K.COMMENT},
    ),
    "JPEG with JFIF and thumbnail": (t.file(jpeg_page(j.jfif_with_thumbnail())), {K.APPLICATION}),
    "JPEG with a tail": (t.file(jpeg_page(tail=SECRET)), {K.TRAILER}),
    "tables with a segment": (t.file(jpeg_page(tables=j.after_soi(_TABLES, j.segment(0xE1, SECRET)))), set()),
}


@pytest.mark.parametrize("name", TRAPS)
def test_the_secret_goes_and_the_pages_stay(name: str) -> None:
    _, out = gone(*TRAPS[name])
    assert out[:4] == TRAPS[name][0][:4]


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize(("little", "big"), [(True, False), (False, False), (True, True)])
def test_pages_keep_their_order_and_strips(compression: int, little: bool, big: bool) -> None:
    pages = [t.picture(rows=n, seed=n, compression=compression, extra=t.NOISY) for n in (1, 2, 6)]
    data = t.file(*pages, little=little, big=big)
    out = scrub(data)
    for page in pages:
        assert all(strip in out for strip in page.strips)
    assert same_pixels(data, out)
    assert len(out) < len(data)


def test_bigtiff_of_the_other_order() -> None:
    page = t.picture(extra=t.NOISY)
    out = scrub(t.file(page, little=False, big=True))
    assert out.startswith(b"MM\x00\x2b\x00\x08\x00\x00" + bytes(7) + b"\x10")
    assert out.endswith(page.strips[0])
    assert SECRET not in out


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_and_profile_stay_with_their_page(value: int) -> None:
    turned = {274: (3, (value,)), 297: (3, (1, 2)), **_ICC}
    data = t.file(t.picture(extra=t.NOISY | turned), t.picture(extra={274: (3, (9 - value,))}, seed=4))
    done = clean(data)
    out = done.data(data)
    from PIL import Image

    with Image.open(io.BytesIO(out)) as shown:
        assert (shown.tag_v2[274], shown.tag_v2[297]) == (value, (1, 2))
        assert shown.info["icc_profile"] == profile()
        shown.seek(1)
        assert shown.tag_v2[274] == 9 - value
    assert done.report.orientation == value
    bare = clean(data, keep=ScrubKeep(orientation=False, icc=False))
    assert bare.report.orientation == 1
    assert profile() not in bare.data(data)


def test_a_reduced_page_goes() -> None:
    data = t.file(t.picture(), _SMALL, t.picture(seed=3))
    done = clean(data)
    assert [c.kind for c in done.report.carriers] == [K.THUMBNAIL]
    assert done.data(data) == scrub(t.file(t.picture(), t.picture(seed=3)))


def test_tiles() -> None:
    tiles = [bytes((n,)) * 16 * 16 for n in range(4)]
    tags = {
        256: (3, (20,)),
        257: (3, (18,)),
        258: (3, (8,)),
        262: (3, (1,)),
        322: (3, (16,)),
        323: (3, (16,)),
    }
    data = t.file(t.Ifd({**tags, 700: (1, SECRET)}, [tile + SECRET for tile in tiles], tiled=True))
    out = scrub(data)
    assert same_pixels(data, out)
    assert SECRET not in out
    assert out.endswith(b"".join(tiles))


def test_planes_of_their_own() -> None:
    page = t.picture(channels=1, extra={258: (3, (8, 8, 8)), 262: (3, (2,)), 277: (3, (3,)), 284: (3, (2,))})
    page.strips = [bytes(range(n, n + 48)) + SECRET for n in range(3)]
    data = t.file(page)
    assert same_pixels(data, scrub(data))
    assert SECRET not in scrub(data)


def _ring() -> bytes:
    data = bytearray(t.file(t.picture()))
    data[-4:] = data[4:8]
    return bytes(data)


def test_a_missing_link_is_the_end() -> None:
    assert scrub(t.file(t.picture())[:-4]) == scrub(t.file(t.picture()))


def test_a_ring_of_directories_ends() -> None:
    assert scrub(_ring()) == scrub(t.file(t.picture()))


_OVERLAP = t.picture(rows=3)
_OVERLAP = t.Ifd({**_OVERLAP.tags, 273: (4, (8, 9)), 279: (4, (72, 72))}, [_OVERLAP.strips[0] + b"x"])
_TWO_TAGS = t.file(t.picture(extra={282: (5, (1, 1)), 283: (5, (2, 1))})).replace(
    b"\x1b\x01\x05", b"\x1a\x01\x05"
)
REFUSED: dict[str, tuple[bytes, type[MedsnapError]]] = {
    "header only": (b"II*\0\x08\0\0\0", Malformed),
    "no directory": (b"II*\0" + bytes(8), Malformed),
    "directory outside": (b"II*\0\xff\xff\0\0" + bytes(8), Malformed),
    "next directory outside": (t.file(t.picture())[:-4] + b"\xff\xff\xff\x7f", Malformed),
    "a cut link": (t.file(t.picture())[:-1], Malformed),
    "BigTIFF with 4-byte offsets": (b"II+\0\x04\0\0\0" + bytes(16), Malformed),
    "a value outside, and more pages": (
        t.file(t.picture(extra={700: (1, bytes(9))}), t.picture()).replace(
            b"\xbc\2\1\0\x09\0\0", b"\xbc\2\1\0\x09\0\x99"
        ),
        Malformed,
    ),
    "uncompressed YCbCr, subsampled": (t.file(t.picture(extra={262: (3, (6,))})), Unsupported),
    "old-style JPEG": (t.file(t.picture(compression=6, extra={512: (3, (1,)), 513: (4, (8,))})), Unsupported),
    "Zstandard": (t.file(t.picture(compression=50000)), Unsupported),
    "WebP within": (t.file(t.picture(compression=50001)), Unsupported),
    "unknown colours": (t.file(t.picture(extra={262: (3, (32845,))})), Unsupported),
    "more strips than rows": (t.file(_MORE), Unsupported),
    "a strip is missing": (t.file(t.picture(extra={278: (3, (3,))})), Malformed),
    "a strip is short": (t.file(t.picture(extra={257: (3, (7,)), 278: (3, (7,))})), Malformed),
    "strips that overlap": (t.file(_OVERLAP), Unsupported),
    "deflate that goes on": (
        t.file(t.picture(height=6, compression=8, extra={257: (3, (5,)), 278: (3, (5,))})),
        Unsupported,
    ),
    "a width of nought": (t.file(t.picture(extra={256: (3, (0,))})), Malformed),
    "huge": (t.file(t.picture(extra={256: (4, (1 << 20,)), 257: (4, (1 << 20,))})), TooLarge),
    "one tag twice": (_TWO_TAGS, Malformed),
    "reversed bits in LZW": (t.file(t.picture(compression=5, extra={266: (3, (2,))})), Unsupported),
    "ICC longer than it says": (t.file(t.picture(extra={34675: (7, profile() + SECRET)})), Unsupported),
    "reduced first picture": (
        t.file(t.picture(extra={254: (4, (1,))}, below={330: (t.picture(),)})),
        Unsupported,
    ),
    "a raw picture below": (t.file(t.picture(below={330: (t.raw(),)})), Unsupported),
    "JPEG without its end": (
        t.file(jpeg_page(j.segment(0xFE, b"\xff\xd9"))).replace(b"\xff\xd9", b"\0\0"),
        Malformed,
    ),
    "JPEG with two frames": (
        t.file(jpeg_page(j.base()[j.base().index(b"\xff\xc0") :][:19])),
        Malformed,
    ),
    "JPEG with junk": (t.file(jpeg_page(SECRET)), Unsupported),
    "JPEG tables with junk": (t.file(jpeg_page(tables=_TABLES[:2] + SECRET + _TABLES[2:])), MedsnapError),
    "JPEG tables with a frame": (t.file(jpeg_page(tables=j.without_jfif(j.base()))), Unsupported),
    "Adobe RGB by Exif only": (
        t.file(t.picture(below={34665: (t.Ifd({}, below={40965: (t.Ifd({1: (2, b"R03\0")}),)}),)})),
        Unsupported,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(name: str) -> None:
    refused(*REFUSED[name])


_SAVED: dict[str, tuple[str, dict[str, object]]] = {
    f"{mode} {compression or 'plain'}": (mode, {"compression": compression})
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")
} | {
    "L jpeg": ("L", {"compression": "jpeg", "quality": 90}),
    "RGB jpeg": ("RGB", {"compression": "jpeg"}),
    "CMYK jpeg": ("CMYK", {"compression": "jpeg"}),
    "YCbCr": ("YCbCr", {}),
    "RGB big": ("RGB", {"big_tiff": True}),
    "RGB jpeg big": ("RGB", {"big_tiff": True, "compression": "jpeg"}),
}


@pytest.mark.parametrize("name", _SAVED)
def test_files_as_libtiff_writes_them(name: str) -> None:
    from PIL import Image

    mode, options = _SAVED[name]

    def noise(seed: int) -> Image.Image:
        made = Image.effect_noise((61, 83), seed)
        if mode == "P":
            return made.convert("RGB").quantize(40)
        return (
            made.convert("I").point(lambda v: v * 257).convert(mode) if mode == "I;16" else made.convert(mode)
        )

    out = io.BytesIO()
    text = SECRET.decode()
    noise(30).save(
        out,
        "TIFF",
        save_all=True,
        append_images=[noise(60)],
        description=text,
        artist=text,
        software=text,
        icc_profile=profile(),
        dpi=(300, 300),
        **options,
    )
    data = out.getvalue()
    assert SECRET in data
    done = clean(data, verify_pixels=True)
    made = done.data(data)
    assert done.report.pixels_equal
    assert SECRET not in made
    assert scrub(made) == made
    with Image.open(io.BytesIO(made)) as shown:
        assert shown.info["icc_profile"] == profile()
        assert shown.info["dpi"] == (300, 300)
        assert shown.n_frames == 2


def test_the_text_of_a_profile_goes_by_wish() -> None:
    from medsnap.scrub.icc_minimal import minimal

    data = t.file(t.picture(extra=_ICC), t.picture(extra=_ICC, seed=2))
    without = ScrubKeep(icc_text=False)
    out = clean(data, keep=without).data(data)
    assert profile() not in out
    assert out.count(minimal(profile(), "here")) == 2
    assert clean(out, keep=without).data(out) == out
    assert same_pixels(data, out)
