"""Second reader of movies: the boxes of moov, eaten one after the other in the only accepted order."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from medsnap.scrub.second.heif_tables import Eater
from medsnap.scrub.second.movie_boxes import column, following, maybe, rows
from medsnap.scrub.second.movie_entries import Coding, eat_entry

NEVER = (1 << 64) - 1
HANDLERS = {b"vide", b"soun", b"pict", b"auxv"}
GROUPS = {b"roll": 2, b"prol": 2, b"rap ": 1, b"sync": 1, b"tscl": 20}


@dataclass(slots=True)
class Seen:
    """One track as it was read."""

    number: int = 0
    handler: str = ""
    codings: list[Coding] = field(default_factory=list)
    place: str = ""
    clock: str = ""
    edits: str = ""
    links: dict[str, list[int]] = field(default_factory=dict)
    durations: int = 0
    shifts: int = 0
    entry_points: str = "all"
    count: int = 0
    fixed: int = 0
    sizes: array[int] = field(default_factory=lambda: array("I"))
    runs: array[int] = field(default_factory=lambda: array("I"))
    starts: array[int] = field(default_factory=lambda: array("I"))


def eat_movie(moov: Eater) -> tuple[str, list[Seen]]:
    """Eat moov up to what follows its tracks: the movie's own facts, and the tracks. Raises NotClean."""
    mvhd = moov.named("mvhd")
    scale, duration = _clock(mvhd)
    rate, volume = mvhd.take(4).hex(), mvhd.take(2).hex()
    mvhd.exactly(bytes(10))
    matrix = mvhd.take(36).hex()
    mvhd.exactly(bytes(24))
    following_track = mvhd.number(4)
    mvhd.finish()
    tracks: list[Seen] = []
    while following(moov) == "trak":
        tracks.append(_track(moov.named("trak")))
    numbers = [track.number for track in tracks]
    if not tracks or 0 in numbers or len(set(numbers)) != len(numbers):
        raise moov.fail("tracks without numbers of their own")
    if following_track != min(max(numbers) + 1, 0xFFFFFFFF):
        raise mvhd.fail("the number of the next track says something else")
    for track in tracks:
        if any(target not in numbers for targets in track.links.values() for target in targets):
            raise moov.fail("a reference to a track that is gone")
    return f"{scale} {duration} {rate} {volume} {matrix}", tracks


def _clock(box: Eater, number: bool = False) -> tuple[int, int]:
    """Eat version, zero dates, scale (or track number) and duration."""
    head = box.number(4)
    version = head >> 24
    box.exactly(bytes(16 if version else 8))
    if version > 1 or (head & 0xFFFFFF and not number):
        raise box.fail("a header of another version")
    first = box.number(4)
    if number:
        box.exactly(bytes(4))
    duration = box.number(8 if version else 4)
    if version and not 0xFFFFFFFF <= duration < NEVER:
        raise box.fail("a long duration that would fit a short field")
    return first, NEVER if not version and duration == 0xFFFFFFFF else duration


def _track(trak: Eater) -> Seen:
    track = Seen()
    tkhd = trak.named("tkhd")
    flags = int.from_bytes(tkhd.file[tkhd.at : tkhd.at + 4], "big") & 0xFFFFFF
    track.number, duration = _clock(tkhd, number=True)
    tkhd.exactly(bytes(8))
    placing = tkhd.take(6).hex()
    tkhd.exactly(bytes(2))
    matrix, extent = tkhd.take(36).hex(), tkhd.take(8).hex()
    tkhd.finish()
    if flags > 15:
        raise tkhd.fail("unknown flags of a track")
    track.place = f"{flags} {duration} {placing} {matrix} {extent}"
    _apertures(trak)
    track.edits = _edits(trak)
    _links(trak, track)
    mdia = trak.named("mdia")
    trak.finish()
    mdhd = mdia.named("mdhd")
    scale, length = _clock(mdhd)
    mdhd.exactly(b"\x55\xc4\0\0")
    mdhd.finish()
    track.clock = f"{scale} {length}"
    quicktime, handler = _handler(mdia)
    track.handler = handler.decode("latin-1")
    minf = mdia.named("minf")
    mdia.finish()
    _media(minf, quicktime)
    _tables(minf.named("stbl"), track)
    minf.finish()
    return track


