"""What the camera wrote about itself: read from EXIF before the scrub removes it."""

from __future__ import annotations

import re
from datetime import datetime

from medsnap.errors import MedsnapError
from medsnap.formats import embedded, tiff
from medsnap.intake import live
from medsnap.model.photo import CaptureFacts, Kind, MediaType
from medsnap.model.rewrite import Buffer

# Exif 3.0, 4.6.5 and 4.6.6; GPS 4.6.7
_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131
_EXPOSURE_TIME, _F_NUMBER, _ISO, _ORIGINAL = 0x829A, 0x829D, 0x8827, 0x9003
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_OFFSET_ORIGINAL, _OFFSET = 0x9011, 0x9010
_SUBSECOND = 0x9291  # Exif 3.0, 4.6.6.4: of DateTimeOriginal
_GPS_TIME, _GPS_DATE = 7, 29
_GPS_PLACE = (2, 4, 6)  # latitude, longitude, altitude

_TIFFS = (MediaType.TIFF, MediaType.DNG, MediaType.RAW)
_STAMP = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_FINEST = 9  # digits, nanoseconds
_ZONE = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")


def facts(data: Buffer, media: MediaType) -> CaptureFacts:
    """Read make, model, time, place and size of a photo; what is damaged counts as absent."""
    found = _read(data, media)
    size = _size(data, media)
    return CaptureFacts(
        make=_text(found, "IFD0", _MAKE),
        model=_text(found, "IFD0", _MODEL),
        software=_text(found, "IFD0", _SOFTWARE),
        captured_at=_time(_text(found, "Exif", _ORIGINAL)),
        subsecond=_digits(_text(found, "Exif", _SUBSECOND)),
        offset=_zone(_text(found, "Exif", _OFFSET_ORIGINAL) or _text(found, "Exif", _OFFSET)),
        gps_utc=_gps_utc(found),
        has_gps=any(_place(found.get("GPS", tag)) for tag in _GPS_PLACE),
        has_exposure=any(_there(found.get("Exif", t)) for t in (_EXPOSURE_TIME, _F_NUMBER, _ISO)),
        orientation=found.orientation,
        width=size[0] if size else None,
        height=size[1] if size else None,
        exif_width=_number(found, _PIXEL_X),
        exif_height=_number(found, _PIXEL_Y),
        asset=_asset(found),
    )


def _read(data: Buffer, media: MediaType) -> tiff.Tiff:
    if media.kind is not Kind.PHOTO:
        return tiff.Tiff()
    try:
        payload = data if media in _TIFFS else embedded.exif(data, media)
    except MedsnapError:
        return tiff.Tiff()  # the scrub will say what is wrong with the file
    return tiff.read(payload) if payload else tiff.Tiff()


def _size(data: Buffer, media: MediaType) -> tuple[int, int] | None:
    try:
        return embedded.size(data, media) if media.kind is Kind.PHOTO else None
    except MedsnapError:
        return None


def _text(found: tiff.Tiff, ifd: str, tag: int) -> str | None:
    entry = found.get(ifd, tag)
    return (entry.ascii[:200] or None) if entry else None


def _number(found: tiff.Tiff, tag: int) -> int | None:
    entry = found.get("Exif", tag)
    return entry.integer if entry else None


def _there(entry: tiff.Entry | None) -> bool:
    return entry is not None and any(entry.value)


def _place(entry: tiff.Entry | None) -> bool:
    """Some phones leave an empty GPS directory, or 0/0 in it, where no place is known."""
    return entry is not None and any(denominator for _, denominator in entry.rationals)


def _time(text: str | None) -> str | None:
    stamp = _STAMP.match(text or "")
    if not stamp:
        return None
    year, month, day, clock = stamp[1], stamp[2], stamp[3], f"{stamp[4]}:{stamp[5]}:{stamp[6]}"
    try:
        return datetime.fromisoformat(f"{year}-{month}-{day}T{clock}").isoformat()
    except ValueError:
        return None  # "0000:00:00 00:00:00" of a clock that was never set


def _digits(text: str | None) -> str | None:
    found = (text or "").strip()
    return found if found.isascii() and found.isdigit() and len(found) <= _FINEST else None


def _zone(text: str | None) -> str | None:
    if text == "Z":
        return "+00:00"
    return text if text and _ZONE.fullmatch(text) else None


def _gps_utc(found: tiff.Tiff) -> str | None:
    day, clock = _text(found, "GPS", _GPS_DATE), found.get("GPS", _GPS_TIME)
    parts = clock.rationals if clock else ()
    if not day or len(parts) < 3 or any(denominator == 0 for _, denominator in parts):
        return None
    hour, minute, second = (n // d for n, d in parts[:3])
    stamp = _time(f"{day} {hour:02}:{minute:02}:{second:02}")
    return stamp + "Z" if stamp else None


def _asset(found: tiff.Tiff) -> str | None:
    entry = found.get("Exif", live.MAKER_NOTE)
    return live.of_maker_note(entry.value) if entry else None
