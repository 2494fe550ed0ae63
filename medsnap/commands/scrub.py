"""`medsnap scrub`: copies of photos without metadata, in another folder, each proven."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from medsnap.commands._scrub_jobs import Companions, check_output, listed, sources_of, with_ids
from medsnap.commands._scrub_page import Tally, record
from medsnap.commands._scrub_work import MAX_FILE, Done, Job, Setup, Times, temporary
from medsnap.commands._shared import Format, Io, Result, command, writable
from medsnap.errors import CannotCreate, Exit, IoFailed, UsageError
from medsnap.report import machine

if TYPE_CHECKING:
    from medsnap.scrub import ScrubKeep
    from medsnap.workers import Lost, Pool

_SECONDS = 600.0  # for one file; a 4-GB clip on a slow disk
_MEMORY = 12 << 30  # bytes of address space: a mapped clip counts


class Keep(StrEnum):
    """What may stay beside the picture, written anew."""

    CAPTURED_AT = "captured-at"
    CAPTURED_DAY = "captured-day"
    DEVICE = "device"


class Names(StrEnum):
    """How copies are called."""

    KEEP = "keep"
    IDS = "ids"


class Icc(StrEnum):
    """What stays of a colour profile."""

    KEEP = "keep"
    MINIMAL = "minimal"


class Sound(StrEnum):
    """Whether clips keep their sound."""

    KEEP = "keep"
    DROP = "drop"


@command(dry_run=True, output=False)
def scrub(
    io: Io,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC...", help="Photos, folders, archives (zip, tar); - reads paths from stdin."
        ),
    ],
    *,
    directory: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the scrubbed copies.")
    ] = None,
    keep: Annotated[
        list[Keep] | None, typer.Option("--keep", help="Write this anew into the copy; may be repeated.")
    ] = None,
    icc: Annotated[
        Icc, typer.Option("--icc", help="Keep the colour profile as it is, or without its free text.")
    ] = Icc.KEEP,
    sound: Annotated[Sound, typer.Option("--audio", help="The sound of clips.")] = Sound.KEEP,
    companions: Annotated[
        Companions, typer.Option("--companions", help="The clip of a Live Photo; sidecars never stay.")
    ] = Companions.DROP,
    names: Annotated[
        Names, typer.Option("--names", help="Keep names, or random ids with their map in the report.")
    ] = Names.KEEP,
    times: Annotated[Times, typer.Option("--times", help="Modification time of the copies.")] = Times.NOW,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, max=256, help="Worker processes; as many as cores.")
    ] = None,
    verify_pixels: Annotated[
        bool, typer.Option("--verify-pixels", help="Decode both files too, and compare every pixel.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Also write one NDJSON record a file (mode 0600)."),
    ] = None,
) -> Result:
    """Copy photos without their metadata; no pixel changes, the sources are not touched.

    What medsnap does not understand gets no copy and is listed as held (exit 3).

    Examples:

      medsnap scrub photos -o clean

      medsnap scrub IMG_0412.jpg --dry-run

      find . -name '*.heic' -print0 | medsnap scrub - -o clean --keep captured-day
    """
    if directory is None and not io.dry_run:
        raise UsageError("-o DIR is missing", hint="name a folder for the copies, or use --dry-run")
    if names is Names.IDS and report is None:
        raise UsageError(
            "--names ids needs --report FILE", hint="the report says which copy was made of which photo"
        )
    wanted = replace(_keep(keep or []), icc_text=icc is Icc.KEEP, audio=sound is Sound.KEEP)
    roots = sources_of(sources, sys.stdin.buffer.read)
    work = list(listed(roots, companions))
    if names is Names.IDS:
        work = list(with_ids(work, io.random))
    into = None if io.dry_run else directory
    if into is not None:
        check_output(roots, work, into)
    writable(report)
    setup = Setup(
        into=into,
        keep=wanted,
        verify_pixels=verify_pixels,
        ids=names is Names.IDS,
        times=times,
        coded_digest=report is not None,
    )
    tally, told = Tally(), report is not None or io.format is not Format.HUMAN
    count = max(1, min(jobs or _cores(), len(work)))
    with (
        _Report(report) as lines,
        _pool(setup, count) as pool,  # before the bar, which is a thread: see workers.Pool
        io.progress("Scrubbing", len(work)) as advance,
    ):
        for done in _run(io, work, setup, pool):
            tally.add(done)
            if told:
                made = record(done, into)
                io.record(made)
                lines.add(made)
            advance()
        summary = tally.summary(dry_run=io.dry_run)
        lines.add(summary)
    return Result(page=tally.page(into), data=summary, exit=tally.exit)


def _keep(given: Sequence[Keep]) -> ScrubKeep:
    from medsnap.scrub import ScrubKeep

    if Keep.CAPTURED_AT in given and Keep.CAPTURED_DAY in given:
        raise UsageError("--keep captured-at and --keep captured-day exclude each other", hint="give one")
    to: Literal["remove", "keep", "day"] = "remove"
    if Keep.CAPTURED_AT in given:
        to = "keep"
    elif Keep.CAPTURED_DAY in given:
        to = "day"
    return ScrubKeep(captured_at=to, device="keep" if Keep.DEVICE in given else "remove")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool(setup: Setup, jobs: int) -> Pool[Job, Done]:
    """Make the worker processes. They are copies of this one, which has no key and read no photo."""
    from medsnap.workers import Limits, Pool

    limits = Limits(seconds=_SECONDS, memory=_MEMORY, file=MAX_FILE + (64 << 20))
    where = "medsnap.commands._scrub_work:worker"
    return Pool(where, setup, jobs=jobs, limits=limits, copy=True, ahead=2)


def _run(io: Io, work: Sequence[Job], setup: Setup, pool: Pool[Job, Done]) -> Iterator[Done]:
    """Do the jobs in worker processes, in order. A worker that hangs or dies costs one file."""
    from medsnap.workers import Lost

    named = (replace(job, token=io.random(8).hex()) for job in work)
    begun: dict[str, Job] = {}

    def handed() -> Iterator[Job]:
        for job in named:
            begun[job.token] = job
            yield job

    try:
        for job, answer in pool.map(handed()):
            done = _lost(setup.into, job, answer) if isinstance(answer, Lost) else answer
            begun.pop(job.token)
            if done.stop is not None:
                kind = IoFailed if done.exit is Exit.IO else CannotCreate
                raise kind(done.stop[0], where=done.stop[1], hint=done.hint or "choose an empty folder")
            yield done
    finally:
        pool.close()
        for job in begun.values():  # an interrupt or an error: the workers are gone
            _sweep(setup.into, job)


def _lost(into: Path | None, job: Job, lost: Lost) -> Done:
    _sweep(into, job)
    return Done(job=job, outcome="held", reason=lost.reason, exit=Exit.PARTIAL)


def _sweep(into: Path | None, job: Job) -> None:
    """Remove the temporary file that a killed worker may have left."""
    if into is not None:
        with contextlib.suppress(OSError):
            temporary((into / job.target).parent, job.token).unlink()


class _Report:
    """The report file: a line is written as soon as its file is done, so a crash leaves the map so far."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> _Report:
        if self._path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            try:
                descriptor = os.open(self._path, flags, 0o600)
            except FileExistsError as exists:
                raise CannotCreate(
                    "the report exists already", where=str(self._path), hint="name another file"
                ) from exists
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        return self

    def add(self, data: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(machine.line(data))

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
