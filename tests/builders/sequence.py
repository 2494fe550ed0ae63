"""Build HEIF and AVIF image sequences: a still in meta, tracks in moov, and one mdat for both."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.builders.heif import ALPHA, EXIF, FAKE_HVCC, FAKE_SLICE, XMP, box, full, ispe
from tests.builders.movie import Movie, Track, visual

CCST = full(b"ccst", 0, 0, b"\x7c\0\0\0")
HVC1 = visual(b"hvc1", box(b"hvcC", FAKE_HVCC), CCST, name=b"HEVC Coding")
PLANE = visual(b"hvc1", box(b"hvcC", FAKE_HVCC), CCST, full(b"auxi", 0, 0, ALPHA[4:]))


def slices(count: int, mark: int) -> list[bytes]:
    return [FAKE_SLICE[:-1] + bytes((mark + n,)) for n in range(count)]


def pictures(**more: object) -> Track:
    return Track(**{"number": 1, "handler": b"pict", "entries": (HVC1,), "samples": slices(4, 0x40), **more})  # type: ignore[arg-type]


def plane(**more: object) -> Track:
    return Track(**{"number": 2, "handler": b"auxv", "entries": (PLANE,), "samples": slices(4, 0x60),
                    "refs": ((b"auxl", (1,)),), **more})  # type: ignore[arg-type]  # fmt: skip


@dataclass
class Sequence:
    """A sequence whose still is the first sample of its first track, or bytes of its own."""

    tracks: list[Track] = field(default_factory=lambda: [pictures(), plane()])
    brands: tuple[bytes, ...] = (b"msf1", b"msf1", b"hevc", b"mif1", b"iso8")
    own: bytes = b""  # coded bytes of the still, where it does not share the first sample
    metadata: tuple[tuple[bytes, bytes, bytes], ...] = (
        (b"Exif", b"", EXIF),
        (b"mime", b"application/rdf+xml", XMP),
    )
    hide: bool = False  # the Exif item points into the samples
    in_moov: list[bytes] = field(default_factory=list)

    def build(self) -> bytes:
        """Write the file; the items' bytes go into a second mdat behind all."""
        meta, data = b"", b""
        for _ in range(3):
            movie = Movie(self.tracks, brands=self.brands, meta=meta, moov_first=True, in_moov=self.in_moov)
            data = movie.build()
            meta = self.meta(data)
        tail = self.own + b"".join(content for _, _, content in self.metadata)
        return data + box(b"mdat", tail)

    def meta(self, data: bytes) -> bytes:
        first = data.index(self.tracks[0].samples[0], max(data.index(b"mdat"), 0)) if self.tracks else 0
        spots = [(len(data) + 8, len(self.own))] if self.own else [(first, len(self.tracks[0].samples[0]))]
        at = len(data) + 8 + len(self.own)
        for _, _, content in self.metadata:
            spots.append((first, 8) if self.hide else (at, len(content)))
            at += len(content)
        kinds = [(b"hvc1", b""), *((kind, mime) for kind, mime, _ in self.metadata)]
        infes = [
            full(b"infe", 2, 0, struct.pack(">HH", n, 0), kind, b"\0", mime + b"\0" if mime else b"")
            for n, (kind, mime) in enumerate(kinds, 1)
        ]
        iloc = b"".join(struct.pack(">HHHII", n, 0, 1, *spot) for n, spot in enumerate(spots, 1))
        refs = [box(b"cdsc", struct.pack(">HHH", n, 1, 1)) for n in range(2, len(kinds) + 1)]
        props = box(b"ipco", box(b"hvcC", FAKE_HVCC), box(*ispe(64, 64)[:2]))
        ipma = full(b"ipma", 0, 0, struct.pack(">IHB", 1, 1, 2), b"\x81\x02")
        return full(
            b"meta", 0, 0,
            full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(12), b"libfoo\0"),
            full(b"pitm", 0, 0, b"\0\1"),
            full(b"iloc", 0, 0, b"\x44\0", struct.pack(">H", len(spots)), iloc),
            full(b"iinf", 0, 0, struct.pack(">H", len(infes)), *infes),
            full(b"iref", 0, 0, *refs) if refs else b"",
            box(b"iprp", props, ipma),
        )  # fmt: skip


def animated() -> bytes:
    return Sequence().build()
