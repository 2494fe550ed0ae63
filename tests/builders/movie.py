"""Build MP4, MOV and image sequences box by box, with every trap that a scrubber has to survive.

Samples only look like video: enough for everything that does not decode.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.builders.heif import DREF, SECRET, XMP, box, full, large_box

DATED = 0xE2441C8A  # seconds since 1904
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
QUARTER = struct.pack(">9I", 0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000)
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
AVCC = b"\1\x42\0\x1e\xff\xe1\0\4\x67\x42\0\x1e\1\0\3\x68\xce\x38"
NCLC = b"nclc\0\1\0\1\0\1"
PLACE = b"+52.5200+013.4050/"


def descriptor(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((tag, 0x80, 0x80, 0x80, len(body))) + body


def esds(specific: bytes = b"\x12\x10", coding: int = 0x40, more: bytes = b"") -> bytes:
    config = descriptor(4, bytes((coding, 0x15)) + bytes(11), descriptor(5, specific))
    return bytes(4) + descriptor(3, b"\0\2\0", config, descriptor(6, b"\2"), more)


def visual(coding: bytes = b"avc1", *boxes: bytes, name: bytes = b"", vendor: bytes = bytes(4)) -> bytes:
    """Write a visual sample entry (14496-12, 12.1.3)."""
    setup = boxes or (box(b"avcC", AVCC), box(b"colr", NCLC))
    compressor = bytes((len(name),)) + name + bytes(31 - len(name))
    return box(
        coding, bytes(6), b"\0\1", bytes(4), vendor, bytes(8), struct.pack(">HH", 640, 360),
        struct.pack(">III", 72 << 16, 72 << 16, 0), b"\0\1", compressor, b"\0\x18\xff\xff", *setup,
    )  # fmt: skip


def audio(
    coding: bytes = b"mp4a", *boxes: bytes, version: int = 0, more: bytes = b"", bits: int = 16
) -> bytes:
    """Write a sound sample entry (12.2.3; QTFF versions 1 and 2)."""
    head = struct.pack(">HHIHHHHI", version, 0, 0, 2, bits, 0, 0, 44100 << 16)
    return box(coding, bytes(6), b"\0\1", head, more, *boxes)


def described(kind: bytes, *parts: bytes) -> bytes:
    """Write a sample entry of a metadata track."""
    return box(kind, bytes(6), b"\0\1", *parts)


SOUND = audio(b"mp4a", box(b"esds", esds()))
MEBX = described(b"mebx", box(b"keys", b"\0\0\0\x28\0\0\0\1mdtacom.apple.quicktime.location.ISO6709"))


@dataclass
class Track:
    """One track; every field can be bent."""

    number: int = 1
    handler: bytes = b"vide"
    entries: tuple[bytes, ...] = ()
    samples: list[bytes] = field(default_factory=list)
    per_chunk: int = 2
    name: bytes = b"Core Media Video"
    component: bytes = bytes(4)
    date: int = DATED
    matrix: bytes = MATRIX
    language: int = 0x55C4
    edits: tuple[tuple[int, int], ...] = ()
    refs: tuple[tuple[bytes, tuple[int, ...]], ...] = ()
    in_trak: list[bytes] = field(default_factory=list)
    in_minf: list[bytes] = field(default_factory=list)
    in_stbl: list[bytes] = field(default_factory=list)
    dref: bytes = DREF
    co64: bool = False
    fixed: int = 0
    compact: int = 0
    version: int = 0  # of the headers
    stsd_version: int = 0
    stts: bytes | None = None
    stsc: bytes | None = None
    stsz: bytes | None = None
    at: list[int] | None = None  # chunk offsets of one's own choice

    @property
    def chunks(self) -> list[bytes]:
        step = self.per_chunk
        return [b"".join(self.samples[k : k + step]) for k in range(0, len(self.samples), step)]

    def trak(self, offsets: list[int]) -> bytes:
        media = {b"vide": full(b"vmhd", 0, 1, bytes(8)), b"soun": full(b"smhd", 0, 0, bytes(4))}
        dates = self.date.to_bytes(8 if self.version else 4, "big") * 2
        length = (600).to_bytes(8 if self.version else 4, "big")
        rows = b"".join(struct.pack(">IiI", size, start, 0x10000) for size, start in self.edits)
        elst = full(b"elst", 0, 0, struct.pack(">I", len(self.edits)), rows)
        links = [box(kind, struct.pack(f">{len(to)}I", *to)) for kind, to in self.refs]
        tkhd = full(
            b"tkhd", self.version, 7, dates, struct.pack(">II", self.number, 0), length, bytes(16),
            self.matrix, struct.pack(">II", 640 << 16, 360 << 16),
        )  # fmt: skip
        mdhd = full(b"mdhd", self.version, 0, dates, struct.pack(">I", 600), length,
                    struct.pack(">HH", self.language, 0))  # fmt: skip
        hdlr = full(b"hdlr", 0, 0, self.component, self.handler, bytes(12), self.name + b"\0")
        minf = box(
            b"minf", media.get(self.handler, full(b"nmhd", 0, 0)), *self.in_minf, box(b"dinf", self.dref),
            self.stbl(offsets),
        )  # fmt: skip
        return box(
            b"trak", tkhd, box(b"edts", elst) if self.edits else b"",
            box(b"tref", *links) if links else b"", *self.in_trak, box(b"mdia", mdhd, hdlr, minf),
        )  # fmt: skip

    def stbl(self, offsets: list[int]) -> bytes:
        entries = self.entries or {b"vide": (visual(),), b"soun": (SOUND,)}.get(self.handler, (MEBX,))
        count = len(self.samples)
        step = self.per_chunk
        whole, rest = divmod(count, step)
        runs = [(1, step, 1)] if whole else []
        runs += [(whole + 1, rest, 1)] if rest else []
        stsc = b"".join(struct.pack(">III", *run) for run in runs)
        if self.compact:
            stsz = full(
                b"stz2", 0, 0, bytes(3), bytes((self.compact,)), struct.pack(">I", count), self.sizes()
            )
        else:
            sizes = b"" if self.fixed else b"".join(struct.pack(">I", len(s)) for s in self.samples)
            stsz = full(b"stsz", 0, 0, struct.pack(">II", self.fixed, count), sizes)
        stts = full(b"stts", 0, 0, struct.pack(">III", 1, count, 20) if count else bytes(4))
        pattern = ">Q" if self.co64 else ">I"
        places = b"".join(struct.pack(pattern, place) for place in offsets)
        return box(
            b"stbl",
            full(b"stsd", self.stsd_version, 0, struct.pack(">I", len(entries)), *entries),
            self.stts or stts,
            *self.in_stbl,
            self.stsc or full(b"stsc", 0, 0, struct.pack(">I", len(runs)), stsc),
            self.stsz or stsz,
            full(b"co64" if self.co64 else b"stco", 0, 0, struct.pack(">I", len(offsets)), places),
        )

    def sizes(self) -> bytes:
        sizes = [len(sample) for sample in self.samples]
        if self.compact == 4:
            sizes += [0] * (len(sizes) % 2)
            return bytes(sizes[k] << 4 | sizes[k + 1] for k in range(0, len(sizes), 2))
        return b"".join(size.to_bytes(self.compact // 8, "big") for size in sizes)


@dataclass
class Movie:
    """A whole file; every field can be bent before build()."""

    tracks: list[Track]
    brands: tuple[bytes, ...] = (b"isom", b"isom", b"mp42")
    date: int = DATED
    version: int = 0
    before: list[bytes] = field(default_factory=list)  # behind ftyp
    in_moov: list[bytes] = field(default_factory=list)
    after: list[bytes] = field(default_factory=list)  # behind all
    tail: bytes = b""
    moov_first: bool = False
    mdats: int = 1
    mdat_large: bool = False
    mdat_to_end: bool = False  # only with moov_first
    spare: bytes = b""  # between the chunks
    meta: bytes = b""  # of an image sequence

    def build(self) -> bytes:
        """Write the file; offsets are found by writing it until they hold."""
        places = [[0] * len(track.chunks) for track in self.tracks]
        for _ in range(4):
            data, found = self._write(places)
            if found == places:
                return data
            places = found
        raise AssertionError("the layout does not settle")

    def _write(self, places: list[list[int]]) -> tuple[bytes, list[list[int]]]:
        out = box(b"ftyp", self.brands[0], bytes(4), *self.brands[1:]) if self.brands else b""
        out += b"".join(self.before) + self.meta
        if self.moov_first:
            out += self.moov(places)
        found: list[list[int]] = [[] for _ in self.tracks]
        turns = max((len(track.chunks) for track in self.tracks), default=0)
        share = -(-turns // self.mdats) if turns else 0
        for part in range(self.mdats):
            body = b""
            base = len(out) + (16 if self.mdat_large else 8)
            for turn in range(part * share, min((part + 1) * share, turns)):
                for track, spots in zip(self.tracks, found, strict=True):
                    if turn < len(track.chunks):
                        spots.append(base + len(body))
                        body += track.chunks[turn] + self.spare
            mdat = large_box(b"mdat", body) if self.mdat_large else box(b"mdat", body)
            out += b"\0\0\0\0" + mdat[4:] if self.mdat_to_end else mdat
        if not self.moov_first:
            out += self.moov(places)
        return out + b"".join(self.after) + self.tail, found

    def moov(self, places: list[list[int]]) -> bytes:
        wide = 8 if self.version else 4
        mvhd = full(
            b"mvhd", self.version, 0, self.date.to_bytes(wide, "big") * 2, struct.pack(">I", 600),
            (600).to_bytes(wide, "big"), struct.pack(">IH", 0x10000, 0x100), bytes(10), MATRIX, bytes(24),
            struct.pack(">I", 9),
        )  # fmt: skip
        traks = [t.trak(t.at or spots) for t, spots in zip(self.tracks, places, strict=True)]
        return box(b"moov", mvhd, *traks, *self.in_moov)


def frames(count: int = 5, size: int = 40) -> list[bytes]:
    return [bytes((n + 1,)) * (size + n) for n in range(count)]


def video(**more: object) -> Track:
    more.setdefault("samples", frames())
    return Track(**more)  # type: ignore[arg-type]


def sound(**more: object) -> Track:
    return Track(**{"number": 2, "handler": b"soun", "samples": [bytes((200 + n,)) * 30 for n in range(8)],
                    "name": b"Core Media Audio", **more})  # type: ignore[arg-type]  # fmt: skip


def metadata(handler: bytes = b"meta", entry: bytes = MEBX, **more: object) -> Track:
    return Track(**{"number": 3, "handler": handler, "entries": (entry,), "samples": [PLACE, SECRET, PLACE],
                    "per_chunk": 1, "refs": ((b"cdsc", (1,)),), **more})  # type: ignore[arg-type]  # fmt: skip


def udta(*parts: bytes) -> bytes:
    return box(b"udta", *parts)


def xmp() -> bytes:
    return box(b"uuid", XMP_UUID, XMP)


def boxes(data: bytes, start: int, stop: int) -> dict[bytes, list[tuple[int, int]]]:
    """List the boxes of a stretch: name to the places of their bodies. For looking at outputs."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    while start + 8 <= stop:
        size, body = int.from_bytes(data[start : start + 4], "big"), start + 8
        if size == 1:
            size, body = int.from_bytes(data[start + 8 : start + 16], "big"), start + 16
        assert body <= start + size <= stop
        found.setdefault(data[start + 4 : start + 8], []).append((body, start + size))
        start += size
    return found


