"""Compare the decoded pixels of two files, frame by frame."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from medsnap.formats.sniff import sniff
from medsnap.model.photo import MediaType, Sha256
from medsnap.model.rewrite import Buffer
from medsnap.raster.decode import opened

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_FRAMES = 2000
_SECONDARY = frozenset(
    {MediaType.JPEG, MediaType.HEIC, MediaType.HEIF}
)  # further pictures are cut on purpose


def same_pixels(a: Buffer, b: Buffer) -> bool:
    """Say whether two files decode to the same pixels: mode, size, every frame and its duration.

    Of JPEG and HEIF only the primary picture counts. Raises Malformed, Unsupported, TooLarge.
    """
    media = sniff(a)
    if sniff(b) is not media:
        return False
    with opened(a, media, truncated=True) as one, opened(b, media, truncated=True) as two:
        pages, others = _pages(one, media), _pages(two, media)
        if len(pages) != len(others):
            return False
        return all(_same_frame(one, two, at) for at in zip(pages, others, strict=True))


def pixels_digest(data: Buffer) -> Sha256:
    """Return the SHA-256 of the decoded pixels: mode, size and samples of every frame that counts.

    Files that `same_pixels` calls equal have the same digest, of one decoder's version. Raises
    Malformed, Unsupported, TooLarge.
    """
    media = sniff(data)
    digest = hashlib.sha256()
    with opened(data, media, truncated=True) as picture:
        for number in _pages(picture, media):
            if number:
                picture.seek(number)
            picture.load()
            shown = picture.convert("RGBA") if picture.mode == "P" else picture
            digest.update(f"{picture.mode} {picture.size[0]}x{picture.size[1]}\n".encode())
            digest.update(shown.tobytes())
    return Sha256(digest.hexdigest())


def _pages(picture: Image, media: MediaType) -> list[int]:
    """List the frames that count: not the reduced copies that a TIFF keeps of its pages (TIFF 6.0, 254)."""
    if media in _SECONDARY:
        return [0]
    count = min(getattr(picture, "n_frames", 1), MAX_FRAMES)
    if media is not MediaType.TIFF:
        return list(range(count))
    pages = []
    for number in range(count):
        picture.seek(number)
        tags = getattr(picture, "tag_v2", {})
        if not (tags.get(254, 0) & 1 or tags.get(255, 1) == 2):
            pages.append(number)
    picture.seek(0)
    return pages


def _same_frame(one: Image, two: Image, at: tuple[int, int]) -> bool:
    if at != (0, 0):
        one.seek(at[0])
        two.seek(at[1])
    one.load()
    two.load()
    if one.mode != two.mode or one.size != two.size:
        return False
    if getattr(one, "n_frames", 1) > 1 and one.info.get("duration") != two.info.get("duration"):
        return False
    if one.mode == "P":  # the palette may be stored in another order only if every pixel looks the same
        return one.convert("RGBA").tobytes() == two.convert("RGBA").tobytes()
    return one.tobytes() == two.tobytes()
