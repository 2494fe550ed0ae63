"""Read a scrubbed JPEG byte by byte: nothing may stand in it that this reader does not expect.

Written from ITU-T T.81 apart from the rewriter; it shares no code with it or with medsnap.formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second import exif, icc

_STEP = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # a marker in coded data: not 00, not RSTn, no fill
_FRAMES = {0xC0: 8, 0xC1: 12, 0xC2: 12, 0xC9: 12, 0xCA: 12}  # SOFn and its largest sample precision


class _Reader:
    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.facts: dict[str, str] = {"orientation": "1"}
        self.frame: bytes | None = None
        self.progressive = False
        self.codes = 0xC4  # the marker of its tables of codes: DHT, or DAC where it is arithmetic
        self.scans = 0
        self.stage = 0  # 0 JFIF, 1 Exif, 2 ICC, 3 Adobe, 4 tables and scans: the order of headers
        self.icc: list[bytes] = []
        self.icc_count = 0
        self.tables: dict[tuple[int, int], bool] = {}  # by marker and destination: has a scan used it?


def account(data: Buffer, media: MediaType) -> tuple[tuple[str, str], ...]:
    """Account for every byte of a scrubbed JPEG. Raises NotClean; returns what rendering depends on."""
    if media is not MediaType.JPEG:
        raise NotClean("the output is not of its type", where="byte 0")
    reader = _Reader(data)
    size = len(data)
    if size < 4 or data[0] != 0xFF or data[1] != 0xD8:
        raise NotClean("SOI is missing", where="byte 0")
    at = 2
    while True:
        if at + 2 > size or data[at] != 0xFF:
            raise NotClean("a byte stands where a marker should", where=f"byte {at}")
        marker = data[at + 1]
        if marker == 0xD9:
            break
        at = _segment(reader, marker, at, size)
    if at + 2 != size:
        raise NotClean("bytes follow EOI", where=f"byte {at + 2}")
    if reader.frame is None or not reader.scans:
        raise NotClean("there is no picture before EOI", where=f"byte {at}")
    if not all(reader.tables.values()):
        raise NotClean("a table that no scan uses", where=f"byte {at}")
    if reader.icc:
        _finish_icc(reader, at)
    return tuple(reader.facts.items())


def _segment(reader: _Reader, marker: int, at: int, size: int) -> int:
    data = reader.data
    if at + 4 > size:
        raise NotClean("a segment is cut short", where=f"byte {at}")
    stop = at + 2 + int.from_bytes(bytes((data[at + 2], data[at + 3])), "big")
    check = _CHECKS.get(marker)
    if check is None:
        raise NotClean(f"marker {marker:02X} is not on the list", where=f"byte {at}")
    if stop > size or stop < at + 4:
        raise NotClean("a segment reaches past the end", where=f"byte {at}")
    body = bytes(memoryview(data)[at + 4 : stop])
    if not check(reader, marker, body):
        raise NotClean(f"segment {marker:02X} holds more or other than it may", where=f"byte {at}")
    return _scan(reader, stop, size) if marker == 0xDA else stop


def _scan(reader: _Reader, at: int, size: int) -> int:
    found = _STEP.search(reader.data, at)
    if found is None:
        raise NotClean("coded data run to the end of the file", where=f"byte {size}")
    stop = found.start()
    if stop > at and reader.data[stop - 1] == 0xFF:
        raise NotClean("fill bytes stand before a marker", where=f"byte {stop - 1}")
    if stop == at and stop + 2 != size:  # only a file that was cut short ends in an empty scan
        raise NotClean("a scan is empty", where=f"byte {at}")
    reader.scans += 1
    return stop


def _header(reader: _Reader, stage: int) -> bool:
    """Say whether a header segment stands in its place, each before the tables and at most once."""
    fits = reader.stage < stage
    reader.stage = max(reader.stage, stage)
    return fits


def _jfif(reader: _Reader, _marker: int, body: bytes) -> bool:
    fits = len(body) == 14 and body[:7] == b"JFIF\x00\x01\x02" and body[7] <= 2 and body[12:] == b"\x00\x00"
    return _header(reader, 1) and fits


def _exif(reader: _Reader, _marker: int, body: bytes) -> bool:
    said = exif.read(body[6:]) if body[:6] == b"Exif\x00\x00" else None
    reader.facts.update(said or {})
    return _header(reader, 2) and said is not None


def _icc(reader: _Reader, _marker: int, body: bytes) -> bool:
    if reader.stage > 3 or len(body) <= 14 or body[:12] != b"ICC_PROFILE\x00":
        return False
    reader.stage = 3
    reader.icc.append(body[14:])
    reader.icc_count = reader.icc_count or body[13]
    return body[12] == len(reader.icc) and body[13] == reader.icc_count


def _finish_icc(reader: _Reader, at: int) -> None:
    whole = b"".join(reader.icc)
    size = int.from_bytes(whole[:4], "big")
    padding = whole[size:]
    if len(reader.icc) != reader.icc_count or whole[36:40] != b"acsp" or not 128 < size <= len(whole):
        raise NotClean("the ICC chunks are not one whole profile", where=f"byte {at}")
    if len(padding) > 3 or padding.strip(b"\x00"):
        raise NotClean("bytes follow the ICC profile", where=f"byte {at}")
    reader.facts.update(icc.facts("icc", whole))


def _adobe(reader: _Reader, _marker: int, body: bytes) -> bool:
    reader.facts["adobe transform"] = str(body[11]) if len(body) == 12 else ""
    return (
        _header(reader, 4)
        and body[:11] == b"Adobe\x00\x64\x00\x00\x00\x00"
        and body[11:] in (b"\0", b"\1", b"\2")
    )


def _define(reader: _Reader, marker: int, destination: int) -> bool:
    """Say whether this table stands in no other's place: one that is overwritten unused could hide data."""
    key = (marker, destination)
    used = reader.tables.get(key, True)
    reader.tables[key] = False
    return used


