"""Files as common encoders write them: every mode and option of Pillow, scrubbed with all pixels equal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from medsnap.scrub import clean, scrub
from tests.builders import jpeg as j
from tests.builders.jpeg import SECRET

_EXIF = j.exif(6)[4:]
_BIG_PROFILE = (j.profile() + bytes(-len(j.profile()) % 4))[4:] + bytes(140_000)
_BIG_PROFILE = (len(_BIG_PROFILE) + 4).to_bytes(4, "big") + _BIG_PROFILE


def picture(mode: str, seed: int = 30) -> Image.Image:
    noise = Image.effect_noise((37, 29), seed)
    if mode == "I;16":
        return noise.convert("I").point(lambda v: v * 257).convert("I;16")
    return noise.convert("RGB").quantize(40) if mode == "P" else noise.convert(mode)


JPEGS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"subsampling {s}": ("RGB", {"subsampling": s}) for s in (0, 1, 2)},
    "restart markers": ("RGB", {"restart_marker_blocks": 2, "quality": 95}),
    "restart rows, progressive": ("RGB", {"restart_marker_rows": 1, "progressive": True}),
    "optimised": ("RGB", {"optimize": True}),
    "grey, progressive": ("L", {"progressive": True}),
    "CMYK": ("CMYK", {}),
    "keep RGB": ("RGB", {"keep_rgb": True}),
    "large profile": ("RGB", {"icc_profile": _BIG_PROFILE}),
    "all metadata": (
        "RGB",
        {"icc_profile": j.profile(), "dpi": (300, 300), "comment": SECRET, "xmp": SECRET},
    ),
    "quality 100": ("RGB", {"quality": 100}),
    "16-bit tables": ("RGB", {"qtables": [[400] * 64, [255] * 64], "quality": -1}),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg(name: str) -> None:
    mode, options = JPEGS[name]
    out = io.BytesIO()
    picture(mode).save(out, "JPEG", exif=_EXIF, **options)
    check(out.getvalue(), options.get("icc_profile"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("level", [0, 9])
def test_png(mode: str, level: int) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode(), zip=level > 0)
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    out = io.BytesIO()
    options = {"transparency": 0} if mode in ("P", "L") else {}
    picture(mode).save(
        out,
        "PNG",
        pnginfo=text,
        exif=_EXIF,
        icc_profile=j.profile(),
        compress_level=level,
        dpi=(96, 96),
        **options,
    )
    check(out.getvalue(), j.profile())


@pytest.mark.parametrize("default_image", [False, True])
def test_apng(default_image: bool) -> None:
    out = io.BytesIO()
    frames = [picture("RGBA", n) for n in (20, 40, 60)]
    frames[0].save(
        out,
        "PNG",
        save_all=True,
        append_images=frames[1:],
        default_image=default_image,
        duration=[100, 200, 300][: 3 - default_image],
        blend=1,
        exif=_EXIF,
    )
    check(out.getvalue(), None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("frames", [1, 3])
def test_webp(mode: str, lossless: bool, frames: int) -> None:
    out = io.BytesIO()
    first, *others = [picture(mode, 20 * n) for n in range(1, frames + 1)]
    if mode == "RGBA":
        first.putalpha(Image.linear_gradient("L").resize(first.size))
    first.save(
        out,
        "WEBP",
        lossless=lossless,
        save_all=frames > 1,
        append_images=others,
        exif=_EXIF,
        xmp=SECRET,
        icc_profile=j.profile(),
    )
    check(out.getvalue(), j.profile())


def check(data: bytes, profile: bytes | None) -> None:
    assert SECRET in data or b"Exif" in data or b"EXIF" in data or b"eXIf" in data
    done = clean(data, verify_pixels=True)
    out = done.data(data)
    assert SECRET not in out
    assert done.report.pixels_equal
    assert done.report.orientation == 6
    with Image.open(io.BytesIO(out)) as shown:
        assert shown.info.get("icc_profile") == profile
        assert shown.getexif() == {0x0112: 6}
    assert scrub(out) == out
