"""Whether a picture holds frames that a look at the first one does not show."""

from __future__ import annotations

from typing import Final

from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer

# Formats of several frames by nature. A still GIF is rare in a clinic: not worth telling apart.
ALWAYS: Final = frozenset(
    {
        MediaType.GIF,
        MediaType.TIFF,
        MediaType.HEIF_SEQUENCE,
        MediaType.AVIF_SEQUENCE,
        MediaType.DNG,
        MediaType.RAW,
    }
)
WEBP_ANIMATION: Final = 0x02  # VP8X flags (RFC 9649 section 2.7)


def several_frames(data: Buffer, media: MediaType) -> bool:
    """Say whether the file may hold more than the frame that decoders show first."""
    if media in ALWAYS:
        return True
    if media is MediaType.WEBP:
        head = bytes(memoryview(data)[:21])
        return head[12:16] == b"VP8X" and bool(head[20:21]) and bool(head[20] & WEBP_ANIMATION)
    if media is MediaType.PNG:
        return _png_animation(memoryview(data))
    return False


def _png_animation(view: memoryview) -> bool:
    """Look for an acTL chunk before the first IDAT (PNG third edition, section 11.3.6.1)."""
    at = 8
    while at + 8 <= len(view):
        kind = bytes(view[at + 4 : at + 8])
        if kind == b"IDAT":
            return False
        if kind == b"acTL":
            return True
        at += 12 + int.from_bytes(view[at : at + 4], "big")
    return True  # no IDAT where it must stand: do not trust what was shown
