"""Second reader of movies: fragments, each a moof and an mdat that holds its samples and no more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from medsnap.errors import NotClean
from medsnap.scrub.second.heif_tables import Eater
from medsnap.scrub.second.movie_boxes import Readable, maybe, span
from medsnap.scrub.second.movie_chunks import tile
from medsnap.scrub.second.movie_tracks import Seen

EDGE = 16
MOST = 8_000_000  # samples
LARGEST = 64 << 20  # bytes of one moof


@dataclass(slots=True)
class Held:
    """What the fragments hold of one track."""

    codings: int
    defaults: list[int]  # description, duration, size, flags
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    runs: int = 0
    samples: int = 0
    total: int = 0

    def __str__(self) -> str:
        counted = f"{self.samples} samples in {self.runs} runs, {self.total} bytes"
        return f"{counted}, {self.digest.hexdigest()}"


@dataclass(slots=True)
class Extended:
    """What mvex says, and what was seen of each track."""

    whole: str = ""
    held: dict[int, Held] = field(default_factory=dict)


def eat_extends(moov: Eater, tracks: list[Seen]) -> Extended | None:
    """Eat mvex: defaults for the tracks there are, in their order. Raises NotClean."""
    mvex = maybe(moov, "mvex")
    if mvex is None:
        return None
    found = Extended()
    mehd = maybe(mvex, "mehd")
    if mehd is not None:
        found.whole = str(mehd.number({0: 4, 1 << 24: 8}.get(mehd.number(4), -1)))
        mehd.finish()
    for track in tracks:
        trex = mvex.named("trex")
        trex.exactly(bytes(4) + track.number.to_bytes(4, "big"))
        held = Held(len(track.codings), [trex.number(4) for _ in range(4)])
        found.held[track.number] = held
        trex.finish()
        if not 1 <= held.defaults[0] <= held.codings:
            raise trex.fail("a default of a coding that does not exist")
    mvex.finish()
    return found


def eat_fragments(file: Readable, at: int, known: Extended) -> list[tuple[str, str]]:
    """Eat pairs of moof and mdat up to the end of the file; returns facts. Raises NotClean."""
    count = 0
    while at < len(file):
        count += 1
        name, body, end = span(file, at)
        if name != "moof" or end - body > LARGEST:
            raise NotClean("something else than a fragment behind the movie", where=f"byte {at}")
        moof = Eater(memoryview(bytes(file[body:end])), 0, end - body, "moof")
        spans = _moof(moof, file, at, count, known)
        at = end
        if spans:
            name, body, end = span(file, at)
            if name != "mdat":
                raise NotClean("a fragment without its samples", where=f"byte {at}")
            _apart(sorted(spans), body, end)
            at = end
    facts = [("fragments", f"{count} {known.whole}")]
    return facts + [(f"runs {number}", str(held)) for number, held in known.held.items()]


def _moof(moof: Eater, file: Readable, at: int, count: int, known: Extended) -> list[tuple[int, int]]:
    """Eat one moof, which begins at byte `at` of the file: where its samples lie."""
    mfhd = moof.named("mfhd")
    mfhd.exactly(bytes(4) + count.to_bytes(4, "big"))
    mfhd.finish()
    if moof.at == moof.end:
        raise moof.fail("an empty fragment")
    spans: list[tuple[int, int]] = []
    while moof.at < moof.end:
        _traf(moof.named("traf"), file, at, known, spans)
    return spans


def _traf(traf: Eater, file: Readable, at: int, known: Extended, spans: list[tuple[int, int]]) -> None:
    tfhd = traf.named("tfhd")
    flags = tfhd.number(4)
    held = known.held.get(tfhd.number(4))
    if held is None or flags & ~0x03003A or not flags & 0x020000:
        raise tfhd.fail("a header of a fragment that is not in the expected form")
    values = [tfhd.number(4) if flags & flag else held.defaults[k] for k, flag in enumerate((2, 8, 16, 32))]
    tfhd.finish()
    if not 1 <= values[0] <= held.codings:
        raise tfhd.fail("a fragment of a coding that does not exist")
    tfdt = maybe(traf, "tfdt")
    time = None
    if tfdt is not None:
        time = tfdt.number({0: 4, 1 << 24: 8}.get(tfdt.number(4), -1))
        tfdt.finish()
    held.digest.update(f"{time} {values[0]};".encode())
    while traf.at < traf.end:
        start, length = _trun(traf.named("trun"), at, values, held)
        if length:
            if start + length > len(file):
                raise traf.fail("samples behind the end of the file")
            spans.append((start, start + length))
        edge = min(EDGE, length)
        held.digest.update(bytes(file[start : start + edge]))
        held.digest.update(bytes(file[start + length - edge : start + length]))
        held.total += length


def _trun(trun: Eater, at: int, values: list[int], held: Held) -> tuple[int, int]:
    """Eat one run; note its samples; return where they lie and how long they are together."""
    head = trun.number(4)
    version, flags = head >> 24, head & 0xFFFFFF
    if version > 1 or flags & ~0xF05 or not flags & 1:
        raise trun.fail("a run of samples of another form")
    count, offset = trun.number(4), trun.number(4)
    held.runs += 1
    held.samples += count
    if held.samples > MOST or offset >= 1 << 31:
        raise trun.fail("too many samples, or samples too far away")
    first = trun.number(4) if flags & 4 else None
    length = 0
    for number in range(count):
        duration, size, sign, shift = (
            trun.number(4) if flags & flag else usual
            for flag, usual in zip((0x100, 0x200, 0x400, 0x800), (*values[1:], 0), strict=True)
        )
        if number == 0 and first is not None:
            sign = first
        if version and shift >= 1 << 31:
            shift -= 1 << 32
        held.digest.update(f"{duration} {size} {sign} {shift};".encode())
        length += size
    trun.finish()
    return at + offset, length


def _apart(spans: list[tuple[int, int]], start: int, stop: int) -> None:
    for row in range(1, len(spans)):
        if spans[row][0] < spans[row - 1][1]:
            raise NotClean("runs that overlap", where=f"byte {spans[row][0]}")
    if spans[0][0] != start:
        raise NotClean("bytes that belong to no sample", where=f"byte {start}")
    tile(spans, start, stop)
