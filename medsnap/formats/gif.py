"""The blocks of a GIF file (CompuServe GIF89a), as spans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from medsnap.errors import Malformed, TooLarge
from medsnap.model.rewrite import Buffer

MAX_BLOCKS = 200_000
MAX_FRAMES = 20_000
HEAD = 13  # header and logical screen descriptor

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
CONTROL, COMMENT, PLAIN_TEXT, APPLICATION = 0xF9, 0xFE, 0x01, 0xFF


class Part(Enum):
    """What a block is."""

    EXTENSION = "extension"
    IMAGE = "image"
    PADDING = "padding"  # zero bytes between blocks: readers skip them


@dataclass(frozen=True, slots=True)
class Block:
    """One block; `parts` are the spans of its data sub-blocks, without their length bytes."""

    part: Part
    label: int  # of an extension, else 0
    start: int
    body: int  # of an extension: its first length byte; of an image: the LZW minimum code size
    stop: int
    parts: tuple[tuple[int, int], ...]
    whole: bool = True  # ends with its terminator


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The blocks in order; `end` is just behind the trailer, or where a whole block last ended."""

    blocks: tuple[Block, ...]
    first: int  # where the blocks begin: behind the global colour table
    end: int
    has_trailer: bool
    size: int  # bytes of the file


def table_size(flags: int) -> int:
    """Return the bytes of a colour table by the packed field of its descriptor (GIF89a 18, 20)."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def joined(data: Buffer, block: Block, limit: int | None = None) -> bytes:
    """Return the content of a block: its sub-blocks joined, up to about `limit` bytes."""
    view_, out, total = memoryview(data), [], 0
    for start, stop in block.parts:
        out.append(bytes(view_[start:stop]))
        total += stop - start
        if limit is not None and total >= limit:
            break
    return b"".join(out)[:limit]


def view(data: Buffer) -> View:
    """Return the blocks of a GIF file. Raises Malformed, TooLarge.

    A file that ends early keeps what is whole, and the whole sub-blocks of a last image that is cut.
    """
    size = len(data)
    if bytes(memoryview(data)[:6]) not in (b"GIF87a", b"GIF89a"):
        raise Malformed("this is no GIF: the signature is missing", where="byte 0")
    if size < HEAD + 1 or size < HEAD + table_size(data[10]):
        raise Malformed("the file ends within its colour table", where=f"byte {size}")
    first = at = HEAD + table_size(data[10])
    blocks: list[Block] = []
    while at < size and data[at] != _TRAILER:
        if len(blocks) >= MAX_BLOCKS:
            raise TooLarge(f"more than {MAX_BLOCKS} blocks", where=f"byte {at}")
        block = _block(data, at, size)
        if block is None:
            return View(blocks=tuple(blocks), first=first, end=at, has_trailer=False, size=size)
        blocks.append(block)
        at = block.stop
        if not block.whole:
            return View(blocks=tuple(blocks), first=first, end=at, has_trailer=False, size=size)
    done = at < size
    return View(blocks=tuple(blocks), first=first, end=at + done, has_trailer=done, size=size)


def _block(data: Buffer, at: int, size: int) -> Block | None:
    """Return the block at `at`, or None where the file ends within it."""
    kind = data[at]
    if kind == 0:
        stop = at
        while stop < size and data[stop] == 0:
            stop += 1
        return Block(Part.PADDING, 0, at, at, stop, ())
    if kind == _EXTENSION:
        if at + 2 > size:
            return None
        parts, stop, whole = _sub_blocks(data, at + 2, size)
        if whole and not parts and data[at + 1] != COMMENT:
            raise Malformed("an extension is empty: readers disagree on where it ends", where=f"byte {at}")
        return Block(Part.EXTENSION, data[at + 1], at, at + 2, stop, parts) if whole else None
    if kind != _IMAGE:
        raise Malformed("a byte stands where a block should begin", where=f"byte {at}")
    if at + 10 > size:
        return None
    body = at + 10 + table_size(data[at + 9])
    if body >= size:
        return None
    parts, stop, whole = _sub_blocks(data, body + 1, size)
    return Block(Part.IMAGE, 0, at, body, stop, parts, whole)


def _sub_blocks(data: Buffer, at: int, size: int) -> tuple[tuple[tuple[int, int], ...], int, bool]:
    """Return the spans of the whole sub-blocks, where they end, and whether a terminator ends them."""
    parts: list[tuple[int, int]] = []
    while at < size:
        length = data[at]
        if length == 0:
            return tuple(parts), at + 1, True
        if at + 1 + length > size:
            break
        parts.append((at + 1, at + 1 + length))
        at += 1 + length
    return tuple(parts), at, False
