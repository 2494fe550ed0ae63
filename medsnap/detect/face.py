"""Faces by CenterFace: one pass, long side 1024 pixels.

The network answers on a grid of 4-pixel cells: a heat map of face centres, log sizes and offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from medsnap.detect.boxes import Box, suppress
from medsnap.detect.picture import Picture
from medsnap.detect.sessions import session, translated
from medsnap.model.finding import Detector, Finding
from medsnap.raster import arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medsnap.raster.arrays import Pixels

LONGEST: Final = 1024
SCORE: Final = 0.30
NMS: Final = 0.30
CELL: Final = 4  # pixels
MULTIPLE: Final = 32  # the network halves five times
MOST: Final = 2000  # candidates before suppression; the best are kept


class CenterFace:
    """The network and its decoding."""

    def __init__(self, model: bytes) -> None:
        self._session = session(model)

    def boxes(self, pixels: Pixels) -> list[Box]:
        """Return faces with score ≥ 0.30, in pixels of `pixels` (height, width, 3), RGB."""
        import numpy as np

        rows, columns = pixels.shape[:2]
        width, height = _multiple(columns), _multiple(rows)
        planes = arrays.resize(pixels, width, height).transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        heat, scale, offset, _ = self._session.run(["537", "538", "539", "540"], {"input.1": planes})
        found = decode(heat[0, 0], scale[0], offset[0])
        x, y = columns / width, rows / height
        return [Box(b.x0 * x, b.y0 * y, b.x1 * x, b.y1 * y, b.score) for b in found]


class Faces:
    """The detector of the feature `face`."""

    feature: Final = "face"

    def __init__(self, network: CenterFace, identity: Detector) -> None:
        self._network = network
        self.identity = identity

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return the faces in the picture. Raises DetectorError."""
        boxes: list[Box] = []
        with translated("centerface"):
            for window, part in picture.windows():
                pixels = arrays.enlarge(part.at(LONGEST), LONGEST)
                scale = window.w / pixels.shape[1]
                boxes += [
                    Box(b.x0 * scale, b.y0 * scale, b.x1 * scale, b.y1 * scale, b.score).moved(
                        window.x, window.y
                    )
                    for b in self._network.boxes(pixels)
                ]
        return tuple(
            Finding(
                feature=self.feature,
                region=picture.region(*box[:4]),
                score=round(min(box.score, 1.0), 4),
                detector=self.identity,
            )
            for box in suppress(boxes, NMS)
        )


def decode(heat: NDArray[np.float32], scale: Any, offset: Any) -> list[Box]:
    """Read boxes out of the network's answer; all arrays share the grid of 4-pixel cells."""
    import numpy as np

    if not (np.isfinite(heat).all() and np.isfinite(scale).all() and np.isfinite(offset).all()):
        raise ValueError("the network answered with no numbers")  # else NaN would read as 'no face'
    rows, columns = np.where(heat >= SCORE)
    scores = heat[rows, columns]
    best = np.argsort(scores)[::-1][:MOST]
    rows, columns, scores = rows[best], columns[best], scores[best]
    # e^20 cells is wider than any picture: larger values would only overflow
    high = np.exp(np.minimum(scale[0, rows, columns], 20.0)) * CELL
    wide = np.exp(np.minimum(scale[1, rows, columns], 20.0)) * CELL
    x0 = np.maximum((columns + offset[1, rows, columns] + 0.5) * CELL - wide / 2, 0)
    y0 = np.maximum((rows + offset[0, rows, columns] + 0.5) * CELL - high / 2, 0)
    x1 = np.minimum(x0 + wide, heat.shape[1] * CELL)
    y1 = np.minimum(y0 + high, heat.shape[0] * CELL)
    table = np.stack([x0, y0, x1, y1, scores], axis=1).astype(float)
    return suppress([Box(*row) for row in table.tolist()], NMS)


def _multiple(size: int) -> int:
    return -(-size // MULTIPLE) * MULTIPLE
