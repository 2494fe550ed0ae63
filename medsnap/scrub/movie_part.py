"""One kept track made ready: its entries, its tables, and the places of its chunks in the source."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.formats.bmff import Box, children
from medsnap.formats.movie import Movie, Track
from medsnap.formats.movie_tables import (
    Run,
    Sizes,
    chunk_sizes,
    read_offsets,
    read_runs,
    read_sizes,
    scaled,
)
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.movie_entry import DEPTH, Entry, codings, read_entries
from medsnap.scrub.movie_timing import Edit, Timing, edits, timing

PICTURES = frozenset((b"vide", b"pict", b"auxv"))
_MATTES = frozenset((b"clip", b"matt", b"kmat", b"imap", b"txas"))
# References between tracks without which the other one cannot be decoded (14496-12, 8.3.3).
_LAYERED = frozenset((b"scal", b"sbas", b"tbas", b"dpnd", b"ipir", b"mpod", b"vdep", b"deps", b"swto"))
_KEPT_LINKS = frozenset((b"auxl", b"prem", b"fall", b"folw"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A track as it is written."""

    track: Track
    entries: tuple[Entry, ...]
    sizes: Sizes  # real lengths
    runs: tuple[Run, ...]
    starts: array[int]  # of the chunks, bytes from the start of the source
    lengths: array[int]  # of the chunks, bytes
    timing: Timing
    edits: tuple[Edit, ...]
    links: tuple[tuple[bytes, tuple[int, ...]], ...]  # tref: kind, track numbers


def select(source: memoryview, found: Movie, keep: ScrubKeep) -> tuple[Track, ...]:
    """Choose the tracks that stay: pictures, and sound where it is wanted. Raises Unsupported."""
    kept = [track for track in found.tracks if _stays(source, track, keep)]
    numbers = {track.header.id for track in kept}
    for track in kept:
        if track.handler == b"auxv" and not numbers.intersection(
            number for kind, to in references(source, track) if kind == b"auxl" for number in to
        ):
            kept = [other for other in kept if other is not track]
    if not kept:
        raise Unsupported("the movie holds no picture and no sound that may stay", where="moov")
    return tuple(kept)


def _stays(source: memoryview, track: Track, keep: ScrubKeep) -> bool:
    if track.handler == b"soun":
        return keep.audio
    if track.handler not in PICTURES or set(codings(source, track)) & DEPTH:
        return False
    links = references(source, track)
    if any(kind == b"thmb" for kind, _ in links):  # a small copy of another track (23008-12, 7.5.3)
        return False
    return track.handler != b"auxv" or _alpha(source, track)


def _alpha(source: memoryview, track: Track) -> bool:
    """Say whether an auxiliary track marks itself as an alpha plane; depth and others go."""
    from medsnap.scrub.heif_properties import ALPHA

    stsd = track.need(b"stsd")
    body = bytes(source[stsd.body : min(stsd.stop, stsd.body + 4096)])
    return b"auxi" in body and any(urn in body for urn in ALPHA)


def references(source: memoryview, track: Track) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    """List the references of a track to others. Raises Malformed."""
    found = []
    for tref in (box for box in track.trak if box.type == b"tref"):
        for link in children(source, tref.body, tref.stop, "tref"):
            rows = bytes(source[link.body : link.stop])
            if len(rows) % 4 or len(rows) > 256:
                raise Malformed(
                    "a track reference has an impossible length", where=f"tref, byte {link.start}"
                )
            to = tuple(int.from_bytes(rows[at : at + 4], "big") for at in range(0, len(rows), 4))
            found.append((link.type, to))
    return tuple(found)


def ready(source: memoryview, track: Track, kept: frozenset[int], keep: ScrubKeep) -> Part:
    """Make a kept track ready. Raises Malformed, Unsupported, TooLarge."""
    matte = next((box for box in track.trak if box.type in _MATTES), None)
    if matte is not None:
        raise Unsupported("a track with a matte or a clip", where=f"{matte.name}, byte {matte.start}")
    entries = read_entries(source, track, keep)
    _refuse_elsewhere(source, track, entries)
    sizes = _sizes(source, track, entries)
    starts = read_offsets(source, _one_of(track, b"stco", b"co64"))
    runs = read_runs(source, track.need(b"stsc"), len(starts))
    if any(not 1 <= run.description <= len(entries) for run in runs):
        raise Malformed("a chunk of a coding that does not exist", where=f"stsc of {track.label}")
    lengths = chunk_sizes(sizes, runs, len(starts))
    return Part(
        track=track, entries=entries, sizes=sizes, runs=runs, starts=starts, lengths=lengths,
        timing=timing(source, track, sizes.count), edits=edits(source, track),
        links=_links(source, track, kept),
    )  # fmt: skip


def places(source: memoryview, track: Track) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of a removed track lie, as far as its tables can be read."""
    try:
        sizes = read_sizes(source, _one_of(track, b"stsz", b"stz2"))
        starts = read_offsets(source, _one_of(track, b"stco", b"co64"))
        lengths = chunk_sizes(sizes, read_runs(source, track.need(b"stsc"), len(starts)), len(starts))
    except MedsnapError:
        return
    yield from ((start, start + length) for start, length in zip(starts, lengths, strict=True) if length)


def _one_of(track: Track, first: bytes, second: bytes) -> Box:
    one, other = track.find(first), track.find(second)
    if one is not None and other is not None:
        raise Malformed(
            f"{track.label} has two tables of one kind", where=f"{other.name}, byte {other.start}"
        )
    return one or other or track.need(first)


def _sizes(source: memoryview, track: Track, entries: tuple[Entry, ...]) -> Sizes:
    sizes = read_sizes(source, _one_of(track, b"stsz", b"stz2"))
    frames = {entry.frame for entry in entries}
    where = f"stsz of {track.label}"
    if len(frames) > 1 and sizes.fixed:
        raise Unsupported("uncompressed sound in frames of several sizes", where=where)
    frame = frames.pop()
    if sizes.fixed == 1 and not frame:
        raise Unsupported("coded sound of an old kind, whose packets are not listed", where=where)
    return scaled(sizes, frame, where) if sizes.fixed else sizes


def _refuse_elsewhere(source: memoryview, track: Track, entries: tuple[Entry, ...]) -> None:
    """Refuse samples that lie in another file (8.7.2)."""
    dinf = track.need(b"dinf")
    tables = [box for box in children(source, dinf.body, dinf.stop, "dinf") if box.type == b"dref"]
    here = set()
    for dref in tables[:1]:
        for number, entry in enumerate(children(source, dref.body + 8, dref.stop, "dref"), 1):
            if entry.stop - entry.body >= 4 and source[entry.body + 3] & 1:
                here.add(number)
    if len(tables) != 1 or any(entry.reference not in here for entry in entries):
        raise Unsupported("the samples of a track lie in another file", where=f"dref, byte {dinf.start}")


def _links(
    source: memoryview, track: Track, kept: frozenset[int]
) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    gathered: dict[bytes, dict[int, None]] = {}
    for kind, to in references(source, track):
        if kind in _LAYERED:
            raise Unsupported("a track that needs another one to be decoded", where=f"tref of {track.label}")
        if kind in _KEPT_LINKS:
            gathered.setdefault(kind, {}).update(dict.fromkeys(n for n in to if n in kept))
    return tuple((kind, tuple(rows)) for kind, rows in gathered.items() if rows)
