"""JPEG streams and tables within a scrubbed TIFF: tables, one frame, scans, and nothing else (T.81 B)."""

from __future__ import annotations

import re

from medsnap.errors import NotClean

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)


class _Stream:
    def __init__(self, piece: memoryview | bytes, at: int) -> None:
        self.piece = bytes(piece)
        self.base = at
        self.at = 2
        self.defined: set[tuple[int, int]] = set()
        self.components: set[int] = set()
        self.scans = 0
        if self.piece[:2] != b"\xff\xd8":
            raise self.wrong("SOI is missing")

    def wrong(self, what: str) -> NotClean:
        return NotClean(f"JPEG within TIFF: {what}", where=f"byte {self.base + self.at}")

    def segment(self) -> tuple[int, bytes]:
        """Return the next marker and its content; EOI has none."""
        head = self.piece[self.at : self.at + 4]
        if head[:2] == b"\xff\xd9":
            if len(self.piece) != self.at + 2:
                raise self.wrong("bytes follow EOI")
            return 0xD9, b""
        length = int.from_bytes(head[2:], "big")
        content = self.piece[self.at + 4 : self.at + 2 + length]
        if len(head) < 4 or head[0] != 0xFF or length < 2 or len(content) != length - 2:
            raise self.wrong("a byte stands where a marker should, or a segment is cut")
        self.at += 2 + length
        return head[1], content

    def define(self, key: tuple[int, int]) -> bool:
        new = key not in self.defined
        self.defined.add(key)
        return new


def check_tables(value: bytes) -> None:
    """Demand that tag 347 holds tables and nothing else. Raises NotClean."""
    stream = _Stream(value, 0)
    while True:
        marker, content = stream.segment()
        if marker == 0xD9:
            return
        if marker not in (0xDB, 0xC4, 0xDD) or not _table(stream, marker, content):
            raise stream.wrong("the tables hold something else")


def check(piece: memoryview, *, lossless: bool, at: int) -> None:
    """Demand one picture and nothing else. Raises NotClean."""
    stream = _Stream(piece, at)
    frames = {0xC3} if lossless else {0xC0, 0xC1, 0xC2}
    headers: list[int] = []
    while True:
        marker, content = stream.segment()
        if marker == 0xD9:
            break
        if marker in (0xE0, 0xEE):
            if stream.defined or stream.components or marker in headers or not _header(marker, content):
                raise stream.wrong("an application segment holds more than it may")
            headers.append(marker)
        elif marker in frames and not stream.components:
            if len(content) < 9 or len(content) != 6 + 3 * content[5]:
                raise stream.wrong("the frame header is none")
            stream.components = {content[6 + 3 * k] for k in range(content[5])}
        elif marker == 0xDA:
            _scan(stream, content)
        elif marker == 0xDC and len(content) == 2 and stream.scans == 1:
            continue
        elif not _table(stream, marker, content):
            raise stream.wrong(f"marker {marker:02X} does not belong")
    if not stream.scans:
        raise stream.wrong("there is no scan")


def _header(marker: int, content: bytes) -> bool:
    if marker == 0xE0:
        plain = len(content) == 14 and content[:7] == b"JFIF\x00\x01\x02"
        return plain and content[7] <= 2 and content[12:] == b"\x00\x00"
    return len(content) == 12 and content[:11] == b"Adobe\x00\x64\x00\x00\x00\x00"


def _scan(stream: _Stream, content: bytes) -> None:
    count = content[0] if content else 0
    named = [content[1 + 2 * k] for k in range(count)] if len(content) == 4 + 2 * count else []
    if not named or not set(named) <= stream.components:
        raise stream.wrong("the scan header is none")
    found = _MARKER.search(stream.piece, stream.at)
    if found is None or found.start() == stream.at or stream.piece[found.start() - 1] == 0xFF:
        raise stream.wrong("a scan is empty or does not end")
    stream.at = found.start()
    stream.scans += 1
    stream.defined.clear()


def _table(stream: _Stream, marker: int, content: bytes) -> bool:
    """Say whether this is a table that fills its segment and was not defined since the last scan."""
    if marker == 0xDD:
        return len(content) == 2 and stream.define((marker, 0))
    at = 0
    while at < len(content) and marker in (0xDB, 0xC4):
        head = content[at]
        if (
            head & 15 > 3
            or head >> 4 > 1
            or not stream.define((marker, head if marker == 0xC4 else head & 15))
        ):
            return False
        at += 65 + 64 * (head >> 4) if marker == 0xDB else 17 + sum(content[at + 1 : at + 17])
    return at == len(content) > 0
