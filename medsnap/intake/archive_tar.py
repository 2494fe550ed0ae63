"""The members of a tar archive, header by header (POSIX.1-2001 ustar and pax, GNU long names)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.intake import archive_entry as say
from medsnap.intake.archive_entry import ArchiveLimits, Refused, shown
from medsnap.intake.archive_names import safe
from medsnap.intake.archive_zip import Listed
from medsnap.model.photo import ArchiveKind, Member

BLOCK = 512
_MAX_EXTENSION = 1 << 20  # bytes of a pax header or a long name
_REGULAR, _LINKS, _SPECIAL = b"0\x007", b"12", b"346"
_HEADER = "a header of the archive is damaged"


@dataclass(slots=True)
class _Extended:
    """What extension headers say of the member that follows."""

    path: str | None = None
    size: int | None = None
    mtime_ns: int | None = None
    sparse: bool = False


@dataclass(slots=True)
class Walker:
    """Walks a tar from its beginning; between two members the caller may read, but not beyond the member."""

    stream: BinaryIO
    kind: ArchiveKind
    archive_size: int
    limits: ArchiveLimits
    at: int = 0  # of the next header
    _extended: _Extended = field(default_factory=_Extended)

    def members(self) -> Iterator[Listed | Refused]:
        """Yield each member, while the stream stands at its first byte.

        Raises Malformed, TooLarge, Unsupported; IoFailed of a compressed stream.
        """
        for _ in range(8 * self.limits.entries):
            self.stream.seek(self.at)
            head = self.stream.read(BLOCK)
            if not head.strip(b"\x00"):
                return  # the two empty blocks of the end, or an archive cut between two members
            if len(head) != BLOCK or not _sound(head):
                raise Malformed(_HEADER, where=f"tar, byte {self.at}")
            found = self._one(head)
            if found is not None:
                yield found
        raise TooLarge(f"the archive has more than {self.limits.entries} entries")

    def _one(self, head: bytes) -> Listed | Refused | None:
        type_, size = head[156:157], _number(head[124:136])
        if size is None:
            raise Malformed(_HEADER, where=f"tar, byte {self.at}")
        if type_ in b"xgLK":
            self._extension(type_, size)
            return None
        more, self._extended = self._extended, _Extended()
        start = self.at + BLOCK
        size = size if more.size is None else more.size
        self.at = start + (
            0 if type_ in _LINKS or type_ in _SPECIAL or type_ == b"5" else -(-size // BLOCK) * BLOCK
        )
        name = more.path if more.path is not None else _name(head)
        if type_ == b"5" or (type_ in _REGULAR and name.endswith("/")):
            return None
        path = safe(name)
        reason = self._refusal(type_, path, size, more)
        if reason or path is None:
            return Refused(path=shown(name), reason=reason)
        mtime = more.mtime_ns if more.mtime_ns is not None else (_number(head[136:148]) or 0) * 10**9
        member = Member(
            kind=self.kind, offset=start, packed=size, size=size, archive_size=self.archive_size
        )  # fmt: skip
        return Listed(path=path, member=member, mtime_ns=mtime)

    def _refusal(self, type_: bytes, path: str | None, size: int, more: _Extended) -> str:
        if type_ in _LINKS:
            return say.LINK
        if type_ in _SPECIAL:
            return say.SPECIAL
        if type_ == b"S" or more.sparse:
            return say.SPARSE
        if type_ not in _REGULAR:
            return say.UNKNOWN
        if path is None:
            return say.UNSAFE
        return say.TOO_LARGE if size > self.limits.file_bytes else ""

    def _extension(self, type_: bytes, size: int) -> None:
        """Read a pax header or a GNU long name (pax, extended header; GNU tar, 'L')."""
        where = f"tar, byte {self.at}"
        if size > _MAX_EXTENSION:
            raise TooLarge("an extension header of the archive is too large", where=where)
        content = self.stream.read(size)
        if len(content) != size:
            raise Malformed("the archive is cut short", where=where)
        self.at += BLOCK + -(-size // BLOCK) * BLOCK
        if type_ == b"L":
            self._extended.path = content.split(b"\x00", 1)[0].decode("utf-8", "backslashreplace")
        elif type_ == b"x":
            self._pax(content, where)
        elif type_ == b"g" and any(
            key in ("path", "size", "linkpath") for key, _ in _records(content, where)
        ):
            raise Unsupported("the archive renames all its members", where=where, hint="unpack it first")

    def _pax(self, content: bytes, where: str) -> None:
        for key, value in _records(content, where):
            if key == "path":
                self._extended.path = value.decode("utf-8", "backslashreplace")
            elif key == "size":
                if not value.isdigit() or len(value) > 18:
                    raise Malformed(_HEADER, where=where)
                self._extended.size = int(value)
            elif key == "mtime":
                self._extended.mtime_ns = _seconds(value)
            elif key.startswith("GNU.sparse"):
                self._extended.sparse = True


def _records(content: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """Split pax records: length, space, key, '=', value, line feed."""
    reader = io.BytesIO(content)
    while (at := reader.tell()) < len(content):
        digits = content[at : at + 8].split(b" ", 1)[0]
        length = int(digits) if digits.isdigit() else 0
        record = reader.read(length)
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if length < 5 or len(record) != length or record[-1:] != b"\n" or not equals:
            raise Malformed(_HEADER, where=where)
        yield key.decode("utf-8", "replace"), value


def _seconds(value: bytes) -> int | None:
    whole = value.partition(b".")[0]
    return int(whole) * 10**9 if whole.lstrip(b"-").isdigit() and len(whole) <= 12 else None


def _sound(head: bytes) -> bool:
    """Compare the header's sum, its own field counted as spaces; old writers summed signed bytes."""
    wanted = _number(head[148:156])
    rest = head[:148] + b" " * 8 + head[156:]
    return wanted in (sum(rest), sum(b - 256 if b > 127 else b for b in rest))


def _number(digits: bytes) -> int | None:
    """Read an octal number, or one of base 256 (GNU)."""
    if digits[:1] == b"\x80":
        value = int.from_bytes(digits[1:], "big")
        return value if value < 1 << 62 else None
    text = digits.strip(b" \x00")
    if not text:
        return 0
    return int(text, 8) if all(b in b"01234567" for b in text) else None


def _name(head: bytes) -> str:
    raw = head[:100].split(b"\x00", 1)[0]
    if head[257:263] == b"ustar\x00":
        raw = b"/".join(filter(None, (head[345:500].split(b"\x00", 1)[0], raw)))
    return raw.decode("utf-8", "backslashreplace")
