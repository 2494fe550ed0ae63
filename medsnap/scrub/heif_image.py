"""One kept item made ready: canonical properties, canonical derivation, the spans of its coded bytes."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Box
from medsnap.formats.heif_view import HeifView, Item, Span
from medsnap.scrub import heif_coded
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif_properties import canonical
from medsnap.scrub.heif_select import CODED
from medsnap.scrub.icc import anew

# Some writers mark these essential although no rendering depends on what medsnap drops of them.
_MARKED_IN_VAIN = frozenset((b"colr", b"free", b"a1lx", b"udes"))


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


class Maker:
    """Makes items ready; what they share is read once, so no file costs more than its size."""

    def __init__(self, source: memoryview, found: HeifView, keep: ScrubKeep) -> None:
        self._source = source
        self._found = found
        self._keep = keep
        self._left = len(source)  # bytes that distinct items may still use
        self._properties: dict[tuple[int, bytes], bytes | None] = {}
        self._parts: dict[tuple[tuple[Span, ...], bytes, int], tuple[Span, ...]] = {}

    def image(self, number: int, inputs: int) -> Image:
        """Make a kept item ready; `inputs` is how many images it is derived from.

        Raises Malformed, Unsupported, TooLarge.
        """
        item = self._found.items[number]
        properties = self._written(number)
        spans = self._found.spans(number)
        data = b""
        kept: tuple[Span, ...] = ()
        if item.type in CODED:
            setup = next((p.payload for p in properties if p.type == b"hvcC"), b"")
            kept = self._coded(item, spans, (setup[21] & 3) + 1 if setup else 0)
        else:
            head = self._start_of(spans, 18 + 8 * inputs)  # no derivation needs more (6.6.2)
            data = derivation(item.type, head, inputs, item.label)
        return Image(
            id=number, type=item.type, hidden=item.hidden, properties=properties,
            derivation=data, spans=kept,
        )  # fmt: skip

    def _coded(self, item: Item, spans: tuple[Span, ...], length_size: int) -> tuple[Span, ...]:
        key = (spans, item.type, length_size)
        if key not in self._parts:
            self._left -= sum(stop - start for start, stop in spans)
            if self._left < 0:
                raise Unsupported("items overlap: together they are longer than the file", where="iloc")
            content = _joined(self._source, spans)
            if item.type == b"hvc1":
                parts = heif_coded.hevc_kept(content, length_size, item.label)
            else:
                parts = heif_coded.av1_kept(content, item.label)
            self._parts[key] = heif_coded.to_file(parts, spans)
        return self._parts[key]

    def _start_of(self, spans: tuple[Span, ...], limit: int) -> bytes:
        found = b""
        for start, stop in spans:
            found += bytes(self._source[start : min(stop, start + limit - len(found))])
            if len(found) == limit:
                break
        return found

    def _written(self, number: int) -> tuple[Property, ...]:
        item = self._found.items[number]
        written: dict[Property, None] = {}
        for box, essential in self._found.properties_of(number):
            where = f"property {box.name} of {item.label}, byte {box.start}"
            payload = self._canonical(box, item.type, where)
            if payload is None and essential and box.type not in _MARKED_IN_VAIN:
                raise Unsupported("the picture needs a property that medsnap does not know", where=where)
            if payload is not None and not self._unwanted(box, payload):
                written[Property(type=box.type, payload=payload, essential=essential)] = None
        _refuse_doubles(tuple(written), item.type, item.label)
        return tuple(written)

    def _unwanted(self, box: Box, payload: bytes) -> bool:
        return box.type == b"colr" and not self._keep.icc and payload[:4] != b"nclx"

    def _canonical(self, box: Box, kind: bytes, where: str) -> bytes | None:
        key = (box.start, kind)
        if key not in self._properties:
            payload = bytes(self._source[box.body : box.stop])
            if box.type == b"hvcC" and kind == b"hvc1":
                self._properties[key] = heif_coded.clean_hvcc(payload, where)
            elif box.type == b"av1C" and kind == b"av01":
                self._properties[key] = heif_coded.clean_av1c(payload, where)
            else:
                self._properties[key] = self._worded(canonical(box.type, payload, where), box, where)
        return self._properties[key]

    def _worded(self, payload: bytes | None, box: Box, where: str) -> bytes | None:
        """Write a colour profile without its free text where that is wished."""
        if payload is None or self._keep.icc_text or box.type != b"colr" or payload[:4] == b"nclx":
            return payload
        return payload[:4] + anew(payload[4:], where)


def _joined(source: memoryview, spans: tuple[Span, ...]) -> memoryview:
    if len(spans) == 1:
        return source[spans[0][0] : spans[0][1]]
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
