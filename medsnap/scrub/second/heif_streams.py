"""Second reader: coded streams unit by unit; each check answers whether there is nothing else in them."""

from __future__ import annotations

# H.265 table 7-1: coded slices, parameter sets, messages.
SLICES = {*range(10), *range(16, 22)}
PARAMETERS = {32, 33, 34}
MESSAGES = {39, 40}
# H.265 annex D: rendering messages and the longest they can be.
RENDERING = {137: 24, 144: 4, 147: 1, 148: 8, 165: 6}


def check_hevc(data: memoryview, width: int) -> bool:
    """Say whether the data is one picture: slices, parameter sets, rendering messages."""
    at, firsts = 0, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + width], "big")
        at += width
        if size < 3 or at + size > len(data) or not _unit_is_clean(data[at : at + size]):
            return False
        firsts += data[at] // 2 in SLICES and data[at + 2] >= 0x80
        at += size
    return firsts == 1


def _unit_is_clean(unit: memoryview) -> bool:
    # forbidden_zero_bit and nuh_layer_id must be 0 (7.3.1.2)
    if unit[0] & 0x81 or unit[1] & 0xF8:
        return False
    kind = unit[0] // 2
    return kind in SLICES or kind in PARAMETERS or (kind in MESSAGES and _message_is_clean(bytes(unit)))


def _message_is_clean(unit: bytes) -> bool:
    """Say whether an SEI unit is a row of rendering messages and nothing behind (7.3.2.4, 7.3.5)."""
    plain = bytearray()
    for byte in unit[2:]:
        if byte == 3 and plain[-2:] == b"\0\0":
            continue
        plain.append(byte)
    if not plain.endswith(b"\x80"):
        return False
    rest = bytes(plain[:-1])
    while rest:
        # Every accepted kind and size is below 255, so each is one byte.
        if len(rest) < 2 or not 0 < rest[1] <= RENDERING.get(rest[0], 0) or len(rest) < 2 + rest[1]:
            return False
        rest = rest[2 + rest[1] :]
    return len(plain) > 1


def check_hvcc(value: bytes) -> bool:
    """Say whether an HEVC configuration is its header and lists of parameter sets (14496-15, 8.3.3)."""
    if len(value) < 23 or value[0] != 1 or value[21] % 4 == 2:
        return False
    at = 23
    for _ in range(value[22]):
        if at + 3 > len(value) or value[at] & 0x40:
            return False
        kind = value[at] & 0x3F
        units = int.from_bytes(value[at + 1 : at + 3], "big")
        at += 3
        if not units or kind not in PARAMETERS | MESSAGES:
            return False
        for _ in range(units):
            size = int.from_bytes(value[at : at + 2], "big")
            unit = value[at + 2 : at + 2 + size]
            at += 2 + size
            if at > len(value) or size < 2 or unit[0] >> 1 != kind:
                return False
            if kind in MESSAGES and not _message_is_clean(unit):
                return False
    return at == len(value)


def check_av1c(value: bytes) -> bool:
    """Say whether an AV1 configuration is its header, a sequence header and rendering metadata."""
    return len(value) >= 4 and value[0] == 0x81 and _obu_kinds(memoryview(value)[4:]) <= {1, 2, 5}


def check_av1(data: memoryview) -> bool:
    """Say whether the data holds a frame and no unknown unit, text or filler."""
    kinds = _obu_kinds(data)
    return kinds <= {1, 2, 3, 4, 5, 6, 7} and bool(kinds & {3, 6})


def _obu_kinds(data: memoryview) -> set[int]:
    """Collect the types of the units; 99 stands for one that does not belong in a clean file."""
    kinds: set[int] = set()
    at = 0
    while at < len(data):
        first = data[at]
        kind = first >> 3 & 0xF
        at += 2 if first & 4 else 1
        size = len(data) - at
        if first & 2:
            size, at = _size(data, at)
        if first & 0x80 or size < 0 or at + size > len(data):
            return {99}
        body = data[at : at + size]
        if kind == 2 and size:
            return {99}
        if kind == 5 and not (_is_metadata(body, 1, 4) or _is_metadata(body, 2, 24)):
            return {99}
        kinds.add(kind)
        at += size
    return kinds


def _is_metadata(body: memoryview, kind: int, size: int) -> bool:
    """Say whether a metadata unit has this type, this many bytes, and only the trailing bit after."""
    return len(body) == size + 2 and body[0] == kind and body[-1] == 0x80


def _size(data: memoryview, at: int) -> tuple[int, int]:
    total = 0
    for place in range(8):
        if at + place >= len(data):
            break
        total += (data[at + place] & 127) * 128**place
        if data[at + place] < 128:
            return total, at + place + 1
    return -1, at
