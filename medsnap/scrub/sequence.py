"""Scrub an image sequence (HEIF, AVIF): its primary still and its tracks, both rebuilt (23008-12, 7).

Still and tracks often share their coded bytes; each byte is kept once, and both tables point at it.
"""

from __future__ import annotations

from array import array
from dataclasses import replace

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import heif
from medsnap.formats.heif_view import HeifView, Span
from medsnap.formats.movie import Movie, view
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import heif_write, movie_carriers, movie_write
from medsnap.scrub.core import Assembly, ScrubKeep
from medsnap.scrub.heif_carriers import report as report_still
from medsnap.scrub.heif_image import Image, Maker
from medsnap.scrub.heif_rendering import describe as describe_still
from medsnap.scrub.heif_rendering import without_icc
from medsnap.scrub.heif_select import Selection, select
from medsnap.scrub.movie import WIDE, make_parts, mdat_header, refuse_fragments, refuse_hidden
from medsnap.scrub.movie_frames import refuse_unclean
from medsnap.scrub.movie_layout import Layout, lay_out
from medsnap.scrub.movie_part import Part
from medsnap.scrub.movie_rendering import describe as describe_movie

SEQUENCE_BRANDS = frozenset((b"msf1", b"hevc", b"hevx", b"avis"))
BRANDS = heif_write.BRANDS | SEQUENCE_BRANDS | {b"iso8", b"iso9", b"isom", b"mp41", b"mp42"}


class _Still:
    """The primary picture of a sequence, made ready; a sequence may have none."""

    def __init__(self, source: memoryview, found: HeifView, keep: ScrubKeep) -> None:
        if found.handler != b"pict":
            raise Unsupported("the file's items are no pictures", where="hdlr")
        self.found = found
        self.chosen: Selection = select(source, found)
        inputs = {r.source: len(r.targets) for r in self.chosen.references if r.type == b"dimg"}
        maker = Maker(source, found, keep)
        self.images: tuple[Image, ...] = tuple(
            maker.image(number, inputs.get(number, 0)) for number in self.chosen.items
        )
        self.numbers = {image.id: place for place, image in enumerate(self.images, 1)}

    @property
    def spans(self) -> tuple[Span, ...]:
        """All coded spans, unordered."""
        return tuple(span for image in self.images for span in image.spans)

    def meta(self, layout: Layout, base: int) -> bytes:
        """Write meta for data that begins at `base`. Raises Unsupported, TooLarge."""
        regions = {image.spans: _region(image.spans, layout) for image in self.images if image.spans}
        return heif_write.meta(
            self.images,
            self.chosen.references,
            self.numbers,
            primary=self.found.primary,
            regions=regions,
            base=base,
        )


def _region(spans: tuple[Span, ...], layout: Layout) -> int:
    """Give the one place of an item in the new data; its pieces must follow each other there."""
    start = at = layout.place_of(spans[0][0])
    for low, high in spans:
        if layout.place_of(low) != at:
            raise Unsupported(
                "the still holds messages that its sequence holds, too", where=f"iloc, byte {low}"
            )
        at += high - low
    return start


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the clean sequence. Raises Malformed, Unsupported, TooLarge."""
    source = memoryview(data)
    movie = view(source)
    refuse_fragments(movie)
    still = _Still(source, heif.view(source), keep) if movie.named(b"meta") else None
    parts = make_parts(source, movie, keep)
    if not keep.moving_alpha and any(part.track.handler == b"auxv" for part in parts):
        raise Unsupported(
            "a moving picture with transparency in a second track: no other reader can confirm it clean",
            where="moov",
            hint="such files do not come from cameras; seal it as it came with medsnap ingest",
        )
    mdats = movie.named(b"mdat")
    layout = lay_out(parts, mdats, still.spans if still else ())
    refuse_hidden(source, movie, parts, layout)
    for part in parts:
        refuse_unclean(source, part, fragmented=False)
    if still is not None:
        _refuse_hidden(still.found, still.chosen, layout)
    out = Assembly()
    out.insert(_head(source, movie, still, parts, layout))
    for start, stop in layout.spans:
        out.keep(start, stop, coded=True)
    _report(out, source, movie, still, parts)
    movie_carriers.unreferenced(out, source, mdats, layout.spans)
    if still is not None:
        describe_still(out, source, still.found, still.chosen, still.images, keep=keep)
        without_icc(out, keep)
    describe_movie(out, source, movie, parts)
    out.rendering = list(dict.fromkeys(out.rendering))
    return out.finish(media)


def _head(
    source: memoryview, movie: Movie, still: _Still | None, parts: tuple[Part, ...], layout: Layout
) -> bytes:
    """Write all before the coded bytes: once to learn its length, once with the places."""
    first = _ftyp(movie.brands)
    meta = still.meta(layout, 0) if still else b""
    empty = tuple(array("Q", bytes(8 * len(places))) for places in layout.places)
    moov = movie_write.moov(movie, parts, source, empty, wide=False)
    header = mdat_header(layout.size)
    base = len(first) + len(meta) + len(moov) + len(header)
    if base + layout.size > WIDE:
        raise TooLarge("the sequence is larger than 4 GB", where="mdat")
    offsets = tuple(array("Q", (base + place for place in places)) for places in layout.places)
    meta = still.meta(layout, base) if still else b""
    return first + meta + movie_write.moov(movie, parts, source, offsets, wide=False) + header


def _ftyp(brands: tuple[bytes, ...]) -> bytes:
    if not brands or brands[0] not in heif_write.BRANDS | SEQUENCE_BRANDS:
        raise Unsupported("the first brand of the file is not one of an image", where="ftyp, byte 8")
    kept = dict.fromkeys(brand for brand in brands[1:] if brand in BRANDS)
    return heif_write.box(b"ftyp", brands[0], bytes(4), *kept)


def _refuse_hidden(found: HeifView, chosen: Selection, layout: Layout) -> None:
    """Refuse metadata items that lie in kept bytes: cutting the item would not cut the bytes."""
    kept = set(chosen.items)
    for item in found.items.values():
        if item.id in kept or item.type not in (b"Exif", b"mime", b"uri ", b"iptc"):
            continue
        for start, stop in found.clipped(item.id):
            if layout.touches(start, stop):
                raise Malformed("a metadata item lies inside the pictures", where=f"iloc, byte {start}")


def _report(
    out: Assembly, source: memoryview, movie: Movie, still: _Still | None, parts: tuple[Part, ...]
) -> None:
    """List what was removed; tables of the still and of the tracks, each box once."""
    if still is not None:
        own = tuple(box for box in still.found.boxes if box.type == b"ftyp")
        alone = replace(still.found, boxes=own, framed=still.found.size)
        report_still(out, source, alone, still.chosen, still.images)
        movie = replace(movie, boxes=tuple(box for box in movie.boxes if box.type != b"meta"))
    movie_carriers.report(out, source, movie, parts)
