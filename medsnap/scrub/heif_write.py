"""Write ftyp, meta and the head of mdat anew, in one canonical form (ISO/IEC 14496-12, 8.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medsnap.errors import TooLarge, Unsupported
from medsnap.formats.heif_view import Reference, Span
from medsnap.scrub.heif_image import Image, Property

# Brands of still images that say something about how to decode; a maker's own brand says who made it.
BRANDS = frozenset(
    (
        b"mif1", b"mif2", b"mif3", b"miaf", b"heic", b"heix", b"heim", b"heis", b"MiHB", b"MiHE",
        b"MiHA", b"MiPr", b"avif", b"MA1A", b"MA1B", b"avio",
    )
)  # fmt: skip


def box(kind: bytes, *parts: bytes) -> bytes:
    """Write one box."""
    body = b"".join(parts)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Write one box with version and flags (4.2.2)."""
    return box(kind, bytes((version,)) + flags.to_bytes(3, "big"), *parts)


def ftyp(brands: Sequence[bytes]) -> bytes:
    """Write the file type with the known brands, the first of them as the major one (4.3)."""
    major = next((brand for brand in brands if brand in BRANDS), None)
    if major is None:
        raise Unsupported("no brand of the file is one of a still image", where="ftyp, byte 8")
    kept = dict.fromkeys(brand for brand in brands[1:] if brand in BRANDS)
    return box(b"ftyp", major, bytes(4), *kept)


def head(
    brands: Sequence[bytes],
    images: Sequence[Image],
    references: Sequence[Reference],
    primary: int,
    *,
    exif: int = 0,
) -> tuple[bytes, tuple[Span, ...]]:
    """Write everything before the coded bytes, and give the spans that follow in their order.

    Behind them, `exif` bytes of an Exif item must follow.
    """
    regions, size = _regions(images)
    spans = tuple(span for region in regions for span in region)
    if size > 0xFFFFFFF0:
        raise TooLarge("the picture is larger than 4 GB", where="mdat")
    numbers = {image.id: place for place, image in enumerate(images, 1)}
    first = ftyp(brands)
    kept = (size, exif) if exif else None
    length = len(meta(images, references, numbers, primary=primary, regions=regions, base=0, exif=kept))
    base = len(first) + length + 8
    written = meta(images, references, numbers, primary=primary, regions=regions, base=base, exif=kept)
    return first + written + (size + exif + 8).to_bytes(4, "big") + b"mdat", spans


def _regions(images: Sequence[Image]) -> tuple[dict[tuple[Span, ...], int], int]:
    """Lay the coded items out as the source has them; items with the same bytes share one place."""
    regions: dict[tuple[Span, ...], int] = {}
    at = 0
    for spans in sorted({image.spans for image in images if image.spans}):
        regions[spans] = at
        at += sum(stop - start for start, stop in spans)
    return regions, at


def meta(
    images: Sequence[Image],
    references: Sequence[Reference],
    numbers: Mapping[int, int],
    *,
    primary: int,
    regions: Mapping[tuple[Span, ...], int],
    base: int,
    exif: Span | None = None,
) -> bytes:
    """Write meta; `regions` says where each item's spans lie behind `base`.

    `exif` is the place behind `base`, and the size, of an Exif item that describes the primary one.
    """
    idat = b"".join(image.derivation for image in images)
    links = [_reference(reference, numbers) for reference in references]
    rows = _iloc(images, numbers, regions, base)
    entries = [_infe(image, numbers[image.id]) for image in images]
    if exif is not None:
        number = (len(images) + 1).to_bytes(2, "big")
        rows.append(number + _place(0, base + exif[0], exif[1]))
        entries.append(full(b"infe", 2, 1, number, bytes(2), b"Exif", b"\0"))
        links.append(box(b"cdsc", number, b"\0\1", numbers[primary].to_bytes(2, "big")))
    count = len(entries).to_bytes(2, "big")
    return full(
        b"meta", 0, 0,
        full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(12), b"\0"),
        full(b"pitm", 0, 0, numbers[primary].to_bytes(2, "big")),
        full(b"iloc", 1, 0, b"\x44\x00", count, *rows),
        full(b"iinf", 0, 0, count, *entries),
        full(b"iref", 0, 0, *links) if links else b"",
        _iprp(images, numbers),
        box(b"idat", idat) if idat else b"",
    )  # fmt: skip


def _infe(image: Image, number: int) -> bytes:
    return full(b"infe", 2, int(image.hidden), number.to_bytes(2, "big"), bytes(2), image.type, b"\0")


def _reference(reference: Reference, numbers: Mapping[int, int]) -> bytes:
    ids = (reference.source, *reference.targets)
    source, *targets = (numbers[i].to_bytes(2, "big") for i in ids)
    return box(reference.type, source, len(targets).to_bytes(2, "big"), *targets)


def _iloc(
    images: Sequence[Image], numbers: Mapping[int, int], regions: Mapping[tuple[Span, ...], int], base: int
) -> list[bytes]:
    """Write rows of version 1: 32-bit offsets and lengths, no base; derivations lie in idat, else in mdat."""
    rows, in_idat = [], 0
    for image in images:
        number = numbers[image.id].to_bytes(2, "big")
        if image.spans:
            size = sum(stop - start for start, stop in image.spans)
            rows.append(number + _place(0, base + regions[image.spans], size))
        elif image.derivation:
            rows.append(number + _place(1, in_idat, len(image.derivation)))
            in_idat += len(image.derivation)
        else:
            rows.append(number + bytes(6))  # an identity derivation has no data
    return rows


def _place(construction: int, offset: int, size: int) -> bytes:
    if offset + size > 0xFFFFFFFF:
        raise TooLarge("the picture is larger than 4 GB", where="mdat")
    return b"".join(
        value.to_bytes(width, "big")
        for value, width in ((construction, 2), (0, 2), (1, 2), (offset, 4), (size, 4))
    )


def _iprp(images: Sequence[Image], numbers: Mapping[int, int]) -> bytes:
    """Write each property once, in the order of first use, and who uses it."""
    index: dict[tuple[bytes, bytes], int] = {}
    for image in images:
        for prop in image.properties:
            index.setdefault((prop.type, prop.payload), len(index) + 1)
    wide = len(index) > 0x7F
    if len(index) > 0x7FFF:
        raise TooLarge("the file holds more than 32,767 properties", where="ipco")
    users = [image for image in images if image.properties]
    rows = [_associations(numbers[i.id], i.properties, index, wide) for i in users]
    ipma = full(b"ipma", 0, int(wide), len(users).to_bytes(4, "big"), *rows)
    return box(b"iprp", box(b"ipco", *(box(kind, payload) for kind, payload in index)), ipma)


def _associations(
    number: int, properties: Sequence[Property], index: Mapping[tuple[bytes, bytes], int], wide: bool
) -> bytes:
    width, mark = (2, 0x8000) if wide else (1, 0x80)
    links = [index[p.type, p.payload] | (mark if p.essential else 0) for p in properties]
    return b"".join(
        (number.to_bytes(2, "big"), bytes((len(links),)), *(link.to_bytes(width, "big") for link in links))
    )
