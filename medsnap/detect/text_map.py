"""Where text is: PP-OCRv4's probability map, made tile by tile, and its outlines.

A whole picture at 2048 pixels would need more than a gigabyte in the network. Tiles with a halo need
a sixth of it, and a tile without contrast cannot hold text that the network would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from medsnap.detect.picture import Window
from medsnap.raster import arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medsnap.raster.arrays import Pixels

TILE: Final = 512  # pixels, about the side of a tile without its halo
HALO: Final = 32  # pixels of context around a tile
WHOLE: Final = 1024  # pixels, long side up to which a picture is one tile
MULTIPLE: Final = 32  # the network halves five times
# The network's own floor: synthetic letters of 12 to 80 pixels on noise get no answer below a range of
# 13 grey levels in a 9 by 9 neighbourhood (benchmarks/detect.py --floor). The gate lies under it.
RANGE: Final = 10  # grey levels
ENOUGH: Final = 64  # pixels of such contrast; one small letter has more than a hundred
CANDIDATES: Final = 5000  # outlines examined in one picture


class TextMap:
    """The detection network and the outlines that differentiable binarization takes from its map."""

    def __init__(self, session: Any) -> None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        self._session = session
        self._outlines = DBPostProcess(
            thresh=0.3,
            box_thresh=0.5,
            max_candidates=CANDIDATES,
            unclip_ratio=1.6,
            use_dilation=True,
            score_mode="fast",
        )

    def quads(self, pixels: Pixels) -> list[Any]:
        """Return outlines as four corners, clockwise, float32 (4, 2), in pixels; top to bottom."""
        import numpy as np

        height, width = pixels.shape[:2]
        found, _ = self._outlines(self.probability(pixels)[np.newaxis, np.newaxis], (height, width))
        quads = [np.asarray(quad, dtype=np.float32) for quad in found]
        return sorted(quads, key=lambda quad: (float(quad[0, 1]), float(quad[0, 0])))

    def probability(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probability of text for each pixel, shape (height, width)."""
        import numpy as np

        height, width = pixels.shape[:2]
        if max(height, width) <= WHOLE:
            return self._run(pixels)
        busy = ranges(pixels) >= RANGE
        answer = np.zeros((height, width), dtype=np.float32)
        for tile in tiles(width, height):
            part = answer_area(busy, tile)
            if part is None:
                continue
            x0, y0 = max(0, part.x - HALO), max(0, part.y - HALO)
            x1, y1 = min(width, part.x + part.w + HALO), min(height, part.y + part.h + HALO)
            seen = self._run(pixels[y0:y1, x0:x1])
            kept = seen[part.y - y0 : part.y - y0 + part.h, part.x - x0 : part.x - x0 + part.w]
            answer[part.y : part.y + part.h, part.x : part.x + part.w] = kept
        return answer

    def _run(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probability of text for each pixel, shape (height, width)."""
        import numpy as np

        height, width = pixels.shape[:2]
        right, below = -width % MULTIPLE, -height % MULTIPLE
        padded = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        planes = arrays.bgr(padded).transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        planes = planes / np.float32(127.5) - np.float32(1)
        answer = np.asarray(self._session.run(None, {"x": planes})[0][0, 0], dtype=np.float32)
        if not np.isfinite(answer).all():
            raise ValueError("the network answered with no numbers")  # NaN would read as 'no text'
        return answer[:height, :width]


def ranges(pixels: Pixels) -> Pixels:
    """Return the difference of the brightest and the darkest of 9 by 9 pixels, shape (height, width), after
    a blur that takes off noise; luma, red and blue each count, since colour alone can carry text."""
    import cv2
    import numpy as np

    planes = [arrays.grey(pixels), *(np.ascontiguousarray(pixels[:, :, i]) for i in (0, 2))]
    near = np.ones((9, 9), np.uint8)
    found = (cv2.morphologyEx(cv2.blur(plane, (3, 3)), cv2.MORPH_GRADIENT, near) for plane in planes)
    return np.asarray(np.maximum.reduce(list(found)), dtype=np.uint8)


def tiles(width: int, height: int) -> Iterator[Window]:
    """Cut a picture into equal tiles of about 512 pixels."""
    across, down = max(1, round(width / TILE)), max(1, round(height / TILE))
    for row in range(down):
        for column in range(across):
            x0, x1 = column * width // across, (column + 1) * width // across
            y0, y1 = row * height // down, (row + 1) * height // down
            yield Window(x0, y0, x1 - x0, y1 - y0)


def answer_area(busy: NDArray[np.bool_], tile: Window) -> Window | None:
    """Return the part of a tile that has contrast, None where there is too little for one letter."""
    import numpy as np

    # contrast just outside belongs to letters that reach in
    x0, y0 = max(0, tile.x - HALO), max(0, tile.y - HALO)
    area = busy[y0 : tile.y + tile.h + HALO, x0 : tile.x + tile.w + HALO]
    if int(np.count_nonzero(area)) < ENOUGH:
        return None
    inside = busy[tile.y : tile.y + tile.h, tile.x : tile.x + tile.w]
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    if not columns.size:
        return None
    # letters bleed outwards in the map: leave them room, or outlines would shrink
    left, right = max(0, int(columns[0]) - HALO), min(tile.w, int(columns[-1]) + 1 + HALO)
    top, bottom = max(0, int(rows[0]) - HALO), min(tile.h, int(rows[-1]) + 1 + HALO)
    return Window(tile.x + left, tile.y + top, right - left, bottom - top)
