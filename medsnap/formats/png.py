"""The chunks of a PNG or APNG file (W3C PNG, third edition), as spans."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge
from medsnap.model.rewrite import Buffer

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 200_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: length, type, data[body:body_stop], CRC."""

    start: int
    stop: int
    name: str  # "IHDR"; bytes that are no letters as hexadecimal
    type: bytes

    @property
    def body(self) -> int:
        """Start of the chunk data."""
        return self.start + 8

    @property
    def body_stop(self) -> int:
        """End of the chunk data, where the CRC starts."""
        return self.stop - 4

    @property
    def critical(self) -> bool:
        """Say whether a reader must understand this chunk (bit 5 of the first byte is clear)."""
        return not self.type[0] & 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """IHDR (PNG 11.2.1)."""

    width: int
    height: int
    depth: int
    colour: int  # 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGB + alpha
    interlace: int

    def raw_size(self, width: int | None = None, height: int | None = None) -> int:
        """Return the length in bytes of the filtered scanlines, before compression (PNG 7.2, 8.1)."""
        bits = self.depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[self.colour]
        w, h = width or self.width, height or self.height
        passes = _ADAM7 if self.interlace else ((0, 0, 1, 1),)
        total = 0
        for x0, y0, dx, dy in passes:
            columns, rows = -(-(w - x0) // dx), -(-(h - y0) // dy)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * bits + 7) // 8)
        return total


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The chunks up to IEND; `end` is just behind it, or where whole chunks end if it is missing."""

    chunks: tuple[Chunk, ...]
    header: Header
    end: int
    has_iend: bool
    size: int  # bytes of the file


def body(data: Buffer, chunk: Chunk, limit: int | None = None) -> bytes:
    """Return the chunk data, up to `limit` bytes."""
    stop = chunk.body_stop if limit is None else min(chunk.body_stop, chunk.body + limit)
    return bytes(memoryview(data)[chunk.body : stop])


def crc_ok(data: Buffer, chunk: Chunk) -> bool:
    """Say whether the CRC of type and data is right (PNG 5.5)."""
    view_ = memoryview(data)
    stored = int.from_bytes(view_[chunk.body_stop : chunk.stop], "big")
    return zlib.crc32(view_[chunk.start + 4 : chunk.body_stop]) == stored


def chunk_bytes(kind: bytes, content: bytes) -> bytes:
    """Return a whole chunk, freshly made."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def view(data: Buffer) -> View:
    """Return the chunks of a PNG file. Raises Malformed, TooLarge."""
    size = len(data)
    if bytes(memoryview(data)[:8]) != SIGNATURE:
        raise Malformed("this is no PNG: the signature is missing", where="byte 0")
    chunks: list[Chunk] = []
    at = 8
    while at + 12 <= size:
        if len(chunks) >= MAX_CHUNKS:
            raise TooLarge(f"more than {MAX_CHUNKS} chunks", where=f"byte {at}")
        chunk = _chunk(data, at, size)
        chunks.append(chunk)
        at = chunk.stop
        if chunk.type == b"IEND":
            break
    if not chunks:
        raise Malformed("the file ends within its first chunk", where="byte 8")
    ended = chunks[-1].type == b"IEND"
    return View(chunks=tuple(chunks), header=_header(data, chunks[0]), end=at, has_iend=ended, size=size)


def _chunk(data: Buffer, at: int, size: int) -> Chunk:
    head = bytes(memoryview(data)[at : at + 8])
    length, kind = int.from_bytes(head[:4], "big"), head[4:]
    name = kind.decode("ascii") if kind.isalpha() and kind.isascii() else kind.hex()
    if length > 0x7FFFFFFF or at + 12 + length > size:
        raise Malformed(f"chunk {name} reaches past the end", where=f"chunk {name}, byte {at}")
    if not kind.isalpha():
        raise Malformed("a chunk type is not made of letters", where=f"chunk {name}, byte {at}")
    return Chunk(at, at + 12 + length, name, kind)


def _header(data: Buffer, chunk: Chunk) -> Header:
    raw = body(data, chunk, 64)
    if chunk.type != b"IHDR" or len(raw) != 13:
        raise Malformed("IHDR is not the first chunk or has a wrong length", where="byte 8")
    width, height = int.from_bytes(raw[:4], "big"), int.from_bytes(raw[4:8], "big")
    depth, colour, compression, filtering, interlace = raw[8:]
    if not width or not height or depth not in _DEPTHS.get(colour, ()):
        raise Malformed("IHDR holds no possible picture", where="chunk IHDR, byte 8")
    if compression or filtering or interlace > 1:
        raise Malformed("IHDR names an unknown compression, filter or interlace", where="chunk IHDR, byte 8")
    return Header(width=width, height=height, depth=depth, colour=colour, interlace=interlace)
