"""Cut what is no picture out of coded items: messages, filler, unknown units; slices stay untouched.

Encoders leave text here (x265 writes its whole command line), decoders skip it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Cursor
from medsnap.formats.heif_units import (
    HEVC_PARAMETER_SETS,
    HEVC_SEI,
    HEVC_SLICES,
    OBU_FRAMES,
    OBU_METADATA,
    OBU_PICTURE,
    OBU_SEQUENCE_HEADER,
    OBU_TEMPORAL_DELIMITER,
    OBU_TILE_LIST,
    Unit,
    leb128,
    nal_units,
    obus,
)
from medsnap.formats.heif_view import Span

# SEI messages that speak of rendering, with their greatest length (H.265, annex D): mastering
# display 137, light level 144, transfer 147, ambient light 148, alpha channel 165.
SEI_KEPT = {137: 24, 144: 4, 147: 1, 148: 8, 165: 6}
# AV1 metadata about rendering (AV1 specification, 6.7): light level 1, mastering display 2.
METADATA_KEPT = {1: 4, 2: 24}


def hevc_kept(content: memoryview, length_size: int, where: str) -> tuple[Span, ...]:
    """Give the parts of an hvc1 item that make its one picture. Raises Malformed, Unsupported."""
    units = nal_units(content, length_size, where)
    kept = [unit for unit in units if _nal_stays(content, unit, where)]
    slices = [unit for unit in kept if unit.kind in HEVC_SLICES]
    # first_slice_segment_in_pic_flag: a second picture in one item would be shown by no reader.
    pictures = sum(1 for unit in slices if unit.stop > unit.body + 2 and content[unit.body + 2] & 0x80)
    if pictures != 1:
        raise Unsupported(f"an image item holds {pictures} pictures instead of one", where=where)
    return joined((unit.start, unit.stop) for unit in kept)


def _nal_stays(content: memoryview, unit: Unit, where: str) -> bool:
    if unit.layer:
        raise Unsupported("an image item holds a second layer", where=where)
    if unit.kind in HEVC_SEI:
        return sei_stays(bytes(content[unit.body : unit.stop]))
    return unit.kind in HEVC_SLICES or unit.kind in HEVC_PARAMETER_SETS


def sei_stays(nal: bytes) -> bool:
    """Say whether an SEI NAL unit speaks of nothing but rendering (H.265, 7.3.5)."""
    raw = nal[2:].replace(b"\0\0\3", b"\0\0")  # emulation prevention, 7.4.2
    at = 0
    while at < len(raw) - 1:
        kind, at = _sei_number(raw, at)
        length, at = _sei_number(raw, at)
        if not 0 < length <= SEI_KEPT.get(kind, 0) or at + length >= len(raw):
            return False
        at += length
    return at > 0 and raw[at:] == b"\x80"


def _sei_number(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(raw) and raw[at] == 0xFF:
        value += 255
        at += 1
    return (value + raw[at], at + 1) if at < len(raw) else (1 << 30, at)


def av1_kept(content: memoryview, where: str) -> tuple[Span, ...]:
    """Give the parts of an av01 item that make its picture. Raises Malformed, Unsupported."""
    kept = [unit for unit in obus(content, where) if _obu_stays(content, unit, where)]
    if not any(unit.kind in OBU_FRAMES for unit in kept):
        raise Malformed("an image item holds no picture", where=where)
    return joined((unit.start, unit.stop) for unit in kept)


def _obu_stays(content: memoryview, unit: Unit, where: str) -> bool:
    if unit.kind == OBU_TILE_LIST:
        raise Unsupported("an image item holds a tile list", where=where)
    if unit.kind == OBU_METADATA:
        kind, at = leb128(content[: unit.stop], unit.body, where)
        fits = unit.stop - at == METADATA_KEPT.get(kind, -2) + 1
        return fits and content[unit.stop - 1] == 0x80
    if unit.kind == OBU_TEMPORAL_DELIMITER:
        return unit.body == unit.stop
    return unit.kind in OBU_PICTURE or unit.kind == OBU_SEQUENCE_HEADER


def clean_hvcc(payload: bytes, where: str) -> bytes:
    """Rewrite an HEVC configuration without messages (14496-15, 8.3.3). Raises Malformed, Unsupported."""
    fields = Cursor(memoryview(payload), 0, len(payload), where)
    head = bytes(fields.take(22))
    if head[0] != 1 or head[21] & 3 == 2:  # NAL lengths have 1, 2 or 4 bytes
        raise Unsupported("an HEVC configuration of an unknown version", where=where)
    arrays = []
    for _ in range(fields.uint(1)):
        first = fields.uint(1)
        kind = first & 0x3F
        units = [bytes(fields.take(fields.uint(2))) for _ in range(fields.uint(2))]
        if any(len(unit) < 2 or unit[0] >> 1 != kind for unit in units):  # the bit above must be zero
            raise Malformed("a parameter set is of another type than its list", where=where)
        if kind in HEVC_SEI:
            units = [unit for unit in units if sei_stays(unit)]
        elif kind not in HEVC_PARAMETER_SETS:
            units = []
        if units:
            body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
            arrays.append(bytes((first & 0xBF,)) + len(units).to_bytes(2, "big") + body)
    return head + bytes((len(arrays),)) + b"".join(arrays)


def clean_av1c(payload: bytes, where: str) -> bytes:
    """Rewrite an AV1 configuration without messages (AV1-ISOBMFF, 2.3.3)."""
    if len(payload) < 4 or payload[0] != 0x81:
        raise Unsupported("an AV1 configuration of an unknown version", where=where)
    content = memoryview(payload)[4:]
    kept = [unit for unit in obus(content, where) if _obu_stays(content, unit, where)]
    if any(unit.kind in OBU_PICTURE for unit in kept):
        raise Malformed("an AV1 configuration holds a picture", where=where)
    return payload[:4] + b"".join(bytes(content[unit.start : unit.stop]) for unit in kept)


def joined(parts: Iterable[Span]) -> tuple[Span, ...]:
    """Merge parts that touch."""
    merged: list[Span] = []
    for start, stop in parts:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return tuple(merged)


def to_file(parts: Sequence[Span], spans: Sequence[Span]) -> tuple[Span, ...]:
    """Turn parts of an item's data into places in the file, where the data lies in `spans`."""
    found: list[Span] = []
    base = 0
    for start, stop in spans:
        length = stop - start
        for low, high in parts:
            first, last = max(low, base), min(high, base + length)
            if first < last:
                found.append((start + first - base, start + last - base))
        base += length
    return joined(found)
