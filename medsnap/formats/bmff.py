"""Boxes of the ISO base media file format: spans only, every bound checked (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge

MAX_BOXES = 16_384  # in one container; real photos hold a few hundred


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its four-character type and where header, body and end lie, in bytes."""

    type: bytes
    start: int
    body: int
    stop: int

    @property
    def size(self) -> int:
        """Length with the header, in bytes."""
        return self.stop - self.start

    @property
    def name(self) -> str:
        """The type for people; bytes outside printable ASCII are escaped."""
        return printable(self.type)


def printable(code: bytes) -> str:
    """Write a four-character code so that it is safe on a terminal."""
    return "".join(chr(c) if 0x20 < c < 0x7F else f"\\x{c:02x}" for c in code)


class Cursor:
    """Read big-endian fields one after the other; running past the end is Malformed."""

    __slots__ = ("_view", "at", "stop", "what")

    def __init__(self, view: memoryview, start: int, stop: int, what: str) -> None:
        self._view = view
        self.at = start
        self.stop = stop
        self.what = what

    def uint(self, size: int) -> int:
        """Read an unsigned integer of `size` bytes (0 gives 0)."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> memoryview:
        """Read `size` bytes."""
        end = self.at + size
        if size < 0 or end > self.stop:
            raise Malformed(f"the {self.what} box ends in the middle of a field", where=self.where)
        piece = self._view[self.at : end]
        self.at = end
        return piece

    def text(self) -> bytes:
        """Read up to a zero byte, or to the end where none stands."""
        rest = bytes(self._view[self.at : self.stop])
        found = rest.find(b"\0")
        piece = rest if found < 0 else rest[:found]
        self.at = self.stop if found < 0 else self.at + found + 1
        return piece

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return self.stop - self.at

    @property
    def where(self) -> str:
        """The box and the byte, for an error."""
        return f"{self.what}, byte {self.at}"


def cursor(view: memoryview, box: Box) -> Cursor:
    """Open the body of a box for reading."""
    return Cursor(view, box.body, box.stop, box.name)


def box_at(view: memoryview, at: int, stop: int, *, to_end: bool) -> Box | None:
    """Read the box header at `at`; None where no box fits there. `to_end` allows size 0 (4.2.2)."""
    if at + 8 > stop:
        return None
    size, body = int.from_bytes(view[at : at + 4], "big"), at + 8
    if size == 1:
        if at + 16 > stop:
            return None
        size, body = int.from_bytes(view[at + 8 : at + 16], "big"), at + 16
    elif size == 0 and to_end:
        size = stop - at
    if size < body - at or size > stop - at:
        return None
    return Box(bytes(view[at + 4 : at + 8]), at, body, at + size)


def children(view: memoryview, start: int, stop: int, inside: str) -> tuple[Box, ...]:
    """List the boxes that fill start..stop; up to seven zero bytes may follow. Raises Malformed, TooLarge."""
    found: list[Box] = []
    while start < stop:
        box = box_at(view, start, stop, to_end=False)
        if box is None and stop - start < 8 and not any(view[start:stop]):
            break
        if box is None:
            raise Malformed(f"a box in {inside} does not fit", where=f"{inside}, byte {start}")
        if len(found) == MAX_BOXES:
            raise TooLarge(f"more than {MAX_BOXES} boxes in {inside}", where=f"{inside}, byte {start}")
        found.append(box)
        start = box.stop
    return tuple(found)


def top(view: memoryview) -> tuple[tuple[Box, ...], int]:
    """List the top-level boxes and the byte where the file ends (the length when all is framed).

    Phones append trailers that are no boxes, or a second file: both are the caller's to judge.
    """
    found: list[Box] = []
    at = 0
    while at < len(view):
        box = box_at(view, at, len(view), to_end=True)
        if box is None or (found and box.type == b"ftyp"):
            break
        if len(found) == MAX_BOXES:
            raise TooLarge(f"more than {MAX_BOXES} boxes in the file", where=f"byte {at}")
        found.append(box)
        at = box.stop
    return tuple(found), at
