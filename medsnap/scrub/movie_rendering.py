"""The parameters of a movie that playing depends on, read from the source as it came, for the report."""

from __future__ import annotations

from hashlib import sha256

from medsnap.formats.movie import Movie
from medsnap.formats.movie_tables import entries, numbers
from medsnap.scrub.core import Assembly
from medsnap.scrub.movie_memory import forget
from medsnap.scrub.movie_part import Part

EDGE = 16  # bytes at the start and at the end of each chunk that the digest covers
_OFTEN = 256  # chunks


def describe(out: Assembly, source: memoryview, found: Movie, parts: tuple[Part, ...]) -> None:
    """Note what each track is and shows; the second reader says the same of the output."""
    out.render("orientation", "1")  # matrices stay in place and turn the picture
    clock = found.clock
    rate, volume = clock.rest[:4].hex(), clock.rest[4:6].hex()
    out.render("movie", f"{clock.scale} {clock.duration} {rate} {volume} {clock.rest[16:52].hex()}")
    out.render("tracks", " ".join(str(part.track.header.id) for part in parts))
    for part in parts:
        _track(out, source, part)


def _track(out: Assembly, source: memoryview, part: Part) -> None:
    track, head = part.track, part.track.header
    number = head.id
    coding = "+".join(f"{e.coding.decode('latin-1')} {e.extent[0]}x{e.extent[1]}" for e in part.entries)
    out.render(f"coding {number}", f"{track.handler.decode('latin-1')} {coding}")
    placing = f"{head.flags & 15} {head.duration} {head.placing.hex()}"
    out.render(f"place {number}", f"{placing} {head.matrix.hex()} {head.extent.hex()}")
    rows = "; ".join(f"{edit.length} {edit.start} {edit.rate}" for edit in part.edits)
    out.render(
        f"time {number}", f"{track.clock.scale} {track.clock.duration} [{rows}] {_ticks(source, part)}"
    )
    out.render(f"samples {number}", samples(source, part))
    out.render(f"shown {number}", "; ".join(entry.shown for entry in part.entries))
    for profile in (p for entry in part.entries for p in entry.profiles):
        out.render(f"icc {number}", sha256(profile).hexdigest())


def _ticks(source: memoryview, part: Part) -> str:
    """Add up durations, composition offsets and entry points, over the samples that there are."""
    return " ".join(
        (
            str(_sum(source, part, b"stts")),
            str(_sum(source, part, b"ctts")),
            "all" if part.track.find(b"stss") is None else str(_count(source, part)),
        )
    )


def _sum(source: memoryview, part: Part, name: bytes) -> int:
    table = part.track.find(name)
    if table is None:
        return 0
    rows = entries(source, table, 8)
    signed = name == b"ctts" and source[table.body] != 0
    total, left = 0, part.sizes.count
    flat = numbers(rows, 4)
    for at in range(0, len(flat), 2):
        count, value = min(flat[at], left), flat[at + 1]
        total += count * (value - (value >> 31 << 32) if signed else value)
        left -= count
        if not left:
            break
    return total


def _count(source: memoryview, part: Part) -> int:
    return len(entries(source, part.track.need(b"stss"), 4)) // 4


def samples(source: memoryview, part: Part) -> str:
    """Say how many samples in how many chunks, and a digest of the length and the edges of each."""
    digest = sha256()
    for row, (start, length) in enumerate(zip(part.starts, part.lengths, strict=True)):
        edge = min(EDGE, length)
        digest.update(length.to_bytes(8, "big"))
        digest.update(source[start : start + edge])
        digest.update(source[start + length - edge : start + length])
        if row % _OFTEN == 0:
            forget(source)
    count, total = part.sizes.count, sum(part.lengths)
    return f"{count} in {len(part.starts)} chunks, {total} bytes, {digest.hexdigest()}"
