"""Plan a JPEG without metadata: an allow-list of segments, the scans as the same bytes.

The new file holds SOI, JFIF, a minimal Exif (orientation 2 to 8, Adobe RGB), ICC, Adobe, then every table,
frame and scan in order, and EOI; nothing follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medsnap.errors import Malformed, Unsupported
from medsnap.formats import jpeg, tiff
from medsnap.formats.embedded import EXIF_PREFIX, ICC_PREFIX, XMP_PREFIX, jpeg_icc
from medsnap.formats.jpeg import Part, Segment
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import exif, icc, jpeg_tables
from medsnap.scrub.core import Assembly, ScrubKeep, tail_kind
from medsnap.scrub.keep import Fresh, choose, note, payload, render

_TABLES = frozenset({jpeg.DQT, jpeg.DHT, jpeg.DAC, jpeg.DRI, jpeg.SOS, jpeg.DNL})
_LOSSY = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # frames that a picture decoder reads (T.81 table B.1)
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\x00"


@dataclass(slots=True)
class _Sorted:
    """The segments by what becomes of them."""

    body: list[Segment] = field(default_factory=list)  # kept in order
    jfif: Segment | None = None
    adobe: Segment | None = None
    exif: Segment | None = None
    icc: list[Segment] = field(default_factory=list)
    gone: list[Segment] = field(default_factory=list)
    frame: Segment | None = None


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite of a JPEG. Raises Malformed, Unsupported, TooLarge."""
    return plan_of(data, jpeg.view(data), media, keep)


def plan_of(
    data: Buffer, view: jpeg.View, media: MediaType, keep: ScrubKeep, *, all_scans: bool = True
) -> Rewrite:
    """Plan from the spans of the file; not `all_scans`: those that are not there may use any table.

    Raises Malformed, Unsupported, TooLarge.
    """
    found = _sort(data, view)
    out = Assembly()
    first = _first_exif(data, found)
    profile = jpeg_icc(data, replace(view, segments=tuple(found.icc)))  # a late one is none
    adobe_rgb = keep.icc and exif.says_adobe_rgb(first) and not (profile and icc.usable(profile))
    fresh = choose(first, keep, adobe_rgb=adobe_rgb)
    out.insert(b"\xff\xd8")
    _jfif(data, out, found)
    _exif(out, fresh)
    _icc(data, out, found, profile, keep)
    _adobe(data, out, found)
    _body(data, out, found, all_scans=all_scans)
    out.insert(b"\xff\xd9")
    _note_gone(data, out, found, view, fresh=fresh, first=first)
    out.render("orientation", str(fresh.orientation))
    if found.frame is not None:
        out.render("frame", jpeg.payload(data, found.frame, 64).hex())
    return out.finish(media, orientation=fresh.orientation)


def _sort(data: Buffer, view: jpeg.View) -> _Sorted:
    found = _Sorted()
    scans = 0
    for segment in view.segments:
        if segment.part is Part.JUNK:
            found.gone.append(segment)
        elif segment.part is Part.SCAN or segment.marker in _TABLES:
            scans += segment.marker == jpeg.SOS
            found.body.append(segment)
        elif segment.marker in jpeg.SOF:
            _frame(found, segment)
        elif jpeg.APP0 <= segment.marker <= jpeg.APP15 or segment.marker == jpeg.COM:
            _application(data, found, segment, scans > 0)
        else:
            raise Unsupported(f"the JPEG holds {segment.name}", where=f"{segment.name}, byte {segment.start}")
    if found.frame is None or not scans:
        raise Malformed("the JPEG holds no picture", where=f"byte {view.end}")
    return found


def _frame(found: _Sorted, segment: Segment) -> None:
    where = f"{segment.name}, byte {segment.start}"
    if segment.marker not in _LOSSY:
        raise Unsupported(f"the JPEG is coded as {segment.name} (lossless or hierarchical)", where=where)
    if found.frame is not None:
        raise Malformed("the JPEG holds two frames", where=where)
    found.frame = segment
    found.body.append(segment)


def _application(data: Buffer, found: _Sorted, segment: Segment, late: bool) -> None:
    """Sort an APPn or COM segment; `late` ones, behind the first scan, say nothing to a decoder."""
    head = jpeg.payload(data, segment)
    number = segment.marker - jpeg.APP0
    if late:
        found.gone.append(segment)
    elif number == 0 and head.startswith(b"JFIF\x00") and len(head) >= 14 and found.jfif is None:
        found.jfif = segment
    elif number == 1 and head.startswith(EXIF_PREFIX) and found.exif is None:
        found.exif = segment
    elif number == 2 and head.startswith(ICC_PREFIX) and len(head) > 14:
        found.icc.append(segment)
    elif number == 14 and head.startswith(b"Adobe") and len(head) >= 12:
        if found.adobe is not None:
            found.gone.append(found.adobe)
        found.adobe = segment  # a decoder goes by the last one before the picture
    else:
        found.gone.append(segment)


