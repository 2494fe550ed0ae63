"""Second reader of movies whose frames are JPEG files: each is read like a scrubbed photo."""

from __future__ import annotations

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub.second import jpeg
from medsnap.scrub.second.movie_boxes import Readable
from medsnap.scrub.second.movie_tracks import Seen

LONGEST = 64 << 20


def check_frames(file: Readable, track: Seen, *, fragmented: bool) -> None:
    """Account for every byte of every frame; zeros may fill a sample up. Raises NotClean."""
    if all(coding.name != "jpeg" for coding in track.codings):
        return
    if len(track.codings) != 1 or fragmented:
        raise NotClean("frames that are files, beside others", where=f"track {track.number}")
    sizes = iter(track.sizes)
    row = 0
    for chunk, place in enumerate(track.starts, 1):
        if row + 3 < len(track.runs) and track.runs[row + 3] == chunk:
            row += 3
        at = place
        for _ in range(track.runs[row + 1]):
            size = track.fixed or next(sizes)
            if size > LONGEST:
                raise NotClean("a frame that is too large", where=f"byte {at}")
            jpeg.account(_modern(bytes(file[at : at + size]).rstrip(b"\0")), MediaType.JPEG)
            at += size


def _modern(frame: bytes) -> bytes:
    """JFIF 1.00 and 1.01 are as good as 1.02, the one that a scrubbed photo has."""
    head = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1"
    return head + b"\2" + frame[13:] if frame.startswith((head + b"\0", head + b"\1")) else frame
