"""Places in a file that can hold metadata, and what a scrub did with each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CarrierKind(StrEnum):
    """What a carrier is, in the words of its standard."""

    EXIF = "exif"
    GPS = "gps"
    MAKER_NOTE = "maker-note"
    XMP = "xmp"
    IPTC = "iptc"
    ICC = "icc"
    THUMBNAIL = "thumbnail"
    SECONDARY_IMAGE = "secondary-image"  # MPF, gain map, depth, matte, auxiliary
    MOTION_VIDEO = "motion-video"
    C2PA = "c2pa"
    COMMENT = "comment"
    TEXT = "text"
    TIME = "time"
    APPLICATION = "application-data"
    UNKNOWN = "unknown"
    TRAILER = "trailer"
    PADDING = "padding"


class CarrierAction(StrEnum):
    """What the rewrite does with a carrier."""

    REMOVED = "removed"
    KEPT = "kept"
    REWRITTEN = "rewritten"


class Reveals(StrEnum):
    """What a carrier can give away, in plain words for people."""

    PLACE = "place"
    SERIAL = "serial number"
    TIME = "time"
    DEVICE = "device"
    PERSON = "name or text"
    THUMBNAIL = "hidden thumbnail"
    IMAGE = "hidden picture"
    VIDEO = "hidden video"
    HISTORY = "editing history"
    RENDERING = "rendering"
    OTHER = "other data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """One carrier: never its value, only what, where and how large."""

    kind: CarrierKind
    where: str  # "APP1", "eXIf", "meta/iinf item 3", "after EOI"
    offset: int  # bytes from the start of the file
    size: int  # bytes
    action: CarrierAction
    reveals: tuple[Reveals, ...] = ()
