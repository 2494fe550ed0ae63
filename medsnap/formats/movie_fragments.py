"""The view of movie fragments: runs of samples outside of moov, and where they lie (14496-12, 8.8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.bmff import Box, Cursor, children, cursor

MAX_SAMPLES = 8_000_000  # in all runs of a file
MAX_RUN = 1_000_000

# The optional fields of tfhd and of a row of trun, by their flag (8.8.7, 8.8.8).
DEFAULTS = (0x02, 0x08, 0x10, 0x20)  # description, duration, size, flags
ROW = (0x100, 0x200, 0x400, 0x800)  # duration, size, flags, composition offset
BASE, OFFSET, FIRST_FLAGS, EMPTY, FROM_MOOF = 0x01, 0x01, 0x04, 0x010000, 0x020000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One trun: its rows as they came, and where its samples lie."""

    version: int
    flags: int
    count: int
    first: bytes  # flags of the first sample, or nothing
    rows: memoryview
    start: int  # bytes from the start of the file
    length: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Traf:
    """The part of a fragment that belongs to one track."""

    track: int
    flags: int
    defaults: Mapping[int, int]  # by flag; what tfhd says, else what trex says
    said: tuple[int, ...]  # flags of the defaults that stand in tfhd itself
    time: int | None  # decode time of the first sample, ticks
    runs: tuple[Run, ...]
    others: tuple[Box, ...]

    def samples(self, run: Run) -> Iterator[tuple[int, int, int, int]]:
        """Yield duration, size, flags and composition offset of each sample of a run."""
        given = [flag for flag in ROW if run.flags & flag]
        base = [self.defaults.get(flag, 0) for flag in (0x08, 0x10, 0x20)]
        width = 4 * len(given)
        for n in range(run.count):
            row = [*base, 0]
            for k, flag in enumerate(given):
                at = n * width + 4 * k
                row[ROW.index(flag)] = int.from_bytes(run.rows[at : at + 4], "big")
            if n == 0 and run.first:
                row[2] = int.from_bytes(run.first, "big")
            shift = row[3] - (row[3] >> 31 << 32) if run.version else row[3]
            yield row[0], row[1], row[2], shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One moof."""

    box: Box
    trafs: tuple[Traf, ...]
    others: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extends:
    """What mvex says: the whole duration, and the defaults of each track (8.8.1 to 8.8.3)."""

    duration: int | None
    defaults: Mapping[int, tuple[int, int, int, int]]  # track: description, duration, size, flags
    others: tuple[Box, ...]


def read_extends(view: memoryview, mvex: Box) -> Extends:
    """Read mvex. Raises Malformed."""
    duration = None
    defaults: dict[int, tuple[int, int, int, int]] = {}
    others = []
    for box in children(view, mvex.body, mvex.stop, "mvex"):
        fields = cursor(view, box)
        if box.type == b"mehd":
            duration = fields.uint(8 if fields.uint(4) >> 24 else 4)
        elif box.type == b"trex":
            fields.take(4)
            number = fields.uint(4)
            if number in defaults:
                raise Malformed("two trex boxes for one track", where=fields.where)
            description, length, size, flags = (fields.uint(4) for _ in range(4))
            defaults[number] = (description, length, size, flags)
        else:
            others.append(box)
    return Extends(duration=duration, defaults=defaults, others=tuple(others))


def read_fragments(view: memoryview, moofs: tuple[Box, ...], extends: Extends) -> tuple[Fragment, ...]:
    """Read all fragments. Raises Malformed, Unsupported, TooLarge."""
    found = []
    left = MAX_SAMPLES
    for moof in moofs:
        fragment = _fragment(view, moof, extends)
        left -= sum(run.count for traf in fragment.trafs for run in traf.runs)
        if left < 0:
            raise TooLarge(f"the fragments hold more than {MAX_SAMPLES} samples", where="moof")
        found.append(fragment)
    return tuple(found)


def _fragment(view: memoryview, moof: Box, extends: Extends) -> Fragment:
    trafs: list[Traf] = []
    others = []
    behind = moof.start  # where a track without a base begins: after the one before (8.8.7.1)
    for box in children(view, moof.body, moof.stop, "moof"):
        if box.type == b"traf":
            traf = _traf(view, box, moof, behind, extends)
            behind = traf.runs[-1].start + traf.runs[-1].length if traf.runs else behind
            trafs.append(traf)
        elif box.type != b"mfhd":
            others.append(box)
    return Fragment(box=moof, trafs=tuple(trafs), others=tuple(others))


def _traf(view: memoryview, box: Box, moof: Box, behind: int, extends: Extends) -> Traf:
    inner = children(view, box.body, box.stop, "traf")
    heads = [b for b in inner if b.type == b"tfhd"]
    times = [b for b in inner if b.type == b"tfdt"]
    if len(heads) != 1 or len(times) > 1:
        raise Malformed("a fragment of a track without one header", where=f"traf, byte {box.start}")
    fields = cursor(view, heads[0])
    flags = fields.uint(4) & 0xFFFFFF
    track = fields.uint(4)
    base = fields.uint(8) if flags & BASE else moof.start if flags & FROM_MOOF else behind
    values = extends.defaults.get(track)
    if values is None:
        raise Malformed("a fragment of a track that moov does not announce", where=fields.where)
    defaults = dict(zip(DEFAULTS, values, strict=True))
    said = tuple(flag for flag in DEFAULTS if flags & flag)
    defaults.update({flag: fields.uint(4) for flag in said})
    time = None
    if times:
        clock = cursor(view, times[0])
        time = clock.uint(8 if clock.uint(4) >> 24 else 4)
    runs: list[Run] = []
    at = base
    for trun in (b for b in inner if b.type == b"trun"):
        runs.append(_run(cursor(view, trun), base, at, defaults[0x10]))
        at = runs[-1].start + runs[-1].length
    others = tuple(b for b in inner if b.type not in (b"tfhd", b"tfdt", b"trun"))
    return Traf(
        track=track, flags=flags, defaults=defaults, said=said, time=time, runs=tuple(runs), others=others
    )


def _run(fields: Cursor, base: int, at: int, size: int) -> Run:
    head = fields.uint(4)
    version, flags = head >> 24, head & 0xFFFFFF
    count = fields.uint(4)
    if version > 1:
        raise Unsupported("a run of samples of an unknown version", where=fields.where)
    if count > MAX_RUN:
        raise TooLarge(f"a run holds more than {MAX_RUN} samples", where=fields.where)
    if flags & OFFSET:
        offset = fields.uint(4)
        at = base + offset - (offset >> 31 << 32)
    if at < 0:
        raise Malformed("a run of samples lies before the file", where=fields.where)
    first = bytes(fields.take(4)) if flags & FIRST_FLAGS else b""
    width = 4 * sum(bool(flags & flag) for flag in ROW)
    rows = fields.take(count * width)
    length = count * size
    if flags & 0x200:
        skip = 4 if flags & 0x100 else 0
        length = sum(int.from_bytes(rows[k : k + 4], "big") for k in range(skip, len(rows), width))
    return Run(
        version=version, flags=flags, count=count, first=first, rows=rows, start=at, length=length
    )  # fmt: skip
