"""Write ftyp and moov anew: only what playing needs, dates zero, names empty, offsets of the new file."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

from medsnap.formats.movie import Clock, Header, Movie
from medsnap.scrub.heif_write import box, full
from medsnap.scrub.movie_entry import stsd, stsd_version
from medsnap.scrub.movie_part import Part
from medsnap.scrub.movie_timing import edts

# Brands that say how to read the file; a maker's own brand says who made it.
BRANDS = frozenset(
    (
        b"qt  ", b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41",
        b"mp42", b"avc1", b"hvc1", b"hev1", b"av01", b"M4V ", b"M4A ", b"3gp4", b"3gp5", b"3gp6", b"3g2a",
        b"dash", b"msdh", b"cmfc", b"cmff", b"cmf2",
    )
)  # fmt: skip
FRAGMENTS = frozenset((b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"cmfc", b"cmff", b"cmf2"))
UNKNOWN = (1 << 64) - 1  # a duration that is not said
UND = b"\x55\xc4"  # language "und" (8.4.2.3)


def ftyp(brands: Sequence[bytes], *, quicktime: bool, fragmented: bool = False) -> bytes:
    """Write the file type; a movie of an unknown brand is called what its structure is (4.3)."""
    if not brands:
        return b""
    major = brands[0] if brands[0] in BRANDS else b"qt  " if quicktime else b"isom"
    kept = dict.fromkeys(brand for brand in brands[1:] if brand in BRANDS)
    known = kept or {major: None}
    if fragmented and not FRAGMENTS.intersection(known):
        known[b"iso5"] = None  # offsets count from the fragment (8.8.7.1)
    return box(b"ftyp", major, bytes(4), *known)


def _times(clock_duration: int) -> tuple[int, bytes, int]:
    """Choose version, the two dates (zero) and the width of the duration."""
    wide = 0xFFFFFFFF <= clock_duration < UNKNOWN
    return int(wide), bytes(16 if wide else 8), 8 if wide else 4


def _duration(value: int, width: int) -> bytes:
    return b"\xff" * width if value == UNKNOWN else value.to_bytes(width, "big")


def mvhd(clock: Clock, next_track: int) -> bytes:
    """Write the movie header; preview, poster and selection times of QuickTime are zero (8.2.2)."""
    version, dates, width = _times(clock.duration)
    time = clock.scale.to_bytes(4, "big") + _duration(clock.duration, width)
    placing = clock.rest[:6] + bytes(10) + clock.rest[16:52] + bytes(24)
    return full(b"mvhd", version, 0, dates, time, placing, next_track.to_bytes(4, "big"))


def _tkhd(header: Header) -> bytes:
    version, dates, width = _times(header.duration)
    time = header.id.to_bytes(4, "big") + bytes(4) + _duration(header.duration, width)
    rest = bytes(8) + header.placing + bytes(2) + header.matrix + header.extent
    return full(b"tkhd", version, header.flags & 0xF, dates, time, rest)


def _mdhd(clock: Clock) -> bytes:
    version, dates, width = _times(clock.duration)
    time = clock.scale.to_bytes(4, "big") + _duration(clock.duration, width)
    return full(b"mdhd", version, 0, dates, time, UND, bytes(2))


def moov(found: Movie, parts: Sequence[Part], source: memoryview, offsets: Sequence[array[int]], *,
         wide: bool, extra: bytes = b"") -> bytes:  # fmt: skip
    """Write moov with these chunk offsets; `wide` takes 64 bits for each (8.7.5)."""
    following = min(max(part.track.header.id for part in parts) + 1, 0xFFFFFFFF)
    traks = [trak(part, source, places, wide=wide) for part, places in zip(parts, offsets, strict=True)]
    return box(b"moov", mvhd(found.clock, following), *traks, extra)


def trak(part: Part, source: memoryview, offsets: array[int], *, wide: bool) -> bytes:
    """Write one track."""
    track = part.track
    return box(
        b"trak",
        _tkhd(track.header),
        _tapt(part, source),
        edts(part.edits),
        _tref(part),
        box(
            b"mdia",
            _mdhd(track.clock),
            _hdlr(track.component, track.handler),
            box(b"minf", _media_header(part, source), _data_handler(track.component), _dinf(),
                _stbl(part, source, offsets, wide=wide)),
        ),
    )  # fmt: skip


def _hdlr(component: bytes, handler: bytes) -> bytes:
    quicktime = component == b"mhlr"
    return full(b"hdlr", 0, 0, component if quicktime else bytes(4), handler, bytes(12), b"\0")


def _data_handler(component: bytes) -> bytes:
    """QuickTime names the handler of the data, too (QTFF, media information)."""
    return full(b"hdlr", 0, 0, b"dhlrurl ", bytes(12), b"\0") if component == b"mhlr" else b""


def _dinf() -> bytes:
    return box(b"dinf", full(b"dref", 0, 0, b"\0\0\0\1", full(b"url ", 0, 1)))


def _tapt(part: Part, source: memoryview) -> bytes:
    """Write the apertures of QuickTime: three sizes (QTFF, tapt)."""
    from medsnap.formats.bmff import children

    tapt = part.track.find(b"tapt")
    if tapt is None:
        return b""
    found = {b.type: b for b in children(source, tapt.body, tapt.stop, "tapt")}
    sizes = [
        full(name, 0, 0, bytes(source[found[name].body + 4 : found[name].body + 12]))
        for name in (b"clef", b"prof", b"enof")
        if name in found and found[name].stop - found[name].body >= 12
    ]
    return box(b"tapt", *sizes) if sizes else b""


def _tref(part: Part) -> bytes:
    rows = [box(kind, *(number.to_bytes(4, "big") for number in to)) for kind, to in part.links]
    return box(b"tref", *rows) if rows else b""


def _media_header(part: Part, source: memoryview) -> bytes:
    """Write vmhd (mode and colour) or smhd (balance), where there is one (12.1.2, 12.2.2)."""
    for name, flags, size, kept in ((b"vmhd", 1, 8, 8), (b"smhd", 0, 4, 2)):
        found = part.track.find(name)
        if found is not None and found.stop - found.body >= 4 + size:
            return full(
                name, 0, flags, bytes(source[found.body + 4 : found.body + 4 + kept]), bytes(size - kept)
            )
    return b""


def _stbl(part: Part, source: memoryview, offsets: array[int], *, wide: bool) -> bytes:
    # version 1 changes how a sound entry is read (12.2.3.2)
    version = stsd_version(source, part.track) if part.track.handler == b"soun" else 0
    return box(
        b"stbl",
        stsd(part.entries, version),
        part.timing.data,
        _stsc(part),
        _stsz(part, source),
        full(b"co64" if wide else b"stco", 0, 0, len(offsets).to_bytes(4, "big"), _table(offsets, wide=wide)),
    )


def _stsc(part: Part) -> bytes:
    rows = b"".join(
        value.to_bytes(4, "big") for run in part.runs for value in (run.first, run.samples, run.description)
    )
    return full(b"stsc", 0, 0, len(part.runs).to_bytes(4, "big"), rows)


def _stsz(part: Part, source: memoryview) -> bytes:
    compact = part.track.find(b"stz2")
    if compact is not None:
        bits = source[compact.body + 7]
        size = (part.sizes.count * bits + 7) // 8
        rows = bytes(source[compact.body + 12 : compact.body + 12 + size])
        if bits == 4 and part.sizes.count % 2:
            rows = rows[:-1] + bytes((rows[-1] & 0xF0,))
        return full(b"stz2", 0, 0, bits.to_bytes(4, "big"), part.sizes.count.to_bytes(4, "big"), rows)
    table = part.track.need(b"stsz")
    size = 0 if part.sizes.fixed else 4 * part.sizes.count
    return full(b"stsz", 0, 0, bytes(source[table.body + 4 : table.body + 12 + size]))


def _table(offsets: array[int], *, wide: bool) -> bytes:
    out = array("Q" if wide else "I", offsets)
    if sys.byteorder == "little":
        out.byteswap()
    return out.tobytes()
