"""Name every place in a HEIF file that held something else than its picture."""

from __future__ import annotations

from collections.abc import Iterable

from medsnap.formats.bmff import Box, printable
from medsnap.formats.heif_view import HeifView, Item, Span
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.scrub import exif
from medsnap.scrub.core import Assembly, tail_kind
from medsnap.scrub.heif_image import Image
from medsnap.scrub.heif_select import CODED, DERIVED, Selection

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
PADDING = frozenset((b"free", b"skip", b"wide"))
REBUILT = frozenset((b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"dinf"))
SEARCHED = 256 << 10  # bytes of a metadata item that are looked through for the report
LISTED = 200  # items that are listed; a photo has a dozen, and each is looked into

# Names that writers give to every item alike.
USUAL_NAMES = frozenset((b"Color", b"Alpha", b"Exif", b"XMP", b"GMap", b"HEVC Image", b"Image", b"Grid"))

_PROPERTIES = {
    b"udes": (CarrierKind.TEXT, Reveals.PERSON),
    b"altt": (CarrierKind.TEXT, Reveals.PERSON),
    b"crtt": (CarrierKind.TIME, Reveals.TIME),
    b"mdft": (CarrierKind.TIME, Reveals.TIME),
    b"free": (CarrierKind.PADDING, Reveals.OTHER),
    b"skip": (CarrierKind.PADDING, Reveals.OTHER),
    b"uuid": (CarrierKind.APPLICATION, Reveals.OTHER),
}


def report(
    out: Assembly, source: memoryview, found: HeifView, chosen: Selection, images: tuple[Image, ...]
) -> None:
    """List what was removed, and the crop that stays."""
    _boxes(out, source, found)
    _names(out, found)
    _items(out, source, found, chosen)
    _properties(out, found, chosen)
    _inside(out, found, images)
    _unreferenced(out, source, found)


def _boxes(out: Assembly, source: memoryview, found: HeifView) -> None:
    for box in found.boxes:
        if box.type not in (b"ftyp", b"meta", b"mdat"):
            kind, reveals = _box_kind(source, box)
            out.carrier(kind, f"{box.name} box", box.start, box.stop, reveals=reveals)
    for box in found.meta_boxes:
        if box.type not in REBUILT:
            kind, reveals = _box_kind(source, box)
            out.carrier(kind, f"meta/{box.name} box", box.start, box.stop, reveals=reveals)
    if found.framed < found.size:
        kind, sign = tail_kind(source, found.framed)
        out.carrier(kind, "after the last box", found.framed, found.size, reveals=(sign,))


def _box_kind(source: memoryview, box: Box) -> tuple[CarrierKind, tuple[Reveals, ...]]:
    if box.type in PADDING:
        empty = not bytes(source[box.body : box.stop]).strip(b"\0")
        return CarrierKind.PADDING, () if empty else (Reveals.OTHER,)
    if box.type == b"mpvd":
        return CarrierKind.MOTION_VIDEO, (Reveals.VIDEO,)
    if box.type == b"uuid":
        name = bytes(source[box.body : box.body + 16])
        if name == C2PA_UUID:
            return CarrierKind.C2PA, (Reveals.HISTORY,)
        if name == XMP_UUID:
            return CarrierKind.XMP, exif.xmp_reveals(start_of(source, ((box.body + 16, box.stop),)))
        return CarrierKind.APPLICATION, (Reveals.OTHER,)
    if box.type in (b"xml ", b"bxml"):
        return CarrierKind.TEXT, (Reveals.OTHER,)
    if box.type in (b"sefd", b"udta"):
        return CarrierKind.APPLICATION, (Reveals.OTHER,)
    if box.type == b"grpl":
        return CarrierKind.APPLICATION, ()
    return CarrierKind.UNKNOWN, (Reveals.OTHER,)


def _names(out: Assembly, found: HeifView) -> None:
    if found.handler_name:
        box = next(box for box in found.meta_boxes if box.type == b"hdlr")
        out.carrier(CarrierKind.COMMENT, "handler name", box.start, box.stop, reveals=(Reveals.HISTORY,))
    for item in found.items.values():
        if item.name:
            out.carrier(
                CarrierKind.TEXT, f"name of {item.label}", item.box.start, item.box.stop,
                reveals=(Reveals.PERSON,),
            )  # fmt: skip


