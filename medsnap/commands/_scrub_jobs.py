"""What `medsnap scrub` is to do: the files, their companions, and where each copy goes."""

from __future__ import annotations

import base64
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._scrub_work import Job
from medsnap.errors import CannotCreate, InputMissing, TooLarge
from medsnap.intake.archive_entry import Refused
from medsnap.model.photo import ArchiveKind, CompanionKind, Source
from medsnap.model.private import Private

if TYPE_CHECKING:
    from medsnap.intake.companions import Found

_MAX_LIST = 64 << 20  # bytes of paths on stdin
_HEAD = 4096  # bytes that tell a file's type
_LINK = "a link; links are not followed"
_COMPANIONS = (".aae", ".xmp", ".json", ".mov", ".mp4", ".qt")
DROPPED: dict[CompanionKind, str] = {
    CompanionKind.LIVE_CLIP: "dropped: the clip of a Live Photo",
    CompanionKind.AAE: "dropped: a list of edits (AAE)",
    CompanionKind.XMP: "dropped: a metadata sidecar (XMP)",
    CompanionKind.TAKEOUT_JSON: "dropped: a metadata sidecar (Google Takeout)",
}


class Companions(StrEnum):
    """What becomes of the clip of a Live Photo; sidecars are always dropped."""

    DROP = "drop"
    KEEP_CLIP = "keep-clip"


def sources_of(given: Sequence[Path], stdin: Callable[[int], bytes]) -> list[Path]:
    """Replace `-` by the paths on stdin, separated by NUL where there is one, else by line ends."""
    sources: list[Path] = []
    for path in given:
        if str(path) != "-":
            sources.append(path)
            continue
        text = stdin(_MAX_LIST + 1)
        if len(text) > _MAX_LIST:
            raise TooLarge(f"more than {_MAX_LIST >> 20} MiB of paths on stdin")
        parts = text.split(b"\x00") if b"\x00" in text else text.splitlines()
        sources.extend(Path(os.fsdecode(part)) for part in parts if part)
    if not sources:
        raise InputMissing("no file was named", hint="give files or folders, or paths on stdin with -")
    return sources


def listed(sources: Sequence[Path], companions: Companions) -> Iterator[Job]:
    """List the files, folders in the order of their names; links are listed, never followed."""
    for source in sources:
        if source.is_symlink():
            yield Job(source=source, target=Path(source.name), shown=str(source), skip=_LINK)
        elif source.is_dir():
            yield from _below(source, companions)
        elif source.exists():
            job = Job(source=source, target=Path(source.name), shown=str(source))
            yield from _unpacked(job, companions) or (job,)
        else:
            raise InputMissing("there is no such file or folder", where=str(source))


def _below(root: Path, companions: Companions) -> Iterator[Job]:
    closed: list[OSError] = []
    for folder, names, files in os.walk(root, onerror=closed.append):
        here = Path(folder)
        linked = [n for n in names if (here / n).is_symlink()]
        names[:] = sorted(n for n in names if n not in linked)
        dropped = _dropped(here, files, companions)
        for name in sorted([*files, *linked]):
            path = here / name
            job = Job(source=path, target=path.relative_to(root), shown=str(path))
            if path.is_symlink():
                job = replace(job, skip=_LINK)
            elif name in dropped:
                kind, owner = dropped[name]
                job = replace(job, skip=DROPPED[kind], companion_of=str(here / owner))
            yield from (None if job.skip else _unpacked(job, companions)) or (job,)
    for problem in closed:  # a card's lost+found must not cost the photos beside it
        path = Path(os.fsdecode(problem.filename))
        yield Job(
            source=path, target=path.relative_to(root), shown=str(path), failed="this folder cannot be read"
        )


def _dropped(
    folder: Path, names: Sequence[str], companions: Companions
) -> Mapping[str, tuple[CompanionKind, str]]:
    """Find the companions among the files of one folder, each with its photo.

    Files are only looked into where a name could be a companion's.
    """
    if not any(n.casefold().endswith(_COMPANIONS) for n in names):
        return {}
    from medsnap.intake import companions as grouping

    found = [f for f in (_found(folder / name) for name in sorted(names)) if f is not None]
    return dropped_of(grouping.group(found).of, companions)


