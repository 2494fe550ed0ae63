"""The directory of a ZIP archive, read by hand (APPNOTE 6.3.10): nothing is unpacked here.

The directory at the end and the header in front of each member must tell the same, and no two members
may share bytes: bombs are made of overlaps, and smuggling of readers that believe different headers.
"""

from __future__ import annotations

import calendar
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.intake import archive_entry as say
from medsnap.intake.archive_entry import ArchiveLimits, Refused, shown
from medsnap.intake.archive_names import safe
from medsnap.model.photo import ArchiveKind, Member

_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_MAX_DIRECTORY = 256 << 20  # bytes
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_UTF8 = 0x0800
_STORED, _DEFLATED = 0, 8
_UNIX = frozenset({3, 19})  # systems whose external attributes hold a file mode
_MODE_REGULAR, _MODE_FOLDER, _MODE_LINK = 0o100000, 0o040000, 0o120000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One member as the directory tells it."""

    path: str
    member: Member
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row of the directory."""

    raw: bytes
    name: str
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    header: int  # where the member's own header lies
    mode: int
    mtime_ns: int


def members(file: BinaryIO, size: int, limits: ArchiveLimits) -> Iterator[Listed | Refused]:
    """List the members in the order of their bytes. Raises Malformed, Unsupported, TooLarge."""
    start, length, count = _directory(file, size)
    if count > limits.entries:
        raise TooLarge(f"the archive has more than {limits.entries} entries")
    file.seek(start)
    table = file.read(length)
    rows = sorted(_rows(table, count), key=lambda row: row.header)
    checked = [(row, _place(file, row, start, limits)) for row in rows if not _folder(row)]
    shared = _overlapping(checked)
    for number, (row, place) in enumerate(checked):
        if number in shared and not isinstance(place, Refused):
            yield Refused(path=shown(row.name), reason=say.OVERLAP)
        elif isinstance(place, Refused):
            yield place
        else:
            yield replace(place, member=replace(place.member, archive_size=size))


