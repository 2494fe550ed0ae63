"""Text by PP-OCRv4 in the RapidOCR engine: find lines, turn them, read them.

RapidOCR's own entry point is not used: it answers an internal error with an empty result, which
would read as 'no text', and it fetches a model that it misses. Its three stages get sessions
over verified bytes instead, and what they raise is a failure of the detector.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from medsnap.detect.picture import Picture, Window
from medsnap.detect.sessions import session, translated
from medsnap.model.finding import Detector, Finding
from medsnap.model.private import Private
from medsnap.raster import arrays

if TYPE_CHECKING:
    from medsnap.raster.arrays import Pixels

LONGEST: Final = 2048  # pixels: letters of 11 px at this size are the smallest that are found
SHORTEST: Final = 736  # short side of a small picture is enlarged to this
READ: Final = 0.60  # recognition score from which a line counts as read
CHARACTERS: Final = 3  # letters or digits that a line needs to count as read
UNREAD: Final = 0.5  # score of a line that was found and not read: a person must look
LINES: Final = 150  # lines read in one picture; further ones stay unread, none is dropped
CANDIDATES: Final = 5000  # outlines examined in one picture


class Text:
    """The detector of the feature `text`."""

    feature: Final = "text"

    def __init__(self, detection: bytes, recognition: bytes, direction: bytes, identity: Detector) -> None:
        self.identity = identity
        with translated("ppocr-v4"):
            self._detector, self._classifier, self._reader = _stages(detection, recognition, direction)

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return lines of text, read or not. Raises DetectorError."""
        from rapidocr.ch_ppocr_det.utils import ResizeImgError
        from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError

        findings: list[Finding] = []
        with translated("ppocr-v4", ResizeImgError, ONNXRuntimeError):
            for window, part in picture.windows():
                quads = self._lines(part)
                for quad, (text, score) in zip(quads, self._read(part, quads), strict=True):
                    findings.append(self._finding(picture, window, quad, text, score))
        return tuple(findings)

    def _lines(self, part: Picture) -> list[Any]:
        """Return lines as four corners each, float32 (4, 2), in pixels of the part."""
        import numpy as np

        pixels = _sized(part)
        result = self._detector(arrays.bgr(pixels))
        if result.boxes is None:
            return []
        scale = np.array([part.width / pixels.shape[1], part.height / pixels.shape[0]], dtype=np.float32)
        return [np.asarray(box, dtype=np.float32) * scale for box in result.boxes]

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
        read = score >= READ and sum(c.isalnum() for c in text) >= CHARACTERS
        return Finding(
            feature=self.feature,
            region=picture.region(float(x.min()), float(y.min()), float(x.max()), float(y.max())),
            score=round(min(score, 1.0), 4) if read else UNREAD,
            detector=self.identity,
            value=Private(text) if read else None,
        )


class _Settings(dict[str, Any]):
    """A mapping that RapidOCR's stages may also read by attribute."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def _stages(detection: bytes, recognition: bytes, direction: bytes) -> tuple[Any, Any, Any]:
    from rapidocr import EngineType, OCRVersion

    quiet = logging.getLogger("RapidOCR")
    quiet.setLevel(logging.CRITICAL)
    from rapidocr.ch_ppocr_cls import TextClassifier
    from rapidocr.ch_ppocr_det import TextDetector
    from rapidocr.ch_ppocr_rec import TextRecognizer

    quiet.setLevel(logging.CRITICAL)  # its logger sets its own level when first imported
    common = {"engine_type": EngineType.ONNXRUNTIME, "ocr_version": OCRVersion.PPOCRV4, "lang_type": "ch"}
    detector = TextDetector(
        _Settings(
            common,
            session=session(detection),
            limit_side_len=LONGEST,
            limit_type="max",
            mean=[0.5, 0.5, 0.5],
            std=[0.5, 0.5, 0.5],
            thresh=0.3,
            box_thresh=0.5,
            max_candidates=CANDIDATES,
            unclip_ratio=1.6,
            use_dilation=True,
            score_mode="fast",
        )
    )
    classifier = TextClassifier(
        _Settings(
            common, session=session(direction), cls_batch_num=6, cls_thresh=0.9, label_list=["0", "180"]
        )
    )
    reader = TextRecognizer(
        _Settings(common, session=session(recognition), rec_batch_num=6, rec_img_shape=[3, 48, 320])
    )
    return detector, classifier, reader


def _sized(part: Picture) -> Pixels:
    """Return the part between the two sizes, large enough for the network's grid of 32 pixels."""
    pixels = part.at(LONGEST)
    rows, columns = pixels.shape[:2]
    scale = max(1.0, min(SHORTEST / min(rows, columns), LONGEST / max(rows, columns)))
    return arrays.resize(pixels, max(32, round(columns * scale)), max(32, round(rows * scale)))


def _area(quad: Any) -> float:
    """Return a quadrilateral's area in square pixels (shoelace formula)."""
    x, y = quad[:, 0], quad[:, 1]
    return abs(float(sum(x[i] * y[i - 1] - x[i - 1] * y[i] for i in range(4)))) / 2
