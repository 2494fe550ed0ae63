"""Tiles and entry bundles: their names and their bytes (C2SP tlog-tiles)."""

from __future__ import annotations

from collections.abc import Sequence

from medsnap.audit.merkle import HASH
from medsnap.errors import Malformed

WIDTH = 256
MAX_ENTRY = 0xFFFF  # bytes; a length is two bytes
MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY)


def _index(index: int, width: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join(["x" + g for g in groups[:-1]] + groups[-1:])
    return name if width == WIDTH else f"{name}.p/{width}"


def tile_name(level: int, index: int, width: int = WIDTH) -> str:
    """Return `tile/<L>/<N>[.p/<W>]`."""
    return f"tile/{level}/{_index(index, width)}"


def bundle_name(index: int, width: int = WIDTH) -> str:
    """Return `tile/entries/<N>[.p/<W>]`."""
    return f"tile/entries/{_index(index, width)}"


def widths(size: int, level: int = 0) -> tuple[int, int]:
    """Return how many full tiles a level has at a tree size, and the width of the partial one."""
    return divmod(size >> 8 * level, WIDTH)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Join entries, each after its length as two big-endian bytes."""
    return b"".join(len(e).to_bytes(2, "big") + e for e in entries)


def decode_bundle(data: bytes, count: int, where: str) -> list[bytes]:
    """Split a bundle into exactly `count` entries; raise Malformed with the byte."""
    entries: list[bytes] = []
    at = 0
    for _ in range(count):
        stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or stop > len(data):
            raise Malformed("an entry bundle is cut off", where=f"{where}, byte {at}")
        entries.append(data[at + 2 : stop])
        at = stop
    if at != len(data):
        raise Malformed("bytes follow the last entry of a bundle", where=f"{where}, byte {at}")
    return entries


def decode_tile(data: bytes, width: int, where: str) -> list[bytes]:
    """Split a tile into exactly `width` hashes; raise Malformed."""
    if len(data) != width * HASH:
        raise Malformed(f"a tile has {len(data)} bytes instead of {width * HASH}", where=where)
    return [data[i : i + HASH] for i in range(0, len(data), HASH)]