def within(data: bytes, *path: bytes) -> list[tuple[int, int]]:
    """Find all bodies of a path of boxes."""
    places = [(0, len(data))]
    for name in path:
        places = [place for low, high in places for place in boxes(data, low, high).get(name, [])]
    return places


def read_samples(data: bytes) -> dict[int, bytes]:
    """Read all samples of each track of a file: track number to their bytes, in order."""
    found = {}
    for low, high in within(data, b"moov", b"trak"):
        inner = data[low:high]
        number = struct.unpack_from(">I", inner, within(inner, b"tkhd")[0][0] + 12)[0]
        ((start, stop),) = within(inner, b"mdia", b"minf", b"stbl")
        table = {name: inner[a:b] for name, ((a, b), *_) in boxes(inner, start, stop).items()}
        fixed, count = struct.unpack_from(">II", table[b"stsz"], 4)
        sizes = [fixed] * count if fixed else struct.unpack_from(f">{count}I", table[b"stsz"], 12)
        wide = b"co64" in table
        offsets = table[b"co64" if wide else b"stco"]
        places = struct.unpack_from(
            f">{len(offsets[8:]) // (8 if wide else 4)}{'Q' if wide else 'I'}", offsets, 8
        )
        runs = list(struct.iter_unpack(">III", table[b"stsc"][8:]))
        out, at = b"", 0
        for chunk, place in enumerate(places, 1):
            each = [samples for first, samples, _ in runs if first <= chunk][-1]
            length = sum(sizes[at : at + each])
            out += data[place : place + length]
            at += each
        found[number] = out
    return found