def _directory(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Find the directory: start, length in bytes, count of rows (4.3.16, 4.3.14)."""
    back = min(size, 22 + 0xFFFF)
    file.seek(size - back)
    tail = file.read(back)
    at = len(tail)
    while (at := tail.rfind(_END, 0, at + 3 if at < len(tail) else at)) >= 0:
        if at + 22 <= len(tail) and at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
            break
    if at < 0:
        raise Malformed("the archive has no directory at its end; it may be cut short")
    disk, first, here, count, length, start = struct.unpack_from("<HHHHII", tail, at + 4)
    end = size - back + at
    if 0xFFFF in (count, here) or 0xFFFFFFFF in (length, start):
        disk, first, here, count, length, start, end = _zip64(file, end)
    if disk or first or here != count:
        raise Unsupported("the archive is one of several parts", hint="join and unpack it first")
    if start + length != end:
        raise Unsupported("the archive does not begin at the file's beginning", hint="unpack it first")
    if length > _MAX_DIRECTORY:
        raise TooLarge("the archive's directory is too large")
    return start, length, count


def _zip64(file: BinaryIO, end: int) -> tuple[int, int, int, int, int, int, int]:
    file.seek(max(0, end - 20))
    locator = file.read(20)
    if len(locator) != 20 or locator[:4] != _LOCATOR:
        raise Malformed("the archive's directory cannot be found")
    place = int.from_bytes(locator[8:16], "little")
    if place + 56 > end:
        raise Malformed("the archive's directory cannot be found")
    file.seek(place)
    record = file.read(56)
    if record[:4] != _END64:
        raise Malformed("the archive's directory cannot be found")
    disk, first, here, count, length, start = struct.unpack_from("<IIQQQQ", record, 16)
    return disk, first, here, count, length, start, place


def _rows(table: bytes, count: int) -> Iterator[_Row]:
    """Read the rows of the directory (4.3.12)."""
    at = 0
    for _ in range(count):
        if table[at : at + 4] != b"PK\x01\x02" or at + 46 > len(table):
            raise Malformed("the archive's directory is damaged", where=f"directory, byte {at}")
        (
            made,
            _,
            flags,
            method,
            clock,
            day,
            crc32,
            packed,
            size,
            named,
            extra,
            noted,
            _,
            _,
            outer,
            header,
        ) = struct.unpack_from("<HHHHHHIIIHHHHHII", table, at + 4)
        stop = at + 46 + named + extra + noted
        if stop > len(table):
            raise Malformed("the archive's directory is damaged", where=f"directory, byte {at}")
        raw = table[at + 46 : at + 46 + named]
        fields = _extra(table[at + 46 + named : at + 46 + named + extra])
        size, packed, header = _wide(fields.get(1, b""), size, packed, header)
        yield _Row(
            raw=raw,
            name=_name(raw, flags, fields.get(0x7075, b"")),
            flags=flags,
            method=method,
            crc32=crc32,
            packed=packed,
            size=size,
            header=header,
            mode=outer >> 16 if made >> 8 in _UNIX else 0,
            mtime_ns=_time(fields.get(0x5455, b""), day, clock),
        )
        at = stop
    if at != len(table):
        raise Malformed("bytes follow the archive's directory", where=f"directory, byte {at}")


def _extra(data: bytes) -> dict[int, bytes]:
    """Split the extra fields; what does not fit is left out (4.5)."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        tag, length = struct.unpack_from("<HH", data, at)
        found.setdefault(tag, data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _wide(field: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Take what is too large for 32 bits from the zip64 field, in its order (4.5.3)."""
    values = [size, packed, header]
    at = 0
    for number, value in enumerate(values):
        if value == 0xFFFFFFFF:
            if at + 8 > len(field):
                raise Malformed("the archive's directory lacks a size")
            values[number] = int.from_bytes(field[at : at + 8], "little")
            at += 8
    return values[0], values[1], values[2]


def _name(raw: bytes, flags: int, unicode: bytes) -> str:
    if unicode[:1] == b"\x01" and int.from_bytes(unicode[1:5], "little") == zlib.crc32(raw):
        raw, flags = unicode[5:], _UTF8
    if flags & _UTF8:
        return raw.decode("utf-8", "backslashreplace")
    return raw.decode("cp437")


def _time(stamp: bytes, day: int, clock: int) -> int:
    """Return the time of change in nanoseconds: the Unix one where there is one, else the one of MS-DOS."""
    if len(stamp) >= 5 and stamp[0] & 1:
        return int.from_bytes(stamp[1:5], "little", signed=True) * 10**9
    parts = (1980 + (day >> 9), day >> 5 & 15, day & 31, clock >> 11, clock >> 5 & 63, (clock & 31) * 2)
    if not 1 <= parts[1] <= 12 or not 1 <= parts[2] <= 31:
        return 0
    return calendar.timegm((*parts, 0, 0, 0)) * 10**9


def _folder(row: _Row) -> bool:
    return row.name.endswith(("/", "\\")) and row.size == 0 and row.mode & 0o170000 in (0, _MODE_FOLDER)


def _place(file: BinaryIO, row: _Row, end: int, limits: ArchiveLimits) -> Listed | Refused:
    """Check one member against its own header (4.3.7) and the limits."""
    path = safe(row.name)
    reason = _refusal(row, path, limits)
    start = _data(file, row)
    if start is None or start + row.packed > end:
        reason = reason or say.DISAGREES
    if reason or path is None or start is None:
        return Refused(path=shown(row.name), reason=reason or say.UNSAFE)
    member = Member(
        kind=ArchiveKind.ZIP,
        offset=start,
        packed=row.packed,
        size=row.size,
        deflated=row.method == _DEFLATED,
        crc32=row.crc32,
        archive_size=0,
    )
    return Listed(path=path, member=member, mtime_ns=row.mtime_ns)


def _refusal(row: _Row, path: str | None, limits: ArchiveLimits) -> str:
    kind = row.mode & 0o170000
    if path is None:
        return say.UNSAFE
    if row.flags & _ENCRYPTED or row.method == 99:
        return say.ENCRYPTED
    if kind == _MODE_LINK:
        return say.LINK
    if kind not in (0, _MODE_REGULAR):
        return say.SPECIAL
    if row.method not in (_STORED, _DEFLATED):
        return f"refused: packed by method {row.method}; unpack the archive first"
    if row.size > limits.file_bytes:
        return say.TOO_LARGE
    if row.size > limits.ratio * row.packed + 1024:
        return say.RATIO
    return say.DISAGREES if row.method == _STORED and row.size != row.packed else ""


def _data(file: BinaryIO, row: _Row) -> int | None:
    """Return where the member's bytes begin; None where its own header tells something else."""
    file.seek(row.header)
    head = file.read(30)
    if len(head) != 30 or head[:4] != b"PK\x03\x04":
        return None
    flags, method = struct.unpack_from("<HH", head, 6)
    named, extra = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
    if method != row.method or (flags ^ row.flags) & (_ENCRYPTED | _UTF8) or file.read(named) != row.raw:
        return None
    return row.header + 30 + named + extra


def _overlapping(checked: list[tuple[_Row, Listed | Refused]]) -> set[int]:
    """Number the members that share bytes with another one; they come in the order of their headers."""
    shared: set[int] = set()
    behind, owner = 0, -1
    for number, (row, place) in enumerate(checked):
        if row.header < behind:
            shared |= {number, owner}
        head = 30 + len(row.raw)
        stop = place.member.offset if isinstance(place, Listed) else row.header + head
        stop += row.packed
        if stop > behind:
            behind, owner = stop, number
    return shared
