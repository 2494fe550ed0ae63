"""The only importer of POSIX- or Windows-only modules; everything here exists on both."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from medsnap import disk
from medsnap.errors import Locked, Tampered

WINDOWS = sys.platform == "win32"
CAN_FORK = sys.platform == "linux"  # elsewhere system libraries start threads of their own
NOT_PLAIN = "is no ordinary file, but a link, a folder, a pipe or a device"
_CAREFUL = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
_LOCK_TEXT = re.compile(rb"process \d{0,20}\n?")
MAX_LOCK = 80  # bytes; more is no lock's text
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC})


class NotPlain(OSError):
    """There is something, and it is no file."""


def _try_lock(handle: BinaryIO) -> bool:
    if WINDOWS:
        import msvcrt

        locking: Callable[[int, int, int], None] = msvcrt.locking  # type: ignore[attr-defined,unused-ignore]
        try:
            locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def kernel_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold an exclusive kernel lock on `path` (created 0600). It dies with the process.

    The file's text only names the holder for people. Raises Locked (75) when another holds it, Tampered
    for a link or a pipe, and for what is no lock's text: what a link leads to would be emptied, and so would
    a file that has the lock's name as a second one.
    """
    with _lock_file(path) as handle:
        if not _try_lock(handle):
            holder = handle.read(MAX_LOCK).decode("ascii", "replace").strip()
            raise Locked(
                f"another medsnap run holds {what}" + (f" ({holder})" if holder else ""),
                hint="wait for it to end; the lock goes with the process, nothing has to be removed",
            )
        handle.seek(0)
        if not _is_lock(handle.read(MAX_LOCK)):
            raise Tampered("is no lock, but another file: nothing was written into it", where=str(path))
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()}\n".encode("ascii"))
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                handle.truncate(0)  # nobody holds it any more


def _is_lock(text: bytes) -> bool:
    """Say whether this is what a lock holds, whole or half written: held, or of a process that died."""
    text = text.strip(b"\0")
    return b"process ".startswith(text) or _LOCK_TEXT.fullmatch(text) is not None


def _lock_file(path: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | _CAREFUL
    try:
        descriptor = os.open(path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotPlain(errno.EINVAL, NOT_PLAIN, str(path))
    except OSError as failure:
        if not isinstance(failure, NotPlain) and failure.errno not in _NO_FILE:
            raise
        raise Tampered(NOT_PLAIN, where=str(path)) from failure
    return os.fdopen(descriptor, "r+b", buffering=0)


def open_plain(path: Path) -> io.BufferedReader:
    """Open an ordinary file for reading. Raises NotPlain for what somebody put in its place, OSError.

    A link would lead elsewhere, and a pipe keeps whoever opens it waiting for ever.
    """
    if WINDOWS and path.is_symlink():
        raise NotPlain(errno.EINVAL, NOT_PLAIN, str(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | _CAREFUL)
    except OSError as failure:
        if failure.errno in _NO_FILE:
            raise NotPlain(failure.errno, NOT_PLAIN, str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlain(errno.EINVAL, NOT_PLAIN, str(path))
    return os.fdopen(descriptor, "rb")


def length_of(handle: io.BufferedReader) -> int:
    """Return the length of an open file in bytes, as the system has it."""
    return os.fstat(handle.fileno()).st_size


def too_open(path: Path) -> bool:
    """Say whether others than the owner may read a key file (POSIX mode bits only)."""
    return not WINDOWS and bool(path.stat().st_mode & 0o077)


def reuse_memory() -> None:
    """Let this process keep blocks of up to 32 MiB that it freed: photos come one after the other.

    Otherwise glibc gives each back, and the system clears every page of the next one again. At most
    128 MiB are kept. Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(-3, 32 << 20)  # M_MMAP_THRESHOLD
        set_option(-1, 128 << 20)  # M_TRIM_THRESHOLD


def limit_memory(limit: int) -> None:
    """Cap the address space of this worker process, in bytes, where the system can."""
    if WINDOWS or sys.platform == "darwin":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_files(limit: int) -> None:
    """Cap the size in bytes of files that this worker process may write, where the system can."""
    if WINDOWS:
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def account_home() -> Path:
    """Return the home folder of the account, whatever the environment says."""
    if WINDOWS:
        return Path.home()
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.home()


def write_durably(path: Path, data: bytes, *, mode: int = 0o600, exclusive: bool = False) -> None:
    """Write through a temporary file beside `path`: fsync, rename, fsync of the directory.

    `exclusive` refuses to replace (FileExistsError); a crash leaves the old file or the new one. A device
    or pipe is never replaced: root would put a file in place of /dev/null.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileExistsError(errno.EEXIST, "this is no ordinary file", str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with disk.writer(temporary, mode=mode) as handle:
            handle.write(data)
            handle.flush()
            disk.sync(handle.fileno())
        if exclusive:
            name_new(temporary, path)
        else:
            disk.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(temporary)
        raise
    disk.sync_folder(path.parent)


def name_new(temporary: Path, path: Path) -> None:
    """Give a finished, synced file a name that is free, without replacing. Raises FileExistsError.

    A hard link refuses an existing name in one step; where the filesystem knows no links (exFAT,
    some network shares) a look and a rename must do. The folder is the caller's to sync.
    """
    if WINDOWS:
        disk.rename(temporary, path)  # refuses an existing target on Windows
        return
    try:
        disk.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as failure:
        if failure.errno in _NO_ROOM:
            raise
        if path.exists():
            raise FileExistsError(str(path)) from None
        disk.rename(temporary, path)
    else:
        disk.unlink(temporary)
