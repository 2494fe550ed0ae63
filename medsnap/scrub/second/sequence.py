"""The second reader of image sequences: ftyp, meta, moov, mdat, and every byte of mdat in use.

Written apart from the rewriter on purpose; the still is read as in a HEIF file, the tracks as in a movie.
"""

from __future__ import annotations

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second.heif import STILL_BRANDS, reachable
from medsnap.scrub.second.heif_facts import facts
from medsnap.scrub.second.heif_pictures import check_pictures
from medsnap.scrub.second.heif_tables import Eater, Tables, read_tables
from medsnap.scrub.second.movie import Facts, movie_facts
from medsnap.scrub.second.movie_boxes import span
from medsnap.scrub.second.movie_chunks import described, lengths, places, tile
from medsnap.scrub.second.movie_frames import check_frames
from medsnap.scrub.second.movie_tracks import eat_movie

SEQUENCES = {MediaType.HEIF_SEQUENCE, MediaType.AVIF_SEQUENCE}
STILLS = {MediaType.HEIC, MediaType.HEIF, MediaType.AVIF}  # that hold tracks, too
MAJOR = {"msf1", "hevc", "hevx", "avis"}
BRANDS = STILL_BRANDS | MAJOR | {"iso8", "iso9", "isom", "mp41", "mp42"}


def account(data: Buffer, media: MediaType) -> Facts:
    """Account for every byte of a scrubbed sequence; returns what showing depends on. Raises NotClean."""
    if media not in SEQUENCES | STILLS:
        raise NotClean("a file of this type cannot be checked", where=media.value)
    file = memoryview(data)
    at = _ftyp(file, MAJOR if media in SEQUENCES else STILL_BRANDS)
    found: list[tuple[str, str]] = [("orientation", "1")]
    spans: list[tuple[int, int]] = []
    name, body, end = span(file, at)
    if name == "meta":
        tables = read_tables(file, body, end)
        found, spans = _still(file, tables)
        name, body, end = span(file, end)
    elif media in STILLS:
        raise NotClean("a still without its tables", where=f"byte {at}")
    if name != "moov":
        raise NotClean("no moov box where it should stand", where=f"byte {body}")
    moov = Eater(file, body, end, "moov")
    movie, tracks = eat_movie(moov)
    moov.finish()
    name, start, stop = span(file, end)
    if name != "mdat" or stop != len(file):
        raise NotClean("media data is not the last box", where=f"byte {end}")
    sizes = [lengths(track) for track in tracks]
    tile(sorted(spans + places(tracks, sizes, start, stop)), start, stop)
    found += movie_facts(movie, tracks)
    for track, size in zip(tracks, sizes, strict=True):
        check_frames(file, track, fragmented=False)
        found.append((f"samples {track.number}", described(file, track, size)))
    return tuple(found)


def _still(file: memoryview, tables: Tables) -> tuple[list[tuple[str, str]], list[tuple[int, int]]]:
    """Check the primary still: its facts, and where its items lie in the file."""
    reachable(tables)
    check_pictures(file, tables)
    low, high = tables.idat
    described_by = sorted(place for source, place in tables.places.values() if source == "idat")
    tile([(low + a, low + b) for a, b in described_by], low, high)
    return list(facts(tables)), [place for source, place in tables.places.values() if source == "file"]


def _ftyp(file: memoryview, major: set[str]) -> int:
    name, body, end = span(file, 0)
    raw = bytes(file[body:end]) if end - body <= 8 + 4 * len(BRANDS) else b""
    brands = [raw[at : at + 4].decode("latin-1") for at in range(0, len(raw), 4)]
    if name != "ftyp" or len(brands) < 2 or len(raw) % 4 or raw[4:8] != bytes(4):
        raise NotClean("the file type box is not as expected", where="byte 0")
    others = brands[2:]
    if brands[0] not in major or not set(others) <= BRANDS or len(others) != len(set(others)):
        raise NotClean("an unknown or repeated brand", where="byte 8")
    return end