def _body(data: Buffer, out: Assembly, found: _Sorted, *, all_scans: bool) -> None:
    """Keep tables, frame and scans in order, without the tables that no scan uses."""
    partly = jpeg_tables.kept(data, found.body, found.frame) if all_scans and found.frame else {}
    for segment in found.body:
        spans = partly.get(segment.start)
        if spans is None:
            out.keep(segment.start, segment.stop, coded=True)
            continue
        where = f"{segment.name} that no scan uses"
        out.carrier(
            CarrierKind.UNKNOWN,
            where,
            segment.start,
            segment.stop,
            action=CarrierAction.REWRITTEN if spans else CarrierAction.REMOVED,
            reveals=(Reveals.OTHER,),
        )
        if spans:
            length = 2 + sum(stop - start for start, stop in spans)
            out.insert(bytes((0xFF, segment.marker)) + length.to_bytes(2, "big"))
        for start, stop in spans:
            out.keep(start, stop, coded=True)


def _first_exif(data: Buffer, found: _Sorted) -> tiff.Tiff:
    if found.exif is None:
        return tiff.Tiff()
    return tiff.read(memoryview(data)[found.exif.body + len(EXIF_PREFIX) : found.exif.stop])


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def _jfif(data: Buffer, out: Assembly, found: _Sorted) -> None:
    """Write JFIF freshly: version, density, no thumbnail (JFIF 1.02)."""
    if found.jfif is None:
        return
    head = jpeg.payload(data, found.jfif)
    units, density = head[7], head[8:12]
    if units > 2:
        units, density = 0, b"\x00\x01\x00\x01"
    fresh = _segment(jpeg.APP0, b"JFIF\x00\x01\x02" + bytes((units,)) + density + b"\x00\x00")
    out.insert(fresh)
    if found.jfif.stop - found.jfif.body > 14:
        out.carrier(
            CarrierKind.THUMBNAIL,
            "APP0 JFIF",
            found.jfif.start,
            found.jfif.stop,
            reveals=(Reveals.THUMBNAIL,),
        )


def _exif(out: Assembly, fresh: Fresh) -> None:
    written = payload(fresh)
    if written:
        out.insert(_segment(jpeg.APP0 + 1, EXIF_PREFIX + written))
    render(out, fresh)


def _adobe(data: Buffer, out: Assembly, found: _Sorted) -> None:
    """Write Adobe freshly with its colour transform, the one byte that rendering needs (T.872 6.5.3)."""
    if found.adobe is None or found.frame is None:
        return
    transform = jpeg.payload(data, found.adobe)[11]
    if transform > 2:
        transform = 2 if jpeg.payload(data, found.frame)[5:6] == b"\x04" else 1  # as decoders take it
    out.insert(_segment(jpeg.APP0 + 14, b"Adobe\x00\x64\x00\x00\x00\x00" + bytes((transform,))))
    out.render("adobe transform", str(transform))
    if found.adobe.stop - found.adobe.body > 12:
        out.carrier(
            CarrierKind.APPLICATION,
            "APP14 Adobe",
            found.adobe.start,
            found.adobe.stop,
            action=CarrierAction.REWRITTEN,
            reveals=(Reveals.OTHER,),
        )


def _icc(data: Buffer, out: Assembly, found: _Sorted, profile: bytes | None, keep: ScrubKeep) -> None:
    """Keep the profile: its chunks in order, each as it is, or all numbered anew."""
    if profile is None:
        return
    if not keep.icc or not icc.usable(profile):
        found.gone.extend(found.icc)
        return
    first = found.icc[0]
    icc.check(profile, f"APP2 ICC_PROFILE, byte {first.start}")
    if not keep.icc_text:
        _icc_anew(out, found, profile)
        return
    chunks: dict[int, Segment] = {}
    for segment in found.icc:
        number = jpeg.payload(data, segment)[12]
        if number in chunks:
            found.gone.append(segment)
        chunks.setdefault(number, segment)
    for number, key in enumerate(sorted(chunks), 1):
        segment = chunks[key]
        numbers = bytes((number, len(chunks)))
        if jpeg.payload(data, segment)[12:14] == numbers:
            out.keep(segment.start, segment.stop)
        else:
            out.insert(
                _segment(jpeg.APP0 + 2, ICC_PREFIX + numbers + bytes(data[segment.body + 14 : segment.stop]))
            )
        out.carrier(
            CarrierKind.ICC,
            "APP2 ICC_PROFILE",
            segment.start,
            segment.stop,
            action=CarrierAction.KEPT,
            reveals=(Reveals.RENDERING,),
        )
    out.render("icc", icc.digest(profile))


