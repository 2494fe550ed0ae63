"""The second reader of movies: walks a scrubbed MP4 or MOV box by box and refuses all it does not know.

Written apart from the rewriter on purpose. It accepts one form only: ftyp, moov, mdat; every table
without surplus rows; every byte of mdat in a sample of a track of pictures or sound.
"""

from __future__ import annotations

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub.second import icc
from medsnap.scrub.second.heif_tables import Eater
from medsnap.scrub.second.movie_boxes import Readable, span
from medsnap.scrub.second.movie_chunks import described, lengths, places, tile
from medsnap.scrub.second.movie_fragments import eat_extends, eat_fragments
from medsnap.scrub.second.movie_frames import check_frames
from medsnap.scrub.second.movie_tracks import Seen, eat_movie

MOVIES = {MediaType.MP4, MediaType.MOV}
BRANDS = {
    "isom", "iso2", "iso3", "iso4", "iso5", "iso6", "iso7", "iso8", "iso9", "mp41", "mp42", "avc1", "hvc1",
    "hev1", "av01", "3gp4", "3gp5", "3gp6", "3g2a", "qt  ", "M4V ", "M4A ", "dash", "msdh", "cmfc", "cmff",
    "cmf2",
}  # fmt: skip

Facts = tuple[tuple[str, str], ...]


def account(data: Readable, media: MediaType) -> Facts:
    """Account for every byte of a scrubbed movie; returns what playing depends on. Raises NotClean."""
    if media not in MOVIES:
        raise NotClean("a file of this type cannot be checked", where=media.value)
    at = _ftyp(data)
    name, body, end = span(data, at)
    if name != "moov":
        raise NotClean("no moov box behind ftyp", where=f"byte {at}")
    moov = Eater(memoryview(bytes(data[body:end])), 0, end - body, "moov")
    movie, tracks = eat_movie(moov)
    known = eat_extends(moov, tracks)
    moov.finish()
    sizes = [lengths(track) for track in tracks]
    start = stop = end
    if any(map(sum, sizes)):
        name, start, stop = span(data, end)
        if name != "mdat":
            raise NotClean("something else than media data behind moov", where=f"byte {end}")
    tile(places(tracks, sizes, start, stop), start, stop)
    found = [("orientation", "1"), *movie_facts(movie, tracks)]
    for track, size in zip(tracks, sizes, strict=True):
        check_frames(data, track, fragmented=known is not None)
        found.append((f"samples {track.number}", described(data, track, size)))
    if known is not None:
        found += eat_fragments(data, stop, known)
    elif stop != len(data):
        raise NotClean("bytes behind the media data", where=f"byte {stop}")
    return tuple(found)


def _ftyp(data: Readable) -> int:
    """Eat the file type; QuickTime files of old have none."""
    name, body, end = span(data, 0)
    if name == "moov":
        return 0
    raw = bytes(data[body:end]) if end - body <= 8 + 4 * len(BRANDS) else b""
    brands = [raw[at : at + 4].decode("latin-1") for at in range(0, len(raw), 4)]
    if name != "ftyp" or len(brands) < 3 or len(raw) % 4 or raw[4:8] != bytes(4):
        raise NotClean("the file type box is not as expected", where="byte 0")
    del brands[1]
    if not set(brands) <= BRANDS or len(set(brands[1:])) != len(brands) - 1:
        raise NotClean("an unknown or repeated brand", where="byte 8")
    return end


def movie_facts(movie: str, tracks: list[Seen]) -> list[tuple[str, str]]:
    """List what the tracks are and show, by the names that the report uses."""
    found = [("movie", movie), ("tracks", " ".join(str(track.number) for track in tracks))]
    for track in tracks:
        coding = "+".join(f"{c.name} {c.extent[0]}x{c.extent[1]}" for c in track.codings)
        times = f"{track.durations} {track.shifts} {track.entry_points}"
        found += [
            (f"coding {track.number}", f"{track.handler} {coding}"),
            (f"place {track.number}", track.place),
            (f"shown {track.number}", "; ".join(" ".join(sorted(c.shown)) for c in track.codings)),
            (f"time {track.number}", f"{track.clock} [{track.edits}] {times}"),
        ]
        for profile in (c.profile for c in track.codings if c.profile):
            found += icc.facts(f"icc {track.number}", profile).items()
    return found
