"""Give mapped pages back: a clip of 2 GB is read through, and must not stay in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

from medsnap.model.rewrite import Buffer, Rewrite

PIECE = 1 << 20  # bytes
_EVERY = 16  # pieces


def forget(source: memoryview) -> None:
    """Drop the pages of a mapped file from this process; they are read again when needed.

    A buffer that is no mapped file is left alone, and so it is where the system has no such call.
    """
    mapped = source.obj
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def pieces(rewrite: Rewrite, source: Buffer) -> Iterator[Buffer]:
    """Yield the new file in pieces of at most 1 MiB; pages of a mapped source are given back."""
    view = memoryview(source)
    for number, piece in enumerate(_cut(rewrite, view)):
        yield piece
        if number % _EVERY == _EVERY - 1:
            forget(view)
    forget(view)


def _cut(rewrite: Rewrite, source: memoryview) -> Iterator[Buffer]:
    for chunk in rewrite.chunks(source):
        if len(chunk) <= PIECE:
            yield chunk
            continue
        whole = memoryview(chunk)
        for at in range(0, len(whole), PIECE):
            yield whole[at : at + PIECE]


def stretch(source: Buffer, start: int, stop: int) -> Iterator[Buffer]:
    """Yield source[start:stop] in pieces of at most 1 MiB, giving pages back."""
    view = memoryview(source)
    for number, at in enumerate(range(start, stop, PIECE)):
        yield view[at : min(at + PIECE, stop)]
        if number % _EVERY == _EVERY - 1:
            forget(view)
    forget(view)
