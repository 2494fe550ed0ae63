"""The elementary stream descriptor of MPEG-4, written anew from what a decoder needs (14496-1, 7.2.6)."""

from __future__ import annotations

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Cursor

_STREAM, _CONFIG, _SPECIFIC = 3, 4, 5
_USER_DATA = b"\0\0\1\xb2"  # MPEG-4 visual: encoders sign here (14496-2, 6.2.2.1)
_VISUAL = frozenset((0x20, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x6A))
MAX_SPECIFIC = 1024  # bytes of decoder setup; sound has 2 to 60, video about 50


def esds(payload: bytes, where: str) -> bytes:
    """Rewrite an esds payload. Raises Malformed, Unsupported."""
    fields = Cursor(memoryview(payload), 0, len(payload), where)
    fields.take(4)
    stream = _open(fields, _STREAM)
    stream.take(2)
    flags = stream.uint(1)
    if flags & 0xC0:  # depends on another stream, or lies at a URL
        raise Unsupported("a stream that needs another one", where=where)
    if flags & 0x20:
        stream.take(2)
    config = _open(stream, _CONFIG)
    head = bytes(config.take(13))
    specific = b""
    while config.left:
        found, inner = _next(config)
        if found == _SPECIFIC and not specific:
            specific = _setup(bytes(inner.take(inner.left)), head[0], where)
    body = head + (_write(_SPECIFIC, specific) if specific else b"")
    # The stream number is 0 in a file, the one SL configuration is "MP4" (14496-14, 3.1.2).
    return bytes(4) + _write(_STREAM, bytes(3) + _write(_CONFIG, body) + _write(6, b"\2"))


def _setup(specific: bytes, coding: int, where: str) -> bytes:
    if coding in _VISUAL:
        while (at := specific.find(_USER_DATA)) >= 0:
            end = specific.find(b"\0\0\1", at + 4)
            specific = specific[:at] + (specific[end:] if end >= 0 else b"")
    if len(specific) > MAX_SPECIFIC:
        raise Unsupported("a decoder setup that is too long", where=where)
    return specific


def _next(fields: Cursor) -> tuple[int, Cursor]:
    """Open the next descriptor: its tag and its body (14496-1, 8.3.3)."""
    tag, size = fields.uint(1), 0
    for turn in range(4):
        byte = fields.uint(1)
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            break
        if turn == 3:
            raise Malformed("the length of a descriptor does not end", where=fields.where)
    start = fields.at
    body = fields.take(size)
    return tag, Cursor(memoryview(bytes(body)), 0, len(body), f"{fields.what}, byte {start}")


def _open(fields: Cursor, wanted: int) -> Cursor:
    tag, body = _next(fields)
    if tag != wanted:
        raise Malformed("a stream descriptor lacks its parts", where=fields.where)
    return body


def _write(tag: int, body: bytes) -> bytes:
    """Write a descriptor with the shortest length field."""
    size, length = len(body), b""
    while True:
        length = bytes((size & 0x7F | (0x80 if length else 0),)) + length
        size >>= 7
        if not size:
            return bytes((tag,)) + length + body
