"""Archives as folders of photos: what kind one is, its members by content, and the stream of one.

Nothing is written anywhere: members are read where they lie. Archives within archives are left.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from medsnap.errors import IoFailed, MedsnapError, TooLarge
from medsnap.formats.sniff import sniff
from medsnap.intake import archive_entry as say
from medsnap.intake import archive_stream, archive_tar, archive_zip
from medsnap.intake.archive_entry import ArchiveLimits, Entry, Found, Refused
from medsnap.intake.archive_names import Taken
from medsnap.intake.archive_zip import Listed
from medsnap.model.photo import ArchiveKind, MediaType, Source
from medsnap.model.private import Private

LIMITS = ArchiveLimits()
_SUFFIXES: tuple[tuple[str, ArchiveKind, bytes], ...] = (
    (".zip", ArchiveKind.ZIP, b"PK\x03\x04"),
    (".zip", ArchiveKind.ZIP, b"PK\x05\x06"),  # an empty one
    (".tar", ArchiveKind.TAR, b""),
    (".tar.gz", ArchiveKind.TAR_GZ, b"\x1f\x8b"),
    (".tgz", ArchiveKind.TAR_GZ, b"\x1f\x8b"),
    (".tar.bz2", ArchiveKind.TAR_BZ2, b"BZh"),
    (".tbz2", ArchiveKind.TAR_BZ2, b"BZh"),
    (".tar.xz", ArchiveKind.TAR_XZ, b"\xfd7zXZ\x00"),
    (".txz", ArchiveKind.TAR_XZ, b"\xfd7zXZ\x00"),
)


def kind_of(name: str, head: bytes) -> ArchiveKind | None:
    """Say which archive a file is, by name and content: a document that is a ZIP is none of ours."""
    folded = name.casefold()
    for suffix, kind, magic in _SUFFIXES:
        if folded.endswith(suffix) and head.startswith(magic):
            return kind if kind is not ArchiveKind.TAR or head[257:262] == b"ustar" else None
    return None


def named_like_one(name: str) -> bool:
    """Say whether a file is called like an archive that can be read."""
    return name.casefold().endswith(tuple(suffix for suffix, _, _ in _SUFFIXES))


def stem_of(name: str) -> str:
    """Return the name without the suffix of an archive."""
    folded = name.casefold()
    length = max((len(s) for s, _, _ in _SUFFIXES if folded.endswith(s)), default=0)
    return name[: len(name) - length] or name


def entries(path: Path, kind: ArchiveKind, limits: ArchiveLimits = LIMITS) -> Iterator[Found]:
    """Yield the members, each with its type by content, and those that are refused.

    An archive that breaks off yields what came before, and one Refused without a path. OSError passes.
    """
    with opened_archive(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            yield from _entries(file, size, kind, limits)
        except MedsnapError as problem:
            yield Refused(path="", reason=f"the archive cannot be read to its end: {problem.message}")


@contextmanager
def opened_archive(path: Path) -> Iterator[BinaryIO]:
    """Open the archive itself, never through a link."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        yield file


def status(file: BinaryIO) -> os.stat_result:
    """Return what the system says of the opened archive."""
    return os.fstat(file.fileno())


def _entries(file: BinaryIO, size: int, kind: ArchiveKind, limits: ArchiveLimits) -> Iterator[Found]:
    base, listed = _listed(file, size, kind, limits)
    taken, total = Taken(), 0
    for count, found in enumerate(listed):
        if count >= limits.entries:
            raise TooLarge(f"it has more than {limits.entries} files")
        if isinstance(found, Refused):
            yield found
            continue
        total += found.member.size
        if total > limits.total_bytes:
            raise TooLarge("it unpacks to more than the limit for one archive")
        if taken.take(found.path):
            yield _looked_at(base, found, limits)
        else:
            yield Refused(path=found.path, reason=say.TWICE)


def _listed(
    file: BinaryIO, size: int, kind: ArchiveKind, limits: ArchiveLimits
) -> tuple[BinaryIO, Iterator[Listed | Refused]]:
    """Return the stream that members lie in, and the members."""
    if kind is ArchiveKind.ZIP:
        return file, archive_zip.members(file, size, limits)
    base = file
    if kind is not ArchiveKind.TAR:
        base = io.BufferedReader(archive_stream.Unpacked(file, kind, limits.ratio), archive_stream.PIECE)
    return base, archive_tar.Walker(stream=base, kind=kind, archive_size=size, limits=limits).members()


def _looked_at(base: BinaryIO, found: Listed, limits: ArchiveLimits) -> Found:
    """Read the first bytes of a member, and tell its type."""
    stream = io.BufferedReader(archive_stream.MemberStream(base, found.member), archive_stream.PIECE)
    try:
        head = stream.read(limits.head)
        media = sniff(head)
        if media is MediaType.TIFF and len(head) < found.member.size <= limits.whole:
            media = sniff(head + stream.read())
    except IoFailed as broken:
        return Refused(path=found.path, reason=f"refused: {broken.message}")
    return Entry(path=found.path, member=found.member, mtime_ns=found.mtime_ns, media=media, head=head)


def source_of(path: Path, status: os.stat_result, entry: Entry, relative: str) -> Source:
    """Make the source of a member."""
    return Source(
        path=path,
        relative=Private(relative),
        size=entry.member.size,
        mtime_ns=entry.mtime_ns,
        device=status.st_dev,
        inode=status.st_ino,
        member=entry.member,
    )


def reader(file: BinaryIO, source: Source) -> BinaryIO:
    """Return the stream of a source's bytes; `file` is the opened file, or the archive it lies in.

    Reading raises IoFailed where the bytes are not those that the archive promises.
    """
    return archive_stream.reader(file, source, ratio=LIMITS.ratio)


def size_on_disk(source: Source) -> int:
    """Return the size that the file at the source's path must have, bytes."""
    return source.size if source.member is None else source.member.archive_size
