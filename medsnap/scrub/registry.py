"""Which rewriter and which second reader serve a media type; each loads when it is first used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

from medsnap.errors import Unsupported
from medsnap.model.photo import Kind, MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub.core import ScrubKeep

Facts = tuple[tuple[str, str], ...]


class Planner(Protocol):
    """A rewriter: `plan` of medsnap.scrub.jpeg and its like."""

    def plan(self, data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
        """Plan the rewrite. Raises Malformed, Unsupported, TooLarge."""


class SecondReader(Protocol):
    """A second reader: it raises NotClean, and may return what rendering depends on."""

    def account(self, data: Buffer, media: MediaType) -> Facts | None:
        """Account for every byte of an output. Raises NotClean."""


@dataclass(frozen=True, slots=True)
class Format:
    """The modules that serve a media type; a `guess` is a planner whose plan is only tried."""

    planner: str
    second: str
    guess: str = ""


FORMATS: dict[MediaType, Format] = {
    MediaType.JPEG: Format("medsnap.scrub.jpeg", "medsnap.scrub.second.jpeg", "medsnap.scrub.jpeg_unread"),
    MediaType.PNG: Format("medsnap.scrub.png", "medsnap.scrub.second.png"),
    MediaType.WEBP: Format("medsnap.scrub.webp", "medsnap.scrub.second.webp"),
    MediaType.GIF: Format("medsnap.scrub.gif", "medsnap.scrub.second.gif"),
    MediaType.TIFF: Format("medsnap.scrub.tiff", "medsnap.scrub.second.tiff"),
    MediaType.DNG: Format("medsnap.scrub.tiff_dng", "medsnap.scrub.second.tiff"),
    MediaType.HEIC: Format("medsnap.scrub.heif", "medsnap.scrub.second.heif"),
    MediaType.HEIF: Format("medsnap.scrub.heif", "medsnap.scrub.second.heif"),
    MediaType.AVIF: Format("medsnap.scrub.heif", "medsnap.scrub.second.heif"),
    MediaType.MP4: Format("medsnap.scrub.movie", "medsnap.scrub.second.movie"),
    MediaType.MOV: Format("medsnap.scrub.movie", "medsnap.scrub.second.movie"),
    MediaType.HEIF_SEQUENCE: Format("medsnap.scrub.sequence", "medsnap.scrub.second.sequence"),
    MediaType.AVIF_SEQUENCE: Format("medsnap.scrub.sequence", "medsnap.scrub.second.sequence"),
}


# Refused, with what was seen in them.
_REFUSED = frozenset(
    {
        MediaType.RAW,
        MediaType.JXL,
        MediaType.JP2,
        MediaType.BMP,
        MediaType.PSD,
        MediaType.PDF,
        MediaType.AVI,
        MediaType.MATROSKA,
        MediaType.MPEG,
        MediaType.ASF,
    }
)


def _format(media: MediaType) -> Format:
    known = FORMATS.get(media)
    if known is None:
        what = "a file of no known picture format" if media.kind is Kind.OTHER else f"{media.value}"
        raise Unsupported(
            f"medsnap cannot scrub {what}",
            hint="seal it as it came with medsnap ingest, or convert it on the device",
        )
    return known


def planner(media: MediaType) -> Planner:
    """Return the rewriter of a media type. Raises Unsupported."""
    name = "medsnap.scrub.refused" if media in _REFUSED else _format(media).planner
    return cast(Planner, importlib.import_module(name))


def guesser(media: MediaType) -> Planner | None:
    """Return the planner that guesses, where a media type has one."""
    known = FORMATS.get(media)
    name = known.guess if known is not None else ""
    return cast(Planner, importlib.import_module(name)) if name else None


def second_reader(media: MediaType) -> SecondReader:
    """Return the second reader of a media type. Raises Unsupported."""
    return cast(SecondReader, importlib.import_module(_format(media).second))


_WITH_EXIF = frozenset(
    {MediaType.JPEG, MediaType.PNG, MediaType.WEBP, MediaType.HEIC, MediaType.HEIF, MediaType.AVIF}
)


def bare_icc(media: MediaType, keep: ScrubKeep) -> bool:
    """Say whether each profile must be one that was written anew; that of a DNG always stays as it is."""
    return keep.icc and not keep.icc_text and media is not MediaType.DNG


def not_kept(media: MediaType, keep: ScrubKeep) -> tuple[str, ...]:
    """Say which wishes cannot be met in this format: less is kept than was allowed, never more."""
    said = []
    if keep.from_exif and media not in _WITH_EXIF:
        said.append("capture time and device cannot be kept in this format and were removed")
    if keep.icc and not keep.icc_text and not bare_icc(media, keep):
        said.append("the text of a colour profile stays in this format")
    return tuple(said)
