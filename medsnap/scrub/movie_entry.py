"""Sample entries (stsd) written anew: which coding, its sizes, its setup; no encoder or vendor names."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Box, Cursor, children, cursor
from medsnap.formats.movie import Track
from medsnap.scrub import icc
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif_properties import alpha_urn
from medsnap.scrub.heif_write import box, full
from medsnap.scrub.movie_codec import canonical, colour

VIDEO = frozenset(
    (
        b"avc1", b"avc3", b"hvc1", b"hev1", b"dvh1", b"dvhe", b"dva1", b"dvav", b"av01", b"vp08", b"vp09",
        b"mp4v", b"s263", b"h263", b"H263", b"jpeg", b"apch", b"apcn", b"apcs", b"apco", b"ap4h", b"ap4x",
    )
)  # fmt: skip
PCM = frozenset((b"sowt", b"twos", b"raw ", b"in24", b"in32", b"fl32", b"fl64", b"ulaw", b"alaw", b"lpcm"))
SOUND = PCM | {b"mp4a", b"Opus", b"fLaC", b"alac", b"ac-3", b"ec-3", b"samr", b"sawb", b".mp3"}
WHOLE_FILES = frozenset((b"mjpa", b"mjpb", b"png ", b"tiff", b"gif "))
DEPTH = frozenset((b"dish", b"deph", b"hdis", b"hdep", b"fdis", b"fdep"))
MAX_ENTRIES = 64

# Channel layouts that say what one or two channels are without being told (QTFF, chan): mono, stereo,
# "as numbered", and the same as a bitmap of the centre, or of left and right.
USUAL_LAYOUTS = frozenset(
    bytes(4) + tag.to_bytes(4, "big") + bits.to_bytes(4, "big") + bytes(4)
    for tag, bits in ((0x640001, 0), (0x650002, 0), (0, 0), (0x10000, 4), (0x10000, 3))
)

# Which setup a coding cannot do without.
_SETUP = {
    **dict.fromkeys((b"avc1", b"avc3", b"dva1", b"dvav"), b"avcC"),
    **dict.fromkeys((b"hvc1", b"hev1", b"dvh1", b"dvhe"), b"hvcC"),
    **dict.fromkeys((b"vp08", b"vp09"), b"vpcC"),
    b"av01": b"av1C",
    b"mp4v": b"esds",
    b"Opus": b"dOps",
    b"fLaC": b"dfLa",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sample entry as it is written, and what it gave away."""

    coding: bytes
    data: bytes
    frame: int  # bytes of one frame of uncompressed sound, else 0
    named: bool  # an encoder or a vendor was named
    cut: tuple[Box, ...]  # boxes that only described
    reference: int  # which data reference it needs, from 1
    profiles: tuple[bytes, ...]  # ICC
    alpha: bool
    shown: str = ""  # codes of colour, pixel shape and crop, as they came
    extent: tuple[int, int] = (0, 0)  # pixels


def codings(source: memoryview, track: Track) -> tuple[bytes, ...]:
    """Name the codings of a track, unchecked."""
    return tuple(inner.type for inner in _boxes(source, track.need(b"stsd"))[1])


def read_entries(source: memoryview, track: Track, keep: ScrubKeep) -> tuple[Entry, ...]:
    """Make the sample entries of a kept track ready. Raises Malformed, Unsupported."""
    version, boxes = _boxes(source, track.need(b"stsd"))
    if not boxes:
        raise Malformed(f"{track.label} names no coding", where="stsd")
    return tuple(_entry(source, inner, version, track, keep) for inner in boxes)


def _boxes(source: memoryview, stsd: Box) -> tuple[int, tuple[Box, ...]]:
    fields = cursor(source, stsd)
    version, count = fields.uint(4) >> 24, fields.uint(4)
    found = children(source, fields.at, stsd.stop, "stsd")
    if len(found) != count or count > MAX_ENTRIES:
        raise Malformed("stsd does not hold as many entries as it says", where=f"stsd, byte {stsd.start}")
    return version, found


