"""Lay out a fresh TIFF: header, directories with their values, then the coded data; no byte between.

The coded data stand in the order of the source, so that the proof can follow them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from medsnap.errors import Unsupported
from medsnap.formats import tiff_file
from medsnap.formats.tiff_file import Header
from medsnap.model.rewrite import Keep, Step
from medsnap.scrub import tiff_tags as tags
from medsnap.scrub.core import Assembly
from medsnap.scrub.tiff_tags import Value


@dataclass(frozen=True, slots=True)
class Block:
    """The coded data of one strip or tile: the steps that write it, `size` bytes."""

    start: int  # in the source
    stop: int
    steps: tuple[Step, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Page:
    """One directory to be written: its fields, and its strips or tiles in order."""

    values: tuple[Value, ...]
    blocks: tuple[Block, ...]
    tiled: bool


def write(header: Header, pages: list[Page], out: Assembly) -> None:
    """Add the whole file to the assembly. Raises Unsupported where strips overlap."""
    blocks = _ordered(pages)
    word = header.word
    heads = [_head(header, page) for page in pages]
    at = 16 if header.big else 8
    places: list[int] = []
    for head in heads:
        places.append(at)
        at += _directory_size(header, len(head)) + sum(_long(len(v.data), word) for v in head)
    positions: dict[tuple[int, int], int] = {}
    for block in blocks:
        positions[block.start, block.stop] = at
        at += block.size
    if not header.big and at > 0xFFFFFFFF:
        raise Unsupported("the file is too large for its offsets")
    magic = b"II" if header.little else b"MM"
    first = header.bytes(places[0], word)
    extra = header.bytes(8, 2) + bytes(2) if header.big else b""
    out.insert(magic + header.bytes(43 if header.big else 42, 2) + extra + first)
    for number, (page, place) in enumerate(zip(pages, places, strict=True)):
        following = places[number + 1] if number + 1 < len(places) else 0
        out.insert(_directory(header, page, place, following, positions))
    for block in blocks:
        for step in block.steps:
            if isinstance(step, Keep):
                out.keep(step.start, step.stop, coded=step.coded)
            else:
                out.insert(step.data)


def _ordered(pages: list[Page]) -> list[Block]:
    """Return each block once, in the order of the source; strips that overlap are refused."""
    unique = {(b.start, b.stop): b for page in pages for b in page.blocks}
    ordered = [unique[key] for key in sorted(unique)]
    for one, two in pairwise(ordered):
        if two.start < one.stop:
            raise Unsupported("two strips or tiles overlap", where=f"byte {two.start}")
    return ordered


def _head(header: Header, page: Page) -> list[Value]:
    """Return all fields in order, with places still to be filled."""
    count = len(page.blocks)
    kind = tiff_file.LONG8 if header.big else tiff_file.LONG
    empty = bytes(count * header.word)
    offsets, counts = (
        (tags.TILE_OFFSETS, tags.TILE_COUNTS) if page.tiled else (tags.STRIP_OFFSETS, tags.STRIP_COUNTS)
    )
    return sorted(
        (*page.values, Value(offsets, kind, count, empty), Value(counts, kind, count, empty)),
        key=lambda v: v.tag,
    )


def _directory_size(header: Header, count: int) -> int:
    return 8 + 20 * count + 8 if header.big else 2 + 12 * count + 4


def _long(length: int, word: int) -> int:
    """Return the bytes that a value takes behind its directory: none if it fits into the entry."""
    return length + (length & 1) if length > word else 0


def _directory(
    header: Header, page: Page, place: int, following: int, positions: dict[tuple[int, int], int]
) -> bytes:
    word = header.word
    head = _head(header, page)
    at = place + _directory_size(header, len(head))
    entries, values = [header.bytes(len(head), 8 if header.big else 2)], []
    for value in head:
        data = value.data
        if value.tag in (tags.TILE_OFFSETS, tags.STRIP_OFFSETS):
            data = b"".join(header.bytes(positions[b.start, b.stop], word) for b in page.blocks)
        elif value.tag in (tags.TILE_COUNTS, tags.STRIP_COUNTS):
            data = b"".join(header.bytes(b.size, word) for b in page.blocks)
        fields = header.bytes(value.tag, 2) + header.bytes(value.type, 2) + header.bytes(value.count, word)
        if len(data) <= word:
            entries.append(fields + data.ljust(word, b"\x00"))
        else:
            entries.append(fields + header.bytes(at, word))
            values.append(data + bytes(len(data) & 1))
            at += len(values[-1])
    return b"".join((*entries, header.bytes(following, word), *values))
