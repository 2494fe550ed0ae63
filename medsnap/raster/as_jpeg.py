"""Pictures that no receiver takes as they are: decoded upright, then JPEG, PNG or plain samples.

Every result holds new pixels or a new coding of the same pixels; the caller says so openly. The
colour profile travels along; what has no counterpart (transparency, HDR, several pictures, more
than 8 bits) is refused, never flattened silently.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.model.photo import MediaType

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 200_000_000
_HEIF = frozenset({MediaType.HEIC, MediaType.HEIF})
_PILLOW_FORMATS: Final = {
    MediaType.AVIF: "AVIF",
    MediaType.JPEG: "JPEG",
    MediaType.PNG: "PNG",
    MediaType.WEBP: "WEBP",
}
_READABLE = _HEIF | set(_PILLOW_FORMATS)
_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
# ISO/IEC 23091-2 code points that a reader without nclx support shows rightly: BT.709, unspecified, BT.601
_PLAIN_PRIMARIES = frozenset({1, 2, 5, 6})
_HDR_TRANSFER = frozenset({16, 18})  # PQ, HLG


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Upright samples of 8 bits, interleaved, row by row; `channels` is 1 (grey) or 3 (RGB)."""

    width: int
    height: int
    channels: int
    data: bytes
    icc: bytes | None


def as_jpeg(data: bytes, media: MediaType, *, quality: int = 95) -> bytes:
    """Re-encode a picture upright as a baseline 4:4:4 JPEG (T.81), the same bytes at every run.

    Raises Malformed, Unsupported (with the reason) and TooLarge.
    """
    with _opened(data, media) as (image, icc):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, subsampling=0, icc_profile=icc, progressive=False)
        return out.getvalue()


def as_png(data: bytes, media: MediaType) -> bytes:
    """Code a picture upright as PNG: every sample stays as it was decoded."""
    with _opened(data, media) as (image, icc):
        out = io.BytesIO()
        image.save(out, "PNG", icc_profile=icc, compress_level=6)
        return out.getvalue()


def as_samples(data: bytes, media: MediaType) -> Samples:
    """Decode a picture upright into plain samples."""
    with _opened(data, media) as (image, icc):
        channels = 1 if image.mode == "L" else 3
        return Samples(
            width=image.width, height=image.height, channels=channels, data=image.tobytes(), icc=icc
        )


def webp_lossless(data: bytes) -> bool:
    """Say whether a WebP's still picture is coded lossless (VP8L) (RFC 9649 section 2)."""
    at = 12
    for _ in range(1_000):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in {b"VP8L", b"VP8 "}:
            return name == b"VP8L"
        if name in {b"ANIM", b"ANMF"}:
            return False  # a moving picture; decoding refuses it by that name
        at += 8 + size + (size & 1)
        if at >= len(data):
            break
    raise Malformed("a WebP without a picture", where=f"RIFF byte {at}")


@contextmanager
def _opened(data: bytes, media: MediaType) -> Iterator[tuple[Image, bytes | None]]:
    """Give the upright picture as L or RGB and its profile; every fault becomes a MedsnapError."""
    from PIL import Image as Pillow

    where = f"{media.value} picture"
    if media not in _READABLE:
        raise Unsupported(f"{media.value} cannot be re-encoded", where=where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks may quote the file
            image = _decode(data, media)
            _refuse_unfaithful(image, where)
            profile = image.info.get("icc_profile") or None
            upright = _upright(image, media)
            del image
        yield _flat(upright, where), _matching(profile, upright.mode)
    except Pillow.DecompressionBombError as bomb:
        raise TooLarge("the picture has too many pixels", where=where) from bomb
    except MemoryError as full:
        raise TooLarge("the picture does not fit into memory", where=where) from full
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError, KeyError, IndexError, TypeError,
            struct.error) as fault:  # fmt: skip
        raise Malformed("the picture cannot be decoded", where=where) from fault


def _decode(data: bytes, media: MediaType) -> Image:
    from PIL import Image as Pillow

    if media in _HEIF:
        import pillow_heif

        pillow_heif.register_heif_opener()
        image = Pillow.open(io.BytesIO(data), formats=["HEIF"])
    else:
        image = Pillow.open(io.BytesIO(data), formats=[_PILLOW_FORMATS[media]])
    if image.width * image.height > MAX_PIXELS:
        raise TooLarge(f"more than {MAX_PIXELS // 1_000_000} million pixels", where=f"{media.value} picture")
    image.load()
    return image


def _refuse_unfaithful(image: Image, where: str) -> None:
    if getattr(image, "n_frames", 1) > 1:
        raise Unsupported("the file holds several pictures or a moving one", where=where)
    if image.mode not in _EIGHT_BIT:
        raise Unsupported("the picture has more than 8 bits a sample or unusual colours", where=where)
    nclx: dict[str, Any] = image.info.get("nclx_profile") or {}
    if nclx.get("transfer_characteristics") in _HDR_TRANSFER:
        raise Unsupported("a high-dynamic-range picture: its brightness has no place in JPEG", where=where)
    wide = nclx and nclx.get("color_primaries") not in _PLAIN_PRIMARIES
    if wide and not image.info.get("icc_profile"):
        raise Unsupported("the picture's colour space is only named, no profile could travel", where=where)


def _upright(image: Image, media: MediaType) -> Image:
    from PIL import ImageOps

    if media in _HEIF:
        return image  # libheif has applied irot and imir, which outrank Exif (ISO/IEC 23008-12 6.5.10)
    return ImageOps.exif_transpose(image)


def _flat(image: Image, where: str) -> Image:
    if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        lowest = image.getchannel("A").getextrema()[0]
        if lowest != 255:
            raise Unsupported("the picture is transparent in places", where=where)
        return image.convert("RGB")
    if image.mode in {"1", "L"}:
        return image.convert("L")
    return image.convert("RGB")


def _matching(profile: bytes | None, mode: str) -> bytes | None:
    """Refuse a profile of other colours than the picture's (ICC.1 7.2.6: data colour space)."""
    if profile is None:
        return None
    wanted = b"GRAY" if mode in {"1", "L"} else b"RGB "
    if len(profile) < 128 or profile[16:20] != wanted:
        raise Unsupported("the colour profile does not fit the picture's colours", where="ICC profile")
    return profile
