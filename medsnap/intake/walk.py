"""Find the photos of a dump: by content, in one order, never through a link."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from medsnap.errors import InputMissing, TooLarge
from medsnap.formats import sniff
from medsnap.intake import archive, archive_walk, companions, names
from medsnap.intake.companions import Found
from medsnap.intake.limits import Limits
from medsnap.intake.names import Reason
from medsnap.model.photo import ArchiveKind, Candidate, Companion, Kind, MediaType, Source
from medsnap.model.private import Private

_HEAD = 64 << 10  # bytes read of each file; a TIFF's directory may lie further back


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that is left where it is. `error` names the error where it should have been read."""

    source: Private[str]
    reason: str
    error: str = ""  # "" or the id of an error: "io.unreadable", "input.too-large"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    path: Path
    nested: bool  # a folder: names below it are relative to it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    path: Path
    parts: tuple[str, ...]  # below the root
    why_not: Reason | None  # all below is left for this reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    path: Path
    parts: tuple[str, ...]  # below the root; () for an archive that was named itself
    kind: ArchiveKind


def walk(paths: Sequence[Path], limits: Limits) -> Iterator[Candidate | SkippedFile]:
    """Yield every photo and clip with its companions, and every file that is left with the reason.

    The order is that of the relative paths' bytes, root by root. Raises InputMissing before the
    first file where a path does not exist, TooLarge where the dump has more entries than the limit.
    """
    roots = [_root(path) for path in paths]
    return _Walk(limits).run(roots)


def _root(path: Path) -> _Root:
    try:
        found = path.lstat()
    except OSError as error:
        hint = "check the path; a phone that is locked shows an empty or missing folder"
        raise InputMissing("there is no such file or folder", where=str(path), hint=hint) from error
    # The root itself stays as it is named: if it is a link, it is left like any other.
    whole = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    return _Root(path=whole, nested=stat.S_ISDIR(found.st_mode))


_Item: TypeAlias = Candidate | SkippedFile | _Packed


class _Walk:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.entries = 0
        self.seen: set[Path] = set()  # when several roots may overlap

    def run(self, roots: Sequence[_Root]) -> Iterator[Candidate | SkippedFile]:
        several = len(roots) > 1
        for root in roots:
            if root.nested:
                found = self._tree(root.path)
            else:
                found = self._files(root.path.parent, (), [root.path.name], None)
            for item, path in found:
                if several and path in self.seen:
                    continue
                if several:
                    self.seen.add(path)
                if isinstance(item, _Packed):
                    yield from self._unpack(item, nested=root.nested)
                else:
                    yield item

    def _unpack(self, packed: _Packed, *, nested: bool) -> Iterator[Candidate | SkippedFile]:
        """Yield the members of an archive, which counts as a folder."""
        parts = packed.parts if nested else ()
        landing = (_text(parts[0]) if len(parts) > 1 else archive.stem_of(_text(parts[0]))) if parts else None
        try:
            for found in archive_walk.members(packed.path, packed.kind, "/".join(map(_text, parts)), landing):
                self._count()
                if isinstance(found, Candidate):
                    yield found
                else:
                    yield SkippedFile(source=Private(found.relative), reason=found.reason, error=found.error)
        except OSError:
            yield _skip(packed.parts, Reason.UNREADABLE, "io.unreadable")

    def _count(self) -> None:
        self.entries += 1
        if self.entries > self.limits.entries:
            hint = "take the dump in by parts"
            raise TooLarge(f"the dump has more than {self.limits.entries} files", hint=hint)

    def _tree(self, root: Path) -> Iterator[tuple[_Item, Path]]:
        work: list[Iterator[_Folder | tuple[_Item, Path]]] = [
            self._folder(_Folder(path=root, parts=(), why_not=None))
        ]
        while work:
            item = next(work[-1], None)
            if item is None:
                work.pop()
            elif isinstance(item, _Folder):
                work.append(self._folder(item))
            else:
                yield item

    def _folder(self, folder: _Folder) -> Iterator[_Folder | tuple[_Item, Path]]:
        """Yield files and folders in the order of their paths' bytes ('a.b' before 'a/b')."""
        if len(folder.parts) > self.limits.depth:
            yield _skip(folder.parts, Reason.TOO_DEEP, "input.too-large"), folder.path
            return
        try:
            with os.scandir(folder.path) as listing:
                entries = list(listing)
        except OSError:
            yield _skip(folder.parts or (folder.path.name,), Reason.UNREADABLE, "io.unreadable"), folder.path
            return
        folders = {e.name for e in entries if e.is_dir(follow_symlinks=False)}
        files = [e.name for e in entries if e.name not in folders]
        made = self._files(folder.path, folder.parts, files, folder.why_not)
        items = {path.name: (item, path) for item, path in made}
        for name in sorted(items.keys() | folders, key=lambda n: os.fsencode(n) + b"/" * (n in folders)):
            if name in folders:
                why_not = folder.why_not or names.folder_reason(name)
                yield _Folder(path=folder.path / name, parts=(*folder.parts, name), why_not=why_not)
            else:
                yield items[name]

    def _files(
        self, folder: Path, parts: tuple[str, ...], listed: Sequence[str], why_not: Reason | None
    ) -> Iterator[tuple[_Item, Path]]:
        """Yield what becomes of the files of one folder."""
        found: list[Found] = []
        for name in sorted(listed, key=os.fsencode):
            self._count()
            item = _look(folder / name, (*parts, name), why_not, self.limits)
            if isinstance(item, Found):
                found.append(item)
            else:
                yield item, folder / name
        grouped = companions.group(found)
        sources = {f.name: f.source for f in found}
        for file in found:
            if file.name in grouped.taken:
                continue
            path = folder / file.name
            if file.packed is not None and file.kind is Kind.OTHER:
                yield _Packed(path=path, parts=(*parts, file.name), kind=file.packed), path
                continue
            if file.kind is Kind.OTHER:
                orphan = file.name in grouped.orphans
                reason = Reason.ORPHAN if orphan else names.unknown_reason(file.name, archive=file.archive)
                yield _skip((*parts, file.name), reason), path
                continue
            beside = tuple(
                Companion(kind=kind, source=sources[name]) for kind, name in grouped.of.get(file.name, ())
            )
            landing = _text(parts[0]) if parts else None
            yield Candidate(source=file.source, media=file.media, companions=beside, landing=landing), path


