"""`medsnap scrub`: copies of photos without metadata, in another folder, each proven."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._shared import Io, Result, command
from medsnap.errors import CannotCreate, Exit, InputMissing, IoFailed, MedsnapError, UsageError, worst
from medsnap.model.carrier import Reveals
from medsnap.model.codec import to_json
from medsnap.model.photo import Kind
from medsnap.platform import WINDOWS, write_durably
from medsnap.report import machine
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.scrub import Scrubbed, ScrubReport

_MAX_FILE = 1 << 30  # bytes
_THREADS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One file: where it lies, and where below the output folder its copy goes."""

    source: Path
    target: Path  # relative
    link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What became of one file."""

    job: _Job
    outcome: str  # done, skipped, held, failed
    reason: str = ""
    hint: str = ""
    exit: Exit = Exit.OK
    report: ScrubReport | None = None


@command(dry_run=True, output=False)
def scrub(
    io: Io,
    sources: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Photos, or folders of photos.")],
    directory: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the scrubbed copies.")
    ] = None,
    verify_pixels: Annotated[
        bool, typer.Option("--verify-pixels", help="Decode both files too, and compare every pixel.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the full JSON report to FILE.")
    ] = None,
) -> Result:
    """Copy photos without their metadata; no pixel changes, the sources are not touched.

    What medsnap does not understand gets no copy and is listed as held (exit 3).

    Examples:

      medsnap scrub photos -o clean

      medsnap scrub IMG_0412.jpg --dry-run
    """
    if directory is None and not io.dry_run:
        raise UsageError("-o DIR is missing", hint="name a folder for the copies, or use --dry-run")
    jobs = list(_jobs(sources))
    into = None if io.dry_run else directory
    if into is not None:
        _check_output(sources, jobs, into)
    if report is not None and (report.exists() or report.is_symlink()):
        raise CannotCreate("the report exists already", where=str(report), hint="name another file")
    tally = _Tally()
    records: list[dict[str, Any]] = []
    work = partial(_one, into=into, verify_pixels=verify_pixels)
    with io.progress("Scrubbing", len(jobs)) as advance:
        for done in _in_order(work, jobs, threads=1 if verify_pixels else _THREADS):
            tally.add(done)
            record = _record(done, into)
            io.record(record)
            if report is not None:
                records.append(record)
            advance()
    summary = tally.summary(dry_run=io.dry_run)
    if report is not None:
        write_durably(report, machine.document({**summary, "records": records}).encode(), mode=0o600)
    return Result(page=tally.page(into), data=summary, exit=tally.exit)


def _in_order(work: Callable[[_Job], _Done], jobs: Sequence[_Job], *, threads: int) -> Iterator[_Done]:
    """Do the jobs in a few threads, in order; the first error stops what has not begun.

    Reading, hashing and writing run beside each other; decoders of pixels are not made for threads.
    """
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        yield from pool.map(work, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _jobs(sources: Sequence[Path]) -> Iterator[_Job]:
    """List the files, folders in the order of their names; links are listed, never followed."""
    for source in sources:
        if source.is_symlink():
            yield _Job(source=source, target=Path(source.name), link=True)
        elif source.is_dir():
            yield from _below(source)
        elif source.exists():
            yield _Job(source=source, target=Path(source.name))
        else:
            raise InputMissing("there is no such file or folder", where=str(source))


def _below(root: Path) -> Iterator[_Job]:
    for folder, names, files in os.walk(root, onerror=_unreadable):
        here = Path(folder)
        linked = [n for n in names if (here / n).is_symlink()]
        names[:] = sorted(n for n in names if n not in linked)
        for name in sorted([*files, *linked]):
            path = here / name
            yield _Job(source=path, target=path.relative_to(root), link=path.is_symlink())


def _unreadable(problem: OSError) -> None:
    raise IoFailed("a folder cannot be read", where=str(problem.filename)) from problem


def _check_output(sources: Sequence[Path], jobs: Sequence[_Job], into: Path) -> None:
    """Refuse, before anything is written, what could overwrite or mix: exit 73."""
    if into.is_symlink() or (into.exists() and not into.is_dir()):
        raise CannotCreate("the output is a link or no folder", where=str(into), hint="name a real folder")
    place = into.resolve()
    for source in sources:
        root = source.resolve()
        if place == root or (source.is_dir() and place.is_relative_to(root)):
            raise CannotCreate(
                "the output lies within a source",
                where=str(into),
                hint="choose a folder outside: medsnap never writes among the originals",
            )
    seen: dict[Path, Path] = {}
    for job in jobs:
        if job.link:
            continue
        if job.target in seen:
            where = f"{seen[job.target]} and {job.source}"
            raise CannotCreate(
                "two photos would get one name", where=where, hint="scrub them into two folders"
            )
        seen[job.target] = job.source
        target = into / job.target
        if target.exists() or target.is_symlink():
            raise CannotCreate(
                "an output file exists already", where=str(target), hint="choose an empty folder"
            )


def _one(job: _Job, *, into: Path | None, verify_pixels: bool) -> _Done:
    from medsnap.formats.sniff import sniff
    from medsnap.scrub import clean

    if job.link:
        return _Done(job=job, outcome="skipped", reason="a link; links are not followed")
    try:
        data = _read(job.source)
        if data is None:
            return _Done(job=job, outcome="skipped", reason="no ordinary file")
        media = sniff(data)
        if media.kind is Kind.OTHER:
            return _Done(job=job, outcome="skipped", reason="no photo, by its content")
        scrubbed = clean(data, media, verify_pixels=verify_pixels)
        if into is not None:
            _write(into, job.target, scrubbed, data)
    except CannotCreate:
        raise
    except MedsnapError as problem:
        reason = problem.message + (f" ({problem.where})" if problem.where else "")
        return _Done(job=job, outcome="held", reason=reason, hint=problem.hint, exit=problem.exit)
    except OSError as problem:
        reason = problem.strerror or "reading or writing failed"
        return _Done(job=job, outcome="failed", reason=reason, exit=Exit.PARTIAL)
    return _Done(job=job, outcome="done", report=scrubbed.report)


def _read(path: Path) -> bytes | None:
    """Read an ordinary file that is no link, even if one is slipped in just now."""
    from medsnap.errors import TooLarge

    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    )
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > _MAX_FILE:
            raise TooLarge(f"the file is larger than {_MAX_FILE >> 20} MiB")
        return handle.read()


def _write(into: Path, relative: Path, scrubbed: Scrubbed, data: bytes) -> None:
    """Write through a temporary file beside the target; never through a link, never over a file."""
    folder = into
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in relative.parent.parts:
        folder = folder / part
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if folder.is_symlink() or not folder.is_dir():
            raise CannotCreate("a folder of the output is a link", where=str(folder))
    _place(folder / relative.name, scrubbed, data)


def _place(target: Path, scrubbed: Scrubbed, data: bytes) -> None:
    """Give the finished copy its name, which must be free.

    Nothing is forced to disk: the sources are untouched, so a crash costs only copies, and fsync
    for each would be most of the time of a run.
    """
    from medsnap.scrub import apply

    temporary = target.with_name(f".{secrets.token_hex(8)}.medsnap.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as handle:
            apply(scrubbed.rewrite, data, handle.write)
        _name_new(temporary, target)
    except FileExistsError as exists:
        raise CannotCreate("an output file exists already", where=str(target)) from exists
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _name_new(temporary: Path, target: Path) -> None:
    if WINDOWS:
        temporary.rename(target)  # refuses an existing target on Windows
        return
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a memory stick with a file system that knows no hard links
        if target.exists() or target.is_symlink():
            raise FileExistsError(target) from None
        temporary.rename(target)


def _record(done: _Done, into: Path | None) -> dict[str, Any]:
    """One record per input: what an outside checker reads."""
    record: dict[str, Any] = {"path": str(done.job.source), "outcome": done.outcome}
    report = done.report
    record["removed"] = to_json(report.removed) if report else []
    record["kept"] = to_json(report.kept) if report else []
    record["sha256_in"] = report.sha256_in if report else None
    record["sha256_out"] = report.sha256_out if report else None
    record["pixels_equal"] = report.pixels_equal if report else None
    if report is not None:
        record["media"] = report.media.value
        record["orientation"] = report.orientation
        record["proof"] = report.proof
        record["output"] = str(into / done.job.target) if into is not None else None
    if done.reason:
        record["reason"] = done.reason
    if done.hint:
        record["hint"] = done.hint
    return record


@dataclass(slots=True)
class _Tally:
    """Counts of a run; only files that got no copy are remembered, so that a large dump stays flat."""

    outcomes: Counter[str] = field(default_factory=Counter)
    removed: Counter[Reveals] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    stuck: list[_Done] = field(default_factory=list)
    exit: Exit = Exit.OK

    def add(self, done: _Done) -> None:
        from medsnap.scrub.report import revealed

        self.outcomes[done.outcome] += 1
        self.exit = worst(self.exit, done.exit)
        if done.report is not None:
            self.removed.update(revealed(done.report.carriers))
        elif done.outcome == "skipped":
            self.skipped[done.reason] += 1
        else:
            self.stuck.append(done)

    def summary(self, *, dry_run: bool) -> dict[str, Any]:
        counts = {name: self.outcomes[name] for name in ("done", "skipped", "held", "failed")}
        removed = {what.value: self.removed[what] for what in Reveals if self.removed[what]}
        return {"type": "summary", "dry_run": dry_run, **counts, "removed": removed}

    def page(self, into: Path | None) -> tuple[Block, ...]:
        clean, total = self.outcomes["done"], self.outcomes.total()
        where = f" into {into}" if into is not None else " (dry run: nothing was written)"
        page: list[Block] = [
            Line(f"{clean} of {total} files scrubbed{where}.", Tone.GOOD if clean else Tone.WARN)
        ]
        rows = tuple((what.value, str(self.removed[what])) for what in Reveals if self.removed[what])
        nothing = "there was nothing to remove"
        page.append(Table(columns=("removed", "photos"), rows=rows, right=("photos",), empty=nothing))
        if self.stuck:
            held = tuple(
                (str(d.job.source), d.outcome, "; ".join(filter(None, (d.reason, d.hint))))
                for d in self.stuck
            )
            page.append(Table(columns=("no copy of", "outcome", "why"), rows=held, wide="why"))
        skipped = sorted(self.skipped.items())
        page.extend(Line(f"skipped: {count} ({reason})", Tone.QUIET) for reason, count in skipped)
        return tuple(page)