def _apertures(trak: Eater) -> None:
    tapt = maybe(trak, "tapt")
    while tapt is not None and tapt.at < tapt.end:
        name, body = tapt.box()
        body.exactly(bytes(4))
        body.take(8)
        body.finish()
        if name not in {"clef", "prof", "enof"}:
            raise body.fail("an unknown aperture")


def _edits(trak: Eater) -> str:
    edts = maybe(trak, "edts")
    if edts is None:
        return ""
    elst = edts.named("elst")
    edts.finish()
    width = {0: 4, 1 << 24: 8}.get(elst.number(4), 99)
    found = []
    for _ in range(elst.number(4)):
        length = elst.number(width)
        start = int.from_bytes(elst.take(width), "big", signed=True)
        found.append(f"{length} {start} {elst.number(4)}")
    elst.finish()
    if not found:
        raise elst.fail("an empty edit list")
    return "; ".join(found)


def _links(trak: Eater, track: Seen) -> None:
    tref = maybe(trak, "tref")
    while tref is not None and tref.at < tref.end:
        name, body = tref.box()
        track.links[name] = list(column(body.take(body.end - body.at), 4))
        if name not in {"auxl", "prem", "fall", "folw"} or not track.links[name]:
            raise body.fail("a reference that is not known")


def _handler(mdia: Eater) -> tuple[bool, bytes]:
    hdlr = mdia.named("hdlr")
    hdlr.exactly(bytes(4))
    component, handler = hdlr.take(4), hdlr.take(4)
    hdlr.exactly(bytes(13))
    hdlr.finish()
    if component not in (bytes(4), b"mhlr") or handler not in HANDLERS:
        raise hdlr.fail("a track that is neither picture nor sound")
    return component == b"mhlr", handler


def _media(minf: Eater, quicktime: bool) -> None:
    vmhd, smhd = maybe(minf, "vmhd"), None
    if vmhd is not None:
        vmhd.exactly(b"\0\0\0\1")
        vmhd.take(8)
        vmhd.finish()
    else:
        smhd = maybe(minf, "smhd")
    if smhd is not None:
        smhd.exactly(bytes(4))
        smhd.take(2)
        smhd.exactly(bytes(2))
        smhd.finish()
    if quicktime:
        hdlr = minf.named("hdlr")
        hdlr.exactly(bytes(4) + b"dhlrurl " + bytes(13))
        hdlr.finish()
    dinf = minf.named("dinf")
    dinf.exactly(b"\0\0\0\x1cdref\0\0\0\0\0\0\0\1\0\0\0\x0curl \0\0\0\1")
    dinf.finish()


def _tables(stbl: Eater, track: Seen) -> None:
    stsd = stbl.named("stsd")
    version = {0: 0, 1 << 24: 1}.get(stsd.number(4), 9)
    sound = track.handler == "soun"
    for _ in range(stsd.number(4)):
        name, entry = stsd.box()
        track.codings.append(eat_entry(entry, name, sound=sound, version=version))
    stsd.finish()
    if version > sound or not track.codings:
        raise stsd.fail("sample entries of another version, or none")
    timed = [(name, *_counted(stbl, name)) for name in ("stts", "ctts")]
    (_, spoken, track.durations), (_, shifted, track.shifts) = timed
    cslg = maybe(stbl, "cslg")
    if cslg is not None:
        cslg.take({0: 20, 1 << 24: 40}.get(cslg.number(4), -1))
        cslg.finish()
    points = [_points(stbl, name) for name in ("stss", "stps")]
    sdtp = maybe(stbl, "sdtp")
    grouped = _groups(stbl)
    track.runs = column(rows(stbl.named("stsc"), bytes(4), 12), 4)
    _sizes(stbl, track)
    _offsets(stbl, track)
    stbl.finish()
    if max(spoken, shifted, grouped) > track.count:
        raise stbl.fail("a table that speaks of samples that are not there")
    if any(found and found[-1] > track.count for found in points):
        raise stbl.fail("an entry point that is not there")
    if points[0] is not None:
        track.entry_points = str(len(points[0]))
    if sdtp is not None:
        sdtp.exactly(bytes(4))
        sdtp.take(track.count)
        sdtp.finish()


