"""The chunks of a RIFF file, as WebP uses it (RFC 9649), as spans."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge
from medsnap.model.rewrite import Buffer

MAX_CHUNKS = 100_000
ICC_FLAG, ALPHA_FLAG, EXIF_FLAG, XMP_FLAG, ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x04, 0x02  # VP8X, RFC 9649 2.7


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: FourCC, size, data[body:body_stop], a pad byte if the size is odd."""

    start: int
    body_stop: int
    stop: int  # with the pad byte
    type: bytes
    name: str

    @property
    def body(self) -> int:
        """Start of the chunk data."""
        return self.start + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The chunks of the RIFF form; `end` is where the form ends by its own size."""

    chunks: tuple[Chunk, ...]
    end: int
    size: int  # bytes of the file

    def first(self, kind: bytes) -> Chunk | None:
        """Return the first chunk of a type, or None."""
        return next((c for c in self.chunks if c.type == kind), None)


def body(data: Buffer, chunk: Chunk, limit: int | None = None) -> bytes:
    """Return the chunk data, up to `limit` bytes."""
    stop = chunk.body_stop if limit is None else min(chunk.body_stop, chunk.body + limit)
    return bytes(memoryview(data)[chunk.body : stop])


def view(data: Buffer) -> View:
    """Return the chunks of a WebP file. Raises Malformed, TooLarge."""
    head = bytes(memoryview(data)[:12])
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        raise Malformed("this is no WebP: RIFF or WEBP is missing", where="byte 0")
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > len(data):
        raise Malformed("the file is shorter than its RIFF size says", where="RIFF, byte 4")
    return View(chunks=chunks(data, 12, end), end=end, size=len(data))


def chunks(data: Buffer, start: int, stop: int) -> tuple[Chunk, ...]:
    """Return the chunks within data[start:stop]. Raises Malformed, TooLarge."""
    found: list[Chunk] = []
    view_ = memoryview(data)
    at = start
    while at < stop:
        if len(found) >= MAX_CHUNKS:
            raise TooLarge(f"more than {MAX_CHUNKS} chunks", where=f"byte {at}")
        kind = bytes(view_[at : at + 4])
        name = "".join(chr(c) if 0x20 < c < 0x7F else f"\\x{c:02x}" for c in kind.rstrip(b" ")) or "(blank)"
        body_stop = at + 8 + int.from_bytes(view_[at + 4 : at + 8], "little")
        if at + 8 > stop or body_stop > stop:
            raise Malformed(f"chunk {name} reaches past the end", where=f"chunk {name}, byte {at}")
        found.append(Chunk(at, body_stop, min(body_stop + (body_stop - at & 1), stop), kind, name))
        at = found[-1].stop
    return tuple(found)


def chunk_bytes(kind: bytes, content: bytes) -> bytes:
    """Return a whole chunk with its pad byte, freshly made."""
    return kind + len(content).to_bytes(4, "little") + content + b"\x00" * (len(content) & 1)


def canvas(data: Buffer, view_: View) -> tuple[int, int] | None:
    """Return width and height in pixels: VP8X, else the VP8 or VP8L frame header (RFC 9649 2.5–2.7)."""
    for chunk in view_.chunks:
        head = body(data, chunk, 10)
        if chunk.type == b"VP8X" and len(head) == 10:
            return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
        if chunk.type == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) == 10:
            return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
        if chunk.type == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:
            bits = int.from_bytes(head[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def has_alpha(data: Buffer, view_: View) -> bool:
    """Say whether the still picture claims alpha: an ALPH chunk or the hint bit of VP8L (RFC 9649 3.4)."""
    lossless = view_.first(b"VP8L")
    if lossless is not None:
        return bool(int.from_bytes(body(data, lossless, 5)[1:5], "little") >> 28 & 1)
    return view_.first(b"ALPH") is not None
