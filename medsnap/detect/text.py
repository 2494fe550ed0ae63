"""Text by PP-OCRv4 in the RapidOCR engine: find lines, turn them, read them.

RapidOCR's own entry point is not used: it answers an internal error with an empty result, which
would read as 'no text', and it fetches a model that it misses. Its three stages get sessions
over verified bytes instead, and what they raise is a failure of the detector.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from medsnap.detect.boxes import within
from medsnap.detect.picture import Picture, Window
from medsnap.detect.sessions import session, translated
from medsnap.detect.text_map import WHOLE, TextMap
from medsnap.model.finding import Detector, Finding
from medsnap.model.private import Private
from medsnap.raster import arrays

if TYPE_CHECKING:
    from medsnap.raster.arrays import Pixels

LONGEST: Final = 2048  # pixels: letters of 11 px at this size are the smallest that are found
SHORTEST: Final = 736  # short side of a small picture is enlarged to this
COARSE: Final = 640  # pixels, long side of the second look of a tiled picture, for letters as large as tiles
READ: Final = 0.60  # recognition score from which a line counts as read
CHARACTERS: Final = 3  # letters or digits that a line needs to count as read
UNREAD: Final = 0.5  # score of a line that was found and not read: a person must look
LINE: Final = 3.0  # length by height from which an outline is a line even if nothing can be read in it
LINES: Final = 150  # lines read in one picture; further ones stay unread, none is dropped
DOUBLE: Final = 0.5  # share of a large line's area inside a line found before: then it is the same


class Text:
    """The detector of the feature `text`."""

    feature: Final = "text"

    def __init__(self, detection: bytes, recognition: bytes, direction: bytes, identity: Detector) -> None:
        self.identity = identity
        with translated("ppocr-v4"):
            self._map, self._classifier, self._reader = _stages(detection, recognition, direction)

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return lines of text, read or not. Raises DetectorError."""
        from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError

        findings: list[Finding] = []
        with translated("ppocr-v4", ONNXRuntimeError):
            for window, part in picture.windows():
                lines = self._lines(part, part.at(LONGEST), SHORTEST)
                for quad, text, score in lines:
                    if told := worth(text, score, ratio(quad)):
                        findings.append(self._finding(picture, window, quad, text, told))
                if max(part.width, part.height) > WHOLE:
                    findings += self._large(picture, window, part, findings)
        return tuple(findings)

    def _large(self, picture: Picture, window: Window, part: Picture, before: list[Finding]) -> list[Finding]:
        """Return letters too large for a tile: what can surely be read in a small picture."""
        regions = [f.region for f in before]
        more = (
            self._finding(picture, window, quad, text, score)
            for quad, text, score in self._lines(part, part.at(COARSE), 0)
            if score >= READ and worth(text, score, 0.0) == round(min(score, 1.0), 4)
        )
        return [f for f in more if not within(f.region, regions, DOUBLE)]

    def _lines(self, part: Picture, pixels: Pixels, shortest: int) -> list[tuple[Any, str, float]]:
        """Return lines found in `pixels`, a size of the part: four corners in pixels of the part, text,
        score."""
        import numpy as np

        pixels = _sized(pixels, shortest)
        scale = np.array([part.width / pixels.shape[1], part.height / pixels.shape[0]], dtype=np.float32)
        quads = [quad * scale for quad in self._map.quads(pixels)]
        return [(q, text, score) for q, (text, score) in zip(quads, self._read(part, quads), strict=True)]

    def _read(self, part: Picture, quads: list[Any]) -> list[tuple[str, float]]:
        """Read the largest lines from the full-size picture; the rest get no text."""
        from rapidocr.ch_ppocr_rec.typings import TextRecInput
        from rapidocr.utils.process_img import get_rotate_crop_image

        answers = [("", 0.0)] * len(quads)
        order = sorted(range(len(quads)), key=lambda i: _area(quads[i]), reverse=True)[:LINES]
        if not order:
            return answers
        crops = [arrays.bgr(get_rotate_crop_image(part.pixels, quads[i].copy())) for i in order]
        turned = self._classifier(crops).img_list
        result = self._reader(TextRecInput(img=turned, return_word_box=False))
        for i, text, score in zip(order, result.txts, result.scores, strict=True):
            answers[i] = (text, float(score))
        return answers

    def _finding(self, picture: Picture, window: Window, quad: Any, text: str, score: float) -> Finding:
        x, y = quad[:, 0] + window.x, quad[:, 1] + window.y
        return Finding(
            feature=self.feature,
            region=picture.region(float(x.min()), float(y.min()), float(x.max()), float(y.max())),
            score=score,
            detector=self.identity,
            value=Private(text) if score >= READ else None,
        )


def worth(text: str, score: float, length: float) -> float:
    """Return the score of an outline: its recognition score where it was read, 0.5 where a person must
    look, 0 where it is a lone shape. `length` is length by height.

    Wounds, buttons and pores are outlined as one big letter. An outline in which fewer than three
    characters were made out, none of them surely, and which is no line by its shape, names nobody.
    """
    if score >= READ and sum(c.isalnum() for c in text) >= CHARACTERS:
        return round(min(score, 1.0), 4)
    unsure = score < READ and len(text.strip()) < CHARACTERS
    return 0.0 if unsure and length < LINE else UNREAD


def ratio(quad: Any) -> float:
    """Return the longer side of a four-cornered outline by its shorter one."""
    import numpy as np

    across, down = (float(np.linalg.norm(quad[0] - quad[i])) for i in (1, 3))
    return max(across, down) / max(1.0, min(across, down))


class _Settings(dict[str, Any]):
    """A mapping that RapidOCR's stages may also read by attribute."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def _stages(detection: bytes, recognition: bytes, direction: bytes) -> tuple[TextMap, Any, Any]:
    from rapidocr import EngineType, OCRVersion
    from rapidocr.ch_ppocr_cls import TextClassifier
    from rapidocr.ch_ppocr_rec import TextRecognizer

    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)  # it sets its own level when first imported
    common = {"engine_type": EngineType.ONNXRUNTIME, "ocr_version": OCRVersion.PPOCRV4, "lang_type": "ch"}
    classifier = TextClassifier(
        _Settings(
            common, session=session(direction), cls_batch_num=6, cls_thresh=0.9, label_list=["0", "180"]
        )
    )
    # one line at a time: a batch is padded to its longest line, which costs more than it saves
    reader = TextRecognizer(
        _Settings(common, session=session(recognition), rec_batch_num=1, rec_img_shape=[3, 48, 320])
    )
    return TextMap(session(detection)), classifier, reader


def _sized(pixels: Pixels, shortest: int) -> Pixels:
    """Return the picture with its short side at least `shortest`, where the long side allows it."""
    rows, columns = pixels.shape[:2]
    scale = max(1.0, min(shortest / min(rows, columns), LONGEST / max(rows, columns)))
    return arrays.resize(pixels, max(1, round(columns * scale)), max(1, round(rows * scale)))


def _area(quad: Any) -> float:
    """Return a quadrilateral's area in square pixels (shoelace formula)."""
    x, y = quad[:, 0], quad[:, 1]
    return abs(float(sum(x[i] * y[i - 1] - x[i - 1] * y[i] for i in range(4)))) / 2
