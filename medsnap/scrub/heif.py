"""Scrub a HEIF still image (HEIC, AVIF): rebuild it from what its picture needs, and nothing else.

Allow-list: the primary item, the tiles and layers it is derived from, its alpha plane, and the
properties that rendering needs. Coded slices stay the same bytes; the boxes around are written anew.
"""

from __future__ import annotations

from dataclasses import replace

from medsnap.errors import Malformed, Unsupported
from medsnap.formats import tiff
from medsnap.formats.heif import exif, view
from medsnap.formats.heif_view import HeifView, Span
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import heif_write
from medsnap.scrub.core import Assembly, ScrubKeep
from medsnap.scrub.heif_carriers import report
from medsnap.scrub.heif_image import Image, Maker
from medsnap.scrub.heif_rendering import describe, without_icc
from medsnap.scrub.heif_select import Selection, select
from medsnap.scrub.keep import Fresh, choose, note_kept, payload, render

_EXIF_HEAD = b"\x00\x00\x00\x06Exif\x00\x00"  # where the TIFF structure begins (23008-12, A.2.1)
SEQUENCE_BRANDS = frozenset((b"msf1", b"hevc", b"hevx", b"hevm", b"hevs", b"avis"))


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the clean file. Raises Malformed, Unsupported, TooLarge (ISO/IEC 23008-12)."""
    source = memoryview(data)
    found = view(source)
    if any(box.type == b"moov" for box in found.boxes):
        from medsnap.scrub import sequence

        return sequence.plan(source, media, keep)
    _refuse_sequences(found)
    chosen = select(source, found)
    inputs = {r.source: len(r.targets) for r in chosen.references if r.type == b"dimg"}
    maker = Maker(source, found, keep)
    images = tuple(maker.image(number, inputs.get(number, 0)) for number in chosen.items)
    refuse_shared(found, chosen, images)
    out = Assembly()
    fresh = _fresh(data, keep)
    written = _EXIF_HEAD + payload(fresh) if fresh.names else b""
    head, spans = heif_write.head(found.brands, images, chosen.references, found.primary, exif=len(written))
    _refuse_disorder(spans)
    out.insert(head)
    for start, stop in spans:
        out.keep(start, stop, coded=True)
    out.insert(written)
    report(out, source, found, chosen, images)
    note_kept(out, fresh, "Exif item")
    render(out, fresh)
    describe(out, source, found, chosen, images, keep=keep)
    without_icc(out, keep)
    return out.finish(media)


def _fresh(data: Buffer, keep: ScrubKeep) -> Fresh:
    """Choose what is kept by wish; irot and imir turn the picture, so the Exif says nothing of it."""
    old = exif(data) if keep.from_exif else None
    return replace(choose(tiff.read(old), keep), orientation=1) if old else Fresh()


def _refuse_sequences(found: HeifView) -> None:
    moving = [box for box in found.boxes if box.type == b"moof"]
    if moving or found.brands[0] in SEQUENCE_BRANDS:
        raise Unsupported(
            "an image sequence without its tracks cannot be scrubbed",
            where=f"{moving[0].name}, byte {moving[0].start}" if moving else "ftyp, byte 8",
            hint="keep the original; export a single still from it",
        )
    if found.handler != b"pict":
        raise Unsupported("the file's items are no pictures", where="hdlr")


def _refuse_disorder(spans: tuple[Span, ...]) -> None:
    """Refuse images that overlap or lie in pieces out of order: no camera writes that."""
    behind = 0
    for start, stop in spans:
        if start < behind:
            raise Unsupported("the picture lies in the file in overlapping or shuffled pieces",
                              where=f"iloc, byte {start}")  # fmt: skip
        behind = stop


def refuse_shared(found: HeifView, chosen: Selection, images: tuple[Image, ...]) -> None:
    """Refuse coded bytes that also serve as metadata: cutting the item would not cut the bytes."""
    chosen_items = set(chosen.items)
    kept = sorted({span for image in images for span in image.spans})
    removed = sorted(
        span
        for item in found.items.values()
        if item.id not in chosen_items and item.type in (b"Exif", b"mime", b"uri ", b"iptc")
        for span in found.clipped(item.id)
    )
    at = 0
    for start, stop in kept:
        while at < len(removed) and removed[at][1] <= start:
            at += 1
        if at < len(removed) and removed[at][0] < stop:
            raise Malformed("a metadata item lies inside the picture", where=f"iloc, byte {removed[at][0]}")
