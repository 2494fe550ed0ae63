"""Take a source away whose photo is safe: the file that was read, and no other that was slipped in its place.

The file is opened first, moved into a private folder beside it, read again through the open descriptor
and compared with what was sealed; only then its name goes, by the folder's handle. No link is followed
on the way. Killed in between, the file lies in the private folder, where the next run finds it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from medsnap.errors import MedsnapError

PRIVATE: Final = ".medsnap-"
_PRIVATE_NAME: Final = re.compile(r"\.medsnap-[0-9a-f]{16}")
_CALLS: Final = (os.open, os.stat, os.mkdir, os.rmdir, os.unlink, os.rename, os.link)
_NO_FILE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Stays(StrEnum):
    """Why a file was left."""

    OTHER = "it is not the file that was taken in"
    CHANGED = "it changed since it was taken in"
    RIGHTS = "the system does not let it be moved"
    APART = "it changed meanwhile and its name is taken: it lies in the private folder beside it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What intake saw of a file: st_dev, st_ino, bytes."""

    device: int
    inode: int
    size: int


def supported() -> bool:
    """Say whether this system can work by the handles of folders; Windows cannot."""
    return all(call in os.supports_dir_fd for call in _CALLS if call is not os.link) and hasattr(
        os, "O_NOFOLLOW"
    )


def unlink(
    path: Path, known: Known, same: Callable[[BinaryIO], bool], random: Callable[[int], bytes]
) -> Stays | None:
    """Remove a source; returns why it stays, None when it is gone. `same` reads the opened file once.

    `path` is absolute and no part of it may be a link. Nothing is removed that `same` has not seen whole.
    """
    try:
        with _folder(path.parent) as parent, _opened(path.name, parent) as file:
            first = os.fstat(file.fileno())
            if not stat.S_ISREG(first.st_mode) or not _is(first, known):
                return Stays.OTHER
            left = _taken(path.name, parent, file, same, f"{PRIVATE}{random(8).hex()}")
    except OSError as refused:
        return Stays.OTHER if isinstance(refused, _NO_FILE) else _why(refused)
    return left


def _why(refused: OSError) -> Stays:
    import errno

    return Stays.OTHER if refused.errno in (errno.ELOOP, errno.ENXIO) else Stays.RIGHTS


def tidy(folder: Path) -> None:
    """Remove private folders that a killed run left empty: in this folder, and this one if it is one."""
    with contextlib.suppress(OSError), _folder(folder) as handle:
        for name in os.listdir(handle):  # noqa: PTH208 - a descriptor has no path
            if _PRIVATE_NAME.fullmatch(name):
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=handle)  # refuses one that is not empty, or a link
    if _PRIVATE_NAME.fullmatch(folder.name):
        with contextlib.suppress(OSError), _folder(folder.parent) as handle:
            os.rmdir(folder.name, dir_fd=handle)


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    """Open a folder step by step from the root, so that no part of its path can be a link."""
    handle = os.open(path.anchor, _FOLDER)
    try:
        for part in path.parts[1:]:
            inner = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _opened(name: str, parent: int) -> Iterator[BinaryIO]:
    with os.fdopen(os.open(name, _FILE, dir_fd=parent), "rb") as file:
        yield file


def _is(found: os.stat_result, known: Known) -> bool:
    return (found.st_dev, found.st_ino, found.st_size) == (known.device, known.inode, known.size)


def _taken(
    name: str, parent: int, file: BinaryIO, same: Callable[[BinaryIO], bool], private: str
) -> Stays | None:
    os.mkdir(private, 0o700, dir_fd=parent)
    try:
        box = os.open(private, _FOLDER, dir_fd=parent)
        try:
            os.rename(name, name, src_dir_fd=parent, dst_dir_fd=box)
            left = _judged(name, box, file, same)
            if left is None:
                os.unlink(name, dir_fd=box)
                os.fsync(box)
            else:
                left = _back(name, box, parent, left)
        finally:
            os.close(box)
    finally:
        with contextlib.suppress(OSError):  # not empty: what could not go back lies there
            os.rmdir(private, dir_fd=parent)
        with contextlib.suppress(OSError):
            os.fsync(parent)
    return left


def _judged(name: str, box: int, file: BinaryIO, same: Callable[[BinaryIO], bool]) -> Stays | None:
    """Read the moved file through its descriptor; before and after, name and descriptor must be one."""
    before = os.fstat(file.fileno())
    if _identity(os.stat(name, dir_fd=box, follow_symlinks=False)) != _identity(before):
        return Stays.OTHER
    try:
        equal = same(file)
    except (MedsnapError, OSError):
        equal = False
    after = os.fstat(file.fileno())
    at = os.stat(name, dir_fd=box, follow_symlinks=False)
    if not equal or not (_identity(before) == _identity(after) == _identity(at)):
        return Stays.CHANGED
    return None


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _back(name: str, box: int, parent: int, why: Stays) -> Stays:
    """Put back what is not ours to remove, in the place of nothing else."""
    try:
        os.link(name, name, src_dir_fd=box, dst_dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        return Stays.APART
    except OSError:  # a file system without links
        try:
            os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(name, name, src_dir_fd=box, dst_dir_fd=parent)
            return why
        return Stays.APART
    os.unlink(name, dir_fd=box)
    return why
