"""What leaves as bytes: unchanged where it can be, declared where it cannot, held with a reason."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from medsnap.export.isolated import Preparer
from medsnap.export.prepare import As, Held, Prepared, prepare
from medsnap.model.photo import MediaType
from medsnap.workers import Limits
from tests.builders import export as make

pytest.importorskip("jpeglib")


def ready(photo: bytes, media: MediaType, as_: As, **changes: Any) -> Prepared:
    made = prepare(make.row(photo, media, **changes), photo, as_=as_)
    assert isinstance(made, Prepared), made
    return made


def shown(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("as_", As)
def test_a_baseline_jpeg_leaves_byte_for_byte(as_: As) -> None:
    photo = make.jpeg(subsampling=2, icc_profile=make.profile())
    made = ready(photo, MediaType.JPEG, as_)
    assert made.bitstream == photo
    assert (made.derived, made.how, made.digest) == (False, "", made.source_digest)
    assert made.icc == make.profile()
    assert made.source_digest == hashlib.sha256(photo).hexdigest()


def test_a_minimal_exif_of_an_upright_photo_does_not_travel() -> None:
    photo = make.jpeg()
    exif = b"\xff\xe1\x00\x0aExif\0\0xx"
    made = ready(photo[:2] + exif + photo[2:], MediaType.JPEG, As.DICOM)
    assert made.bitstream == photo
    assert made.how == "metadata left out"


@pytest.mark.parametrize(
    ("as_", "media", "channels"), [(As.DICOM, None, 3), (As.FHIR, MediaType.PNG, 3)], ids=["dicom", "fhir"]
)
def test_a_turn_that_would_lose_pixels_keeps_the_decoded_samples(
    as_: As, media: MediaType | None, channels: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = make.jpeg((91, 61), subsampling=2, exif=exif.tobytes())
    made = ready(photo, MediaType.JPEG, as_, orientation=6)
    assert (made.media, made.channels, made.width, made.height) == (media, channels, 61, 91)
    assert made.derived
    assert made.was_lossy
    expected = shown(photo).transpose(Image.Transpose.ROTATE_270)
    pixels = made.bitstream if media is None else shown(made.bitstream).tobytes()
    assert pixels == expected.tobytes()


@pytest.mark.parametrize("as_", As)
def test_png_keeps_every_sample(as_: As) -> None:
    photo = make.encode(make.picture(), "PNG", icc_profile=make.profile())
    made = ready(photo, MediaType.PNG, as_)
    assert not made.derived
    assert not made.was_lossy
    if as_ is As.FHIR:
        assert made.bitstream == photo
    else:
        assert made.bitstream == make.picture().tobytes()
    assert made.icc == make.profile()


def test_png_orientation_is_baked_in() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = make.encode(make.picture(), "PNG", exif=exif.tobytes())
    made = ready(photo, MediaType.PNG, As.FHIR, orientation=6)
    assert shown(made.bitstream).tobytes() == make.picture().transpose(Image.Transpose.ROTATE_270).tobytes()
    assert b"eXIf" not in made.bitstream


def test_lossless_webp_becomes_png_and_lossy_webp_a_declared_jpeg() -> None:
    lossless = make.encode(make.picture(), "WEBP", lossless=True, exact=True)
    assert ready(lossless, MediaType.WEBP, As.FHIR).media is MediaType.PNG
    assert shown(ready(lossless, MediaType.WEBP, As.FHIR).bitstream).tobytes() == make.picture().tobytes()
    lossy = ready(make.encode(make.picture(), "WEBP", quality=80), MediaType.WEBP, As.FHIR)
    assert (lossy.media, lossy.derived) == (MediaType.JPEG, True)


@pytest.mark.parametrize("media", [MediaType.HEIC, MediaType.AVIF])
def test_a_reencoded_picture_says_so_and_is_the_same_every_time(media: MediaType) -> None:
    form = "HEIF" if media is MediaType.HEIC else "AVIF"
    photo = make.encode(make.picture(), form, quality=90)
    first, second = ready(photo, media, As.DICOM), ready(photo, media, As.DICOM)
    assert first == second
    assert first.derived
    assert "quality 95" in first.how
    assert first.digest != first.source_digest
    difference = sum(
        abs(a - b) for a, b in zip(shown(first.bitstream).tobytes(), make.picture().tobytes(), strict=True)
    )
    assert difference / (96 * 64 * 3) < 6


def _animated() -> bytes:
    frames = [make.picture(), make.picture().rotate(180)]
    return make.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def _transparent() -> bytes:
    image = make.picture().convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    return make.encode(image, "PNG")


def _foreign_profile() -> bytes:
    grey = bytearray(make.profile())
    grey[16:20] = b"GRAY"
    return make.jpeg(icc_profile=bytes(grey))


HELD: dict[str, tuple[Callable[[], bytes], MediaType, str]] = {
    "cmyk": (lambda: make.encode(make.picture().convert("CMYK"), "JPEG"), MediaType.JPEG, "CMYK"),
    "profile of other colours": (_foreign_profile, MediaType.JPEG, "profile"),
    "transparent": (_transparent, MediaType.PNG, "transparent"),
    "moving": (_animated, MediaType.WEBP, "several pictures"),
    "16 bit": (lambda: make.encode(Image.new("I;16", (9, 9)), "PNG"), MediaType.PNG, "8 bits"),
    "tiff": (lambda: make.encode(make.picture(), "TIFF"), MediaType.TIFF, "neither FHIR nor DICOM"),
    "broken heic": (lambda: b"\0\0\0\x18ftypheic" + b"\0" * 60, MediaType.HEIC, "cannot be decoded"),
    "cut jpeg": (lambda: make.jpeg()[:-40], MediaType.JPEG, "EOI"),
    "cut png": (lambda: make.encode(make.picture(), "PNG")[:-200], MediaType.PNG, "cannot be decoded"),
    "empty": (lambda: b"", MediaType.JPEG, "SOI"),
}


@pytest.mark.parametrize("as_", As)
@pytest.mark.parametrize("name", HELD)
def test_what_does_not_fit_is_held_with_its_reason(name: str, as_: As) -> None:
    build, media, words = HELD[name]
    photo = build()
    made = prepare(make.row(photo, media), photo, as_=as_)
    assert isinstance(made, Held)
    assert words in made.reason


def test_a_photo_that_was_not_understood_stays() -> None:
    photo = make.jpeg()
    assert isinstance(prepare(make.row(photo, state="held"), photo, as_=As.FHIR), Held)


def test_a_child_process_gives_the_same_bytes_and_survives_damage() -> None:
    good = make.jpeg(subsampling=2)
    broken = bytearray(good)
    broken[-60:-50] = b"\xff\x00" * 5
    with Preparer() as preparer:
        made = preparer(make.row(good, orientation=6), good, as_=As.FHIR)
        damaged = preparer(make.row(bytes(broken), orientation=6), bytes(broken), as_=As.FHIR)
        again = preparer(make.row(good, orientation=3), good, as_=As.DICOM)
    assert made == prepare(make.row(good, orientation=6), good, as_=As.FHIR)
    assert isinstance(damaged, Held)
    assert "damaged" in damaged.reason
    assert isinstance(again, Prepared)


def test_a_child_that_dies_between_two_photos_costs_none_and_one_that_hangs_costs_one() -> None:
    import os
    import signal

    photo = make.encode(make.picture(), "PNG")
    with Preparer() as preparer:

        def prepared() -> object:
            return preparer(make.row(photo, MediaType.PNG), photo, as_=As.FHIR)

        prepared()
        process = preparer._pool._workers[0].process
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert isinstance(prepared(), Prepared)
        os.kill(preparer._pool._workers[0].process.pid, signal.SIGSTOP)
        patient, preparer._pool._limits = preparer._pool._limits, Limits(seconds=0.2)
        lost = prepared()
        preparer._pool._limits = patient
        assert isinstance(prepared(), Prepared)
    assert isinstance(lost, Held)
    assert "took too long" in lost.reason
