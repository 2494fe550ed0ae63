"""Name every place in a movie that held something else than picture and sound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medsnap.formats.bmff import Box
from medsnap.formats.heif_view import Span
from medsnap.formats.movie import Movie, Track
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.scrub import exif
from medsnap.scrub.core import Assembly, tail_kind
from medsnap.scrub.heif_carriers import C2PA_UUID, PADDING, XMP_UUID
from medsnap.scrub.movie_part import Part
from medsnap.scrub.movie_write import UND

SEARCHED = 256 << 10  # bytes of a box that are looked through for the report
LISTED = 300
_K, _R = CarrierKind, Reveals

# What the words in user data give away (QTFF, user data and metadata keys; 3GPP TS 26.244, 8).
_WORDS: tuple[tuple[Reveals, tuple[bytes, ...]], ...] = (
    (_R.PLACE, (b"\xa9xyz", b"location", b"loci", b"GPS", b"gps", b"ISO6709", b"latitude", b"Latitude")),
    (_R.TIME, (b"\xa9day", b"creationdate", b"CreateDate", b"date", b"\xa9TIM", b"Date")),
    (_R.DEVICE, (b"\xa9mak", b"\xa9mod", b"\xa9swr", b"\xa9too", b".make", b".model", b".software", b"CNCV",
                 b"Make", b"Model", b"manufacturer", b"android", b"\xa9fmt", b"\xa9inf")),
    (_R.SERIAL, (b"identifier", b"Serial", b"serial", b"CAME", b"MUID", b"uuid", b"DocumentID")),
    (_R.PERSON, (b"\xa9nam", b"\xa9ART", b"\xa9aut", b"\xa9cmt", b"\xa9cpy", b"\xa9des", b"titl", b"auth",
                 b"cprt", b"dscp", b"author", b"title", b"comment", b"name", b"creator", b"artist",
                 b"description", b"albm", b"perf", b"desc")),
    (_R.THUMBNAIL, (b"CNTH", b"thmb", b"covr", b"\xff\xd8\xff")),
    (_R.HISTORY, (b"xmpMM", b"Cr8r", b"HandBrake", b"Lavf")),
)  # fmt: skip

_TRACKS: dict[bytes, tuple[CarrierKind, tuple[Reveals, ...]]] = {
    b"meta": (_K.APPLICATION, (_R.PLACE, _R.TIME, _R.DEVICE)),
    b"camm": (_K.GPS, (_R.PLACE, _R.TIME)),
    b"tmcd": (_K.TIME, (_R.TIME,)),
    b"text": (_K.TEXT, (_R.PERSON, _R.PLACE)),
    b"sbtl": (_K.TEXT, (_R.PERSON,)),
    b"subt": (_K.TEXT, (_R.PERSON,)),
    b"clcp": (_K.TEXT, (_R.PERSON,)),
    b"vide": (_K.SECONDARY_IMAGE, (_R.VIDEO,)),
    b"pict": (_K.SECONDARY_IMAGE, (_R.IMAGE,)),
    b"auxv": (_K.SECONDARY_IMAGE, (_R.IMAGE,)),
    b"soun": (_K.APPLICATION, (_R.PERSON,)),
}


def report(out: Assembly, source: memoryview, found: Movie, parts: Sequence[Part]) -> None:
    """List what was removed and what was emptied."""
    for box in found.boxes:
        if box.type not in (b"ftyp", b"moov", b"mdat", b"moof"):
            note(out, source, box, f"{box.name} box")
    kept = {part.track.header.id for part in parts}
    for box in found.moov_boxes:
        if box.type not in (b"mvhd", b"trak", b"mvex"):
            note(out, source, box, f"moov/{box.name} box")
    if found.clock.dated:
        mvhd = next(box for box in found.moov_boxes if box.type == b"mvhd")
        _emptied(out, mvhd, "dates of the movie", CarrierKind.TIME, Reveals.TIME)
    for track in found.tracks:
        if track.header.id not in kept:
            _removed_track(out, source, track)
    for part in parts:
        _kept_track(out, source, part, found)
    if found.framed < found.size:
        kind, sign = tail_kind(source, max(found.framed, found.size - (64 << 20)))
        out.carrier(kind, "after the last box", found.framed, found.size, reveals=(sign,))


def note(out: Assembly, source: memoryview, box: Box, where: str) -> None:
    """Note one box that was cut; free space of zeros reveals nothing."""
    if len(out.carriers) > LISTED:
        return
    kind, reveals = _box_kind(source, box)
    out.carrier(kind, where, box.start, box.stop, reveals=reveals)


def _box_kind(source: memoryview, box: Box) -> tuple[CarrierKind, tuple[Reveals, ...]]:
    start = bytes(source[box.body : min(box.stop, box.body + SEARCHED)])
    if box.type in PADDING:
        return CarrierKind.PADDING, (Reveals.OTHER,) if start.strip(b"\0") else ()
    if box.type == b"uuid" and start[:16] == C2PA_UUID:
        return CarrierKind.C2PA, (Reveals.HISTORY,)
    if (box.type == b"uuid" and start[:16] == XMP_UUID) or b"<x:xmpmeta" in start:
        return CarrierKind.XMP, tuple(dict.fromkeys((*exif.xmp_reveals(start), *words(start))))
    if box.type in (b"uuid", b"udta", b"meta"):
        said = words(start)
        kind = CarrierKind.GPS if said == (Reveals.PLACE,) else CarrierKind.APPLICATION
        return kind, said or ((Reveals.OTHER,) if start.strip(b"\0") else ())
    if box.type in (b"PICT", b"pnot", b"mpvd"):
        return CarrierKind.THUMBNAIL, (Reveals.THUMBNAIL,)
    if box.type == b"prft":
        return CarrierKind.TIME, (Reveals.TIME,)
    if box.type in (b"iods", b"sidx", b"mfra", b"styp", b"ctab", b"load", b"tref"):
        return CarrierKind.APPLICATION, ()
    return CarrierKind.UNKNOWN, (Reveals.OTHER,)


def words(start: bytes) -> tuple[Reveals, ...]:
    """Say what the tags named in a stretch of user data speak of."""
    return tuple(what for what, tokens in _WORDS if any(token in start for token in tokens))


def _emptied(out: Assembly, box: Box, where: str, kind: CarrierKind, *reveals: Reveals) -> None:
    out.carrier(kind, where, box.start, box.stop, action=CarrierAction.REWRITTEN, reveals=reveals)


def _removed_track(out: Assembly, source: memoryview, track: Track) -> None:
    kind, reveals = _TRACKS.get(track.handler, (CarrierKind.UNKNOWN, (Reveals.OTHER,)))
    said = words(bytes(source[track.box.body : min(track.box.stop, track.box.body + SEARCHED)]))
    name = "".join(chr(c) if 0x20 < c < 0x7F else "?" for c in track.handler)
    both = tuple(dict.fromkeys((*reveals, *(s for s in said if s in (_R.PLACE, _R.SERIAL)))))
    out.carrier(kind, f"{name} {track.label}", track.box.start, track.box.stop, reveals=both)


def _kept_track(out: Assembly, source: memoryview, part: Part, found: Movie) -> None:
    track = part.track
    label = track.label
    written = (b"tkhd", b"tapt", b"edts", b"mdia")
    for box in track.trak:
        if box.type not in written and not (box.type == b"tref" and part.links):
            note(out, source, box, f"{label}/{box.name} box")
    for inside in (track.mdia, track.minf):
        for box in inside:
            if box.type in (b"udta", b"meta", b"uuid", b"free", b"skip", b"wide", b"name"):
                note(out, source, box, f"{label}/{box.name} box")
    if track.header.dated:
        _emptied(out, track.need(b"tkhd"), f"dates of {label}", CarrierKind.TIME, Reveals.TIME)
    if track.clock.dated:
        _emptied(out, track.need(b"mdhd"), f"dates of the media of {label}", CarrierKind.TIME, Reveals.TIME)
    if track.clock.rest[:2] not in (UND, b"\0\0", b"\x7f\xff"):
        _emptied(out, track.need(b"mdhd"), f"language of {label}", CarrierKind.TEXT, Reveals.OTHER)
    if track.handler_named:
        _emptied(out, track.handler_box, f"handler name of {label}", CarrierKind.COMMENT, Reveals.DEVICE)
    stsd = track.need(b"stsd")
    if any(entry.named for entry in part.entries):
        _emptied(out, stsd, f"encoder name of {label}", CarrierKind.COMMENT, Reveals.DEVICE)
    for box in (box for entry in part.entries for box in entry.cut if box.type != bytes(4)):
        note(out, source, box, f"{label}/stsd/{box.name} box")
    known = (b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"sdtp", b"sgpd", b"sbgp", b"stsc",
             b"stsz", b"stz2", b"stco", b"co64")  # fmt: skip
    for box in (*part.timing.cut, *(box for box in track.stbl if box.type not in known)):
        note(out, source, box, f"{label}/{box.name} box")
    _hidden_by_edits(out, part, found)


def _hidden_by_edits(out: Assembly, part: Part, found: Movie) -> None:
    """Say where an edit list shows less than the track holds: a trimmed clip keeps what was cut off."""
    clock = part.track.clock
    if not part.edits or not clock.scale or not found.clock.scale or clock.duration >> 63:
        return
    shown = sum(edit.length for edit in part.edits if edit.start >= 0) / found.clock.scale
    if clock.duration / clock.scale - shown > 0.5:
        edts = part.track.need(b"edts")
        out.carrier(
            CarrierKind.SECONDARY_IMAGE, f"edit list of {part.track.label}", edts.start, edts.stop,
            action=CarrierAction.KEPT, reveals=(Reveals.VIDEO,),
        )  # fmt: skip


def unreferenced(out: Assembly, source: memoryview, mdats: Iterable[Box], used: Sequence[Span]) -> None:
    """List the bytes of media data that no kept track uses, as one carrier for each mdat."""
    row = 0
    for box in mdats:
        at, gone, first = box.body, 0, box.body
        while row < len(used) and used[row][0] < box.stop:
            if used[row][0] > at:
                first = first if gone else at
                gone += used[row][0] - at
            at = used[row][1]
            row += 1
        if box.stop > at:
            first = first if gone else at
            gone += box.stop - at
        if gone:
            blank = not bytes(source[first : first + min(gone, SEARCHED)]).strip(b"\0")
            kind = CarrierKind.PADDING if blank else CarrierKind.APPLICATION
            reveals = () if blank else (Reveals.OTHER,)
            out.carrier(kind, "mdat, in no kept track", first, first + gone, reveals=reveals)
