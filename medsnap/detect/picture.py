"""One decoded picture in the sizes that the detectors ask for, each made once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from medsnap.model.finding import Region
from medsnap.raster import arrays

if TYPE_CHECKING:
    from medsnap.raster.arrays import Pixels

LADDER: Final = (1024, 2048)  # pixels; every size is made from the next larger rung, few are made from all
LONGEST_RATIO: Final = 2.5  # a strip longer than this is looked at in windows, or it would be too thin


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the picture, in pixels: left, top, width, height."""

    x: int
    y: int
    w: int
    h: int


@dataclass(slots=True)
class Picture:
    """The upright picture, RGB; `at(n)` is the same with its long side at most n."""

    pixels: Pixels
    _sizes: dict[int, Pixels] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    def at(self, longest: int) -> Pixels:
        """Return the picture with its long side at most `longest`, made from the next larger size."""
        if max(self.width, self.height) <= longest:
            return self.pixels
        if longest not in self._sizes:
            step = next((size for size in LADDER if size > longest), None)
            self._sizes[longest] = arrays.shrink(self.pixels if step is None else self.at(step), longest)
        return self._sizes[longest]

    def windows(self) -> Iterator[tuple[Window, Picture]]:
        """Yield the whole picture, or overlapping parts of a long strip, so that nothing gets too thin."""
        for window in split(self.width, self.height):
            whole = (window.w, window.h) == (self.width, self.height)
            yield window, self if whole else self.part(window)

    def part(self, window: Window) -> Picture:
        """Return the part of the picture in a window; it shares the pixels."""
        return Picture(self.pixels[window.y : window.y + window.h, window.x : window.x + window.w])

    def region(self, x0: float, y0: float, x1: float, y1: float) -> Region:
        """Return corners in pixels as fractions, cut to the picture, at least one pixel wide and high."""
        left = min(max(x0, 0.0), self.width - 1.0)
        top = min(max(y0, 0.0), self.height - 1.0)
        right = min(max(x1, left + 1.0), float(self.width))
        bottom = min(max(y1, top + 1.0), float(self.height))
        return Region(
            x=left / self.width,
            y=top / self.height,
            w=(right - left) / self.width,
            h=(bottom - top) / self.height,
        )


def split(width: int, height: int) -> tuple[Window, ...]:
    """Cut a strip into windows of ratio 2 : 1 that overlap by at least a quarter; else one window."""
    long, short = max(width, height), min(width, height)
    if long <= LONGEST_RATIO * short:
        return (Window(0, 0, width, height),)
    length = 2 * short
    count = -(-(long - length) // max(1, length * 3 // 4)) + 1
    starts = [round(i * (long - length) / (count - 1)) for i in range(count)]
    if width >= height:
        return tuple(Window(at, 0, length, height) for at in starts)
    return tuple(Window(0, at, width, length) for at in starts)
