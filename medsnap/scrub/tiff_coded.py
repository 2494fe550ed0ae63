"""Where the coded data of a strip or tile end: what stands behind is read by no decoder, and goes."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from medsnap.errors import Malformed, Unsupported
from medsnap.model.rewrite import Buffer
from medsnap.scrub import lzw
from medsnap.scrub.tiff_page import DEFLATE, DEFLATE_OLD, LZW, PACKBITS, UNCOMPRESSED, Unit

_PIECE = 1 << 20


def end(data: Buffer, unit: Unit, compression: int) -> int:
    """Return where the coded data of a unit end. Raises Malformed, Unsupported."""
    where = f"strip or tile, byte {unit.start}"
    if not unit.size:
        raise Unsupported("the size of a strip or tile cannot be told", where=where)
    view = memoryview(data)[unit.start : unit.stop]
    return unit.start + _ENDS[compression](view, unit.size, where)


def _uncompressed(view: memoryview, size: int, where: str) -> int:
    if len(view) < size:
        raise Malformed("a strip or tile is shorter than its rows", where=where)
    return size


def _lzw(view: memoryview, size: int, where: str) -> int:
    if bytes(view[:1]) == b"\x00" and bytes(view[1:2]) and view[1] & 1:
        raise Unsupported("LZW in the bit order before TIFF 5.0", where=where)
    found = lzw.tiff_end(view, size, where)
    return _enough(found.used, found.total, size, where)


def _deflate(view: memoryview, size: int, where: str) -> int:
    reader, total, piece = zlib.decompressobj(), 0, bytes(view)
    while piece and not reader.eof:
        try:
            total += len(reader.decompress(piece, _PIECE))
        except zlib.error as broken:
            raise Malformed("the compressed picture is broken", where=where) from broken
        if total > size:
            raise Unsupported("the compressed data hold more than the picture", where=where)
        piece = reader.unconsumed_tail
    total += len(reader.flush()) if not reader.eof else 0
    if not reader.eof or total > size:
        raise Malformed("the compressed picture does not end where it should", where=where)
    return _enough(len(view) - len(reader.unused_data), total, size, where)


def _packbits(view: memoryview, size: int, where: str) -> int:
    at = total = 0
    stop = len(view)
    while total < size and at < stop:
        head = view[at]
        at += 1
        if head < 128:
            total += head + 1
            at += head + 1
        elif head > 128:
            total += 257 - head
            at += 1
    return _enough(min(at, stop + 1), total, size, where) if at <= stop else _enough(0, 0, size, where)


def _enough(used: int, total: int, size: int, where: str) -> int:
    if total < size:
        raise Malformed("the compressed picture is cut short", where=where)
    return used


_ENDS: dict[int, Callable[[memoryview, int, str], int]] = {
    UNCOMPRESSED: _uncompressed,
    LZW: _lzw,
    DEFLATE: _deflate,
    DEFLATE_OLD: _deflate,
    PACKBITS: _packbits,
}
