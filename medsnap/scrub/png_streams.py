"""The zlib streams of a PNG: where each ends, and whether it holds the picture and nothing else."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import png
from medsnap.formats.embedded import EXIF_PREFIX, MAX_INFLATED, raw_profile
from medsnap.formats.png import Chunk
from medsnap.model.rewrite import Buffer

MAX_ANIMATION = 4 << 30  # bytes of scanlines over all frames
_PIECE = 1 << 20  # bytes inflated at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """`cut` maps the start of a chunk to where its picture data ends, where that is before its end;
    `frames` are the starts of the fcTL and fdAT chunks of a sound animation."""

    cut: dict[int, int]
    frames: frozenset[int]
    animated: bool


def find(data: Buffer, view: png.View) -> Streams:
    """Follow all streams. Raises Malformed (broken, cut short), Unsupported (more than the picture)."""
    cut: dict[int, int] = {}
    idats = [c for c in view.chunks if c.type == b"IDAT"]
    if not idats:
        raise Malformed("the PNG holds no picture", where=f"byte {view.end}")
    for one, two in pairwise(idats):
        if one.stop != two.start:
            raise Malformed("the IDAT chunks do not follow each other", where=_at(two))
    _follow(data, idats, 0, view.header.raw_size(), cut)
    animated = _has_control(view)
    total = 0
    frames: list[int] = []
    if animated:
        for group in _frames(data, view):
            frames.extend(c.start for c in group)
            control, *parts = group
            if parts:
                raw = png.body(data, control)
                width, height = int.from_bytes(raw[4:8], "big"), int.from_bytes(raw[8:12], "big")
                if not 0 < width <= view.header.width or not 0 < height <= view.header.height:
                    raise Malformed("an APNG frame is larger than the picture", where=_at(control))
                size = view.header.raw_size(width, height)
                total += size
                if total > MAX_ANIMATION:
                    raise TooLarge("the frames of the APNG have too many pixels", where=_at(control))
                _follow(data, parts, 4, size, cut)
    return Streams(cut=cut, frames=frozenset(frames), animated=animated)


def _has_control(view: png.View) -> bool:
    for chunk in view.chunks:
        if chunk.type == b"acTL":
            return chunk.body_stop - chunk.body == 8
        if chunk.type == b"IDAT":
            return False
    return False


def _frames(data: Buffer, view: png.View) -> list[list[Chunk]]:
    """Group each fcTL with its fdAT chunks; the sequence numbers must run 0, 1, 2 … (PNG 11.3.6)."""
    groups: list[list[Chunk]] = []
    number = 0
    for chunk in view.chunks:
        if chunk.type not in (b"fcTL", b"fdAT"):
            continue
        raw = png.body(data, chunk, 4)
        exact = chunk.body_stop - chunk.body == 26 if chunk.type == b"fcTL" else len(raw) == 4
        if not exact or int.from_bytes(raw, "big") != number or (chunk.type == b"fdAT" and not groups):
            raise Malformed("the frames of the APNG are out of order", where=_at(chunk))
        number += 1
        if chunk.type == b"fcTL":
            groups.append([chunk])
        else:
            groups[-1].append(chunk)
    return groups


def _at(chunk: Chunk) -> str:
    return f"chunk {chunk.name}, byte {chunk.start}"


def _follow(data: Buffer, chunks: list[Chunk], skip: int, expected: int, cut: dict[int, int]) -> None:
    """Inflate one stream that runs over `chunks`, `skip` bytes into each, and note its end in `cut`."""
    stream = _Stream(expected)
    for chunk in chunks:
        if stream.ended():
            if skip:
                raise Unsupported("an APNG frame goes on behind its end", where=_at(chunk))
            cut[chunk.start] = chunk.body
            continue
        stream.feed(memoryview(data)[chunk.body + skip : chunk.body_stop], chunk)
        if stream.ended() and stream.unused():
            cut[chunk.start] = chunk.body_stop - stream.unused()
    if not stream.whole():
        raise Malformed("the compressed picture is cut short", where=_at(chunks[-1]))


class _Stream:
    """A zlib stream that is read for its length only, against the length that the picture must have."""

    def __init__(self, expected: int) -> None:
        self.reader = zlib.decompressobj()
        self.expected = expected
        self.total = 0

    def ended(self) -> bool:
        return self.reader.eof

    def unused(self) -> int:
        return len(self.reader.unused_data)

    def feed(self, piece: Buffer, chunk: Chunk) -> None:
        while piece and not self.ended():
            try:
                self.total += len(self.reader.decompress(piece, _PIECE))
            except zlib.error as broken:
                raise Malformed("the compressed picture is broken", where=_at(chunk)) from broken
            if self.total > self.expected:
                raise Unsupported("the compressed data hold more than the picture", where=_at(chunk))
            piece = self.reader.unconsumed_tail

    def whole(self) -> bool:
        """Say whether the stream has ended with exactly the picture; the last bytes may wait inside."""
        if not self.ended():
            try:
                self.total += len(self.reader.flush())
            except zlib.error:
                return False
        return self.ended() and self.total == self.expected


def profile(compressed: bytes) -> tuple[bytes | None, bool]:
    """Return the ICC profile of an iCCP chunk, and whether its stream is sound: whole, nothing behind it.

    A stream that lost only its checksum still gives its profile.
    """
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(compressed, MAX_INFLATED)
    except zlib.error:
        return None, False
    if reader.unconsumed_tail:
        return None, False
    whole = int.from_bytes(content[:4], "big") == len(content)
    return (content, reader.eof and not reader.unused_data) if reader.eof or whole else (None, False)


def raw_exif(text: bytes) -> bytes | None:
    """Return the Exif payload of a raw profile text, or None."""
    raw = raw_profile(text)
    return raw.removeprefix(EXIF_PREFIX) if raw is not None else None