TREX = full(b"trex", 0, 0, struct.pack(">5I", 1, 1, 20, 4, 0x10000))


def trun(offset: int, sizes: list[int], count: int | None = None) -> bytes:
    """Write a run with a duration and a size for each sample (8.8.8)."""
    rows = b"".join(struct.pack(">II", 20, size) for size in sizes)
    number = len(sizes) if count is None else count
    return full(b"trun", 0, 0x301, struct.pack(">Ii", number, offset), rows)


def moof(
    number: int,
    sizes: list[int],
    samples: bytes,
    *,
    at: int = 0,
    style: str = "moof",
    count: int | None = None,
    more: bytes = b"",
) -> bytes:
    """Write a fragment of track 1 and its mdat; `style` says what its offset counts from (8.8.7)."""
    flags, base = {"moof": (0x020000, b""), "file": (1, struct.pack(">Q", 0)), "none": (0, b"")}[style]
    for _ in range(2):
        run = trun(0, sizes, count)
        head = full(b"tfhd", 0, flags, struct.pack(">I", 1), base)
        clock = full(b"tfdt", 0, 0, struct.pack(">I", 100 * (number - 1)))
        size = 8 + 16 + 8 + len(head) + len(clock) + len(run) + len(more)
        offset = size + 8 + (at if style == "file" else 0)
        run = trun(offset, sizes, count)
    return (
        box(b"moof", full(b"mfhd", 0, 0, struct.pack(">I", number)), box(b"traf", head, clock, run, more))
        + box(b"mdat", samples)
    )  # fmt: skip


def fragmented(
    style: str = "moof", *, count: int | None = None, more: bytes = b"", between: bytes = b""
) -> bytes:
    """Write a movie whose samples lie in two fragments."""
    track = video(samples=[])
    data = Movie([track], in_moov=[box(b"mvex", TREX)], brands=(b"iso6", b"iso6")).build()
    data = data.replace(box(b"mdat"), b"")
    for number in (1, 2):
        samples = frames(3)
        data += between
        sizes = [len(sample) for sample in samples]
        data += moof(number, sizes, b"".join(samples), at=len(data), style=style, count=count, more=more)
    return data
