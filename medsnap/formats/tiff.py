"""A tolerant reader of TIFF directories, as they stand in Exif payloads and TIFF files (TIFF 6.0, Exif 3.0).

It never fails on damage: what cannot be read is absent. Limits on directories and entries hold
whatever the bytes say, and a worklist stands in for recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from medsnap.model.rewrite import Buffer

MAX_ENTRIES = 4096
MAX_DIRECTORIES = 64
MAX_PER_DIRECTORY = 2000
MAX_VALUES = 64 << 10  # bytes of values beyond twice the payload: overlapping values are an attack

ORIENTATION = 0x0112
SIZES = {  # bytes of one value, by the type of a field
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_SIGNED = frozenset({6, 8, 9, 10, 17})
_INTEGERS = frozenset({1, 3, 4, 6, 7, 8, 9, 13, 16, 17, 18})
_POINTERS = {0x8769: "Exif", 0x8825: "GPS", 0xA005: "Interop", 0x014A: "Sub"}
_MAGIC = {b"II*\x00": "little", b"MM\x00*": "big", b"II+\x00": "little", b"MM\x00+": "big"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One directory entry; `value` are its bytes in the byte order of the file."""

    ifd: str  # "IFD0", "IFD1", "Exif", "GPS", "Interop", "Sub0" …
    tag: int
    type: int
    count: int
    value: bytes
    offset: int  # of the value in the payload, bytes
    little: bool

    @property
    def integers(self) -> tuple[int, ...]:
        """Return the values as integers, () for a type that has none (at most 4096)."""
        if self.type not in _INTEGERS:
            return ()
        size = SIZES[self.type]
        stop = min(len(self.value) - size + 1, 4096 * size)
        return tuple(self._integer(at, size) for at in range(0, stop, size))

    @property
    def integer(self) -> int | None:
        """Return the first integer, or None."""
        values = self.integers
        return values[0] if values else None

    @property
    def ascii(self) -> str:
        """Return the text up to the first NUL, stripped; control characters become spaces."""
        raw = self.value.split(b"\x00", 1)[0][:4096].decode("utf-8", "replace")
        return "".join(c if c.isprintable() else " " for c in raw).strip()

    @property
    def rationals(self) -> tuple[tuple[int, int], ...]:
        """Return (numerator, denominator) pairs, () for a type that has none (at most 512)."""
        if self.type not in (5, 10):
            return ()
        stop = min(len(self.value) - 7, 4096)
        return tuple((self._integer(at, 4), self._integer(at + 4, 4)) for at in range(0, stop, 8))

    def _integer(self, at: int, size: int) -> int:
        order = "little" if self.little else "big"
        raw = self.value[at : at + size]
        return int.from_bytes(raw, "little" if order == "little" else "big", signed=self.type in _SIGNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiff:
    """All entries that could be read, in the order of their directories; `valid` has a TIFF header."""

    entries: tuple[Entry, ...] = ()
    valid: bool = False
    little: bool = False

    def get(self, ifd: str, tag: int) -> Entry | None:
        """Return the first entry of that directory and tag, or None."""
        return next((e for e in self.entries if e.ifd == ifd and e.tag == tag), None)

    @property
    def orientation(self) -> int:
        """Return IFD0 Orientation, 1 where it is absent or no number from 1 to 8 (Exif 4.6.5.1.6)."""
        entry = self.get("IFD0", ORIENTATION)
        value = entry.integer if entry is not None else None
        return value if value is not None and 1 <= value <= 8 else 1


def read(payload: Buffer, *, follow: bool = True) -> Tiff:
    """Read the directories of a TIFF-structured payload (no "Exif" prefix); absent is what cannot be read.

    `follow` also reads Exif, GPS, Interop, Sub directories and the chain of IFDs; else only IFD0.
    """
    view = memoryview(payload)
    order = _MAGIC.get(bytes(view[:4]))
    if order is None:
        return Tiff()
    reader = _Reader(view, little=order == "little", big=view[2 if order == "little" else 3] == 43)
    reader.run(follow)
    return Tiff(entries=tuple(reader.entries), valid=True, little=reader.little)


class _Reader:
    def __init__(self, view: memoryview, *, little: bool, big: bool) -> None:
        self.view = view
        self.little = little
        self.word = 8 if big else 4  # bytes of an offset: BigTIFF has 8
        self.row = Struct(("<" if little else ">") + ("HHQ" if big else "HHI"))  # tag, type, count
        self.entries: list[Entry] = []
        self.seen: set[int] = set()
        self.subs = 0
        self.budget = 2 * len(view) + MAX_VALUES

    def number(self, at: int, size: int) -> int | None:
        if at < 0 or at + size > len(self.view):
            return None
        return int.from_bytes(self.view[at : at + size], "little" if self.little else "big")

    def run(self, follow: bool) -> None:
        first = self.number(8 if self.word == 8 else 4, self.word)
        work: list[tuple[str, int]] = [("IFD0", first or 0)]
        chain = 0
        while work and len(self.seen) < MAX_DIRECTORIES:
            name, at = work.pop()
            if at <= 0 or at in self.seen:
                continue
            self.seen.add(at)
            below, following = self._directory(name, at)
            if not follow:
                return
            if name == f"IFD{chain}" and following:
                chain += 1
                work.append((f"IFD{chain}", following))
            work.extend(reversed(below))

    def _directory(self, name: str, at: int) -> tuple[list[tuple[str, int]], int]:
        width = 8 if self.word == 8 else 2
        count = self.number(at, width)
        if count is None or count > MAX_PER_DIRECTORY:
            return [], 0
        below: list[tuple[str, int]] = []
        step = 20 if self.word == 8 else 12
        for k in range(count):
            if len(self.entries) >= MAX_ENTRIES:
                return below, 0
            entry = self._entry(name, at + width + k * step)
            if entry is None:
                continue
            self.entries.append(entry)
            if entry.tag in _POINTERS:
                below.extend((self._name(entry.tag), offset) for offset in entry.integers[:16])
        return below, self.number(at + width + count * step, self.word) or 0

    def _name(self, tag: int) -> str:
        if tag != 0x014A:
            return _POINTERS[tag]
        self.subs += 1
        return f"Sub{self.subs - 1}"

    def _entry(self, name: str, at: int) -> Entry | None:
        if at + self.row.size > len(self.view):
            return None
        tag, kind, count = self.row.unpack_from(self.view, at)
        size = SIZES.get(kind, 1) * count
        place = at + 4 + self.word
        start = place if size <= self.word else self.number(place, self.word)
        if start is None or size > self.budget or start + size > len(self.view):
            start, size = place, 0  # the value lies outside: the entry is there, its value is not
        self.budget -= size
        value = bytes(self.view[start : start + size])
        return Entry(ifd=name, tag=tag, type=kind, count=count, value=value, offset=start, little=self.little)
