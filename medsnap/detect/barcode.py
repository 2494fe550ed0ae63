"""Barcodes by zxing-cpp: the reduced picture first, then in full size what surrounds a label."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Any, Final

from medsnap.detect.boxes import Box, suppress
from medsnap.detect.picture import Picture, Window
from medsnap.detect.sessions import translated
from medsnap.model.finding import Detector, Finding, Region
from medsnap.model.private import Private
from medsnap.raster import arrays

FIRST: Final = 2048  # pixels, long side of the first look
READ, UNREADABLE = 1.0, 0.5  # an unreadable symbol is still one: a person must look
BESIDE: Final = 400  # pixels around a label that are looked at in full size, at least
SAME: Final = 0.3  # intersection over union of one symbol found in two sizes
# A tilted linear code is often located by one scan line; a label's bars are rarely lower than this.
LINEAR_HEIGHT: Final = 0.4  # of the code's length
MARGIN: Final = 0.06  # of the longer side: quiet zone and the printed number


class Barcodes:
    """The detector of the feature `barcode`."""

    feature: Final = "barcode"

    def __init__(self, identity: Detector) -> None:
        import zxingcpp  # noqa: F401 -- ImportError here means that the extra is not installed

        self.identity = identity

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return symbols, readable or not. Raises DetectorError."""
        with translated("zxing-cpp"):
            symbols = _scan(picture, Window(0, 0, picture.width, picture.height), FIRST)
            labels = [f.region for f in found if f.feature == "text"]
            labels += [picture.region(*box[:4]) for box, _ in symbols if box.score < READ]
            if max(picture.width, picture.height) > FIRST:
                for window in surroundings(labels, picture.width, picture.height):
                    symbols += _scan(picture, window, max(window.w, window.h))
        kept = suppress((box for box, _ in symbols), SAME)
        values = [next(value for box, value in symbols if box is one) for one in kept]
        return tuple(
            Finding(
                feature=self.feature,
                region=picture.region(*box[:4]),
                score=box.score,
                detector=self.identity,
                value=Private(value) if value else None,
            )
            for box, value in zip(kept, values, strict=True)
        )


def _scan(picture: Picture, window: Window, longest: int) -> list[tuple[Box, str]]:
    """Look for symbols in a window of the picture, its long side reduced to `longest`."""
    import zxingcpp

    part = picture if window.w == picture.width and window.h == picture.height else picture.part(window)
    pixels = arrays.grey(part.at(longest))
    scale = window.w / pixels.shape[1]
    symbols: list[tuple[Box, str]] = []
    for code in zxingcpp.read_barcodes(pixels, return_errors=True):
        at: Any = code.position
        corners = [
            (p.x * scale, p.y * scale) for p in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
        ]
        box = around(corners, linear=_linear(code.format)).moved(window.x, window.y)
        symbols.append(
            (box._replace(score=READ if code.valid else UNREADABLE), code.text if code.valid else "")
        )
    return symbols


def surroundings(labels: Sequence[Region], width: int, height: int) -> tuple[Window, ...]:
    """Return the part of the picture in which all labels lie, with as much around it as they span
    (no less than 400 pixels): a code stands beside its printed number. Nothing where there is no label."""
    if not labels:
        return ()
    left, top = min(r.x for r in labels) * width, min(r.y for r in labels) * height
    right = max(r.x + r.w for r in labels) * width
    bottom = max(r.y + r.h for r in labels) * height
    around_it = max(BESIDE, right - left, bottom - top)
    x0, y0 = int(max(0.0, left - around_it)), int(max(0.0, top - around_it))
    x1, y1 = int(min(float(width), right + around_it)), int(min(float(height), bottom + around_it))
    return (Window(x0, y0, x1 - x0, y1 - y0),)


def _linear(kind: Any) -> bool:
    import zxingcpp

    matrix: Any = zxingcpp.BarcodeFormat.AllMatrix
    return kind not in zxingcpp.barcode_formats_list(matrix)


def around(corners: Sequence[tuple[float, float]], *, linear: bool) -> Box:
    """Return the box to cover for a symbol's four corners, in order: a thin strip of a linear code is
    grown across its bars' direction, and every symbol gets a margin."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    # along the scan direction and across it, as mean vectors
    along = ((bx - ax + cx - dx) / 2, (by - ay + cy - dy) / 2)
    across = ((dx - ax + cx - bx) / 2, (dy - ay + cy - by) / 2)
    length, height = hypot(*along), hypot(*across)
    grown = max(height, LINEAR_HEIGHT * length) if linear else height
    extra = (grown - height) / 2
    unit = (-along[1] / length, along[0] / length) if length else (0.0, 0.0)
    xs = [x + side * extra * unit[0] for x, _ in corners for side in (-1, 1)]
    ys = [y + side * extra * unit[1] for _, y in corners for side in (-1, 1)]
    margin = MARGIN * max(length, grown)
    return Box(min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin, 0.0)
