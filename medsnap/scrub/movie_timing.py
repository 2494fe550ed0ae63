"""When each sample shows and which ones are entry points: tables without surplus rows (14496-12, 8.6)."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Box, Cursor, cursor
from medsnap.formats.movie import Track
from medsnap.formats.movie_tables import entries, limited, numbers
from medsnap.scrub.heif_write import full

# Sample groups that decoders use, with the length of their entries (14496-12, 10; 14496-15, 8.4.7).
GROUPS = {b"roll": 2, b"prol": 2, b"rap ": 1, b"sync": 1, b"tscl": 20}
MAX_EDITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The boxes that are written, and the ones of the source that are not."""

    data: bytes
    cut: tuple[Box, ...]


def timing(source: memoryview, track: Track, samples: int) -> Timing:
    """Write stts to sbgp anew for a track of so many samples. Raises Malformed, TooLarge."""
    out = [_counted(source, track.need(b"stts"), samples)]
    ctts = track.find(b"ctts")
    if ctts is not None:
        out.append(_counted(source, ctts, samples))
    cslg = track.find(b"cslg")
    if cslg is not None:
        out.append(_fixed(source, cslg, (20, 40)))
    for name in (b"stss", b"stps"):
        table = track.find(name)
        if table is not None:
            out.append(_entry_points(source, table, samples))
    cut: list[Box] = []
    sdtp = track.find(b"sdtp")
    if sdtp is not None and sdtp.stop - sdtp.body >= 4 + samples:
        out.append(full(b"sdtp", 0, 0, bytes(source[sdtp.body + 4 : sdtp.body + 4 + samples])))
    elif sdtp is not None:
        cut.append(sdtp)
    groups, gone = _groups(source, track, samples)
    return Timing(data=b"".join((*out, *groups)), cut=(*cut, *gone))


def _counted(source: memoryview, box: Box, samples: int) -> bytes:
    """Write stts or ctts without rows behind the last sample; signed offsets are version 1."""
    rows, _ = limited(entries(source, box, 8), 8, samples)
    version = 1 if box.type == b"ctts" and source[box.body] else 0
    return full(box.type, version, 0, (len(rows) // 8).to_bytes(4, "big"), rows)


def _fixed(source: memoryview, box: Box, sizes: tuple[int, int]) -> bytes:
    fields = cursor(source, box)
    version = fields.uint(4) >> 24
    if version > 1:
        raise Unsupported("a table of an unknown version", where=fields.where)
    return full(box.type, version, 0, bytes(fields.take(sizes[version])))


def _entry_points(source: memoryview, box: Box, samples: int) -> bytes:
    """Write stss or stps: numbers of samples, rising (8.6.2)."""
    rows = entries(source, box, 4)
    behind = 0
    for number in numbers(rows, 4):
        if not behind < number <= samples:
            raise Malformed("entry points of a track are out of order", where=f"{box.name}, byte {box.start}")
        behind = number
    return full(box.type, 0, 0, (len(rows) // 4).to_bytes(4, "big"), bytes(rows))


def _groups(source: memoryview, track: Track, samples: int) -> tuple[list[bytes], list[Box]]:
    """Write the sample groups that decoders use; others, and ones of an odd form, are cut."""
    described: dict[bytes, tuple[Box, bytes]] = {}
    cut: list[Box] = []
    for box in track.stbl:
        if box.type == b"sgpd":
            kind, rows = _description(cursor(source, box))
            if rows and kind not in described:
                described[kind] = (box, rows)
            else:
                cut.append(box)
    out: list[bytes] = []
    for box in track.stbl:
        if box.type != b"sbgp":
            continue
        kind, members = _members(cursor(source, box), samples, described)
        if members:
            head = described.pop(kind)[1]
            size = GROUPS[kind].to_bytes(4, "big")
            count = (len(head) // GROUPS[kind]).to_bytes(4, "big")
            out.append(full(b"sgpd", 1, 0, kind, size, count, head))
            out.append(full(b"sbgp", 0, 0, kind, (len(members) // 8).to_bytes(4, "big"), members))
        else:
            cut.append(box)
    return out, [*cut, *(box for box, _ in described.values())]


def _description(fields: Cursor) -> tuple[bytes, bytes]:
    """Read sgpd, version 1, with entries of the one length that belongs to its kind (8.9.3)."""
    version = fields.uint(4) >> 24
    kind = bytes(fields.take(4))
    size = GROUPS.get(kind, 0)
    if version != 1 or not size or fields.uint(4) != size:
        return kind, b""
    count = fields.uint(4)
    return kind, bytes(fields.take(count * size)) if count * size <= fields.left else b""


def _members(fields: Cursor, samples: int, described: dict[bytes, tuple[Box, bytes]]) -> tuple[bytes, bytes]:
    """Read sbgp, version 0: how many samples belong to which description (8.9.2)."""
    version = fields.uint(4) >> 24
    kind = bytes(fields.take(4))
    if version or kind not in described:
        return kind, b""
    count = fields.uint(4)
    if count * 8 > fields.left:
        return kind, b""
    rows, _ = limited(fields.take(count * 8), 8, samples)
    highest = len(described[kind][1]) // GROUPS[kind]
    fits = all(index <= highest for index in numbers(memoryview(rows), 4)[1::2])
    return kind, rows if fits else b""


@dataclass(frozen=True, slots=True)
class Edit:
    """One row of an edit list: length in ticks of the movie, start in ticks of the media, rate (8.6.6)."""

    length: int
    start: int
    rate: int


def edits(source: memoryview, track: Track) -> tuple[Edit, ...]:
    """Read the edit list of a track; none gives nothing. Raises Malformed, Unsupported."""
    edts = track.find(b"edts")
    if edts is None:
        return ()
    from medsnap.formats.bmff import children

    lists = [box for box in children(source, edts.body, edts.stop, "edts") if box.type == b"elst"]
    if len(lists) != 1:
        raise Malformed("an edit box without one edit list", where=f"edts, byte {edts.start}")
    fields = cursor(source, lists[0])
    version = fields.uint(4) >> 24
    count = fields.uint(4)
    if version > 1 or count > MAX_EDITS:
        raise Unsupported("an edit list of an unknown form", where=fields.where)
    width = 8 if version else 4
    found = []
    for _ in range(count):
        length, start = fields.uint(width), fields.uint(width)
        start -= (start >> (8 * width - 1)) << (8 * width)
        found.append(Edit(length, start, fields.uint(4)))
    return tuple(found)


def edts(rows: tuple[Edit, ...]) -> bytes:
    """Write the edit list, in 32 bits where it fits."""
    from medsnap.scrub.heif_write import box

    if not rows:
        return b""
    wide = any(row.length >= 1 << 32 or not -(1 << 31) <= row.start < 1 << 31 for row in rows)
    width = 8 if wide else 4
    data = b"".join(
        row.length.to_bytes(width, "big")
        + row.start.to_bytes(width, "big", signed=True)
        + row.rate.to_bytes(4, "big")
        for row in rows
    )
    return box(b"edts", full(b"elst", int(wide), 0, len(rows).to_bytes(4, "big"), data))
