"""JPEGs with every trap, built around a real picture: what is added holds SECRET."""

from __future__ import annotations

import io
import struct
from functools import cache
from itertools import pairwise

SECRET = b"Erika-Musterfrau-1970"


@cache
def base(mode: str = "RGB", size: tuple[int, int] = (24, 16), progressive: bool = False) -> bytes:
    """A small picture encoded by Pillow, with JFIF (not for CMYK) and no metadata."""
    from PIL import Image

    picture = Image.effect_noise(size, 60).convert(mode)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80, progressive=progressive)
    return out.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    """One marker segment."""
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def after_soi(data: bytes, *parts: bytes) -> bytes:
    """Put parts directly behind SOI."""
    return data[:2] + b"".join(parts) + data[2:]


def before(data: bytes, marker: int, *parts: bytes) -> bytes:
    """Put parts before the first segment with that marker (a plain search: the bases are small)."""
    at = data.index(bytes((0xFF, marker)))
    return data[:at] + b"".join(parts) + data[at:]


def tiff(*entries: tuple[int, int, int, bytes], little: bool = False, extra: bytes = b"") -> bytes:
    """A TIFF structure with one IFD; each entry is tag, type, count, value (longer values follow)."""
    order = "little" if little else "big"
    head = (b"II*\x00" if little else b"MM\x00*") + (8).to_bytes(4, order)
    place = 8 + 2 + 12 * len(entries) + 4
    directory, values = len(entries).to_bytes(2, order), b""
    for tag, kind, count, value in sorted(entries):
        directory += tag.to_bytes(2, order) + kind.to_bytes(2, order) + count.to_bytes(4, order)
        if len(value) <= 4:
            directory += value.ljust(4, b"\x00")
        else:
            directory += (place + len(values)).to_bytes(4, order)
            values += value
    return head + directory + bytes(4) + values + extra


def short(value: int, *, little: bool = False) -> bytes:
    """A SHORT value."""
    return value.to_bytes(2, "little" if little else "big")


def exif(orientation: int | None = None, *, little: bool = False, secret: bool = True) -> bytes:
    """An APP1 Exif segment with SECRET as artist and maybe an orientation."""
    entries: list[tuple[int, int, int, bytes]] = []
    if orientation is not None:
        entries.append((0x0112, 3, 1, short(orientation, little=little)))
    if secret:
        entries.append((0x013B, 2, len(SECRET) + 1, SECRET + b"\x00"))
    return segment(0xE1, b"Exif\x00\x00" + tiff(*entries, little=little))


def adobe_rgb(orientation: int | None = None) -> bytes:
    """An APP1 Exif of a camera set to Adobe RGB: ColorSpace 65535, InteropIndex R03, and SECRET."""
    import piexif

    tags = {"0th": {0x013B: SECRET}, "Exif": {0xA001: 65535}, "Interop": {1: b"R03"}}
    if orientation is not None:
        tags["0th"][0x0112] = orientation
    return segment(0xE1, bytes(piexif.dump(tags)))


@cache
def profile() -> bytes:
    """A real sRGB profile, as phones embed; its day is always the same, or two calls could differ."""
    from PIL import ImageCms

    made = bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    return made[:24] + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + made[36:]


def icc(content: bytes, sizes: tuple[int, ...] = ()) -> list[bytes]:
    """APP2 segments that carry a profile, cut at the given sizes."""
    cuts = [0, *sizes, len(content)]
    parts = [content[a:b] for a, b in pairwise(cuts)]
    return [
        segment(0xE2, b"ICC_PROFILE\x00" + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, 1)
    ]


def jfif_with_thumbnail() -> bytes:
    """JFIF with a 2 x 2 RGB thumbnail."""
    return segment(0xE0, b"JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x02\x02" + b"\xff\xd9\x11\x22" * 3)


def without_jfif(data: bytes) -> bytes:
    """Drop the JFIF segment that Pillow writes first."""
    return data[:2] + data[20:] if data[2:4] == b"\xff\xe0" else data


CLIP = b"\x00\x00\x00\x18ftypmp42" + bytes(12) + SECRET
