"""Read a source as it was found: not through a link, the same file, in pieces where it is large."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import BinaryIO, cast

from medsnap.errors import IoFailed
from medsnap.intake import archive
from medsnap.model.photo import Sha256, Source
from medsnap.model.rewrite import Buffer, Insert, Rewrite

PIECE = 1 << 20  # bytes read at a time where a file is only passed on


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a source as it was found: not through a link, the same file, the same size.

    A member of an archive is read where it lies; its stream checks length and sum at the end.
    Raises IoFailed.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(source.path, flags)
    except OSError as problem:
        raise IoFailed(f"the file cannot be read ({problem.strerror})") from problem
    with os.fdopen(descriptor, "rb") as stream:
        now = os.fstat(stream.fileno())
        size = archive.size_on_disk(source)
        if (now.st_dev, now.st_ino, now.st_size) != (source.device, source.inode, size):
            raise IoFailed("the file changed while it was taken in", hint="run again when it is complete")
        try:
            yield archive.reader(stream, source)
        except OSError as problem:
            raise IoFailed(f"the file cannot be read ({problem.strerror})") from problem


def digest_of(stream: BinaryIO) -> Sha256:
    """Return the SHA-256 of the rest of a stream."""
    return Sha256(hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest())


def mapped(stream: BinaryIO) -> memoryview:
    """Map a file that is no archive's member; only workers do it: a file cut short meanwhile kills
    whoever reads the map. It is unmapped when the last view of it is gone."""
    return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def whole(stream: BinaryIO) -> Iterator[bytes]:
    """Give the rest of a stream in pieces. Raises IoFailed."""
    return iter(lambda: _read(stream, PIECE), b"")


def _read(stream: BinaryIO, length: int) -> bytes:
    """Read; a bad sector is the source's fault at once, or the vault that is written would get the blame."""
    try:
        return stream.read(length)
    except OSError as problem:
        raise IoFailed(f"the file cannot be read ({problem.strerror})") from problem


def rewritten(rewrite: Rewrite, stream: BinaryIO) -> Iterator[Buffer]:
    """Give the new file in pieces, reading the kept spans where they lie; `stream` can seek.

    Raises IoFailed when a span is no longer all there.
    """
    for step in rewrite.steps:
        if isinstance(step, Insert):
            yield step.data
            continue
        stream.seek(step.start)
        left = step.stop - step.start
        while left:
            piece = _read(stream, min(PIECE, left))
            if not piece:
                raise IoFailed("the file changed while it was taken in", hint="run again when it is complete")
            left -= len(piece)
            yield piece
