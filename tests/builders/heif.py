"""Build HEIC and AVIF files box by box, with every trap that a scrubber has to survive.

Pictures come from real encoders (pillow-heif, Pillow), so that scrubbed files can be decoded; the
boxes around them are written here, apart from the product's own writer.
"""

from __future__ import annotations

import io
import itertools
import struct
from dataclasses import dataclass, field
from functools import lru_cache

SECRET = b"Roe^Jane MRN-4711"
EXIF = b"\0\0\0\6Exif\0\0MM\0\x2a\0\0\0\x08\0\1\x01\x0e\0\2\0\0\0\x12\0\0\0\x1a\0\0\0\0" + SECRET + b"\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>' + SECRET + b"</dc:creator></x:xmpmeta>"
ALPHA = bytes(4) + b"urn:mpeg:hevc:2015:auxid:1\0"
PIXI = bytes(4) + b"\3\x08\x08\x08"
DEPTH = bytes(4) + b"urn:mpeg:hevc:2015:auxid:2\0"

Property = tuple[bytes, bytes, bool]  # type, payload, essential


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def large_box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


DREF = full(b"dref", 0, 0, b"\0\0\0\1", full(b"url ", 0, 1))


@dataclass
class Part:
    """An item: what it is and where its data goes (mdat, second, idat, tail, nowhere)."""

    id: int
    kind: bytes
    data: bytes
    props: list[Property] = field(default_factory=list)
    name: bytes = b""
    content_type: bytes = b""
    hidden: bool = False
    protected: bool = False
    place: str = "mdat"
    pieces: int = 1
    at: list[tuple[int, int]] | None = None  # places of one's own choice
    method: int | None = None
    reference: int = 0


@dataclass
class Heif:
    """A whole file; every field can be bent before build()."""

    parts: list[Part]
    refs: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    primary: int = 1
    brands: tuple[bytes, ...] = (b"heic", b"mif1", b"heic")
    iloc: int = 1
    sizes: tuple[int, int, int, int] = (4, 4, 0, 0)  # offset, length, base, index
    large_ids: bool = False
    handler: bytes = b"pict"
    handler_name: bytes = b""
    in_meta: list[bytes] = field(default_factory=list)
    before: list[bytes] = field(default_factory=list)  # boxes between ftyp and meta
    after: list[bytes] = field(default_factory=list)  # boxes behind mdat
    tail: bytes = b""
    spare: bytes = b""  # bytes of mdat in no item
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)  # that nobody uses
    mdat_to_end: bool = False
    mdat_large: bool = False

    def part(self, number: int) -> Part:
        return next(part for part in self.parts if part.id == number)

    def build(self) -> bytes:
        """Write the file; offsets are found by writing it until they hold."""
        base = 0
        while True:
            data, start = self._write(base)
            if start == base:
                return data
            base = start

    def _write(self, base: int) -> tuple[bytes, int]:
        idat, main, second = b"", b"", b""
        spots: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        body = b"".join(p.data for p in self.parts if p.place == "mdat") + self.spare
        behind = b"".join(self.after)
        head = 16 if self.mdat_large else 8
        for part in self.parts:
            if part.at is not None:
                spots[part.id] = (part.method or 0, part.at)
            elif part.place == "idat":
                spots[part.id] = (1, _split(len(idat), len(part.data), part.pieces))
                idat += part.data
            elif part.place == "mdat":
                spots[part.id] = (0, _split(base + len(main), len(part.data), part.pieces))
                main += part.data
            elif part.place == "second":
                at = base + len(body) + len(behind) + 8 + len(second)
                spots[part.id] = (0, _split(at, len(part.data), part.pieces))
                second += part.data
            elif part.place == "empty":
                spots[part.id] = (0, [(base, 0)])
        mdat = large_box(b"mdat", body) if self.mdat_large else box(b"mdat", body)
        if self.mdat_to_end:
            mdat = b"\0\0\0\0" + mdat[4:]
        first = box(b"ftyp", self.brands[0], bytes(4), *self.brands[1:]) + b"".join(self.before)
        first += self._meta(spots, idat)
        extra = box(b"mdat", second) if second else b""
        return first + mdat + behind + extra + self.tail, len(first) + head

    def _meta(self, spots: dict[int, tuple[int, list[tuple[int, int]]]], idat: bytes) -> bytes:
        wide = "I" if self.large_ids else "H"
        infes = [self._infe(part, wide) for part in self.parts]
        refs = [
            box(kind, struct.pack(f">{wide}H{len(to)}{wide}", source, len(to), *to))
            for kind, source, to in self.refs
        ]
        return full(
            b"meta", 0, 0,
            full(b"hdlr", 0, 0, bytes(4), self.handler, bytes(12), self.handler_name + b"\0"),
            full(b"pitm", int(self.large_ids), 0, struct.pack(f">{wide}", self.primary)),
            full(b"iinf", 0, 0, struct.pack(">H", len(infes)), *infes),
            self._iloc(spots),
            full(b"iref", int(self.large_ids), 0, *refs) if refs else b"",
            self._iprp(wide),
            box(b"idat", idat) if idat else b"",
            *self.in_meta,
        )  # fmt: skip

    def _infe(self, part: Part, wide: str) -> bytes:
        head = struct.pack(f">{wide}H", part.id, int(part.protected)) + part.kind + part.name + b"\0"
        more = part.content_type + b"\0" if part.kind == b"mime" else b""
        return full(b"infe", 3 if self.large_ids else 2, int(part.hidden), head, more)

    def _iloc(self, spots: dict[int, tuple[int, list[tuple[int, int]]]]) -> bytes:
        offset, length, base, index = self.sizes
        rows = []
        for number, (method, extents) in spots.items():
            part = self.part(number)
            how = method if part.method is None else part.method
            row = struct.pack(">I" if self.iloc == 2 else ">H", number)
            row += struct.pack(">H", how) if self.iloc else b""
            start = extents[0][0] if base else 0
            row += struct.pack(">H", part.reference) + start.to_bytes(base, "big")
            row += struct.pack(">H", len(extents))
            for low, size in extents:
                row += bytes(index if self.iloc else 0)
                row += (low - start).to_bytes(offset, "big") + size.to_bytes(length, "big")
            rows.append(row)
        head = struct.pack(">BB", offset << 4 | length, base << 4 | (index if self.iloc else 0))
        count = struct.pack(">I" if self.iloc == 2 else ">H", len(rows))
        return full(b"iloc", self.iloc, 0, head, count, *rows)

    def _iprp(self, wide: str) -> bytes:
        boxes = [box(kind, payload) for kind, payload in self.properties]
        rows = []
        for part in self.parts:
            if not part.props:
                continue
            links = b""
            for kind, payload, essential in part.props:
                if kind:
                    boxes.append(box(kind, payload))
                number = len(boxes) if kind else 0  # 0 is "no property", as some phones write
                links += struct.pack(">H", number | (0x8000 if essential else 0))
            rows.append(struct.pack(f">{wide}B", part.id, len(part.props)) + links)
        ipma = full(b"ipma", int(self.large_ids), 1, struct.pack(">I", len(rows)), *rows)
        return box(b"iprp", box(b"ipco", *boxes), ipma)