def _unpacked(job: Job, companions: Companions) -> Iterator[Job] | None:
    """List the members of an archive; None for any other file."""
    from medsnap.intake import archive

    if not archive.named_like_one(job.source.name):
        return None
    try:
        with archive.opened_archive(job.source) as file:
            status = archive.status(file)
            kind = archive.kind_of(job.source.name, file.read(512)) if stat.S_ISREG(status.st_mode) else None
    except OSError:
        return None  # the worker will say what is wrong with it
    return _members(job, kind, status, companions) if kind is not None else None


def _members(job: Job, kind: ArchiveKind, status: os.stat_result, companions: Companions) -> Iterator[Job]:
    """List the members folder by folder; their copies lie in a folder named after the archive."""
    from medsnap.intake import archive, archive_walk, names
    from medsnap.intake import companions as grouping

    below = job.target.with_name(archive.stem_of(job.target.name))
    folders: defaultdict[str, list[Found]] = defaultdict(list)
    for entry in archive.entries(job.source, kind):
        shown = f"{job.shown}/{entry.path}" if entry.path else job.shown
        if isinstance(entry, Refused):
            yield replace(job, shown=shown, held=entry.reason)
            continue
        folder, _, name = entry.path.rpartition("/")
        source = archive.source_of(job.source, status, entry, entry.path)
        folders[folder].append(archive_walk.file_of(name, source, entry))
    for folder, files in sorted(folders.items()):
        dropped = dropped_of(grouping.group(files).of, companions)
        for file in sorted(files, key=lambda f: f.name):
            path = file.source.relative.reveal()
            made = replace(job, target=below / path, shown=f"{job.shown}/{path}", archived=file.source)
            if file.archive:
                made = replace(made, skip=names.Reason.ARCHIVE.value)
            elif file.name in dropped:
                what, owner = dropped[file.name]
                beside = "/".join(filter(None, (job.shown, folder, owner)))
                made = replace(made, skip=DROPPED[what], companion_of=beside)
            yield made


def dropped_of(
    groups: Mapping[str, tuple[tuple[CompanionKind, str], ...]], companions: Companions
) -> dict[str, tuple[CompanionKind, str]]:
    """Turn groups round: each companion that is dropped, with its kind and its photo."""
    wanted = set(DROPPED) - ({CompanionKind.LIVE_CLIP} if companions is Companions.KEEP_CLIP else set())
    return {name: (kind, owner) for owner, rows in groups.items() for kind, name in rows if kind in wanted}


def _found(path: Path) -> Found | None:
    from medsnap.formats.sniff import sniff
    from medsnap.intake.companions import Found

    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb", buffering=0) as handle:
            known = os.fstat(handle.fileno())
            head = handle.read(_HEAD) if stat.S_ISREG(known.st_mode) else b""
    except OSError:
        return None  # the worker will say what is wrong with it
    source = Source(
        path=path,
        relative=Private(path.name),
        size=known.st_size,
        mtime_ns=known.st_mtime_ns,
        device=known.st_dev,
        inode=known.st_ino,
    )
    return Found(name=path.name, source=source, media=sniff(head), takeout=b'"photoTakenTime"' in head)


def with_ids(jobs: Iterable[Job], random: Callable[[int], bytes]) -> Iterator[Job]:
    """Replace names and folders by random ids: both may name the patient."""
    for job in jobs:
        yield replace(job, target=Path(base64.b32encode(random(15)).decode("ascii").lower()))


def check_output(sources: Sequence[Path], jobs: Sequence[Job], into: Path) -> None:
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
    seen: dict[Path, str] = {}
    for job in jobs:
        if job.skip or job.held or job.failed:
            continue
        if job.target in seen:
            where = f"{seen[job.target]} and {job.shown}"
            raise CannotCreate(
                "two photos would get one name",
                where=where,
                hint="scrub them into two folders, or --names ids",
            )
        seen[job.target] = job.shown
        target = into / job.target
        if target.exists() or target.is_symlink():
            raise CannotCreate(
                "an output file exists already", where=str(target), hint="choose an empty folder"
            )
