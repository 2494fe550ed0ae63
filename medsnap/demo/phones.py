"""What a tablet and a phone write into their photos: place, serial numbers, thumbnails, maker notes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from medsnap.demo import exif_writer as ex

if TYPE_CHECKING:
    from PIL import Image

OFFSET = "+01:00"
_OFFSET_HOURS = 1
_PLACE = ((51, 28, 4010), (0, 0, 540))  # an observatory that everybody may know: degrees, minutes, s/100


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A made-up device: what its photos say of it."""

    asset: str
    make: str
    model: str
    software: str
    lens: str
    serial: str


TABLET = Phone(
    asset="WARD-TAB-07",
    make="Apple",
    model="iPad (10th generation)",
    software="17.6.1",
    lens="iPad (10th generation) back camera 3mm f/1.8",
    serial="DEMO0TABLET07",
)
PRIVATE = Phone(
    asset="PRIVATE-PHONE",
    make="samsung",
    model="Galaxy S23",
    software="S911BXXU3DEMO",
    lens="Samsung S5KGN3",
    serial="DEMO0PHONE99",
)


def exif(phone: Phone, picture: Image.Image, taken: datetime, *, orientation: int, live: str = "") -> bytes:
    """Return the Exif payload of one photo; `live` is the identifier of a Live Photo."""
    stamp = taken.strftime("%Y:%m:%d %H:%M:%S")
    ifd0 = [
        ex.text(0x010F, phone.make),
        ex.text(0x0110, phone.model),
        ex.short(0x0112, orientation),
        ex.rational(0x011A, (72, 1)),
        ex.rational(0x011B, (72, 1)),
        ex.short(0x0128, 2),
        ex.text(0x0131, phone.software),
        ex.text(0x0132, stamp),
        ex.text(0x013C, "Demo Ward Device"),
    ]
    shot = [
        ex.rational(0x829A, (1, 60)),
        ex.rational(0x829D, (9, 5)),
        ex.short(0x8827, 125),
        ex.undefined(0x9000, b"0232"),
        ex.text(0x9003, stamp),
        ex.text(0x9004, stamp),
        ex.text(0x9010, OFFSET),
        ex.text(0x9011, OFFSET),
        ex.undefined(0x927C, _maker_note(phone, live)),
        ex.undefined(0x9286, b"ASCII\x00\x00\x00invented demo photo, no real patient"),
        ex.short(0xA001, 65535),
        ex.text(0xA431, phone.serial),
        ex.text(0xA434, phone.lens),
    ]
    thumbnail = _thumbnail(picture)
    return ex.write(ifd0=ifd0, exif=shot, gps=_gps(taken), thumbnail=thumbnail)


def _gps(taken: datetime) -> list[ex.Tag]:
    north, east = (((d, 1), (m, 1), (s, 100)) for d, m, s in _PLACE)
    hour = (taken.hour - _OFFSET_HOURS) % 24
    return [
        ex.Tag(0x0000, 1, 4, b"\x02\x03\x00\x00"),
        ex.text(0x0001, "N"),
        ex.rational(0x0002, *north),
        ex.text(0x0003, "W"),
        ex.rational(0x0004, *east),
        ex.rational(0x0006, (4500, 100)),
        ex.rational(0x0007, (hour, 1), (taken.minute, 1), (taken.second, 1)),
        ex.text(0x001D, taken.strftime("%Y:%m:%d")),
    ]


def _maker_note(phone: Phone, live: str) -> bytes:
    """Apple's note holds a directory with offsets from its own start; others just hold a serial."""
    if phone.make != "Apple":
        return b"DEMO NOTE\x00" + phone.serial.encode("ascii") + bytes(64)
    entries = [ex.Tag(0x0001, 9, 1, (14).to_bytes(4, "big"))]
    if live:
        entries.append(ex.text(0x0011, live))
    entries.append(ex.text(0x002B, "DEMO-PHOTO-IDENTIFIER"))
    return b"Apple iOS\x00\x00\x01MM" + ex.directory(entries, 14, 0)


def _thumbnail(picture: Image.Image) -> bytes:
    small = picture.resize((160, 120) if picture.width > picture.height else (120, 160))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def profile() -> bytes:
    """An sRGB ICC profile; its creation date is set, so that a demo made twice is the same."""
    from PIL import ImageCms

    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    raw[24:36] = b"".join(v.to_bytes(2, "big") for v in (2020, 1, 1, 0, 0, 0))  # ICC.1 7.2.10
    raw[84:100] = bytes(16)  # ICC.1 7.2.18: no profile ID
    return bytes(raw)


def xmp(phone: Phone, *, description: str = "", extra: str = "") -> bytes:
    """An XMP packet with the creating device and, if given, more properties."""
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        f' xmp:CreatorTool="{phone.software}"{extra}>{description}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    )
    return text.encode("utf-8")
