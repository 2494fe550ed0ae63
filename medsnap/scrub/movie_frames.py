"""Movies whose frames are JPEG files (old compact cameras): each frame must be clean as it is."""

from __future__ import annotations

from collections.abc import Iterator

from medsnap.errors import MedsnapError, Unsupported
from medsnap.model.photo import MediaType
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.movie_memory import forget
from medsnap.scrub.movie_part import Part

FRAME = b"jpeg"
MAX_FRAME = 64 << 20  # bytes
_OFTEN = 32  # frames


def refuse_unclean(source: memoryview, part: Part, *, fragmented: bool) -> None:
    """Refuse frames that a scrub would change: samples stay as they are, so they must hold nothing.

    Zero bytes that fill a sample up stay. Raises Unsupported.
    """
    if not any(entry.coding == FRAME for entry in part.entries):
        return
    if len(part.entries) > 1 or fragmented:
        raise Unsupported("frames that are JPEG files, beside others or in fragments", where=part.track.label)
    from medsnap.scrub import jpeg

    for number, (start, stop) in enumerate(samples(part), 1):
        where = f"frame {number} of {part.track.label}, byte {start}"
        if stop - start > MAX_FRAME:
            raise Unsupported("a frame is too large to be a picture", where=where)
        frame = bytes(source[start:stop]).rstrip(b"\0")
        try:
            plan = jpeg.plan(frame, MediaType.JPEG, ScrubKeep())
        except MedsnapError as problem:
            raise Unsupported(f"a frame cannot be read: {problem.message}", where=where) from problem
        if b"".join(plan.chunks(frame)) != _current(frame):
            raise Unsupported("a frame holds metadata of its own", where=where,
                              hint="keep the original; export single frames as pictures")  # fmt: skip
        if number % _OFTEN == 0:
            forget(source)


def _current(frame: bytes) -> bytes:
    """Give the frame as if its JFIF header were of version 1.02, which is how a scrub writes it."""
    jfif = frame[2:11] == b"\xff\xe0\0\x10JFIF\0" and frame[11] == 1 and frame[12] < 2
    return frame[:12] + b"\2" + frame[13:] if jfif else frame


def samples(part: Part) -> Iterator[tuple[int, int]]:
    """Yield where each sample lies, chunk by chunk."""
    number = 0
    for row, run in enumerate(part.runs):
        last = part.runs[row + 1].first - 1 if row + 1 < len(part.runs) else len(part.starts)
        for chunk in range(run.first - 1, last):
            at = part.starts[chunk]
            for _ in range(run.samples):
                size = part.sizes.span(number, 1)
                yield at, at + size
                at += size
                number += 1
