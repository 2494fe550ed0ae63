"""One picture by content, where it came from, and what its camera wrote about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NewType

from medsnap.model.private import Private

Sha256 = NewType("Sha256", str)  # 64 lower-case hexadecimal digits
ObjectId = NewType("ObjectId", str)  # 26 characters of a-z2-7, random, says nothing


class Kind(StrEnum):
    """What sort of thing a file is, by its bytes."""

    PHOTO = "photo"
    CLIP = "clip"
    OTHER = "other"


class MediaType(StrEnum):
    """The media types that medsnap tells apart, by content (RFC 6838 names)."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    HEIC = "image/heic"  # HEVC-coded still (ISO/IEC 23008-12)
    HEIF = "image/heif"  # any other HEIF still
    AVIF = "image/avif"
    HEIF_SEQUENCE = "image/heif-sequence"
    AVIF_SEQUENCE = "image/avif-sequence"
    GIF = "image/gif"
    TIFF = "image/tiff"
    DNG = "image/x-adobe-dng"
    RAW = "image/x-raw"
    JXL = "image/jxl"
    JP2 = "image/jp2"
    BMP = "image/bmp"
    PSD = "image/vnd.adobe.photoshop"
    MP4 = "video/mp4"
    MOV = "video/quicktime"
    AVI = "video/x-msvideo"
    MATROSKA = "video/x-matroska"  # WebM too
    MPEG = "video/mpeg"  # program and transport streams, AVCHD
    ASF = "video/x-ms-asf"  # Windows Media
    PDF = "application/pdf"
    UNKNOWN = "application/octet-stream"

    @property
    def kind(self) -> Kind:
        """Say whether this is a photo, a clip or something else."""
        if self.value.startswith("image/"):
            return Kind.PHOTO
        return Kind.CLIP if self.value.startswith("video/") else Kind.OTHER


class ArchiveKind(StrEnum):
    """The archives that are read member by member."""

    ZIP = "zip"
    TAR = "tar"
    TAR_GZ = "tar.gz"
    TAR_BZ2 = "tar.bz2"
    TAR_XZ = "tar.xz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file within an archive: where its bytes begin, and what they must come to."""

    kind: ArchiveKind
    offset: int  # of its first byte in the archive; of a compressed tar: in the tar
    packed: int  # bytes it takes there
    size: int  # bytes it has when unpacked
    deflated: bool = False  # else stored
    crc32: int | None = None  # a tar has none
    archive_size: int  # bytes of the whole archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of a dump: where it lies and what `stat` said of it. Never a link.

    A member of an archive has the archive's path, device and inode, and its own size.
    """

    path: Path
    relative: Private[str]  # below the root that was given, with '/' on every system
    size: int  # bytes
    mtime_ns: int
    device: int  # st_dev
    inode: int  # st_ino
    member: Member | None = None


class CompanionKind(StrEnum):
    """Files that phones lay beside a photo."""

    LIVE_CLIP = "live-clip"
    AAE = "aae"
    XMP = "xmp"
    TAKEOUT_JSON = "takeout-json"
    EDITED = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A file that belongs to a photo and has no outcome of its own."""

    kind: CompanionKind
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A photo or clip found by intake, with its companions; it gets exactly one outcome."""

    source: Source
    media: MediaType
    companions: tuple[Companion, ...] = ()
    landing: str | None = None  # name of the landing folder directly below the root: a device claim


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFacts:
    """What the camera says about itself, read before the scrub removes it (EXIF names)."""

    make: str | None = None
    model: str | None = None
    software: str | None = None
    captured_at: str | None = None  # DateTimeOriginal as YYYY-MM-DDThh:mm:ss, local
    subsecond: str | None = None  # SubSecTimeOriginal: the digits after the second
    offset: str | None = None  # OffsetTimeOriginal, "+01:00"
    gps_utc: str | None = None  # GPSDateStamp + GPSTimeStamp, a witness of the time zone
    has_gps: bool = False
    has_exposure: bool = False  # ExposureTime, FNumber or PhotographicSensitivity present
    orientation: int = 1  # EXIF 0x0112, 1-8
    width: int | None = None  # of the stored raster, pixels
    height: int | None = None
    exif_width: int | None = None  # PixelXDimension and PixelYDimension: what the camera made
    exif_height: int | None = None
    asset: str | None = None  # ContentIdentifier of a Live Photo

    @property
    def has_camera_data(self) -> bool:
        """Say whether a camera left make, model or exposure."""
        return bool(self.make or self.model or self.has_exposure)
