"""Boxes as (x0, y0, x1, y1, score) in pixels: suppression of doubles, overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from medsnap.model.finding import Region


class Box(NamedTuple):
    """Corners in pixels and a score."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float

    @property
    def area(self) -> float:
        """Area in square pixels, 0 for an empty box."""
        return max(0.0, self.x1 - self.x0) * max(0.0, self.y1 - self.y0)

    def moved(self, dx: float, dy: float) -> Box:
        """Return the box moved."""
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy, self.score)


def shared(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    w = min(a.x1, b.x1) - max(a.x0, b.x0)
    h = min(a.y1, b.y1) - max(a.y0, b.y0)
    return w * h if w > 0 and h > 0 else 0.0


def suppress(boxes: Iterable[Box], most: float) -> list[Box]:
    """Keep the best box of each heap: greedy, intersection over union below `most` (NMS)."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: b.score, reverse=True):
        if all(shared(box, other) < most * (box.area + other.area - shared(box, other)) for other in kept):
            kept.append(box)
    return kept


def within(region: Region, others: Sequence[Region], share: float) -> bool:
    """Say whether one of the others covers at least `share` of the region's area."""
    for other in others:
        w = min(region.x + region.w, other.x + other.w) - max(region.x, other.x)
        h = min(region.y + region.h, other.y + other.h) - max(region.y, other.y)
        if w > 0 and h > 0 and w * h >= share * region.w * region.h:
            return True
    return False
