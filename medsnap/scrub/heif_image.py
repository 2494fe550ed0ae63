"""One kept item made ready: canonical properties, canonical derivation, the spans of its coded bytes."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.heif_view import HeifView, Span
from medsnap.scrub import heif_coded
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif_properties import canonical
from medsnap.scrub.heif_select import CODED

MAX_DERIVATION = 1 << 20  # bytes; an overlay of 65,535 images with 32-bit offsets needs 512 KB


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property as it is written."""

    type: bytes
    payload: bytes
    essential: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One item as it is written; its data is `derivation` (into idat) or `spans` (into mdat)."""

    id: int
    type: bytes
    hidden: bool
    properties: tuple[Property, ...]
    derivation: bytes
    spans: tuple[Span, ...]


def prepare(source: memoryview, found: HeifView, number: int, inputs: int, keep: ScrubKeep) -> Image:
    """Make a kept item ready; `inputs` is how many images it is derived from.

    Raises Malformed, Unsupported, TooLarge.
    """
    item = found.items[number]
    properties, length_size = _properties(source, found, number, keep)
    spans = found.spans(number)
    if item.type not in CODED:
        size = sum(stop - start for start, stop in spans)
        if size > MAX_DERIVATION:
            raise TooLarge("the description of a derived image is too long", where=item.label)
        data = b"".join(bytes(source[start:stop]) for start, stop in spans)
        return Image(
            id=number, type=item.type, hidden=item.hidden, properties=properties,
            derivation=derivation(item.type, data, inputs, item.label), spans=(),
        )  # fmt: skip
    content = _content(source, spans)
    if item.type == b"hvc1":
        parts = heif_coded.hevc_kept(content, length_size, item.label)
    else:
        parts = heif_coded.av1_kept(content, item.label)
    return Image(
        id=number, type=item.type, hidden=item.hidden, properties=properties,
        derivation=b"", spans=heif_coded.to_file(parts, spans),
    )  # fmt: skip


def _content(source: memoryview, spans: tuple[Span, ...]) -> memoryview:
    if len(spans) == 1:
        return source[spans[0][0] : spans[0][1]]
    if sum(stop - start for start, stop in spans) > len(source):
        raise Malformed("an item uses the same bytes twice", where="iloc")
    return memoryview(b"".join(bytes(source[start:stop]) for start, stop in spans))


def derivation(kind: bytes, data: bytes, inputs: int, where: str) -> bytes:
    """Check how a derived image is made and cut what follows (23008-12, 6.6.2)."""
    if kind == b"iden":
        fits = inputs == 1
        size = 0
    elif len(data) < 2 or data[0] != 0:
        raise Unsupported("a derived image of an unknown version", where=where)
    else:
        field = 4 if data[1] & 1 else 2
        if kind == b"grid":
            size = 4 + 2 * field
            fits = len(data) >= size and inputs == (data[2] + 1) * (data[3] + 1)
        else:
            size = 2 + 8 + 2 * field + 2 * field * inputs
            fits = inputs > 0
    if not fits or len(data) < size:
        raise Malformed("a derived image does not fit the images it is made of", where=where)
    return data[:1] + bytes((data[1] & 1,)) + data[2:size] if size else b""


def _properties(
    source: memoryview, found: HeifView, number: int, keep: ScrubKeep
) -> tuple[tuple[Property, ...], int]:
    item = found.items[number]
    length_size = 0
    written: dict[Property, None] = {}
    for box, essential in found.properties_of(number):
        where = f"property {box.name} of {item.label}, byte {box.start}"
        payload: bytes | None = bytes(source[box.body : box.stop])
        if box.type == b"hvcC" and item.type == b"hvc1":
            payload, length_size = heif_coded.clean_hvcc(payload or b"", where)
        elif box.type == b"av1C" and item.type == b"av01":
            payload = heif_coded.clean_av1c(payload or b"", where)
        else:
            payload = canonical(box.type, payload or b"", where)
        if payload is None and essential and not _marked_in_vain(box.type):
            raise Unsupported("the picture needs a property that medsnap does not know", where=where)
        dropped = box.type == b"colr" and not keep.icc and (payload or b"")[:4] != b"nclx"
        if payload is not None and not dropped:
            written[Property(type=box.type, payload=payload, essential=essential)] = None
    _refuse_doubles(tuple(written), item.type, item.label)
    return tuple(written), length_size


def _marked_in_vain(kind: bytes) -> bool:
    """Say whether some writers mark a property essential that no rendering depends on."""
    return kind in (b"colr", b"pixi", b"free", b"a1lx", b"udes")


def _refuse_doubles(properties: tuple[Property, ...], kind: bytes, where: str) -> None:
    names = [
        p.type + (b"n" if p.payload[:4] == b"nclx" else b"") if p.type == b"colr" else p.type
        for p in properties
    ]
    if len(names) != len(set(names)):  # readers disagree on which one counts
        raise Malformed("an image has the same property twice", where=where)
    needed = {b"hvc1": b"hvcC", b"av01": b"av1C"}.get(kind)
    if needed is not None and needed not in names:
        raise Malformed("an image has no decoder configuration", where=where)
