"""What goes from a TIFF: each tag that is not on the list, and the directories it leads to."""

from __future__ import annotations

from medsnap.formats import tiff
from medsnap.formats.tiff_file import Directory, Field
from medsnap.model.carrier import CarrierKind as Kind
from medsnap.model.carrier import Reveals
from medsnap.model.rewrite import Buffer
from medsnap.scrub import exif
from medsnap.scrub.core import Assembly

EXIF, GPS, SUB, XMP = 34665, 34853, 330, 700

_PERSON, _DEVICE, _OTHER = (Reveals.PERSON,), (Reveals.DEVICE,), (Reveals.OTHER,)
_KINDS: dict[int, tuple[Kind, str, tuple[Reveals, ...]]] = {
    269: (Kind.TEXT, "DocumentName", _PERSON),
    270: (Kind.TEXT, "ImageDescription", _PERSON),
    271: (Kind.TEXT, "Make", _DEVICE),
    272: (Kind.TEXT, "Model", _DEVICE),
    285: (Kind.TEXT, "PageName", _PERSON),
    305: (Kind.TEXT, "Software", (Reveals.DEVICE, Reveals.HISTORY)),
    306: (Kind.TIME, "DateTime", (Reveals.TIME,)),
    315: (Kind.TEXT, "Artist", _PERSON),
    316: (Kind.TEXT, "HostComputer", _DEVICE),
    333: (Kind.TEXT, "InkNames", _OTHER),
    513: (Kind.THUMBNAIL, "JPEGInterchangeFormat", (Reveals.THUMBNAIL,)),
    XMP: (Kind.XMP, "XMP", _OTHER),
    33432: (Kind.TEXT, "Copyright", _PERSON),
    33723: (Kind.IPTC, "IPTC", (Reveals.PERSON, Reveals.PLACE, Reveals.TIME)),
    34377: (Kind.IPTC, "Photoshop", (Reveals.PERSON, Reveals.HISTORY, Reveals.THUMBNAIL)),
    34675: (Kind.ICC, "ICC profile", _OTHER),
    37393: (Kind.APPLICATION, "ImageNumber", _OTHER),
    37724: (Kind.SECONDARY_IMAGE, "ImageSourceData", (Reveals.IMAGE, Reveals.HISTORY)),
    42112: (Kind.TEXT, "GDAL metadata", _PERSON),
    42113: (Kind.TEXT, "GDAL no-data", _OTHER),
    50341: (Kind.APPLICATION, "PrintImageMatching", _OTHER),
    50735: (Kind.TEXT, "CameraSerialNumber", (Reveals.SERIAL,)),
    50740: (Kind.MAKER_NOTE, "DNGPrivateData", (Reveals.DEVICE, Reveals.SERIAL)),
    50781: (Kind.APPLICATION, "RawDataUniqueID", (Reveals.SERIAL,)),
    50827: (Kind.TEXT, "OriginalRawFileName", _PERSON),
    50828: (Kind.SECONDARY_IMAGE, "OriginalRawFileData", (Reveals.IMAGE, Reveals.SERIAL)),
    50971: (Kind.TIME, "PreviewDateTime", (Reveals.TIME,)),
    52545: (Kind.C2PA, "C2PA", (Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE)),
    **dict.fromkeys(range(40091, 40096), (Kind.TEXT, "XP text", _PERSON)),
    **dict.fromkeys((33421, 33422), (Kind.APPLICATION, "colour filter array", _OTHER)),
}


def note_field(data: Buffer, field: Field, name: str, out: Assembly) -> None:
    """Note a tag that goes."""
    if field.tag in (EXIF, GPS, SUB, tiff.ORIENTATION):
        return  # the directories below are noted; an orientation is none, or goes because the caller says so
    kind, what, says = _KINDS.get(field.tag, (Kind.UNKNOWN, f"tag {field.tag}", _OTHER))
    if field.tag == XMP and out.look():
        says = exif.xmp_reveals(
            bytes(memoryview(data)[field.start : min(field.stop, field.start + (1 << 20))])
        )
    out.carrier(kind, f"{name} {what}", field.start, max(field.stop, field.start), reveals=says)


def note_exif(data: Buffer, found: tiff.Tiff, out: Assembly) -> None:
    """Note the Exif and GPS directories, and a maker note within."""
    for ifd, kind in (("Exif", Kind.EXIF), ("GPS", Kind.GPS)):
        entries = [e for e in found.entries if e.ifd == ifd]
        if entries:
            start = min(e.offset for e in entries)
            says = exif.reveals(bytes(data)) if ifd == "Exif" else (Reveals.PLACE,)
            out.carrier(
                kind, f"{ifd} directory", start, start + sum(12 + len(e.value) for e in entries), reveals=says
            )
    maker = found.get("Exif", 0x927C)
    if maker is not None and maker.value:
        says = (Reveals.DEVICE, Reveals.SERIAL)
        out.carrier(Kind.MAKER_NOTE, "MakerNote", maker.offset, maker.offset + len(maker.value), reveals=says)


def note_directory(directory: Directory, name: str, out: Assembly, *, reduced: bool) -> None:
    """Note a directory that goes with its picture."""
    kind = Kind.THUMBNAIL if reduced else Kind.SECONDARY_IMAGE
    says = (Reveals.THUMBNAIL if reduced else Reveals.IMAGE,)
    stop = directory.stop + sum(f.stop - f.start for f in directory.fields if f.whole)
    out.carrier(kind, f"{name} with its picture", directory.start, stop, reveals=says)