def _entry(source: memoryview, inner: Box, version: int, track: Track, keep: ScrubKeep) -> Entry:
    where = f"{inner.name} entry of {track.label}, byte {inner.start}"
    if inner.type in (b"encv", b"enca"):
        raise Unsupported("the movie is encrypted", where=where)
    if inner.type in WHOLE_FILES:
        raise Unsupported("each frame is a picture file of its own, which could hold metadata", where=where)
    sound = track.handler == b"soun"
    if inner.type not in (SOUND if sound else VIDEO):
        raise Unsupported("the movie is coded in a way that medsnap does not know", where=where)
    fields = cursor(source, inner)
    fields.take(6)
    reference = fields.uint(2)
    if sound:
        head, named, frame = _sound(fields, inner.type, version, where)
        extent = (0, 0)
    else:
        head, named, extent = _video(fields, where)
        frame = 0
    boxes, cut = _config(source, children(source, fields.at, inner.stop, inner.name), keep, where)
    names = [name for name, _ in boxes]
    needed = _SETUP.get(inner.type)
    doubles = len(names) - len(set(names))
    if doubles or (needed is not None and needed not in names):
        raise Malformed("a coding whose setup is missing or stands twice", where=where)
    return Entry(
        coding=inner.type,
        data=box(inner.type, bytes(6), b"\0\1", head, *(box(name, payload) for name, payload in boxes)),
        frame=frame, named=named, cut=cut, shown=_shown(source, inner, fields.at),
        reference=reference, extent=extent,
        profiles=tuple(p[4:] for n, p in boxes if n == b"colr" and p[:4] in (b"prof", b"rICC")),
        alpha=b"auxi" in names,
    )  # fmt: skip


def _shown(source: memoryview, inner: Box, at: int) -> str:
    """Say what the source asks for in colour codes, pixel shape and crop."""
    rows = []
    for found in children(source, at, inner.stop, inner.name):
        body = bytes(source[found.body : found.stop])
        if found.type == b"colr" and body[:4] in (b"nclx", b"nclc"):
            codes = "/".join(str(int.from_bytes(body[k : k + 2], "big")) for k in (4, 6, 8))
            rows.append(codes + (" full" if body[:4] == b"nclx" and body[10] >> 7 else ""))
        elif found.type in (b"pasp", b"clap"):
            rows.append(body.hex())
    return " ".join(sorted(rows))


def _video(fields: Cursor, where: str) -> tuple[bytes, bool, tuple[int, int]]:
    """Rewrite the fixed part of a visual entry (12.1.3): vendor, qualities and compressor name go."""
    named = any(fields.take(16)[4:])
    extent = bytes(fields.take(4))
    fields.take(14)  # 72 dots an inch, one frame a sample: no reader looks
    named = any(fields.take(32)) or named
    depth = bytes(fields.take(2))
    fields.take(2)
    if int.from_bytes(depth, "big") & 31 < 16 and depth != b"\0\0":
        raise Unsupported("a video with a palette", where=where)
    size = int.from_bytes(extent[:2], "big"), int.from_bytes(extent[2:], "big")
    fixed = b"\0\x48\0\0" * 2 + bytes(4) + b"\0\1" + bytes(32)
    return bytes(16) + extent + fixed + depth + b"\xff\xff", named, size


def _sound(fields: Cursor, coding: bytes, version: int, where: str) -> tuple[bytes, bool, int]:
    """Rewrite the fixed part of a sound entry (12.2.3, QTFF versions 1 and 2): the vendor goes."""
    kind = fields.uint(2)
    named = any(fields.take(6))
    shape = bytes(fields.take(12))
    more = b""
    if kind and version == 0:
        more = bytes(fields.take({1: 16, 2: 36}.get(kind, 1 << 30)))
    elif kind > 1:
        raise Unsupported("a sound entry of an unknown version", where=where)
    if kind == 2 and more and (more[:4] != b"\0\0\0\x48" or more[16:20] != b"\x7f\0\0\0"):
        raise Unsupported("a sound entry of an unknown layout", where=where)
    channels, bits = int.from_bytes(shape[:2], "big"), int.from_bytes(shape[2:4], "big")
    frame = 0
    if coding in PCM:
        frame = _frame(coding, channels, bits, more if kind == 2 else b"", where)
    return kind.to_bytes(2, "big") + bytes(6) + shape + more, named, frame


