"""Parts of faces: CenterFace again on a small padded picture, and a cascade for lone eyes.

A close-up of an eye or a mouth fills the frame; a border of repeated edge pixels makes it look to the
network like a face that is near. Weak by nature: it can raise a doubt, never clear one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from medsnap.detect.boxes import Box, suppress, within
from medsnap.detect.face import NMS, CenterFace
from medsnap.detect.picture import Picture
from medsnap.detect.sessions import translated
from medsnap.errors import DetectorError
from medsnap.model.finding import Detector, Finding
from medsnap.raster import arrays

PADDED: Final = 384  # pixels, long side before the border
BORDER: Final = 1 / 3  # of each side
EYES: Final = 640  # pixels, long side for the cascade
EYE_STEP, EYE_NEIGHBOURS, EYE_SMALLEST = 1.1, 10, 40
EYE_SCORE: Final = 0.5  # the cascade has no score of its own: a person must look
IN_FACE: Final = 0.5  # share of a part's area inside a whole face: then it is no news


class Parts:
    """The detector of the feature `partial_face`."""

    feature: Final = "partial_face"

    def __init__(self, network: CenterFace, identity: Detector) -> None:
        self._network = network
        self._cascade = _eye_cascade()
        self.identity = identity

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return parts of faces that lie in no face found before. Raises DetectorError."""
        with translated("partial-face"):
            boxes = suppress([*self._padded(picture), *self._eyes(picture)], NMS)
        faces = [f.region for f in found if f.feature == "face"]
        parts = [(picture.region(*box[:4]), box.score) for box in boxes]
        return tuple(
            Finding(
                feature=self.feature, region=region, score=round(min(score, 1.0), 4), detector=self.identity
            )
            for region, score in parts
            if not within(region, faces, IN_FACE)
        )

    def _padded(self, picture: Picture) -> list[Box]:
        pixels = arrays.enlarge(picture.at(PADDED), PADDED)
        rows, columns = pixels.shape[:2]
        across, down = round(columns * BORDER), round(rows * BORDER)
        scale = picture.width / columns
        found = (b.moved(-across, -down) for b in self._network.boxes(arrays.bordered(pixels, across, down)))
        return [Box(b.x0 * scale, b.y0 * scale, b.x1 * scale, b.y1 * scale, b.score) for b in found]

    def _eyes(self, picture: Picture) -> list[Box]:
        pixels = arrays.grey(picture.at(EYES))
        scale = picture.width / pixels.shape[1]
        found: Any = self._cascade.detectMultiScale(
            pixels, scaleFactor=EYE_STEP, minNeighbors=EYE_NEIGHBOURS, minSize=(EYE_SMALLEST, EYE_SMALLEST)
        )
        return [
            Box(x * scale, y * scale, (x + w) * scale, (y + h) * scale, EYE_SCORE)
            for x, y, w, h in list(found)
        ]


def _eye_cascade() -> Any:
    import cv2

    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_eye.xml"))
    if cascade.empty():
        raise DetectorError(
            "OpenCV's eye cascade is missing", hint="install opencv-python-headless >= 4.12, < 5"
        )
    return cascade