def _items(out: Assembly, source: memoryview, found: HeifView, chosen: Selection) -> None:
    """List removed items; tiles of a removed picture count with it."""
    tiles: dict[int, tuple[int, ...]] = {r.source: r.targets for r in found.references if r.type == b"dimg"}
    kept = set(chosen.items)
    parts = {part for whole, all_parts in tiles.items() if whole not in kept for part in all_parts}
    thumbnails = {r.source for r in found.references if r.type == b"thmb"}
    listed = 0
    for item in found.items.values():
        if item.id in kept or item.id in parts or listed == LISTED:
            continue
        listed += 1
        own = found.clipped(item.id)
        spans = [*own, *(s for t in tiles.get(item.id, ()) if t not in kept for s in found.clipped(t))]
        start = min((low for low, _ in spans), default=item.box.start)
        if item.type == b"Exif":
            _note_exif(out, item, start_of(source, own), start)
            continue
        kind, reveals = _item_kind(source, item, own, thumbnails)
        size = sum(stop - low for low, stop in spans)
        out.carrier(kind, item.label, start, start + size, reveals=reveals)


def _item_kind(
    source: memoryview, item: Item, spans: tuple[Span, ...], thumbnails: set[int]
) -> tuple[CarrierKind, tuple[Reveals, ...]]:
    if item.type == b"mime":
        if item.content_type == b"application/rdf+xml":
            return CarrierKind.XMP, exif.xmp_reveals(start_of(source, spans))
        return CarrierKind.APPLICATION, (Reveals.OTHER,)
    if item.type == b"iptc":
        return CarrierKind.IPTC, (Reveals.PERSON,)
    if item.id in thumbnails:
        return CarrierKind.THUMBNAIL, (Reveals.THUMBNAIL,)
    if item.type in CODED | DERIVED or item.type in (b"jpeg", b"tmap", b"avc1", b"j2k1", b"vvc1", b"unci"):
        return CarrierKind.SECONDARY_IMAGE, (Reveals.IMAGE,)
    return CarrierKind.UNKNOWN, (Reveals.OTHER,)


def start_of(source: memoryview, spans: Iterable[Span]) -> bytes:
    """Read the first bytes of an item for the report."""
    found = b""
    for start, stop in spans:
        found += bytes(source[start : min(stop, start + SEARCHED - len(found))])
        if len(found) == SEARCHED:
            break
    return found


def _note_exif(out: Assembly, item: Item, content: bytes, start: int) -> None:
    """Note an Exif item and what lies in it; the payload begins at the TIFF header (23008-12, A.2.1)."""
    starts = [at for at in (content.find(b"II*\0", 0, 64), content.find(b"MM\0*", 0, 64)) if at >= 0]
    payload = content[min(starts) :] if starts else content
    exif.note(out, payload, item.label, start, start + len(content))


def _properties(out: Assembly, found: HeifView, chosen: Selection) -> None:
    """List descriptions and properties that no item uses, and crops that stay."""
    used = {link.index for links in found.associations.values() for link in links}
    kept = {link.index for number in chosen.items for link in found.associations.get(number, ())}
    for index, box in enumerate(found.properties, 1):
        known = _PROPERTIES.get(box.type)
        where = f"property {printable(box.type)}"
        if known is not None or index not in used:
            kind, sign = known or (CarrierKind.UNKNOWN, Reveals.OTHER)
            out.carrier(kind, where, box.start, box.stop, reveals=(sign,))
        elif box.type == b"clap" and index in kept:
            # A crop that readers apply: the picture around it is still in the coded data.
            out.carrier(
                CarrierKind.SECONDARY_IMAGE, where, box.start, box.stop,
                action=CarrierAction.KEPT, reveals=(Reveals.IMAGE,),
            )  # fmt: skip


def _inside(out: Assembly, found: HeifView, images: tuple[Image, ...]) -> None:
    """List items of which a part was cut: encoder messages and filler between the slices."""
    for image in images:
        if not image.spans:
            continue
        before = sum(stop - start for start, stop in found.spans(image.id))
        after = sum(stop - start for start, stop in image.spans)
        if after < before:
            start = image.spans[0][0]
            out.carrier(
                CarrierKind.COMMENT, f"messages in {found.items[image.id].label}", start,
                start + before - after, reveals=(Reveals.HISTORY,),
            )  # fmt: skip


def _unreferenced(out: Assembly, source: memoryview, found: HeifView) -> None:
    """List bytes of media data that belong to no item."""
    used = sorted(span for number in found.locations for span in found.clipped(number))
    row, before = 0, len(out.carriers)
    for box in (box for box in found.boxes if box.type == b"mdat"):
        at = box.body
        if len(out.carriers) - before > LISTED:
            break
        while row < len(used) and used[row][0] < box.stop:
            start, stop = used[row]
            _hole(out, source, at, min(start, box.stop))
            at = max(at, stop)
            row += 1
        _hole(out, source, at, box.stop)


def _hole(out: Assembly, source: memoryview, start: int, stop: int) -> None:
    if start >= stop:
        return
    if bytes(source[start:stop]).strip(b"\0"):
        out.carrier(CarrierKind.UNKNOWN, "mdat, in no item", start, stop, reveals=(Reveals.OTHER,))
    else:
        out.carrier(CarrierKind.PADDING, "mdat, in no item", start, stop)
