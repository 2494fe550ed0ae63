"""The bytes that leave: upright, in a coding the receiver takes, and what was done to them.

A JPEG keeps its coefficients, a PNG its samples. Only where the receiver has no coding for the
photo (HEIC, AVIF, lossy WebP) is it re-encoded, and then it is declared derived.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

from medsnap.errors import MedsnapError, TooLarge, Unsupported
from medsnap.model.photo import MediaType, Sha256
from medsnap.model.record import PhotoRow
from medsnap.raster import as_jpeg, jpeg_dct
from medsnap.raster.jpeg_header import JpegHeader, read_header

QUALITY = 95
MAX_BYTES = 1 << 31
# APP0 JFIF, APP2 ICC, APP14 Adobe and the coding segments are all that a bitstream may carry
_PLAIN_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD})


class As(StrEnum):
    """What the photo is prepared for."""

    DICOM = "dicom"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An upright picture ready to be wrapped; sizes in pixels.

    `media` is None for plain samples (8 bits, interleaved RGB or grey). `derived` is set when the
    picture was decoded and coded anew; `how` says in words what was done, "" for nothing.
    """

    bitstream: bytes
    media: MediaType | None
    width: int
    height: int
    channels: int
    icc: bytes | None
    derived: bool
    how: str
    lossy: tuple[tuple[str, float], ...]  # (method, ratio) of each lossy step, in order
    was_lossy: bool
    source_digest: Sha256
    digest: Sha256
    sof: int | None = None  # of a JPEG bitstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The photo stays, and why in words."""

    reason: str


