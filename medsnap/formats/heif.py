"""The view of a HEIF still image (HEIC, AVIF): its tables, its size, its embedded metadata.

ISO/IEC 23008-12 (HEIF), 23000-22 (MIAF); nothing is decoded and nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Callable

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import heif_meta
from medsnap.formats.bmff import Box, children, top
from medsnap.formats.heif_view import HeifView, Item
from medsnap.model.rewrite import Buffer

MAX_METADATA = 64 << 20  # bytes of one Exif or XMP item that is read into memory


def view(data: Buffer) -> HeifView:
    """Read the tables of a HEIF file. Raises Malformed, Unsupported, TooLarge (23008-12, 6.2)."""
    source = memoryview(data)
    boxes, framed = top(source)
    if not boxes or boxes[0].type != b"ftyp":
        raise Malformed("the file does not begin with a file type box", where="byte 0")
    metas = [box for box in boxes if box.type == b"meta"]
    names = {box.type for box in boxes}
    if not metas and names & {b"moov", b"mini"}:
        what = "an image sequence without a still image" if b"moov" in names else "a low-overhead image file"
        raise Unsupported(f"{what} cannot be read yet", where="file")
    meta = _one(metas, "meta", "the file")
    inner = children(source, meta.body + 4, meta.stop, "meta")
    return _tables(source, boxes, framed, meta, inner)


def _tables(
    source: memoryview, boxes: tuple[Box, ...], framed: int, meta: Box, inner: tuple[Box, ...]
) -> HeifView:
    named: dict[bytes, list[Box]] = {}
    for box in inner:
        named.setdefault(box.type, []).append(box)
    pick = {name: _one(named.get(name, []), name.decode(), "meta") for name in (b"hdlr", b"pitm", b"iinf")}
    iloc, iprp = (_one(named.get(name, []), name.decode(), "meta") for name in (b"iloc", b"iprp"))
    iref, idat, dinf = (
        _at_most_one(named.get(name, []), name.decode()) for name in (b"iref", b"idat", b"dinf")
    )
    handler, handler_name = heif_meta.read_hdlr(source, pick[b"hdlr"])
    properties, associations, _ = heif_meta.read_iprp(source, iprp)
    return HeifView(
        size=len(source),
        boxes=boxes,
        framed=framed,
        brands=_brands(source, boxes[0]),
        meta=meta,
        meta_boxes=inner,
        handler=handler,
        handler_name=handler_name,
        primary=heif_meta.read_pitm(source, pick[b"pitm"]),
        items=heif_meta.read_iinf(source, pick[b"iinf"]),
        locations=heif_meta.read_iloc(source, iloc),
        references=heif_meta.read_iref(source, iref) if iref else (),
        properties=properties,
        associations=associations,
        idat=idat,
        same_file=heif_meta.read_dinf(source, dinf) if dinf else frozenset((0,)),
    )


def _one(found: list[Box], name: str, inside: str) -> Box:
    box = _at_most_one(found, name)
    if box is None:
        raise Malformed(f"{inside} has no {name} box", where=inside)
    return box


def _at_most_one(found: list[Box], name: str) -> Box | None:
    if len(found) > 1:  # readers disagree on which one counts: a place to hide
        raise Malformed(f"there are {len(found)} {name} boxes", where=f"{name}, byte {found[1].start}")
    return found[0] if found else None


def _brands(source: memoryview, ftyp: Box) -> tuple[bytes, ...]:
    body = bytes(source[ftyp.body : ftyp.stop])
    if len(body) < 8 or len(body) % 4 or len(body) > 1024:
        raise Malformed("the file type box has an impossible length", where="ftyp, byte 0")
    return (body[:4], *(body[at : at + 4] for at in range(8, len(body), 4)))


def exif(data: Buffer) -> bytes | None:
    """Return the TIFF structure of the Exif item, without its prefix (23008-12, A.2.1)."""
    content = _metadata(data, lambda item: item.type == b"Exif")
    if content is None or len(content) < 8:
        return None
    skip = 4 + int.from_bytes(content[:4], "big")
    payload = content[skip:] if skip < len(content) else content[4:]
    payload = payload.removeprefix(b"Exif\0\0")
    if payload[:2] not in (b"II", b"MM"):  # writers differ in what the offset counts from
        starts = [at for at in (content.find(b"II*\0", 0, 64), content.find(b"MM\0*", 0, 64)) if at >= 0]
        payload = content[min(starts) :] if starts else b""
    return payload or None


def xmp(data: Buffer) -> bytes | None:
    """Return the XMP packet of the file (23008-12, A.3)."""
    return _metadata(data, lambda item: item.type == b"mime" and item.content_type == b"application/rdf+xml")


def icc(data: Buffer) -> bytes | None:
    """Return the ICC profile of the primary item (14496-12, 12.1.5)."""
    source = memoryview(data)
    found = view(data)
    for box, _ in found.properties_of(found.primary):
        if box.type == b"colr" and bytes(source[box.body : box.body + 4]) in (b"prof", b"rICC"):
            return bytes(source[box.body + 4 : box.stop])
    return None


def size(data: Buffer) -> tuple[int, int] | None:
    """Return width and height of the primary item before rotation, pixels (23008-12, 6.5.3)."""
    found = view(data)
    return extent(memoryview(data), found, found.primary)


def extent(source: memoryview, found: HeifView, item: int) -> tuple[int, int] | None:
    """Return width and height that an item's ispe property claims, pixels."""
    for box, _ in found.properties_of(item):
        if box.type == b"ispe" and box.stop - box.body == 12:
            body = source[box.body + 4 : box.stop]
            return int.from_bytes(body[:4], "big"), int.from_bytes(body[4:], "big")
    return None


def _metadata(data: Buffer, wanted: Callable[[Item], bool]) -> bytes | None:
    """Return the bytes of the wanted item that describes the primary one, else of the first."""
    source, found = memoryview(data), view(data)
    matches = [item.id for item in found.items.values() if wanted(item)]
    if not matches:
        return None
    about = {r.source for r in found.references if r.type == b"cdsc" and found.primary in r.targets}
    best = next((number for number in matches if number in about), matches[0])
    spans = found.clipped(best)
    if sum(stop - start for start, stop in spans) > MAX_METADATA:
        raise TooLarge("a metadata item is too large", where=f"iloc, item {best}")
    return b"".join(bytes(source[start:stop]) for start, stop in spans) or None
