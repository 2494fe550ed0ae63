"""Exif: what a payload gives away, and the one Exif that a scrubbed file may hold."""

from __future__ import annotations

from functools import lru_cache

from medsnap.formats import tiff
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.scrub.core import Assembly

EXIF_PREFIX = b"Exif\x00\x00"

# Exif 3.0 and DNG 1.7 tag numbers, by what they give away.
_SERIAL = frozenset({0xA431, 0xA435, 0xA420, 0xC62F, 0xC65D, 0xC68C})
_TIME = frozenset({0x0132, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292, 0xC71B})
_DEVICE = frozenset({0x010F, 0x0110, 0x013C, 0xA433, 0xA434, 0xC614, 0xC615, 0x0131})
_PERSON = frozenset(
    {0x010E, 0x013B, 0x8298, 0x9286, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xA430, 0xA436, 0xA437, 0xA438}
)
_MAKER_NOTE = 0x927C
_SOFTWARE = frozenset({0x0131, 0x000B, 0xA43A, 0xA43B, 0xA43C})
_THUMBNAIL = 0x0201


@lru_cache(maxsize=8)
def minimal(orientation: int) -> bytes:
    """Return an Exif payload, "Exif" prefix included, with Orientation and nothing else (32 bytes)."""
    import piexif

    if not 2 <= orientation <= 8:
        raise ValueError("a minimal Exif is for orientations 2 to 8")
    made = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
    if not isinstance(made, bytes):
        raise TypeError("piexif.dump gives bytes")
    return made


def says_adobe_rgb(found: tiff.Tiff) -> bool:
    """Say whether an Exif marks the picture as Adobe RGB by its interoperability index."""
    index = found.get("Interop", 0x0001)
    return index is not None and index.ascii == "R03"


def reveals(payload: bytes) -> tuple[Reveals, ...]:
    """Say what a TIFF-structured Exif payload gives away; OTHER where nothing particular is found."""
    return _reveals(tiff.read(payload))


def _reveals(found: tiff.Tiff) -> tuple[Reveals, ...]:
    says: list[Reveals] = []
    tags = {(e.ifd, e.tag) for e in found.entries if e.value.strip(b"\x00 ")}
    flat = {tag for ifd, tag in tags if ifd not in ("GPS", "Interop")}
    table = (
        (Reveals.PLACE, any(ifd == "GPS" and tag != 0 for ifd, tag in tags)),
        (Reveals.SERIAL, bool(flat & _SERIAL)),
        (Reveals.TIME, bool(flat & _TIME) or ("GPS", 0x001D) in tags),
        (Reveals.DEVICE, bool(flat & _DEVICE)),
        (Reveals.PERSON, bool(flat & _PERSON)),
        (Reveals.HISTORY, bool(flat & _SOFTWARE)),
        (Reveals.THUMBNAIL, _THUMBNAIL in flat),
    )
    says = [what for what, there in table if there]
    return tuple(says) or (Reveals.OTHER,)


def note(
    assembly: Assembly,
    payload: bytes,
    where: str,
    start: int,
    stop: int,
    *,
    found: tiff.Tiff | None = None,
    written: bytes = b"",
    told: tuple[Reveals, ...] = (),
) -> None:
    """Note an Exif payload that goes, and the carriers within it: GPS, maker note, thumbnail.

    `found` are its directories where they have been read already; `written` is what is written
    instead, and where both are the same, the Exif stays; `told` is what that still tells by wish.
    """
    if payload and payload == written:
        says = told or (Reveals.RENDERING,)
        assembly.carrier(CarrierKind.EXIF, where, start, stop, action=CarrierAction.KEPT, reveals=says)
        return
    if not assembly.look():
        assembly.carrier(CarrierKind.EXIF, where, start, stop, reveals=(Reveals.OTHER,))
        return
    found = tiff.read(payload) if found is None else found
    says = tuple(what for what in _reveals(found) if what not in told) or (Reveals.OTHER,)
    assembly.carrier(CarrierKind.EXIF, where, start, stop, reveals=says)
    base = stop - len(payload)
    gps = [e for e in found.entries if e.ifd == "GPS"]
    if gps:
        assembly.carrier(
            CarrierKind.GPS,
            f"{where} GPS",
            base,
            base + sum(12 + len(e.value) for e in gps),
            reveals=(Reveals.PLACE,),
        )
    maker = found.get("Exif", _MAKER_NOTE)
    if maker is not None and maker.value:
        place = base + maker.offset
        assembly.carrier(
            CarrierKind.MAKER_NOTE,
            f"{where} MakerNote",
            place,
            place + len(maker.value),
            reveals=(Reveals.DEVICE, Reveals.SERIAL) if len(maker.value) > 64 else (Reveals.DEVICE,),
        )
    thumbnail, length = found.get("IFD1", _THUMBNAIL), found.get("IFD1", 0x0202)
    if thumbnail is not None:
        size = (length.integer if length is not None else None) or 0
        assembly.carrier(
            CarrierKind.THUMBNAIL,
            f"{where} IFD1",
            base,
            base + min(size, len(payload)),
            reveals=(Reveals.THUMBNAIL,),
        )


_MAX_XMP = 1 << 20  # bytes
_XMP_WORDS: tuple[tuple[Reveals, tuple[bytes, ...]], ...] = (  # in lower case
    (Reveals.PLACE, (b"gps", b":city", b":state", b":country", b":location", b"sublocation")),
    (Reveals.SERIAL, (b"serialnumber", b"documentid", b"instanceid", b"imageuniqueid")),
    (Reveals.TIME, (b"date", b":when")),
    (Reveals.DEVICE, (b"tiff:make", b"tiff:model", b"aux:lens", b"creatortool")),
    (
        Reveals.PERSON,
        (
            *(b"creator", b"description", b"dc:title", b"dc:subject", b"person"),
            *(b"rights", b"author", b"caption", b"face"),
        ),
    ),
    (Reveals.HISTORY, (b":history", b"derivedfrom", b"crs:", b"creatortool")),
    (Reveals.THUMBNAIL, (b"thumbnails", b"xmpgimg", b"gdepth:data")),
)


def xmp_reveals(packet: bytes) -> tuple[Reveals, ...]:
    """Say what an XMP packet gives away, by the names in its first MiB; OTHER where none is known."""
    text = packet[:_MAX_XMP].lower()
    says = tuple(what for what, words in _XMP_WORDS if any(word in text for word in words))
    return says or (Reveals.OTHER,)
