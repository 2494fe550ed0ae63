"""What phones, computers and clouds call the files that are no photos, or belong to one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a file is left where it is; the run counts each reason."""

    NOT_MEDIA = "not a photo or clip"
    NAMED_PHOTO = "named like a photo, but its bytes are none"
    ARCHIVE = "an archive, or one within an archive: unpack it first"
    LINK = "a link: links are not followed"
    SPECIAL = "not an ordinary file"
    EMPTY = "an empty file"
    TRASH = "in the trash"
    PENDING = "not completely copied yet"
    THUMBNAIL = "a thumbnail or index of the phone or computer"
    ORPHAN = "a sidecar without its photo"
    TOO_LARGE = "larger than the limit for one file"
    TOO_DEEP = "folders nested too deeply"
    UNREADABLE = "cannot be read"


_TRASH_FOLDER = re.compile(
    r"\.trash(es|-\d+)?|\$recycle\.bin|recycler|#recycle|@recycle|trash", re.IGNORECASE
)
_TRASH_FILE = re.compile(r"\.trashed-", re.IGNORECASE)
_PENDING = re.compile(
    r"\.pending-.*|.*\.(part|partial|crdownload|download|icloud|opdownload|filepart)", re.IGNORECASE
)
_THUMBNAIL_FOLDER = re.compile(r"\.thumbnails?|@eadir|\.thumb|\.picasaoriginals-cache", re.IGNORECASE)
_THUMBNAIL_FILE = re.compile(
    r"thumbs\.db(:encryptable)?|ehthumbs.*\.db|\.ds_store|desktop\.ini|\._.*|\.thumbdata.*|\.nomedia",
    re.IGNORECASE,
)
_PHOTO_NAME = re.compile(
    r".*\.(jpe?g|jpe|jfif|png|webp|hei[cf]s?|avifs?|tiff?|dng|cr2|cr3|nef|arw|orf|rw2|raf|gif|bmp|psd|jxl|jp2"
    r"|mov|mp4|m4v|3gp|avi|mpe?g|m2?ts|mkv|webm|wmv)",
    re.IGNORECASE,
)
_ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\x00",
)


def folder_reason(name: str) -> Reason | None:
    """Say why everything below a folder of this name is left, if it is."""
    if _TRASH_FOLDER.fullmatch(name):
        return Reason.TRASH
    return Reason.THUMBNAIL if _THUMBNAIL_FOLDER.fullmatch(name) else None


def file_reason(name: str) -> Reason | None:
    """Say why a file of this name is left, whatever it holds."""
    if _TRASH_FILE.match(name):
        return Reason.TRASH
    if _PENDING.fullmatch(name):
        return Reason.PENDING
    return Reason.THUMBNAIL if _THUMBNAIL_FILE.fullmatch(name) else None


def is_archive(head: bytes) -> bool:
    """Say whether a file begins like a ZIP, gzip, bzip2, 7z, RAR, xz or tar archive."""
    return head.startswith(_ARCHIVES) or head[257:262] == b"ustar"


def unknown_reason(name: str, *, archive: bool) -> Reason:
    """Say what a file is that is no photo by content; a broken photo must not hide among the rest."""
    if archive:
        return Reason.ARCHIVE
    return Reason.NAMED_PHOTO if _PHOTO_NAME.fullmatch(name) else Reason.NOT_MEDIA


def stem(name: str) -> str:
    """Return the name without its last extension, case-folded: how phones pair files."""
    return (name.rpartition(".")[0] or name).casefold()


def apple_original(name: str) -> str | None:
    """Return the stem of the original of an iPhone's edit (IMG_E1234 and IMG_O1234: IMG_1234)."""
    found = re.fullmatch(r"(img_)[eo](\d{4,})", stem(name))
    return found[1] + found[2] if found else None


_TAKEOUT_TAIL = ".supplemental-metadata"
_TAKEOUT_LENGTH = 46  # Google cuts names of sidecars to 46 characters, and adds ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoutName:
    """The photo that a Google Takeout sidecar belongs to, by name (case-folded)."""

    photo: str
    cut: bool  # only the beginning of the photo's name


def takeout_photo(name: str) -> TakeoutName | None:
    """Read a sidecar's name: `IMG.jpg.json`, `IMG.jpg.supplemental-meta.json`, `IMG.jpg(1).json`."""
    folded = name.casefold()
    if not folded.endswith(".json"):
        return None
    inner = folded[:-5]
    cut = len(inner) >= _TAKEOUT_LENGTH
    numbered = re.fullmatch(r"(.*)(\(\d+\))", inner)
    inner, number = (numbered[1], numbered[2]) if numbered else (inner, "")
    base, dot, tail = inner.rpartition(".")
    if dot and _TAKEOUT_TAIL.startswith("." + tail) and base:
        inner = base
    photo, dot, extension = inner.rpartition(".")
    return TakeoutName(photo=f"{photo}{number}{dot}{extension}" if dot else inner + number, cut=cut)