def _frame(coding: bytes, channels: int, bits: int, second: bytes, where: str) -> int:
    """Work out the length of one frame of uncompressed sound, bytes."""
    width = {b"in24": 3, b"in32": 4, b"fl32": 4, b"fl64": 8, b"ulaw": 1, b"alaw": 1}.get(
        coding, (bits + 7) // 8
    )
    if second:
        frame = int.from_bytes(second[28:32], "big")
        if int.from_bytes(second[32:36], "big") != 1:
            raise Unsupported("uncompressed sound in packets of several frames", where=where)
    else:
        frame = channels * width
    if not 0 < frame <= 1024:
        raise Malformed("uncompressed sound with frames of an impossible size", where=where)
    return frame


def _config(
    source: memoryview, found: tuple[Box, ...], keep: ScrubKeep, where: str
) -> tuple[list[tuple[bytes, bytes]], tuple[Box, ...]]:
    """Write the boxes about the coding anew; give the ones that were cut."""
    written: list[tuple[bytes, bytes]] = []
    cut: list[Box] = []
    for inner in found:
        label = f"{inner.name} in {where}"
        payload = bytes(source[inner.body : inner.stop])
        if inner.type == b"wave":
            written.append((b"wave", _wave(source, inner, label)))
            continue
        clean = _clean(inner.type, payload, label)
        if inner.type == b"chan" and clean in USUAL_LAYOUTS:
            continue
        if clean is None or (inner.type == b"colr" and clean[:4] in (b"prof", b"rICC") and not keep.icc):
            cut.append(inner)
        elif inner.type == b"colr" and clean[:4] in (b"prof", b"rICC") and not keep.icc_text:
            written.append((inner.type, clean[:4] + icc.anew(clean[4:], label)))
        else:
            written.append((inner.type, clean))
    return written, tuple(cut)


def _clean(kind: bytes, payload: bytes, label: str) -> bytes | None:
    if kind == bytes(4):  # the terminator of QuickTime lists
        return None
    if kind == b"colr":
        clean = colour(payload, label)
        if clean is not None and clean[:4] in (b"prof", b"rICC"):
            icc.check(clean[4:], label)
        return clean
    if kind == b"auxi":
        urn = alpha_urn(payload)
        if not urn:
            raise Unsupported("a track that is no alpha plane but an auxiliary picture", where=label)
        return bytes(4) + urn + b"\0"
    return canonical(kind, payload, label)


def _wave(source: memoryview, wave: Box, where: str) -> bytes:
    """Rewrite the decompression parameters of QuickTime sound (QTFF, siDecompressionParam)."""
    parts = []
    for inner in children(source, wave.body, wave.stop, "wave"):
        if inner.type == bytes(4):
            continue
        if inner.type not in (b"frma", b"mp4a", b"esds", b"alac", b"enda", b"chan"):
            raise Unsupported("a setup of sound that medsnap does not know", where=f"{inner.name} in {where}")
        clean = canonical(inner.type, bytes(source[inner.body : inner.stop]), where)
        parts.append(box(inner.type, clean or b""))
    return b"".join(parts) + box(bytes(4))


def stsd(entries: tuple[Entry, ...], version: int) -> bytes:
    """Write the box of all entries (8.5.2)."""
    return full(b"stsd", version, 0, len(entries).to_bytes(4, "big"), *(entry.data for entry in entries))


def stsd_version(source: memoryview, track: Track) -> int:
    """Say which version an stsd box has: 1 changes how sound entries are read (12.2.3.2)."""
    box_ = track.need(b"stsd")
    return min(source[box_.body], 1) if box_.body < box_.stop else 0
