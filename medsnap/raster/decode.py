"""Decode a photo to an upright RGB picture (Pillow, pillow-heif)."""

from __future__ import annotations

import io
import struct
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import embedded, tiff
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

MAX_PIXELS = 200_000_000

# Only these decoders are tried: Pillow would also open formats that run other programs.
_DECODERS: dict[MediaType, str] = {
    MediaType.JPEG: "JPEG",
    MediaType.PNG: "PNG",
    MediaType.WEBP: "WEBP",
    MediaType.GIF: "GIF",
    MediaType.TIFF: "TIFF",
    MediaType.BMP: "BMP",
    MediaType.HEIC: "HEIF",
    MediaType.HEIF: "HEIF",
    MediaType.AVIF: "AVIF",
    MediaType.HEIF_SEQUENCE: "HEIF",
    MediaType.AVIF_SEQUENCE: "AVIF",
}
# irot and imir are applied by the decoder; Pillow turns a TIFF by its tag when it loads it
_SELF_TURNING = frozenset({"HEIF", "AVIF", "TIFF"})
_FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,
    struct.error,
    TypeError,
)


@contextmanager
def opened(
    data: Buffer, media: MediaType, *, max_pixels: int = MAX_PIXELS, truncated: bool = False
) -> Iterator[Image]:
    """Open a picture with the one decoder of its type; what is raised within becomes a MedsnapError.

    `truncated` also accepts a file that ends early: the missing part is grey. Raises Malformed,
    Unsupported, TooLarge (more than `max_pixels`).
    """
    from PIL import Image, ImageFile

    name = _DECODERS.get(media)
    if name is None:
        raise Unsupported(f"medsnap cannot decode {media.value}")
    if name == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, truncated
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(bytes(data)), formats=(name,)) as picture:
                if picture.width * picture.height > max_pixels:
                    raise TooLarge(f"the picture has more than {max_pixels / 1e6:.0f} million pixels")
                yield picture
    except MemoryError as full:
        raise TooLarge("the picture needs more memory than there is") from full
    except _FAILURES as broken:
        raise Malformed(f"the picture cannot be decoded as {name}") from broken
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
        Image.MAX_IMAGE_PIXELS = limit


def upright(
    data: Buffer, media: MediaType, *, max_pixels: int = MAX_PIXELS, truncated: bool = False
) -> Image:
    """Return the first picture, RGB, 8 bits, turned upright by its Exif orientation.

    Transparent parts are laid on white. Raises Malformed, Unsupported, TooLarge.
    """
    with opened(data, media, max_pixels=max_pixels, truncated=truncated) as picture:
        picture.load()
        turned = turn(_rgb(picture), 1 if picture.format in _SELF_TURNING else orientation(data, media))
        turned.info.clear()
        return turned


def orientation(data: Buffer, media: MediaType) -> int:
    """Return the Exif orientation, 1 to 8; 1 where there is none. Raises Malformed, TooLarge."""
    payload = embedded.exif(data, media)
    return tiff.read(payload, follow=False).orientation if payload is not None else 1


def turn(picture: Image, orientation: int) -> Image:
    """Apply an Exif orientation (Exif 3.0, 4.6.5.1.6)."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(turns[orientation]) if orientation in turns else picture.copy()


def _rgb(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith(("I", "F")):  # 16 bits: Pillow would clip, not scale
        low = picture.convert("I") if picture.mode != "F" else picture
        return low.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        alpha = picture.convert("RGBA")
        white = Image.new("RGBA", alpha.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, alpha).convert("RGB")
    return picture.convert("RGB")