def _look(path: Path, parts: tuple[str, ...], why_not: Reason | None, limits: Limits) -> Found | SkippedFile:
    try:
        before = path.lstat()
    except OSError:
        return _skip(parts, Reason.UNREADABLE, "io.unreadable")
    reason = why_not or names.file_reason(path.name)
    if stat.S_ISLNK(before.st_mode):
        return _skip(parts, Reason.LINK)
    if not stat.S_ISREG(before.st_mode):
        return _skip(parts, Reason.SPECIAL)
    if reason or before.st_size == 0:
        return _skip(parts, reason or Reason.EMPTY)
    if before.st_size > limits.file_bytes:
        return _skip(parts, Reason.TOO_LARGE, "input.too-large")
    try:
        media, head, known = _sniff(path)
    except OSError:
        return _skip(parts, Reason.UNREADABLE, "io.unreadable")
    if (known.st_dev, known.st_ino) != (before.st_dev, before.st_ino):
        return _skip(parts, Reason.UNREADABLE, "io.unreadable")  # exchanged between the two looks
    source = Source(
        path=path,
        relative=Private("/".join(_text(p) for p in parts)),
        size=known.st_size,
        mtime_ns=known.st_mtime_ns,
        device=known.st_dev,
        inode=known.st_ino,
    )
    return Found(
        name=path.name,
        source=source,
        media=media,
        archive=names.is_archive(head),
        packed=archive.kind_of(path.name, head),
        takeout=b'"photoTakenTime"' in head,
    )


def _sniff(path: Path) -> tuple[MediaType, bytes, os.stat_result]:
    # NOFOLLOW: a link laid here after lstat is refused. NONBLOCK: a pipe laid here does not hang us.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        known = os.fstat(file.fileno())
        head = file.read(_HEAD)
        media = sniff.sniff(head)
        if media is MediaType.TIFF and known.st_size > len(head):
            media = sniff.sniff(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        return media, head, known


def _skip(parts: tuple[str, ...], reason: Reason, error: str = "") -> SkippedFile:
    return SkippedFile(source=Private("/".join(_text(p) for p in parts)), reason=reason.value, error=error)


def _text(name: str) -> str:
    """A name that is no UTF-8 must still fit into JSON: its odd bytes become \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
