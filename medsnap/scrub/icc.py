"""ICC profiles: which may stay, by their header (ICC.1:2022 clause 7.2)."""

from __future__ import annotations

import hashlib

from medsnap.errors import NotClean, Unsupported

_HEADER = 128


def usable(profile: bytes) -> bool:
    """Say whether colour software would take this profile at all: header and signature are there."""
    return len(profile) > _HEADER and profile[36:40] == b"acsp"


def check(profile: bytes, where: str) -> None:
    """Refuse a usable profile that is not as long as it says: the rest could hold anything.

    Up to three zero bytes of padding may follow (7.1.2). Raises Unsupported.
    """
    size = int.from_bytes(profile[:4], "big")
    if size > len(profile) or len(profile) - size > 3 or any(profile[size:]):
        raise Unsupported(
            "the colour profile is not as long as it says",
            where=where,
            hint="convert the photo to sRGB in an image editor, or file it as it came",
        )


def anew(profile: bytes, where: str) -> bytes:
    """Write a profile without its free text, proven to give the same colours.

    Raises Unsupported where that cannot be, NotClean where the second reader sees more or other colours.
    """
    from medsnap.scrub.icc_minimal import minimal
    from medsnap.scrub.second.icc import is_bare, same_colours

    fresh = minimal(profile, where)
    if not is_bare(fresh) or not same_colours(profile, fresh):
        raise NotClean("the colour profile written anew holds more or other than colours", where=where)
    return fresh


def digest(profile: bytes) -> str:
    """Return the SHA-256 of a profile, as it stands in the rendering list."""
    return hashlib.sha256(profile).hexdigest()