def _quantisers(reader: _Reader, marker: int, body: bytes) -> bool:
    reader.stage = 5
    at = 0
    while at < len(body):
        precision, destination = body[at] >> 4, body[at] & 15
        at += 1 + 64 * (precision + 1)
        if precision > 1 or destination > 3 or not _define(reader, marker, destination):
            return False
    return at == len(body) and at > 0


def _huffman(reader: _Reader, marker: int, body: bytes) -> bool:
    reader.stage = 5
    at = 0
    while at < len(body):
        if at + 17 > len(body) or body[at] >> 4 > 1 or body[at] & 15 > 3:
            return False
        codes = sum(body[at + 1 : at + 17])
        if codes > 256 or not _define(reader, marker, body[at]):
            return False
        at += 17 + codes
    return at == len(body) and at > 0


def _conditioning(reader: _Reader, marker: int, body: bytes) -> bool:
    reader.stage = 5
    if not body or len(body) % 2:
        return False
    return all(_define(reader, marker, body[at]) and body[at] >> 4 <= 1 for at in range(0, len(body), 2))


def _restart(reader: _Reader, marker: int, body: bytes) -> bool:
    reader.stage = 5
    return len(body) == 2 and _define(reader, marker, 0)


def _lines(reader: _Reader, _marker: int, body: bytes) -> bool:
    return len(body) == 2 and reader.scans == 1  # T.81 B.2.5: DNL only behind the first scan


def _frame(reader: _Reader, marker: int, body: bytes) -> bool:
    reader.stage = 5
    if reader.frame is not None or len(body) < 9 or len(body) != 6 + 3 * body[5] or body[5] > 4:
        return False
    reader.frame = body
    reader.progressive = marker in (0xC2, 0xCA)
    reader.codes = 0xCC if marker in (0xC9, 0xCA) else 0xC4
    reader.facts["frame"] = body.hex()
    sampled = all(0x11 <= body[6 + 3 * k + 1] <= 0x44 and body[6 + 3 * k + 2] <= 3 for k in range(body[5]))
    return sampled and 2 <= body[0] <= _FRAMES[marker] and body[3:5] != b"\x00\x00"


def _start(reader: _Reader, _marker: int, body: bytes) -> bool:
    reader.stage = 5
    if reader.frame is None or not body or len(body) != 4 + 2 * body[0] or not 1 <= body[0] <= 4:
        return False
    known = {reader.frame[6 + 3 * k]: reader.frame[8 + 3 * k] for k in range(reader.frame[5])}
    named = [body[1 + 2 * k] for k in range(body[0])]
    if not set(named) <= known.keys() or len(set(named)) != len(named):
        return False
    _use(reader, {(0xDD, 0), *((0xDB, known[name]) for name in named)})
    dc, ac = _coefficients(reader.progressive, body)
    for k in range(body[0]):
        tables = body[2 + 2 * k]
        _use(reader, {(reader.codes, tables >> 4)} if dc else set())
        _use(reader, {(reader.codes, 16 + (tables & 15))} if ac else set())
    return True


def _coefficients(progressive: bool, body: bytes) -> tuple[bool, bool]:
    """Say whether a scan codes DC and AC with tables; a progressive one codes one of them, or bits (G.1)."""
    if not progressive:
        return True, True
    spectral, high = body[-3], body[-1] >> 4
    return spectral == 0 and high == 0, spectral > 0


def _use(reader: _Reader, tables: set[tuple[int, int]]) -> None:
    reader.tables.update(dict.fromkeys(tables & reader.tables.keys(), True))


_Check = Callable[[_Reader, int, bytes], bool]
_CHECKS: dict[int, _Check] = {
    0xE0: _jfif,
    0xE1: _exif,
    0xE2: _icc,
    0xEE: _adobe,
    0xDB: _quantisers,
    0xC4: _huffman,
    0xCC: _conditioning,
    0xDD: _restart,
    0xDC: _lines,
    0xDA: _start,
    **dict.fromkeys(_FRAMES, _frame),
}
