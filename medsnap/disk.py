"""The one port through which vault, log and host folder change files.

Each function is one step that a crash, a full disk or a short write can strike; tests put a
faulting double in their place and stop an operation at every one of them. Call them through the
module (`disk.link(…)`), never by a name of your own, or the double does not see it. SQLite does its
own writing.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from medsnap.model.rewrite import Buffer

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")


def create(path: Path, *, mode: int = 0o600, exclusive: bool = False) -> int:
    """Open a file for writing, emptied; returns its descriptor. Never through a link.

    Raises FileExistsError when it is `exclusive` and there.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if exclusive else os.O_TRUNC)
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), mode)


def write(descriptor: int, data: Buffer) -> int:
    """Write some of `data`; returns how many bytes. The rest is the caller's to write."""
    return os.write(descriptor, data)


def sync(descriptor: int) -> None:
    """Make a file's bytes durable."""
    os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable that somebody else left."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make a folder's entries durable; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


PARALLEL = 8  # syncs that wait for the disk together: one commit of its own journal serves them all


def sync_all(descriptors: Sequence[int]) -> None:
    """Make the bytes of several files durable."""
    _each(sync, descriptors)


def sync_folders(paths: Iterable[Path]) -> None:
    """Make the entries of several folders durable, each once."""
    _each(sync_folder, sorted(set(paths)))


def _each(step: Callable[[T], None], things: Sequence[T]) -> None:
    if len(things) < 2 or PARALLEL < 2:
        for thing in things:
            step(thing)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(PARALLEL, len(things))) as pool:
        for done in [pool.submit(step, thing) for thing in things]:
            done.result()


def aside() -> Executor:
    """Give a thread that makes things durable while the next are written: a context manager."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1)


def begin_sync(descriptor: int) -> None:
    """Let the system begin to write a file's bytes out, without waiting; a hint that may be ignored."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def link(source: Path, target: Path) -> None:
    """Give a file a second name. Raises FileExistsError: it never replaces."""
    os.link(source, target)


def rename(source: Path, target: Path) -> None:
    """Give a file another name, where Windows refuses a taken one and POSIX replaces it."""
    source.rename(target)


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another in one step."""
    source.replace(target)


def unlink(path: Path) -> None:
    """Remove a name. Raises FileNotFoundError."""
    path.unlink()


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make one folder. Raises FileExistsError."""
    path.mkdir(mode)


def make_folders(path: Path) -> None:
    """Make a folder and those above it that are missing, each private: whoever may write to one of them
    could put another in the place of what lies in it. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            make_folder(folder)
    if missing and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def remove_folder(path: Path) -> None:
    """Remove an empty folder."""
    path.rmdir()


class _Raw(io.RawIOBase):
    """A descriptor as a stream whose writes go through the port."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Buffer, /) -> int:  # type: ignore[override]
        return write(self._descriptor, data)

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()
            finally:
                os.close(self._descriptor)


def writer(path: Path, *, buffering: int = 1 << 20, mode: int = 0o600) -> BinaryIO:
    """Open a file for writing, emptied and buffered; short writes are written on.

    Flush it and `sync(handle.fileno())` before its name means anything.
    """
    return io.BufferedWriter(_Raw(create(path, mode=mode)), buffering)  # type: ignore[type-var]