def _counted(stbl: Eater, name: str) -> tuple[int, int]:
    """Eat stts or ctts: how many samples it speaks of, and the sum of its values."""
    box = maybe(stbl, name) if name == "ctts" else stbl.named(name)
    if box is None:
        return 0, 0
    signed = name == "ctts" and box.file[box.at] == 1
    flat = column(rows(box, b"\1\0\0\0" if signed else bytes(4), 8), 4)
    total = spoken = 0
    for at in range(0, len(flat), 2):
        count, value = flat[at], flat[at + 1]
        if not count:
            raise box.fail("a row that speaks of no sample")
        spoken += count
        total += count * (value - (1 << 32) if signed and value >= 1 << 31 else value)
    return spoken, total


def _points(stbl: Eater, name: str) -> array[int] | None:
    box = maybe(stbl, name)
    if box is None:
        return None
    found = column(rows(box, bytes(4), 4), 4)
    if any(found[k] >= found[k + 1] for k in range(len(found) - 1)) or (found and not found[0]):
        raise box.fail("entry points out of order")
    return found


def _groups(stbl: Eater) -> int:
    """Eat pairs of sgpd and sbgp; return the most samples that one speaks of."""
    seen: set[bytes] = set()
    most = 0
    while (sgpd := maybe(stbl, "sgpd")) is not None:
        sgpd.exactly(b"\1\0\0\0")
        kind, size, count = sgpd.take(4), sgpd.number(4), sgpd.number(4)
        sgpd.take(size * count)
        sgpd.finish()
        sbgp = stbl.named("sbgp")
        flat = column(rows(sbgp, bytes(4) + kind, 8), 4)
        if kind in seen or GROUPS.get(kind) != size or not flat or max(flat[1::2]) > count or 0 in flat[::2]:
            raise sbgp.fail("a sample group that is unknown, repeated or empty")
        seen.add(kind)
        most = max(most, sum(flat[::2]))
    return most


def _sizes(stbl: Eater, track: Seen) -> None:
    if (compact := maybe(stbl, "stz2")) is not None:
        compact.exactly(bytes(7))
        bits, track.count = compact.number(1), compact.number(4)
        raw = compact.take((track.count * bits + 7) // 8)
        compact.finish()
        if bits == 16:
            track.sizes = array("I", (raw[k] << 8 | raw[k + 1] for k in range(0, len(raw), 2)))
        elif bits == 8:
            track.sizes = array("I", list(raw))
        elif bits == 4 and not (track.count % 2 and raw[-1] % 16):
            track.sizes = array("I", [raw[k // 2] >> (0 if k % 2 else 4) & 15 for k in range(track.count)])
        else:
            raise compact.fail("sizes of an impossible width")
        return
    stsz = stbl.named("stsz")
    stsz.exactly(bytes(4))
    track.fixed, track.count = stsz.number(4), stsz.number(4)
    if not track.fixed:
        track.sizes = column(stsz.take(4 * track.count), 4)
    stsz.finish()


def _offsets(stbl: Eater, track: Seen) -> None:
    name = following(stbl)
    width = 8 if name == "co64" else 4
    track.starts = column(rows(stbl.named(name if width == 8 else "stco"), bytes(4), width), width)
