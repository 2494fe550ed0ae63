"""Files of the vault: written beside, synced, placed without ever replacing another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from medsnap import disk
from medsnap.errors import InputMissing, IoFailed, KeyRefused, Tampered
from medsnap.platform import NOT_PLAIN, NotPlain, length_of, name_new, open_plain, write_durably

MAX_NOTE = 64 * 1024 * 1024  # directory or commit, bytes
MAX_BATCH = 512 * 1024 * 1024
DENIED = "cannot be read: permission denied"


def read_limited(path: Path, limit: int) -> bytes:
    """Read a whole file. Raises InputMissing, IoFailed, KeyRefused without the right to read it.

    Raises Tampered when it is larger than `limit` bytes, or no file.
    """
    try:
        with open_plain(path) as handle:
            # a file with holes costs its maker nothing: neither time nor memory is spent on it
            data = handle.read(limit + 1) if length_of(handle) <= limit else None
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing("a file of the vault is missing", where=str(path)) from None
    except NotPlain as other:
        raise Tampered(NOT_PLAIN, where=str(path)) from other
    except PermissionError as denied:
        raise KeyRefused(DENIED, where=str(path)) from denied
    except OSError as failure:
        raise IoFailed(f"cannot be read: {failure.strerror}", where=str(path)) from failure
    if data is None or len(data) > limit:
        raise Tampered(f"is larger than {limit} bytes", where=str(path))
    return data


def place_new(temporary: Path, path: Path) -> None:
    """Give a finished, synced file its name, durably and without replacing. Raises FileExistsError."""
    name_new(temporary, path)
    disk.sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create one private folder (0700) durably, unless it exists. Raises IoFailed."""
    if path.is_dir():
        return
    with io_errors(path):
        with contextlib.suppress(FileExistsError):
            disk.make_folder(path)
        disk.sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a name if it is there; not synced, for doing it twice does no harm."""
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(path)


def write_new(path: Path, data: bytes) -> None:
    """Write a whole new file durably. Raises IoFailed, also when the name is taken."""
    try:
        write_durably(path, data, exclusive=True)
    except FileExistsError:
        raise IoFailed("exists already and is never replaced", where=str(path)) from None
    except OSError as failure:
        raise IoFailed(f"cannot be written: {failure.strerror}", where=str(path)) from failure


@contextlib.contextmanager
def io_errors(where: Path) -> Iterator[None]:
    """Turn the system's errors into IoFailed."""
    try:
        yield
    except OSError as failure:
        raise IoFailed(
            f"the system could not write: {failure.strerror or failure}",
            where=str(where),
            hint="check free space and rights; what was sealed so far is kept",
        ) from failure


def names(folder: Path) -> tuple[str, ...]:
    """List a folder's file names, sorted, without temporary (dot) files; a missing folder is empty.

    Raises KeyRefused, IoFailed.
    """
    try:
        return tuple(sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except PermissionError as denied:
        raise KeyRefused(DENIED, where=str(folder)) from denied
    except OSError as failure:
        raise IoFailed(f"cannot be read: {failure.strerror}", where=str(folder)) from failure
