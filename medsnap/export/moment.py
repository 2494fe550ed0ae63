"""When a photo was taken, in the spellings of DICOM and FHIR; an unknown offset stays unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from medsnap.model.record import PhotoRow

_DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Moment:
    """A local time, with its offset from UTC only where somebody has stated it."""

    at: datetime

    @property
    def date(self) -> str:
        """DICOM DA (PS3.5 6.2): YYYYMMDD."""
        return self.at.strftime("%Y%m%d")

    @property
    def time(self) -> str:
        """DICOM TM: HHMMSS."""
        return self.at.strftime("%H%M%S")

    @property
    def offset(self) -> str | None:
        """DICOM's &ZZXX: "+0100", None when unknown."""
        return self.at.strftime("%z")[:5] or None

    @property
    def stamp(self) -> str:
        """DICOM DT: date, time and, when known, the offset."""
        return self.date + self.time + (self.offset or "")

    @property
    def fhir(self) -> str:
        """FHIR dateTime (R4 2.24.0.1): a time needs an offset, so without one only the day is said."""
        if self.at.tzinfo is None:
            return self.at.strftime("%Y-%m-%d")
        return self.at.isoformat(timespec="seconds")

    @property
    def sortable(self) -> str:
        """Local date and time: photos of one device sort rightly."""
        return self.date + self.time


def captured(row: PhotoRow) -> Moment | None:
    """When the photo was taken: the manifest's word, else the camera's; None when nobody says."""
    camera = _camera(row)
    stated = row.match.captured_at
    if stated is None:
        return camera
    if _DATE_ONLY.fullmatch(stated):
        # a day alone does not make a time of capture, but it may confirm the camera's
        same = camera is not None and camera.at.strftime("%Y-%m-%d") == stated
        return camera if same else None
    return _parse(stated)


def _camera(row: PhotoRow) -> Moment | None:
    facts = row.capture
    if facts is None or facts.captured_at is None:
        return None
    return _parse(facts.captured_at + (facts.offset or "")) or _parse(facts.captured_at)


def _parse(text: str) -> Moment | None:
    if "T" not in text and " " not in text:
        return None
    try:
        at = datetime.fromisoformat(text)
        offset = at.utcoffset() or timedelta()
    except ValueError:
        return None
    # PS3.5 6.2 DT: -1200 to +1400; years before photography are a camera without a clock
    if not timedelta(hours=-12) <= offset <= timedelta(hours=14) or at.year < 1826:
        return None
    return Moment(at.replace(microsecond=0))


def instant(now: datetime) -> str:
    """FHIR instant (R4 2.24.0.1) in UTC."""
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
