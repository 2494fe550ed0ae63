"""Units inside coded image items: HEVC NAL units and AV1 OBUs, as spans, undecoded."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge

MAX_UNITS = 65_536  # in one item

# NAL unit types (ITU-T H.265, table 7-1)
HEVC_SLICES = frozenset((*range(10), *range(16, 22)))
HEVC_PARAMETER_SETS = frozenset((32, 33, 34))  # VPS, SPS, PPS
HEVC_SEI = frozenset((39, 40))  # prefix, suffix

# OBU types (AV1 specification, 6.2.2)
OBU_SEQUENCE_HEADER = 1
OBU_TEMPORAL_DELIMITER = 2
OBU_METADATA = 5
OBU_TILE_LIST = 8
OBU_PICTURE = frozenset((3, 4, 6, 7))  # frame header, tile group, frame, redundant frame header
OBU_FRAMES = frozenset((3, 6))


@dataclass(frozen=True, slots=True)
class Unit:
    """One NAL unit or OBU: its type, its layer, the span with its length field, the span of its body."""

    kind: int
    layer: int
    start: int
    body: int  # of the NAL unit header, or of the OBU payload
    stop: int


def nal_units(content: memoryview, length_size: int, where: str) -> tuple[Unit, ...]:
    """List length-prefixed NAL units (14496-15, 4.3.3). Raises Malformed, TooLarge."""
    units: list[Unit] = []
    at, end = 0, len(content)
    while at < end:
        body = at + length_size
        stop = body + int.from_bytes(content[at:body], "big")
        if stop == body and not any(content[at:]):
            break  # zeros up to the end of the item: some cameras align so
        if body + 2 > stop or stop > end or content[body] & 0x80:
            raise Malformed("a NAL unit does not fit its item", where=f"{where}, byte {at} of its data")
        if len(units) == MAX_UNITS:
            raise TooLarge(f"more than {MAX_UNITS} NAL units", where=where)
        layer = (content[body] & 1) << 5 | content[body + 1] >> 3
        units.append(Unit(content[body] >> 1, layer, at, body, stop))
        at = stop
    return tuple(units)


def obus(content: memoryview, where: str) -> tuple[Unit, ...]:
    """List OBUs (AV1 specification, 5.3); only the last may lack a size. Raises Malformed, TooLarge."""
    units: list[Unit] = []
    at, end = 0, len(content)
    while at < end:
        head = content[at]
        body = at + 1 + (head >> 2 & 1)
        stop = end
        if head & 2:
            length, body = leb128(content, body, where)
            stop = body + length
        if head & 0x80 or not body <= stop <= end:
            raise Malformed("an OBU does not fit its item", where=f"{where}, byte {at} of its data")
        if len(units) == MAX_UNITS:
            raise TooLarge(f"more than {MAX_UNITS} OBUs", where=where)
        units.append(Unit(head >> 3 & 15, 0, at, body, stop))
        at = stop
    return tuple(units)


def leb128(content: memoryview, at: int, where: str) -> tuple[int, int]:
    """Read a little-endian base-128 number: value and next byte (AV1 specification, 4.10.5)."""
    value = 0
    for turn in range(8):
        if at >= len(content):
            break
        value |= (content[at] & 0x7F) << 7 * turn
        at += 1
        if not content[at - 1] & 0x80:
            return value, at
    raise Malformed("a number of an OBU does not end", where=f"{where}, byte {at} of its data")
