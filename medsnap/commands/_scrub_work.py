"""What a worker of `medsnap scrub` does with one file: read, scrub, prove, write under a free name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from medsnap.errors import CannotCreate, Exit, IoFailed, MedsnapError, TooLarge
from medsnap.model.photo import MediaType, Source
from medsnap.model.rewrite import Buffer, Keep, Rewrite
from medsnap.platform import WINDOWS, reuse_memory

if TYPE_CHECKING:
    from medsnap.scrub import Scrubbed, ScrubKeep, ScrubReport

MAX_FILE = 4 << 30  # bytes
MAX_MEMBER = 1 << 30  # bytes of an archive's member, which is held in memory
_MAPPED = 64 << 20  # bytes: larger files are mapped instead of read
_NO_ROOM = frozenset({errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)})
_FIXED_DAY = 946_684_800 * 10**9  # 2000-01-01T00:00:00Z in nanoseconds

SUFFIX: dict[MediaType, str] = {
    MediaType.JPEG: ".jpg",
    MediaType.PNG: ".png",
    MediaType.WEBP: ".webp",
    MediaType.HEIC: ".heic",
    MediaType.HEIF: ".heif",
    MediaType.AVIF: ".avif",
    MediaType.HEIF_SEQUENCE: ".heics",
    MediaType.AVIF_SEQUENCE: ".avifs",
    MediaType.GIF: ".gif",
    MediaType.TIFF: ".tif",
    MediaType.DNG: ".dng",
    MediaType.MP4: ".mp4",
    MediaType.MOV: ".mov",
}


class Times(StrEnum):
    """The modification time of a copy."""

    NOW = "now"
    KEEP = "keep"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file: where it lies, and where below the output folder its copy goes."""

    source: Path
    target: Path  # relative; with ids the suffix is added when the type is known
    shown: str  # its path in the report
    token: str = ""  # names the temporary file, so that the parent can clean up after a killed worker
    skip: str = ""  # why it is left out
    held: str = ""  # why it is refused
    failed: str = ""  # why it could not be looked into
    companion_of: str = ""
    archived: Source | None = None  # the member of the archive at `source`


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What all files of a run share."""

    into: Path | None
    keep: ScrubKeep
    verify_pixels: bool = False
    ids: bool = False
    times: Times = Times.NOW
    coded_digest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one file. `stop` is an error that ends the run: message and place."""

    job: Job
    outcome: str  # done, skipped, held, failed
    reason: str = ""
    hint: str = ""
    exit: Exit = Exit.OK
    report: ScrubReport | None = None
    output: Path | None = None  # relative
    coded_sha256: str = ""
    stop: tuple[str, str] | None = field(default=None)


def worker(setup: Setup) -> Callable[[Job], Done]:
    """Make the function that a worker process runs for each file (see medsnap.workers)."""
    reuse_memory()
    return lambda job: one(job, setup)


def one(job: Job, setup: Setup) -> Done:
    """Scrub one file. What is not proven gets no copy."""
    if job.skip:
        return Done(job=job, outcome="skipped", reason=job.skip)
    if job.held:
        return Done(job=job, outcome="held", reason=job.held, exit=Exit.PARTIAL)
    if job.failed:
        return Done(job=job, outcome="failed", reason=job.failed, exit=Exit.PARTIAL)
    try:
        return _scrub(job, setup)
    except CannotCreate as problem:
        return Done(job=job, outcome="failed", stop=(problem.message, problem.where))
    except IoFailed as problem:
        return Done(job=job, outcome="failed", reason=problem.message, hint=problem.hint, exit=Exit.PARTIAL)
    except MedsnapError as problem:
        reason = problem.message + (f" ({problem.where})" if problem.where else "")
        return Done(job=job, outcome="held", reason=reason, hint=problem.hint, exit=problem.exit)
    except OSError as problem:
        reason = problem.strerror or "reading or writing failed"
        if setup.into is not None and _no_place(problem, setup.into):  # nor will there be for the next 10,000
            told, hint = (
                (f"the copies cannot be written: {reason}", str(setup.into)),
                "make room, or name another folder",
            )
            return Done(job=job, outcome="failed", stop=told, hint=hint, exit=Exit.IO)
        return Done(job=job, outcome="failed", reason=reason, exit=Exit.PARTIAL)


def _no_place(problem: OSError, into: Path) -> bool:
    """Say whether it is the output that takes no more, and not this one source."""
    if problem.errno in _NO_ROOM:
        return True
    of_output = isinstance(problem.filename, str) and Path(problem.filename).is_relative_to(into)
    return of_output and isinstance(problem, PermissionError)


