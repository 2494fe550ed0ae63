"""Archives that are damaged in one place, each told by its own words: not for another's reason."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.intake import archive
from medsnap.intake import archive_entry as say
from medsnap.intake.archive_entry import ArchiveLimits, Refused
from medsnap.model.photo import ArchiveKind
from tests.builders import archive as a
from tests.builders import jpeg as j
from tests.builders.archive import Part, zipped

PHOTO = j.base()
GOOD = Part(name=b"good.jpg", content=PHOTO)


def told(tmp_path: Path, data: bytes, kind: ArchiveKind = ArchiveKind.ZIP) -> tuple[list[str], list[str]]:
    """Give the names that are taken, and why the rest is not."""
    path = tmp_path / "archive"
    path.write_bytes(data)
    found = list(archive.entries(path, kind, ArchiveLimits()))
    refused = [f.reason for f in found if isinstance(f, Refused)]
    return [f.path for f in found if not isinstance(f, Refused)], refused


# ── ZIP ──────────────────────────────────────────────────────────────────────────────────────


RECORD, LOCATOR, OTHER = b"PK\x06\x06", b"PK\x06\x07", b"PK\x06\x09"


def zip64(data: bytes, *, record: bytes = RECORD, locator: bytes = LOCATOR, at: int = 0) -> bytes:
    """Write a small ZIP's end as a large one's (4.3.14 to 4.3.16); `at` moves what the locator aims at."""
    end = data[-22:]
    disk, first, here, count, length, start = struct.unpack_from("<HHHHII", end, 4)
    wide = record + struct.pack("<QHHIIQQQQ", 44, 45, 45, disk, first, here, count, length, start)
    find = locator + struct.pack("<IQI", 0, len(data) - 22 + at, 1)
    small = end[:4] + struct.pack("<HHHHII", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) + end[20:]
    return data[:-22] + wide + find + small


def test_a_large_archive_s_end_is_read(tmp_path: Path) -> None:
    assert told(tmp_path, zip64(zipped(GOOD))) == (["good.jpg"], [])


def _row(data: bytes, at: int, new: bytes) -> bytes:
    """Change bytes of the first row of the directory."""
    start = data.index(b"PK\x01\x02") + at
    return data[:start] + new + data[start + len(new) :]


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no locator": (lambda: zip64(zipped(GOOD), locator=OTHER), "directory cannot be found"),
    "no record": (lambda: zip64(zipped(GOOD), record=OTHER), "directory cannot be found"),
    "a locator that aims behind": (lambda: zip64(zipped(GOOD), at=1 << 20), "directory cannot be found"),
    "an end alone": (lambda: zip64(zipped())[-22:], "directory cannot be found"),
    "one of several parts": (lambda: zipped(GOOD)[:-18] + b"\1" + zipped(GOOD)[-17:], "several parts"),
    "something before it": (lambda: b"MZ" + zipped(GOOD), "does not begin at the file's beginning"),
    "a row of another kind": (lambda: _row(zipped(GOOD, GOOD), 46 + 8, b"PK\3\4"), "directory is damaged"),
    "a name longer than the directory": (lambda: _row(zipped(GOOD), 28, b"\xff\xff"), "directory is damaged"),
    "a note that is not there": (lambda: _row(zipped(GOOD), 32, b"\x09\0"), "directory is damaged"),
    "a size that stands nowhere": (lambda: _row(zipped(GOOD), 24, b"\xff" * 4), "lacks a size"),
    "a row less than it has": (lambda: _less(zipped(GOOD, Part(content=PHOTO))), "bytes follow"),
}


def _less(data: bytes) -> bytes:
    return data[:-14] + b"\1\0\1\0" + data[-10:]


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_directory_is_told_for_what_it_is(what: str, tmp_path: Path) -> None:
    make, words = DAMAGED[what]
    taken, [reason] = told(tmp_path, make())
    assert taken == []
    assert words in reason


def test_a_name_in_unicode_beside_the_old_one_counts_and_one_for_another_does_not(tmp_path: Path) -> None:
    import zlib

    for old, names in ((b"good.jpg", ["sch\u00f6n.jpg"]), (b"other.jpg", ["good.jpg"])):
        field = b"\x01" + zlib.crc32(old).to_bytes(4, "little") + "sch\u00f6n.jpg".encode()
        extra = struct.pack("<HH", 0x7075, len(field)) + field
        data = zipped(GOOD)
        row = data.index(b"PK\x01\x02")
        table = data[row : row + 30] + struct.pack("<H", len(extra)) + data[row + 32 : -22] + extra
        end = data[-22:-10] + struct.pack("<II", len(table), row) + data[-2:]
        assert told(tmp_path, data[:row] + table + end) == (names, [])


# ── tar ──────────────────────────────────────────────────────────────────────────────────────


def summed(head: bytes) -> bytes:
    """Put the sum of a changed header right."""
    return head[:148] + b"%06o\x00 " % sum(head[:148] + b" " * 8 + head[156:]) + head[156:]


def _sized(field: bytes) -> bytes:
    head = a.header(b"x.jpg", 0)
    return summed(head[:124] + field + head[136:])


RENAMED = b"14 path=other\n"
BREAKS: dict[str, tuple[bytes, str]] = {
    "a size of other digits": (_sized(b"0000000009\x00 "), "header of the archive"),
    "a size beyond all files": (_sized(b"\x80" + b"\xff" * 11), "header of the archive"),
    "a sum that is wrong": (_sized(b"00000000010\x00")[:-1] + b"x", "header of the archive"),
    "a name for all that follow": (a.member(b"pax", RENAMED, b"g"), "renames all its members"),
    "a record without a value": (a.member(b"pax", b"8 path\n\n", b"x"), "header of the archive"),
    "a size that is no number": (a.pax(size=b"-1"), "header of the archive"),
    "an extension without an end": (a.header(b"pax", 3 << 10, b"x"), "cut short"),
    "an extension too large": (a.header(b"pax", 2 << 20, b"x"), "too large"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_damaged_header_is_told_for_what_it_is(what: str, tmp_path: Path) -> None:
    part, words = BREAKS[what]
    taken, [reason] = told(tmp_path, a.member(b"good.jpg", PHOTO) + part, ArchiveKind.TAR)
    assert taken == ["good.jpg"]
    assert words in reason


def test_folders_are_no_photos_and_large_numbers_are_read(tmp_path: Path) -> None:
    size = len(PHOTO)
    wide = a.header(b"wide.jpg", 0)
    wide = summed(wide[:124] + b"\x80" + size.to_bytes(11, "big") + wide[136:]) + PHOTO + bytes(-size % 512)
    data = a.header(b"DCIM/", 0, b"5") + a.header(b"old/", 0, b"0") + wide
    data += a.member(b"pax", b"19 comment=nothing\n", b"g") + a.pax(mtime=b"1.5")
    data += a.member(b"t", PHOTO)
    assert told(tmp_path, data, ArchiveKind.TAR) == (["wide.jpg", "t"], [])


def test_a_member_larger_than_a_photo_may_be_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(a.member(b"large.jpg", PHOTO) + a.member(b"small.jpg", PHOTO[:99]) + bytes(1024))
    found = list(archive.entries(path, ArchiveKind.TAR, ArchiveLimits(file_bytes=100)))
    assert [f.reason for f in found if isinstance(f, Refused)] == [say.TOO_LARGE]
    assert [f.path for f in found] == ["large.jpg", "small.jpg"]