def _split(start: int, size: int, pieces: int) -> list[tuple[int, int]]:
    cuts = [start + size * n // pieces for n in range(pieces + 1)]
    return [(low, high - low) for low, high in itertools.pairwise(cuts)]


def ispe(width: int, height: int) -> Property:
    return (b"ispe", struct.pack(">4xII", width, height), False)


@lru_cache(maxsize=16)
def encoded(shade: int, size: int = 64) -> tuple[bytes, bytes]:
    """Encode one grey square as HEVC: its hvcC payload and its item data."""
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    picture = Image.radial_gradient("L").resize((size, size)).point(lambda v: (v + shade) % 256)
    sink = io.BytesIO()
    picture.convert("RGB").save(sink, "HEIF", quality=50)
    return _parts_of(sink.getvalue(), b"hvcC")


@lru_cache(maxsize=4)
def encoded_avif(shade: int, size: int = 64) -> tuple[bytes, bytes]:
    """Encode one grey square as AV1: its av1C payload and its item data."""
    from PIL import Image

    sink = io.BytesIO()
    picture = Image.radial_gradient("L").resize((size, size)).point(lambda v: (v + shade) % 256)
    picture.convert("RGB").save(sink, "AVIF", quality=50, speed=10)
    return _parts_of(sink.getvalue(), b"av1C")


def _parts_of(data: bytes, setup: bytes) -> tuple[bytes, bytes]:
    at = data.index(setup)
    end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
    return data[at + 4 : end], data[data.index(b"mdat") + 4 :]


def hevc_item(number: int, shade: int = 0, **more: object) -> Part:
    setup, data = encoded(shade)
    return Part(number, b"hvc1", data, [(b"hvcC", setup, True), ispe(64, 64)], **more)  # type: ignore[arg-type]


def nal(kind: int, body: bytes, layer: int = 0) -> bytes:
    """Write one NAL unit with a 4-byte length (H.265, 7.3.1.2)."""
    unit = bytes((kind << 1 | layer >> 5, (layer & 31) << 3 | 1)) + body
    return struct.pack(">I", len(unit)) + unit


def obu(kind: int, body: bytes) -> bytes:
    """Write one OBU with a size (AV1, 5.3.2); bodies below 128 bytes."""
    return bytes((kind << 3 | 2, len(body))) + body


def sei(kind: int, payload: bytes) -> bytes:
    return nal(39, bytes((kind, len(payload))) + payload + b"\x80")


FAKE_SLICE = nal(19, b"\x80" + bytes(range(1, 40)))
FAKE_HVCC = b"\1" + bytes(20) + b"\3" + b"\1" + b"\xa1\0\1\0\5" + bytes((33 << 1, 1, 7, 7, 7))


def fake(number: int = 1, data: bytes = FAKE_SLICE, **more: object) -> Part:
    """Make an item that only looks like HEVC: enough for everything that does not decode."""
    return Part(number, b"hvc1", data, [(b"hvcC", FAKE_HVCC, True), ispe(64, 64)], **more)  # type: ignore[arg-type]


def grid(number: int, rows: int, columns: int, place: str = "idat") -> Part:
    width, height = 64 * columns, 64 * rows
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    return Part(number, b"grid", data, [ispe(width, height)], place=place)


def tiled(rows: int = 1, columns: int = 2, tile: object = hevc_item) -> Heif:
    """Make a grid picture, number 1, of real tiles 2, 3, …"""
    count = rows * columns
    tiles = [tile(n + 2, 17 * n, hidden=True) for n in range(count)]  # type: ignore[operator]
    whole = grid(1, rows, columns)
    return Heif([whole, *tiles], [(b"dimg", 1, [part.id for part in tiles])])