Ready: TypeAlias = Prepared | Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What preparing needs to know: nothing of the patient goes with the pixels."""

    photo: bytes
    media: MediaType
    orientation: int
    as_: As


def prepare(row: PhotoRow, photo: bytes, *, as_: As) -> Ready:
    """Make the upright bytes for one target kind out of the scrubbed photo, or say why not.

    Decoders of other people's code run in this process; `isolated` runs them in another.
    """
    request = request_for(row, photo, as_)
    return request if isinstance(request, Held) else answer(request)


def request_for(row: PhotoRow, photo: bytes, as_: As) -> Request | Held:
    """Take what preparing needs out of a row."""
    if row.state != "done":
        return Held(reason="the photo was sealed as it came: something in it could not be understood")
    if len(photo) > MAX_BYTES:
        return Held(reason="the photo is larger than 2 GB")
    return Request(photo=photo, media=row.media, orientation=row.orientation, as_=as_)


def answer(request: Request) -> Ready:
    """Prepare one picture; every fault is a reason to hold it."""
    try:
        return _prepare(request.photo, request.media, request.orientation, request.as_)
    except TooLarge as problem:
        return Held(reason=f"too large: {problem.message}")
    except MedsnapError as problem:
        return Held(reason=problem.message + (f" ({problem.hint})" if problem.hint else ""))


def needs_decoder(request: Request) -> bool:
    """Say whether anything but our own reading of bytes is needed; broken bytes need nothing."""
    if request.media is not MediaType.JPEG:
        return True
    try:
        progressive = read_header(request.photo).sof == 2
    except MedsnapError:
        return False
    return request.orientation != 1 or (progressive and request.as_ is As.DICOM)


def _prepare(photo: bytes, media: MediaType, orientation: int, as_: As) -> Ready:
    match media:
        case MediaType.JPEG:
            return _jpeg(photo, orientation, as_)
        case MediaType.PNG:
            return _lossless(photo, media, as_, turned=orientation != 1)
        case MediaType.WEBP if as_jpeg.webp_lossless(photo):
            return _lossless(photo, media, as_, turned=orientation != 1)
        case MediaType.HEIC | MediaType.HEIF | MediaType.AVIF | MediaType.WEBP:
            return _reencoded(photo, media)
    return Held(reason=f"{media.value} fits neither FHIR nor DICOM")


def _jpeg(photo: bytes, orientation: int, as_: As) -> Ready:
    header = read_header(photo)
    jpeg_dct.refuse_unusual(header)
    if header.icc is not None and not _icc_fits(header.icc, len(header.components)):
        raise Unsupported("the colour profile does not fit the picture's colours")
    turn = orientation != 1
    transcode = as_ is As.DICOM and header.sof == 2  # progressive has no current transfer syntax
    if not (turn or transcode):
        bare = _without_metadata(photo, header)
        if bare is photo:
            return _as_jpeg_stream(photo, photo, "", header)
        return _as_jpeg_stream(bare, photo, "metadata left out")
    try:
        made = jpeg_dct.upright(photo, orientation)
    except Unsupported as problem:
        if not turn or "without loss: it is" not in problem.message:
            raise
        return _decoded(photo, as_)
    words = ["turned upright"] * turn + ["progressive coding made sequential"] * transcode
    return _as_jpeg_stream(made, photo, " and ".join(words) + " without loss (coefficients kept)")


def _icc_fits(icc: bytes, components: int) -> bool:
    return (
        len(icc) >= 128 and icc[36:40] == b"acsp" and icc[16:20] == (b"GRAY" if components == 1 else b"RGB ")
    )


def _without_metadata(photo: bytes, header: JpegHeader) -> bytes:
    """Return the photo itself when nothing but rendering is in it; else without the rest."""
    gapless = all(a.stop == b.start for a, b in pairwise(header.segments))
    whole = gapless and header.segments[0].start == 2 and header.segments[-1].stop + 2 == len(photo)
    if whole and all(_renders(photo, s.marker, s.start) for s in header.segments):
        return photo
    kept = [photo[s.start : s.stop] for s in header.segments if _renders(photo, s.marker, s.start)]
    return b"".join([b"\xff\xd8", *kept, b"\xff\xd9"])


def _renders(photo: bytes, marker: int, start: int) -> bool:
    name = photo[start + 4 : start + 16]
    return (
        marker in _PLAIN_MARKERS
        or (marker == 0xE0 and name.startswith(b"JFIF\0"))
        or (marker == 0xE2 and name == b"ICC_PROFILE\0")
        or (marker == 0xEE and name.startswith(b"Adobe"))
    )


def _as_jpeg_stream(made: bytes, photo: bytes, how: str, header: JpegHeader | None = None) -> Prepared:
    digest = _sha256(photo)
    header = read_header(made) if header is None else header
    samples = header.width * header.height * len(header.components)
    return Prepared(
        bitstream=made, media=MediaType.JPEG, width=header.width, height=header.height,
        channels=len(header.components), icc=header.icc, derived=False, how=how,
        lossy=(("ISO_10918_1", samples / len(made)),), was_lossy=True,
        source_digest=digest, digest=digest if made is photo else _sha256(made), sof=header.sof,
    )  # fmt: skip


def _decoded(photo: bytes, as_: As) -> Prepared:
    """A JPEG whose size forbids a lossless turn: its decoded samples, turned, without new loss."""
    made = _samples(photo, MediaType.JPEG) if as_ is As.DICOM else _png(photo, MediaType.JPEG)
    samples = made.width * made.height * made.channels
    return replace(
        made,
        derived=True,
        how="decoded and turned upright; the decoded samples are kept without further loss",
        lossy=(("ISO_10918_1", samples / len(photo)),),
        was_lossy=True,
    )


def _lossless(photo: bytes, media: MediaType, as_: As, *, turned: bool) -> Prepared:
    words = ", every sample kept" + ", turned upright" * turned
    if as_ is As.DICOM:
        return replace(_samples(photo, media), how="coded as plain samples" + words)
    if media is not MediaType.PNG or turned:
        return replace(_png(photo, media), how="coded as PNG" + words)
    # decoded although it goes out as it is: a picture that nobody can show must not leave
    digest = _sha256(photo)
    return replace(_samples(photo, media), bitstream=photo, media=media, digest=digest)


def _samples(photo: bytes, media: MediaType) -> Prepared:
    made = as_jpeg.as_samples(photo, media)
    return Prepared(
        bitstream=made.data, media=None, width=made.width, height=made.height, channels=made.channels,
        icc=made.icc, derived=False, how="", lossy=(), was_lossy=False,
        source_digest=_sha256(photo), digest=_sha256(made.data),
    )  # fmt: skip


def _png(photo: bytes, media: MediaType) -> Prepared:
    coded = as_jpeg.as_png(photo, media)
    return replace(_samples(photo, media), bitstream=coded, media=MediaType.PNG, digest=_sha256(coded))


def _reencoded(photo: bytes, media: MediaType) -> Prepared:
    made = _as_jpeg_stream(as_jpeg.as_jpeg(photo, media, quality=QUALITY), photo, "")
    name = media.value.removeprefix("image/").upper()
    return replace(
        made,
        derived=True,
        how=f"decoded from {name} and coded again as JPEG of quality {QUALITY}",
    )  # fmt: skip


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