def _icc_anew(out: Assembly, found: _Sorted, profile: bytes) -> None:
    """Write the profile without its free text."""
    first, most = found.icc[0], 0xFFFF - 2 - len(ICC_PREFIX) - 2
    fresh = icc.anew(profile, f"APP2 ICC_PROFILE, byte {first.start}")
    parts = [fresh[at : at + most] for at in range(0, len(fresh), most)]
    for number, part in enumerate(parts, 1):
        out.insert(_segment(jpeg.APP0 + 2, ICC_PREFIX + bytes((number, len(parts))) + part))
    action = CarrierAction.KEPT if fresh == profile else CarrierAction.REWRITTEN
    for segment in found.icc:
        says = (Reveals.RENDERING,)
        out.carrier(
            CarrierKind.ICC, "APP2 ICC_PROFILE", segment.start, segment.stop, action=action, reveals=says
        )
    out.render("icc", icc.digest(fresh))


_KINDS: tuple[tuple[int, bytes, CarrierKind, str, tuple[Reveals, ...]], ...] = (
    (0, b"JFXX\x00", CarrierKind.THUMBNAIL, "APP0 JFXX", (Reveals.THUMBNAIL,)),
    (1, _XMP_EXTENSION, CarrierKind.XMP, "APP1 extended XMP", (Reveals.OTHER,)),
    (2, b"MPF\x00", CarrierKind.SECONDARY_IMAGE, "APP2 MPF", (Reveals.IMAGE,)),
    (2, b"urn:iso:std:iso:ts:21496", CarrierKind.SECONDARY_IMAGE, "APP2 gain map", (Reveals.IMAGE,)),
    (2, ICC_PREFIX, CarrierKind.ICC, "APP2 ICC_PROFILE", (Reveals.OTHER,)),
    (2, b"FPXR\x00", CarrierKind.APPLICATION, "APP2 FlashPix", (Reveals.OTHER,)),
    (11, b"JP", CarrierKind.C2PA, "APP11 JUMBF", (Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE)),
    (13, b"Photoshop", CarrierKind.IPTC, "APP13 Photoshop", (Reveals.PERSON, Reveals.PLACE, Reveals.TIME)),
)


def _note_gone(
    data: Buffer, out: Assembly, found: _Sorted, view: jpeg.View, *, fresh: Fresh, first: tiff.Tiff
) -> None:
    if found.exif is not None:
        old = bytes(memoryview(data)[found.exif.body + len(EXIF_PREFIX) : found.exif.stop])
        note(out, fresh, old, "APP1 Exif", span=(found.exif.start, found.exif.stop), found=first)
    for segment in sorted(found.gone, key=lambda s: s.start):
        _note(data, out, segment)
    if not view.has_eoi:
        out.render("end", "EOI was missing and is written")
    elif view.end < view.size:
        kind, reveals = tail_kind(data, view.end)
        out.carrier(kind, "after EOI", view.end, view.size, reveals=(reveals,))


def _note(data: Buffer, out: Assembly, segment: Segment) -> None:
    head = jpeg.payload(data, segment)
    number = segment.marker - jpeg.APP0
    if segment.part is Part.JUNK:
        only_fill = not bytes(memoryview(data)[segment.start : segment.stop]).strip(b"\xff\x00")
        kind = CarrierKind.PADDING if only_fill else CarrierKind.UNKNOWN
        out.carrier(kind, "between segments", segment.start, segment.stop, reveals=(Reveals.OTHER,))
        return
    if number == 1 and head.startswith(EXIF_PREFIX):
        old = bytes(memoryview(data)[segment.body + len(EXIF_PREFIX) : segment.stop])
        exif.note(out, old, "APP1 Exif", segment.start, segment.stop)
        return
    if number == 1 and head.startswith(XMP_PREFIX):
        packet = bytes(memoryview(data)[segment.body : segment.stop])
        says = exif.xmp_reveals(packet) if out.look() else (Reveals.OTHER,)
        out.carrier(CarrierKind.XMP, "APP1 XMP", segment.start, segment.stop, reveals=says)
        return
    for app, prefix, kind, where, reveals in _KINDS:
        if app == number and head.startswith(prefix):
            out.carrier(kind, where, segment.start, segment.stop, reveals=reveals)
            return
    comment = segment.marker == jpeg.COM
    out.carrier(
        CarrierKind.COMMENT if comment else CarrierKind.APPLICATION,
        segment.name,
        segment.start,
        segment.stop,
        reveals=(Reveals.PERSON if comment else Reveals.OTHER,),
    )
