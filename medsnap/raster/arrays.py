"""Pixel arrays in the sizes that detectors want: 8-bit RGB, height by width by 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels: TypeAlias = NDArray[np.uint8]  # (height, width, 3), or (height, width) where grey


def from_image(image: Image) -> Pixels:
    """Return the pixels of an RGB picture, shape (height, width, 3)."""
    import numpy as np

    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the picture at exactly width by height: averaged when it shrinks, else interpolated."""
    import cv2
    import numpy as np

    rows, columns = pixels.shape[:2]
    if (columns, rows) == (width, height):
        return pixels
    shrinks = width * height < columns * rows
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), dtype=np.uint8)


def shrink(pixels: Pixels, longest: int) -> Pixels:
    """Return the picture with its long side at most `longest` pixels; a smaller one as it is."""
    rows, columns = pixels.shape[:2]
    if max(rows, columns) <= longest:
        return pixels
    scale = longest / max(rows, columns)
    return resize(pixels, max(1, round(columns * scale)), max(1, round(rows * scale)))


def grey(pixels: Pixels) -> Pixels:
    """Return luma (ITU-R BT.601), shape (height, width)."""
    import cv2
    import numpy as np

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def bgr(pixels: Pixels) -> Pixels:
    """Return the channels in the order blue, green, red."""
    import numpy as np

    return np.ascontiguousarray(pixels[:, :, ::-1])


def bordered(pixels: Pixels, across: int, down: int) -> Pixels:
    """Return the picture with its edge pixels repeated outwards: `across` columns left and right,
    `down` rows above and below."""
    import cv2
    import numpy as np

    grown = cv2.copyMakeBorder(pixels, down, down, across, across, cv2.BORDER_REPLICATE)
    return np.asarray(grown, dtype=np.uint8)


def enlarge(pixels: Pixels, longest: int) -> Pixels:
    """Return the picture with its long side at least `longest` pixels; a larger one as it is."""
    rows, columns = pixels.shape[:2]
    if max(rows, columns) >= longest:
        return pixels
    scale = longest / max(rows, columns)
    return resize(pixels, max(1, round(columns * scale)), max(1, round(rows * scale)))
