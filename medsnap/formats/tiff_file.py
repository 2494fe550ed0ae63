"""The directories of a TIFF file (TIFF 6.0, BigTIFF), as spans: strict, for rewriting.

`medsnap.formats.tiff` reads what it can of damaged Exif; this reader tells what it cannot read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge
from medsnap.formats.tiff import SIZES
from medsnap.model.rewrite import Buffer

MAX_DIRECTORIES = 4096
MAX_FIELDS = 2000  # of one directory
MAX_COUNT = 1 << 20  # values of one field that are read as numbers

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
_INTEGERS = frozenset({1, 3, 4, 13, 16, 18})


@dataclass(frozen=True, slots=True)
class Field:
    """One directory entry; its value is data[start:stop], empty where it lies outside the file."""

    tag: int
    type: int
    count: int
    at: int  # of the entry
    start: int
    stop: int
    whole: bool  # of a known type, and the value is in the file


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory; where two entries have one tag, both are there."""

    start: int
    stop: int
    fields: tuple[Field, ...]
    next: int  # offset of the next directory, 0 at the end

    def get(self, tag: int) -> Field | None:
        """Return the first field of a tag, or None."""
        return next((f for f in self.fields if f.tag == tag), None)


@dataclass(frozen=True, slots=True)
class Header:
    """Byte order and word size of the file."""

    little: bool
    big: bool  # BigTIFF: offsets of 8 bytes

    @property
    def order(self) -> str:
        """Return the byte order mark: II or MM."""
        return "II" if self.little else "MM"

    @property
    def word(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    def number(self, raw: Buffer) -> int:
        """Decode an unsigned number."""
        return int.from_bytes(raw, "little" if self.little else "big")

    def bytes(self, number: int, size: int) -> bytes:
        """Encode an unsigned number."""
        return number.to_bytes(size, "little" if self.little else "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The main chain of directories."""

    header: Header
    chain: tuple[Directory, ...]
    size: int  # bytes of the file


def view(data: Buffer) -> View:
    """Return the main chain of a TIFF file. Raises Malformed, TooLarge."""
    raw = memoryview(data)
    little, size = bytes(raw[:2]) == b"II", len(raw)
    if bytes(raw[:2]) not in (b"II", b"MM") or size < 8:
        raise Malformed("this is no TIFF: the byte order mark is missing", where="byte 0")
    magic = int.from_bytes(raw[2:4], "little" if little else "big")
    header = Header(little=little, big=magic == 43)
    sized = header.number(raw[4:6]) == 8 and not header.number(raw[6:8])  # BigTIFF: 8-byte offsets, then 0
    if magic not in (42, 43) or (header.big and not (sized and size >= 16)):
        raise Malformed("this is no TIFF: the version is neither 42 nor 43", where="byte 2")
    place = 8 if header.big else 4
    at = header.number(raw[place : place + header.word])
    chain: list[Directory] = []
    seen: set[int] = set()
    while at:
        if at in seen:
            break  # readers take a ring as the end
        if len(chain) >= MAX_DIRECTORIES:
            raise TooLarge(f"more than {MAX_DIRECTORIES} directories", where=f"byte {at}")
        seen.add(at)
        chain.append(directory(data, header, at))
        at = chain[-1].next
    if not chain:
        raise Malformed("the TIFF holds no directory", where=f"byte {place}")
    return View(header=header, chain=tuple(chain), size=size)


def directory(data: Buffer, header: Header, at: int) -> Directory:
    """Return the directory at an offset. Raises Malformed, TooLarge."""
    raw, size = memoryview(data), len(data)
    width, step = (8, 20) if header.big else (2, 12)
    if at < 8 or at + width > size:
        raise Malformed("a directory lies outside the file", where=f"directory, byte {at}")
    count = header.number(raw[at : at + width])
    if count > MAX_FIELDS:
        raise TooLarge(f"a directory has more than {MAX_FIELDS} entries", where=f"directory, byte {at}")
    behind = at + width + step * count
    if behind + header.word > size:
        if behind != size:
            raise Malformed("a directory reaches past the end", where=f"directory, byte {at}")
        following, stop = 0, size  # the link is missing: readers take the directory as the last one
    else:
        following, stop = header.number(raw[behind : behind + header.word]), behind + header.word
    fields = tuple(_field(raw, header, at + width + step * k) for k in range(count))
    return Directory(at, stop, fields, following)


def _field(raw: memoryview, header: Header, at: int) -> Field:
    tag, kind = header.number(raw[at : at + 2]), header.number(raw[at + 2 : at + 4])
    place = at + 4 + header.word
    count = header.number(raw[at + 4 : place])
    length = SIZES.get(kind, 1) * count
    start = place if length <= header.word else header.number(raw[place : place + header.word])
    whole = kind in SIZES and start + length <= len(raw)
    return Field(tag, kind, count, at, start, start + length if whole else start, whole)


def value(data: Buffer, field: Field) -> bytes:
    """Return the bytes of a value. Raises Malformed where it is not in the file."""
    if not field.whole:
        raise Malformed("a value lies outside the file or has no known type", where=where(field))
    return bytes(memoryview(data)[field.start : field.stop])


def numbers(data: Buffer, header: Header, field: Field) -> tuple[int, ...]:
    """Return the values as unsigned numbers. Raises Malformed, TooLarge."""
    if field.type not in _INTEGERS:
        raise Malformed("a value is no number", where=where(field))
    if field.count > MAX_COUNT:
        raise TooLarge(f"a field has more than {MAX_COUNT} values", where=where(field))
    raw, size = value(data, field), SIZES[field.type]
    if size == 1:
        return tuple(raw)
    code = {2: "H", 4: "I", 8: "Q"}[size]
    return struct.unpack(f"{'<' if header.little else '>'}{field.count}{code}", raw)


def where(field: Field) -> str:
    """Name a field in an error."""
    return f"tag {field.tag}, byte {field.at}"
