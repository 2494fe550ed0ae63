"""Second reader of movies: where each chunk lies; together they are all of the media data."""

from __future__ import annotations

from array import array
from hashlib import sha256

from medsnap.errors import NotClean
from medsnap.scrub.second.movie_boxes import Readable
from medsnap.scrub.second.movie_tracks import Seen

EDGE = 16


def lengths(track: Seen) -> array[int]:
    """Add up the sizes of the samples in each chunk. Raises NotClean."""
    frames = {coding.frame for coding in track.codings}
    unit = track.fixed
    if unit and frames != {0}:
        if len(frames) > 1 or unit not in (1, max(frames)):
            raise NotClean("uncompressed sound of several sizes", where=f"track {track.number}")
        unit = frames.pop()
    elif unit == 1:
        raise NotClean("coded sound whose packets are not listed", where=f"track {track.number}")
    found, sample, chunk, row = array("Q"), 0, 0, 0
    runs = track.runs
    if len(runs) and runs[0] != 1:
        raise NotClean("the first run of chunks is missing", where=f"track {track.number}")
    while row < len(runs):
        first, each, coding = runs[row], runs[row + 1], runs[row + 2]
        end = runs[row + 3] if row + 3 < len(runs) else len(track.starts) + 1
        if not first < end <= len(track.starts) + 1 or not each or not 0 < coding <= len(track.codings):
            raise NotClean("runs of chunks out of order", where=f"track {track.number}")
        if sample + each * (end - first) > track.count:
            raise NotClean("chunks with more samples than there are", where=f"track {track.number}")
        for _ in range(first, end):
            found.append(each * unit if unit else sum(track.sizes[sample : sample + each]))
            sample += each
            chunk += 1
        row += 3
    if sample != track.count or chunk != len(track.starts):
        raise NotClean("samples without a chunk, or a chunk without samples", where=f"track {track.number}")
    return found


def places(tracks: list[Seen], sizes: list[array[int]], start: int, stop: int) -> list[tuple[int, int]]:
    """List the chunks in order; refuse any that overlap or lie outside of start..stop."""
    found: list[tuple[int, int]] = []
    for track, size in zip(tracks, sizes, strict=True):
        for place, length in zip(track.starts, size, strict=True):
            if not start <= place <= stop - length:
                raise NotClean("a chunk outside of the media data", where=f"track {track.number}")
            if length:
                found.append((place, place + length))
    found.sort()
    for row in range(1, len(found)):
        if found[row][0] < found[row - 1][1]:
            raise NotClean("chunks that overlap", where=f"byte {found[row][0]}")
    return found


def tile(spans: list[tuple[int, int]], start: int, stop: int) -> None:
    """Refuse bytes of the media data that belong to no span. Raises NotClean."""
    at = start
    for low, high in spans:
        if low > at:
            break
        at = max(at, high)
    if at != stop:
        raise NotClean("bytes that belong to no sample", where=f"byte {at}")


def described(file: Readable, track: Seen, size: array[int]) -> str:
    """Say how many samples in how many chunks, and the digest of lengths and edges."""
    digest = sha256()
    for place, length in zip(track.starts, size, strict=True):
        edge = min(length, EDGE)
        digest.update(length.to_bytes(8, "big") + bytes(file[place : place + edge]))
        digest.update(file[place + length - edge : place + length])
    return f"{track.count} in {len(size)} chunks, {sum(size)} bytes, {digest.hexdigest()}"