def _scrub(job: Job, setup: Setup) -> Done:
    from medsnap.formats.sniff import sniff
    from medsnap.scrub import clean

    found = _read(job.source) if job.archived is None else _read_member(job.archived)
    if found is None:
        return Done(job=job, outcome="skipped", reason="no ordinary file")
    data, mtime = found
    media = sniff(data)
    if media is MediaType.UNKNOWN:
        return _unknown(job)
    scrubbed = clean(data, media, keep=setup.keep, verify_pixels=setup.verify_pixels)
    target = job.target.with_name(job.target.name + SUFFIX[media]) if setup.ids else job.target
    done = Done(job=job, outcome="done", report=scrubbed.report, output=target)
    if setup.coded_digest:
        done = replace(done, coded_sha256=coded_digest(scrubbed.rewrite, data))
    if setup.into is not None:
        stamp = {Times.NOW: None, Times.KEEP: mtime, Times.RESET: _FIXED_DAY}[setup.times]
        write(setup.into, target, job.token, lambda put: proven(scrubbed, data, put), mtime=stamp)
    return done


def _unknown(job: Job) -> Done:
    """Skip what nobody takes for a photo; hold what is named like one: no broken photo passes unseen."""
    from medsnap.intake import names

    name = PurePath(job.shown).name
    if names.unknown_reason(name, archive=False) is not names.Reason.NAMED_PHOTO or names.file_reason(name):
        return Done(job=job, outcome="skipped", reason="no photo, by its content")
    hint = "copy it again from the device, and look whether it opens there"
    return Done(job=job, outcome="held", reason=names.Reason.NAMED_PHOTO.value, hint=hint, exit=Exit.PARTIAL)


def proven(scrubbed: Scrubbed, data: Buffer, put: Callable[[Buffer], object]) -> None:
    """Write the copy. A mapped file can change under our hands: what is written must be what was proven."""
    from medsnap.scrub import apply

    if isinstance(data, bytes):
        apply(scrubbed.rewrite, data, put)
        return
    made = hashlib.sha256()

    def write_and_count(piece: Buffer) -> None:
        made.update(piece)
        put(piece)

    apply(scrubbed.rewrite, data, write_and_count)
    if made.hexdigest() != scrubbed.report.sha256_out:
        raise IoFailed("the file changed while it was read", hint="scrub it again when nobody writes to it")


def coded_digest(rewrite: Rewrite, data: Buffer) -> str:
    """Return the SHA-256 of all coded picture data, which source and copy share."""
    from medsnap.scrub.movie_memory import stretch

    made = hashlib.sha256()
    for step in rewrite.steps:
        if isinstance(step, Keep) and step.coded:
            for piece in stretch(data, step.start, step.stop):  # a clip has spans of gigabytes
                made.update(piece)
    return made.hexdigest()


def _read_member(source: Source) -> tuple[Buffer, int]:
    from medsnap.intake import archive

    if source.size > MAX_MEMBER:
        raise TooLarge(
            f"larger than {MAX_MEMBER >> 20} MiB in an archive",
            hint="unpack the archive, then scrub the folder",
        )
    with archive.opened_archive(source.path) as file:
        now = archive.status(file)
        if (now.st_dev, now.st_ino, now.st_size) != (
            source.device,
            source.inode,
            archive.size_on_disk(source),
        ):
            raise IoFailed("the archive changed while it was read", hint="run again when it is complete")
        return archive.reader(file, source).read(), source.mtime_ns


def _read(path: Path) -> tuple[Buffer, int] | None:
    """Read an ordinary file that is no link, even if one is slipped in just now; large ones are mapped."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    )
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > MAX_FILE:
            raise TooLarge(f"the file is larger than {MAX_FILE >> 20} MiB")
        if status.st_size > _MAPPED:
            # not closed by hand: views of it live as long as the file is worked on
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
            return memoryview(mapped), status.st_mtime_ns
        return handle.read(), status.st_mtime_ns


def write(
    into: Path,
    relative: Path,
    token: str,
    content: Callable[[Callable[[Buffer], object]], None],
    *,
    mtime: int | None,
) -> None:
    """Write through a temporary file beside the target; never through a link, never over a file."""
    folder = into
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in relative.parent.parts:
        folder = folder / part
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if folder.is_symlink() or not folder.is_dir():
            raise CannotCreate("a folder of the output is a link", where=str(folder))
    _place(folder / relative.name, temporary(folder, token), content, mtime)


def temporary(folder: Path, token: str) -> Path:
    """Name the temporary file of a job."""
    return folder / f".{token}.medsnap.tmp"


def _place(
    target: Path, beside: Path, content: Callable[[Callable[[Buffer], object]], None], mtime: int | None
) -> None:
    """Give the finished copy its name, which must be free.

    Nothing is forced to disk: the sources are untouched, so a crash costs only copies, and fsync
    for each would be most of the time of a run.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as handle:
            content(handle.write)
        if mtime is not None:
            os.utime(beside, ns=(mtime, mtime))
        name_new(beside, target)
    except FileExistsError as exists:
        raise CannotCreate("an output file exists already", where=str(target)) from exists
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def name_new(beside: Path, target: Path) -> None:
    """Give a file its final name; raises FileExistsError where that is taken."""
    if WINDOWS:
        beside.rename(target)  # refuses an existing target on Windows
        return
    try:
        target.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a memory stick with a file system that knows no hard links
        if target.exists() or target.is_symlink():
            raise FileExistsError(target) from None
        beside.rename(target)
