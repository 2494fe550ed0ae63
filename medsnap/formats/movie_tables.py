"""The sample tables of a track: how many samples, how long, where (ISO/IEC 14496-12, 8.6 and 8.7)."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from itertools import accumulate

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.bmff import Box, cursor

MAX_SAMPLES = 8_000_000  # with a size of their own, in one track: a day of 60 frames a second has 5 million
MAX_CHUNKS = 4_000_000
MAX_ENTRIES = 16_000_000  # of any other table


def entries(view: memoryview, box: Box, width: int, *, limit: int = MAX_ENTRIES) -> memoryview:
    """Give the rows of a table behind version, flags and count. Raises Malformed, TooLarge."""
    fields = cursor(view, box)
    fields.take(4)
    count = fields.uint(4)
    if count > limit:
        raise TooLarge(f"a table holds more than {limit} entries", where=fields.where)
    return fields.take(count * width)


def numbers(rows: memoryview, width: int) -> array[int]:
    """Read big-endian numbers of 4 or 8 bytes."""
    found = array("I" if width == 4 else "Q")
    found.frombytes(rows)
    if sys.byteorder == "little":
        found.byteswap()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of the samples in bytes: one for all, or a running total with one more entry than samples."""

    count: int
    fixed: int
    running: array[int]

    def span(self, first: int, count: int) -> int:
        """Length of `count` samples from number `first` on (from 0), bytes."""
        if self.fixed:
            return count * self.fixed
        return self.running[first + count] - self.running[first]

    @property
    def total(self) -> int:
        """Length of all samples, bytes."""
        return self.span(0, self.count)


def read_sizes(view: memoryview, box: Box) -> Sizes:
    """Read stsz or stz2 (8.7.3). Raises Malformed, TooLarge."""
    fields = cursor(view, box)
    fields.take(4)
    first, count = fields.uint(4), fields.uint(4)
    if box.type == b"stsz" and first:
        return Sizes(count=count, fixed=first, running=array("Q"))
    if count > MAX_SAMPLES:
        raise TooLarge(f"a track holds more than {MAX_SAMPLES} samples", where=fields.where)
    if box.type == b"stsz":
        single = numbers(fields.take(4 * count), 4)
    else:
        single = _compact(fields.take((count * (first & 0xFF) + 7) // 8), first & 0xFF, count, fields.where)
    return Sizes(count=count, fixed=0, running=array("Q", accumulate(single, initial=0)))


def _compact(rows: memoryview, bits: int, count: int, where: str) -> array[int]:
    if bits == 4:
        halves = (half for byte in rows for half in (byte >> 4, byte & 15))
        return array("I", [next(halves) for _ in range(count)])
    if bits == 8:
        return array("I", rows.tolist())
    if bits == 16:
        return array("I", (int.from_bytes(rows[at : at + 2], "big") for at in range(0, 2 * count, 2)))
    raise Malformed("sample sizes of an impossible width", where=where)


@dataclass(frozen=True, slots=True)
class Run:
    """Chunks that hold the same number of samples, from chunk number `first` on (from 1)."""

    first: int
    samples: int
    description: int


def read_runs(view: memoryview, box: Box, chunks: int) -> tuple[Run, ...]:
    """Read stsc (8.7.4); runs behind the last chunk are left out. Raises Malformed, TooLarge."""
    flat = numbers(entries(view, box, 12, limit=MAX_CHUNKS), 4)
    runs: list[Run] = []
    for at in range(0, len(flat), 3):
        run = Run(flat[at], flat[at + 1], flat[at + 2])
        if run.first > chunks:
            break
        if (run.first != 1 and not runs) or (runs and run.first <= runs[-1].first) or run.samples == 0:
            raise Malformed("the chunks of a track are out of order", where=f"stsc, byte {box.start}")
        runs.append(run)
    if chunks and not runs:
        raise Malformed("chunks without samples", where=f"stsc, byte {box.start}")
    return tuple(runs)


def read_offsets(view: memoryview, box: Box) -> array[int]:
    """Read stco or co64 (8.7.5): where each chunk begins, bytes from the start of the file."""
    width = 8 if box.type == b"co64" else 4
    found = numbers(entries(view, box, width, limit=MAX_CHUNKS), width)
    return found if width == 8 else array("Q", found)


def chunk_sizes(sizes: Sizes, runs: tuple[Run, ...], chunks: int) -> array[int]:
    """Work out the length of each chunk, bytes; every sample must lie in one. Raises Malformed."""
    found = array("Q")
    at = 0
    for row, run in enumerate(runs):
        last = runs[row + 1].first - 1 if row + 1 < len(runs) else chunks
        if at + run.samples * (last - run.first + 1) > sizes.count:
            raise Malformed("a track has more places than samples", where="stsc")
        for _ in range(run.first, last + 1):
            found.append(sizes.span(at, run.samples))
            at += run.samples
    if at != sizes.count:
        raise Malformed("a track has samples that lie nowhere", where="stsc")
    return found


def scaled(sizes: Sizes, frame: int, where: str) -> Sizes:
    """Give real sizes of uncompressed sound: old files call every frame 1 byte long (QTFF, stsz)."""
    if frame in (sizes.fixed, 0):
        return sizes
    if sizes.fixed != 1:
        raise Unsupported("uncompressed sound with samples of odd sizes", where=where)
    return Sizes(count=sizes.count, fixed=frame, running=sizes.running)


def limited(rows: memoryview, width: int, samples: int) -> tuple[bytes, int]:
    """Cut a table of (count, value) rows behind the last sample, and rows that count none.

    Returns the rows as bytes, and how many samples they speak of.
    """
    flat = numbers(rows, 4)
    step = width // 4
    kept = array("I")
    left = samples
    for at in range(0, len(flat), step):
        count = min(flat[at], left)
        if count:
            kept.append(count)
            kept.extend(flat[at + 1 : at + step])
            left -= count
        if not left:
            break
    if sys.byteorder == "little":
        kept.byteswap()
    return kept.tobytes(), samples - left
