"""The view of a movie (MP4, MOV, image sequence): its tracks and their boxes, nothing judged.

ISO/IEC 14496-12, 8.1 to 8.7, and the QuickTime File Format, which it grew from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.bmff import Box, Cursor, children, cursor, top

MAX_TRACKS = 64
MAX_MOOV = 128 << 20  # bytes: a day of video has about 60 MB of tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What tkhd says and rendering needs (8.3.2)."""

    id: int
    flags: int
    duration: int
    dated: bool
    placing: bytes  # layer, alternate group, volume: 2 bytes each
    matrix: bytes  # 36 bytes
    extent: bytes  # width and height, 16.16 each

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return int.from_bytes(self.extent[:2], "big"), int.from_bytes(self.extent[4:6], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What mvhd or mdhd says of time (8.2.2, 8.4.2)."""

    scale: int  # ticks a second
    duration: int  # ticks
    dated: bool
    rest: bytes  # what follows the duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track: each container's boxes by name; boxes that stand twice where one may are Malformed."""

    box: Box
    header: Header
    clock: Clock
    handler: bytes
    handler_box: Box
    handler_named: bool
    component: bytes  # 'mhlr' in QuickTime files, else zero
    trak: tuple[Box, ...]
    mdia: tuple[Box, ...]
    minf: tuple[Box, ...]
    stbl: tuple[Box, ...]

    @property
    def label(self) -> str:
        """The track for people."""
        return f"track {self.header.id}"

    def find(self, name: bytes) -> Box | None:
        """Give the box of this name from any of the containers."""
        everywhere = (*self.trak, *self.mdia, *self.minf, *self.stbl)
        return next((box for box in everywhere if box.type == name), None)

    def need(self, name: bytes) -> Box:
        """Give the box of this name. Raises Malformed."""
        box = self.find(name)
        if box is None:
            raise Malformed(f"{self.label} has no {name.decode()} box", where=f"trak, byte {self.box.start}")
        return box


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """The boxes of the file, of moov, and the tracks."""

    size: int  # bytes of the file
    boxes: tuple[Box, ...]
    framed: int  # bytes covered by boxes
    brands: tuple[bytes, ...]  # the major brand first; empty in old QuickTime files
    moov: Box
    moov_boxes: tuple[Box, ...]
    clock: Clock
    tracks: tuple[Track, ...]

    def named(self, name: bytes) -> tuple[Box, ...]:
        """List the top-level boxes of one name."""
        return tuple(box for box in self.boxes if box.type == name)


def view(data: bytes | bytearray | memoryview) -> Movie:
    """Read the structure of a movie. Raises Malformed, Unsupported, TooLarge."""
    source = memoryview(data)
    boxes, framed = top(source)
    if not boxes or (boxes[0].type != b"ftyp" and any(box.type == b"ftyp" for box in boxes)):
        raise Malformed("the file does not begin with a file type box", where="byte 0")
    moov = _only([box for box in boxes if box.type == b"moov"], "moov", "the file")
    if moov.size > MAX_MOOV:
        raise TooLarge(f"the moov box is larger than {MAX_MOOV >> 20} MiB", where=f"moov, byte {moov.start}")
    inner = children(source, moov.body, moov.stop, "moov")
    strange = next((b for b in inner if b.type in (b"cmov", b"rmra", b"pssh", b"clip")), None)
    if strange is not None:
        raise Unsupported("a compressed, referencing, clipped or encrypted movie",
                          where=f"{strange.name}, byte {strange.start}")  # fmt: skip
    traks = [box for box in inner if box.type == b"trak"]
    if len(traks) > MAX_TRACKS:
        raise TooLarge(f"more than {MAX_TRACKS} tracks", where="moov")
    if not traks:
        raise Unsupported("the file is a movie without a track: there is nothing to show", where="moov")
    tracks = tuple(_track(source, box) for box in traks)
    if len({track.header.id for track in tracks} - {0}) != len(tracks):
        raise Malformed("two tracks have the same number", where="moov")
    mvhd = _only([box for box in inner if box.type == b"mvhd"], "mvhd", "moov")
    return Movie(
        size=len(source), boxes=boxes, framed=framed, brands=_brands(source, boxes[0]), moov=moov,
        moov_boxes=inner, clock=_clock(source, mvhd, 80), tracks=tracks,
    )  # fmt: skip


def _only(found: list[Box], name: str, inside: str) -> Box:
    if len(found) != 1:  # readers disagree on which of two counts: a place to hide
        raise Malformed(f"{inside} has {len(found) or 'no'} {name} box{'es' * bool(found)}", where=inside)
    return found[0]


def _brands(source: memoryview, first: Box) -> tuple[bytes, ...]:
    if first.type != b"ftyp":
        return ()
    body = bytes(source[first.body : first.stop])
    if len(body) < 8 or len(body) > 1024:
        raise Malformed("the file type box has an impossible length", where="ftyp, byte 0")
    return (body[:4], *(body[at : at + 4] for at in range(8, len(body) - 3, 4)))


def _timed(fields: Cursor) -> tuple[int, int, bool]:
    """Read version and flags, and the two dates behind them, of which only their presence counts."""
    head = fields.uint(4)
    if head >> 24 > 1:
        raise Unsupported("a header box of an unknown version", where=fields.where)
    return head >> 24, head & 0xFFFFFF, any(fields.take(16 if head >> 24 else 8))


def _clock(source: memoryview, box: Box, rest: int) -> Clock:
    fields = cursor(source, box)
    version, _, dated = _timed(fields)
    scale = fields.uint(4)
    duration = fields.uint(8 if version else 4)
    if duration == (1 << (64 if version else 32)) - 1:
        duration = (1 << 64) - 1  # not known (8.2.2.3)
    return Clock(scale=scale, duration=duration, dated=dated, rest=bytes(fields.take(rest)))


def _header(source: memoryview, box: Box) -> Header:
    fields = cursor(source, box)
    version, flags, dated = _timed(fields)
    number = fields.uint(4)
    fields.take(4)
    duration = fields.uint(8 if version else 4)
    if duration == (1 << (64 if version else 32)) - 1:
        duration = (1 << 64) - 1
    fields.take(8)
    placing = bytes(fields.take(6))
    fields.take(2)
    matrix, extent = bytes(fields.take(36)), bytes(fields.take(8))
    return Header(id=number, flags=flags, duration=duration, dated=dated, placing=placing,
                  matrix=matrix, extent=extent)  # fmt: skip


_MANY = frozenset((b"free", b"skip", b"wide", b"uuid", b"sgpd", b"sbgp", b"csgp", b"saiz", b"saio", b"subs",
                   b"udta", b"meta", b"tref", b"trgr"))  # fmt: skip


def _inside(source: memoryview, box: Box) -> tuple[Box, ...]:
    found = children(source, box.body, box.stop, box.name)
    seen: set[bytes] = set()
    for inner in found:
        if inner.type in seen and inner.type not in _MANY:
            raise Malformed(
                f"two {inner.name} boxes in {box.name}", where=f"{inner.name}, byte {inner.start}"
            )
        seen.add(inner.type)
    return found


def _child(boxes: Mapping[bytes, Box], name: bytes, inside: Box) -> Box:
    box = boxes.get(name)
    if box is None:
        raise Malformed(
            f"{inside.name} has no {name.decode()} box", where=f"{inside.name}, byte {inside.start}"
        )
    return box


def _track(source: memoryview, trak: Box) -> Track:
    outer = _inside(source, trak)
    named = {box.type: box for box in outer}
    media = _child(named, b"mdia", trak)
    mdia = _inside(source, media)
    inner = {box.type: box for box in mdia}
    minf_box = _child(inner, b"minf", media)
    minf = _inside(source, minf_box)
    stbl_box = _child({box.type: box for box in minf}, b"stbl", minf_box)
    hdlr = _child(inner, b"hdlr", media)
    fields = cursor(source, hdlr)
    fields.take(4)
    component, handler = bytes(fields.take(4)), bytes(fields.take(4))
    rest = bytes(fields.take(fields.left))
    return Track(
        box=trak, header=_header(source, _child(named, b"tkhd", trak)),
        clock=_clock(source, _child(inner, b"mdhd", media), 4),
        handler=handler, handler_box=hdlr, handler_named=any(rest), component=component,
        trak=outer, mdia=mdia, minf=minf, stbl=_inside(source, stbl_box),
    )  # fmt: skip
