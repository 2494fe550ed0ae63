"""An archive of a dump as if it were a folder: its photos with their companions, the rest with the reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medsnap.intake import archive, companions, names
from medsnap.intake.archive_entry import Entry, Refused
from medsnap.intake.companions import Found
from medsnap.intake.names import Reason
from medsnap.model.photo import ArchiveKind, Candidate, Companion, Kind, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A member that is left or refused. `error` is the id of an error, or nothing."""

    relative: str
    reason: str
    error: str = ""


def members(path: Path, kind: ArchiveKind, above: str, landing: str | None) -> Iterator[Candidate | Left]:
    """Yield what becomes of each member; `above` is the path of the archive below the dump's root.

    `landing` is the landing folder that it lies in; None: the first folder within. OSError passes.
    """
    folders: defaultdict[str, list[Found]] = defaultdict(list)
    with archive.opened_archive(path) as file:
        status = archive.status(file)
    for found in archive.entries(path, kind):
        if isinstance(found, Refused):
            where = _join(above, found.path).rstrip("/") or path.name
            yield Left(relative=where, reason=found.reason, error="input.refused")
            continue
        reason = _reason(found)
        if reason is not None:
            yield Left(relative=_join(above, found.path), reason=reason.value)
        else:
            folder, _, name = found.path.rpartition("/")
            source = archive.source_of(path, status, found, _join(above, found.path))
            folders[folder].append(file_of(name, source, found))
    for folder in sorted(folders):
        made = sorted(folders[folder], key=lambda f: f.name)
        yield from _grouped(made, landing or folder.partition("/")[0] or None)


def file_of(name: str, source: Source, entry: Entry) -> Found:
    """Make the file that companions are looked for among; it does not hold on to the entry's head."""
    return Found(
        name=name,
        source=source,
        media=entry.media,
        archive=names.is_archive(entry.head),
        takeout=b'"photoTakenTime"' in entry.head,
    )


def _join(above: str, path: str) -> str:
    return f"{above}/{path}" if above else path


def _reason(entry: Entry) -> Reason | None:
    """Say why a member is left by its names alone, as a file of a folder would be."""
    *folders, name = entry.path.split("/")
    for folder in folders:
        if (reason := names.folder_reason(folder)) is not None:
            return reason
    return names.file_reason(name) or (Reason.EMPTY if entry.member.size == 0 else None)


def _grouped(found: list[Found], landing: str | None) -> Iterator[Candidate | Left]:
    grouped = companions.group(found)
    sources = {f.name: f.source for f in found}
    for file in found:
        if file.name in grouped.taken:
            continue
        if file.kind is Kind.OTHER:
            orphan = file.name in grouped.orphans
            reason = Reason.ORPHAN if orphan else names.unknown_reason(file.name, archive=file.archive)
            yield Left(relative=file.source.relative.reveal(), reason=reason.value)
            continue
        beside = tuple(Companion(kind=k, source=sources[n]) for k, n in grouped.of.get(file.name, ()))
        yield Candidate(source=file.source, media=file.media, companions=beside, landing=landing)
