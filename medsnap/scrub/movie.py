"""Scrub a movie (MP4, MOV): rebuild it from what its pictures and its sound need, and nothing else.

Allow-list: tracks of pictures and, where wanted, of sound; in each the tables and the decoder setup.
The samples stay the same bytes in the same order; what lies between them goes.
"""

from __future__ import annotations

from array import array

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.movie import Movie, view
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import movie_carriers, movie_fragments, movie_write
from medsnap.scrub.core import Assembly, ScrubKeep
from medsnap.scrub.movie_frames import refuse_unclean
from medsnap.scrub.movie_layout import Layout, lay_out
from medsnap.scrub.movie_part import PICTURES, Part, places, ready, select
from medsnap.scrub.movie_rendering import describe

WIDE = 0xFFFFFFFF  # the longest file whose offsets have 32 bits


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the clean movie. Raises Malformed, Unsupported, TooLarge (ISO/IEC 14496-12)."""
    source = memoryview(data)
    found = view(source)
    parts = make_parts(source, found, keep)
    mdats = found.named(b"mdat")
    layout = lay_out(parts, mdats)
    refuse_hidden(source, found, parts, layout)
    pieces = movie_fragments.read(source, found, parts)
    spans = pieces.spans(mdats)
    fragmented = pieces.extends is not None
    for part in parts:
        refuse_unclean(source, part, fragmented=fragmented)
    head = movie_write.ftyp(found.brands, quicktime=media is MediaType.MOV, fragmented=fragmented)
    extra = movie_fragments.mvex(pieces.extends, parts)
    out = Assembly()
    out.insert(head + _moov(source, found, parts, layout, at=len(head), extra=extra))
    for start, stop in layout.spans:
        out.keep(start, stop, coded=True)
    movie_fragments.write(out, pieces, spans)
    movie_carriers.report(out, source, found, parts)
    used = sorted((*layout.spans, *(span for own in spans for span in own)))
    movie_carriers.unreferenced(out, source, mdats, used)
    describe(out, source, found, parts)
    movie_fragments.describe(out, source, pieces)
    return out.finish(media)


def make_parts(source: memoryview, found: Movie, keep: ScrubKeep) -> tuple[Part, ...]:
    """Make the kept tracks ready. Raises Malformed, Unsupported, TooLarge."""
    tracks = select(source, found, keep)
    kept = frozenset(track.header.id for track in tracks)
    return tuple(ready(source, track, kept, keep) for track in tracks)


def refuse_hidden(source: memoryview, found: Movie, parts: tuple[Part, ...], layout: Layout) -> None:
    """Refuse metadata tracks that lie in kept samples: cutting the track would not cut the bytes."""
    kept = {part.track.header.id for part in parts}
    for track in found.tracks:
        if track.header.id in kept or track.handler in (*PICTURES, b"soun"):
            continue
        for start, stop in places(source, track):
            if layout.touches(start, stop):
                raise Malformed("a metadata track lies inside the samples", where=f"stco, byte {start}")


def refuse_fragments(found: Movie) -> None:
    """Refuse a sequence that is not in one piece: no camera writes one. Raises Unsupported."""
    moof = next(iter(found.named(b"moof")), None)
    if moof is not None:
        raise Unsupported("a sequence in fragments cannot be scrubbed", where=f"moof, byte {moof.start}",
                          hint="keep the original, or copy it into one piece with a video tool")  # fmt: skip


def _moov(
    source: memoryview, found: Movie, parts: tuple[Part, ...], layout: Layout, *, at: int, extra: bytes
) -> bytes:
    """Write moov and the header of mdat: once to learn its length, once with the offsets."""
    empty = tuple(array("Q", bytes(8 * len(places))) for places in layout.places)
    first = movie_write.moov(found, parts, source, empty, wide=False, extra=extra)
    wide = at + len(first) + 16 + layout.size > WIDE
    if wide:
        first = movie_write.moov(found, parts, source, empty, wide=True, extra=extra)
    header = mdat_header(layout.size)
    base = at + len(first) + len(header)
    if base + layout.size >= 1 << 63:
        raise TooLarge("the movie is too long", where="mdat")
    offsets = tuple(array("Q", (base + place for place in places)) for places in layout.places)
    return movie_write.moov(found, parts, source, offsets, wide=wide, extra=extra) + header


def mdat_header(size: int) -> bytes:
    """Write the header of mdat for so many bytes; none for nothing (8.1.1)."""
    if not size:
        return b""
    if size + 8 > WIDE:
        return b"\0\0\0\1mdat" + (size + 16).to_bytes(8, "big")
    return (size + 8).to_bytes(4, "big") + b"mdat"
