"""Streams over archives: a decompressed tar that only runs forward, and one member of an archive."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import threading
import zlib
from abc import abstractmethod
from collections.abc import Callable
from typing import BinaryIO, Protocol

from medsnap.errors import IoFailed
from medsnap.model.photo import ArchiveKind, Member, Source

PIECE = 64 << 10  # bytes read at a time
_XZ_MEMORY = 256 << 20  # bytes: the largest preset of xz needs 65 MiB
_SLACK = 64 << 20  # bytes that a short archive may unpack to, whatever the ratio


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Gzip:
    """zlib with the interface of bz2 and lzma: input that was not used yet stays inside."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_UNPACKERS: dict[ArchiveKind, Callable[[], _Unpacker]] = {
    ArchiveKind.TAR_GZ: _Gzip,
    ArchiveKind.TAR_BZ2: bz2.BZ2Decompressor,
    ArchiveKind.TAR_XZ: lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
}


class _Forward(io.RawIOBase):
    """A stream that is made piece by piece; a seek backward begins anew."""

    _made = 0  # bytes given so far

    @abstractmethod
    def _start(self) -> None:
        """Begin at the first byte."""

    @abstractmethod
    def _some(self, most: int) -> bytes:
        """Give up to `most` bytes, b"" at the end."""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought, at a price."""
        return True

    def tell(self) -> int:
        """Return the position, bytes."""
        return self._made

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position from the beginning; bytes in between are made and dropped."""
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("this stream is sought from its beginning only")
        if offset < self._made:
            self._start()
        while self._made < offset and self._some(min(PIECE, offset - self._made)):
            pass
        return self._made

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Fill the beginning of a buffer."""
        made = self._some(len(buffer))
        buffer[: len(made)] = made
        return len(made)


class Unpacked(_Forward):
    """The tar within a compressed tar."""

    def __init__(self, file: BinaryIO, kind: ArchiveKind, ratio: int) -> None:
        self._file, self._kind, self._ratio = file, kind, ratio
        self._start()

    def _start(self) -> None:
        self._file.seek(0)
        self._unpacker = _UNPACKERS[self._kind]()
        self._read = 0  # bytes of the archive
        self._made = 0
        self._end = False

    def _some(self, most: int) -> bytes:
        """Raise IoFailed where the data are broken or a bomb."""
        feed, made = b"", b""
        while most and not made and not self._end:
            if self._unpacker.eof:
                feed = self._next_stream()
            else:
                made = self._step(feed, most)
                feed = b"" if made or self._unpacker.eof else self._more()
        self._made += len(made)
        if self._made > self._ratio * self._read + _SLACK:
            raise IoFailed("the archive unpacks to far more than it is")
        return made

    def _more(self) -> bytes:
        piece = self._file.read(PIECE)
        self._read += len(piece)
        if not piece:
            raise IoFailed("the archive is cut short")
        return piece

    def _step(self, feed: bytes, most: int) -> bytes:
        try:
            return self._unpacker.decompress(feed, most)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, MemoryError) as broken:
            raise IoFailed("the archive is damaged") from broken

    def _next_stream(self) -> bytes:
        """Go on with the stream behind this one; zero bytes behind the last are padding."""
        rest = self._unpacker.unused_data
        while True:
            rest = rest.lstrip(b"\x00")
            if rest:
                self._unpacker = _UNPACKERS[self._kind]()
                return rest
            rest = self._file.read(PIECE)
            self._read += len(rest)
            if not rest:
                self._end = True
                return b""


class MemberStream(_Forward):
    """The bytes of one member. At its end they must be as many, and have the sum, that the archive says."""

    def __init__(self, file: BinaryIO, member: Member) -> None:
        self._file, self._member = file, member
        self._start()

    def _start(self) -> None:
        self._inflater = zlib.decompressobj(-15)
        self._fed = 0
        self._made = 0
        self._sum = 0

    def _some(self, most: int) -> bytes:
        member = self._member
        most = min(most, member.size - self._made)
        if most <= 0:
            return b""
        made = self._inflate(most) if member.deflated else self._packed(most)
        if not made:
            raise IoFailed("a file in the archive is cut short")
        self._made += len(made)
        self._sum = zlib.crc32(made, self._sum)
        if self._made == member.size:
            self._check()
        return made

    def _packed(self, most: int) -> bytes:
        """Read the next packed bytes; others may have moved the file's position in between."""
        member = self._member
        self._file.seek(member.offset + self._fed)
        piece = self._file.read(min(most, member.packed - self._fed))
        self._fed += len(piece)
        return piece

    def _inflate(self, most: int) -> bytes:
        made = b""
        try:
            while not made and not self._inflater.eof:
                feed = self._inflater.unconsumed_tail or self._packed(PIECE)
                made = self._inflater.decompress(feed, most)  # without input, what is still inside
                if not feed and not made:
                    return b""
        except zlib.error as broken:
            raise IoFailed("a file in the archive is damaged") from broken
        return made

    def _check(self) -> None:
        member = self._member
        if member.deflated:
            more = b"" if self._inflater.eof else self._inflate(1)
            if more or not self._inflater.eof or self._inflater.unused_data or self._fed != member.packed:
                raise IoFailed("a file in the archive is longer than the archive says")
        if member.crc32 is not None and self._sum != member.crc32:
            raise IoFailed("a file in the archive is damaged: its check sum is wrong")


_local = threading.local()  # one decompressed archive a thread: members are read in order, so it runs forward


def reader(file: BinaryIO, source: Source, *, ratio: int) -> BinaryIO:
    """Return the stream of a source's member; `file` is the opened archive."""
    member = source.member
    if member is None:
        return file
    if member.kind in _UNPACKERS:
        file = _shared(file, source, member.kind, ratio)
    return io.BufferedReader(MemberStream(file, member), PIECE)


def _shared(file: BinaryIO, source: Source, kind: ArchiveKind, ratio: int) -> BinaryIO:
    known = os.fstat(file.fileno())
    key = (source.path, source.device, source.inode, known.st_size, known.st_mtime_ns)
    if getattr(_local, "key", None) == key:
        kept: BinaryIO = _local.stream
        return kept
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    own = os.fdopen(os.open(source.path, flags), "rb")
    now = os.fstat(own.fileno())
    if (now.st_dev, now.st_ino) != (known.st_dev, known.st_ino):
        own.close()
        raise IoFailed("the archive changed while it was read", hint="run again when it is complete")
    stream: BinaryIO = io.BufferedReader(Unpacked(own, kind, ratio), PIECE)
    _local.stream, _local.key = stream, key
    return stream
