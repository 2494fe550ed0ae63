"""Strips and tiles of a scrubbed TIFF: each holds its part of the picture and not one byte more."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from medsnap.errors import NotClean
from medsnap.scrub.second import tiff_jpeg


class Geometry:
    """The strips or tiles of one page; `get(tag, default)` gives its numbers."""

    def __init__(self, get: Callable[[int, int], tuple[int, ...]]) -> None:
        self.width, self.height = get(256, 0)[0], get(257, 0)[0]
        self.samples, self.planar = get(277, 1)[0], get(284, 1)[0]
        bits = get(258, 1)
        self.bits = bits * self.samples if len(bits) == 1 else bits
        self.compression, self.photometric = get(259, 1)[0], get(262, 0)[0]
        self.halves = (*get(530, 2), 2)[:2]
        self.tiled = get(322, 0)[0] > 0
        self.across = get(322, 0)[0] if self.tiled else self.width
        self.rows = get(323, 0)[0] if self.tiled else min(get(278, self.height)[0], self.height)
        self.offsets, self.lengths = get(324 if self.tiled else 273, 0), get(325 if self.tiled else 279, 0)
        if not all((self.width, self.height, self.across, self.rows, self.samples)):
            raise NotClean("a picture has no size", where="directory")

    def units(self, *, tables: bytes | None) -> Iterator[tuple[int, int, int]]:
        """Yield offset, length and decoded size of each strip or tile, in order. Raises NotClean."""
        if (tables is not None) and self.compression != 7:
            raise NotClean("JPEG tables stand where there is no JPEG", where="tag 347")
        if tables is not None:
            tiff_jpeg.check_tables(tables)
        down = -(-self.height // self.rows)
        right = -(-self.width // self.across) if self.tiled else 1
        planes = self.samples if self.planar == 2 else 1
        if not len(self.offsets) == len(self.lengths) == down * right * planes:
            raise NotClean("there are too many or too few strips", where="directory")
        for number, (offset, length) in enumerate(zip(self.offsets, self.lengths, strict=True)):
            plane, place = divmod(number, down * right)
            last = not self.tiled and place == down - 1
            rows = self.height - (down - 1) * self.rows if last else self.rows
            yield offset, length, self._size(rows, plane)

    def _size(self, rows: int, plane: int) -> int:
        pixel = self.bits[plane] if self.planar == 2 else sum(self.bits)
        h, v = self.halves
        if self.photometric == 6 and self.samples == 3 and (h, v) != (1, 1):
            return (
                ((self.across + h - 1) // h) * ((rows + v - 1) // v) * (h * v + 2) if self.planar != 2 else 0
            )
        return rows * ((self.across * pixel + 7) // 8)

    def check(self, piece: memoryview, size: int, at: int) -> None:
        """Demand that a piece ends where its coded data end. Raises NotClean."""
        if self.compression == 7:
            tiff_jpeg.check(piece, lossless=self.photometric in (32803, 34892), at=at)
            return
        reader = _READERS.get(self.compression)
        if reader is None or not size or reader(piece, size) != len(piece):
            raise NotClean("a strip holds more or less than its part of the picture", where=f"byte {at}")


def _plain(_piece: memoryview, size: int) -> int:
    return size


def _zip(piece: memoryview, size: int) -> int:
    inflater = zlib.decompressobj()
    got = 0
    for start in range(0, len(piece), 1 << 16):
        rest: bytes | memoryview = piece[start : start + (1 << 16)]
        while len(rest):
            if inflater.eof:
                return -1
            try:
                got += len(inflater.decompress(rest, size - got + 1))
            except zlib.error:
                return -1
            if got > size or inflater.unused_data:
                return -1
            rest = inflater.unconsumed_tail
    got += 0 if inflater.eof else len(inflater.flush())
    return len(piece) if inflater.eof and got == size else -1


def _runs(piece: memoryview, size: int) -> int:
    """Follow PackBits runs (TIFF 6.0 section 9); return where the last one that is needed ends."""
    at = 0
    while size > 0 and at < len(piece):
        control = piece[at]
        length = control + 1 if control < 128 else 257 - control
        at += 1 if control == 128 else 2 if control > 128 else 1 + length
        size -= 0 if control == 128 else length
    return at if size <= 0 else -1


def _codes(piece: memoryview, size: int) -> int:
    """Follow LZW codes (TIFF 6.0 section 13); return the number of bytes that decoding needs."""
    spans: list[int] = []
    width, position, got, previous, done, cleared = 9, 0, 0, 0, 0, False
    end = 8 * len(piece)
    padded = bytes(piece) + b"\0\0"
    while position + width <= end:
        at = position >> 3
        window = padded[at] << 16 | padded[at + 1] << 8 | padded[at + 2]
        code = window >> (24 - width - (position & 7)) & (1 << width) - 1
        position += width
        if code == 257:
            return (position + 7) // 8 if got >= size else -1
        if code == 256:
            if done and cleared:
                break
            cleared = bool(done)
            spans, width, previous = [], 9, 0
            continue
        if done:
            break
        if previous and len(spans) < 3838:
            spans.append(previous + 1)
            if len(spans) + 259 == 1 << width and width < 12:
                width += 1
        if code > 257 and (not previous or code - 258 >= len(spans)):
            return -1
        previous = spans[code - 258] if code > 257 else 1
        got += previous
        if got >= size:
            done = (position + 7) // 8
    return done or -1


_READERS: dict[int, Callable[[memoryview, int], int]] = {
    1: _plain,
    5: _codes,
    8: _zip,
    32946: _zip,
    32773: _runs,
}
