"""Second reader: a colour profile that was written anew, and the one it was made from (ICC.1:2022, 7 and 9).

It takes both apart by itself and shares no code with the writer: the new profile may hold the old one's
colours, byte for byte, a standard name, and nothing else.
"""

from __future__ import annotations

import hashlib
import struct

_ROW = struct.Struct(">4sII")
_DAY = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
_COLOURS = frozenset((
    "rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC", "kTRC", "wtpt", "bkpt", "chad", "chrm", "cicp", "gamt",
    "A2B0", "A2B1", "A2B2", "B2A0", "B2A1", "B2A2", "D2B0", "D2B1", "D2B2", "D2B3", "B2D0", "B2D1", "B2D2",
    "B2D3", "pre0", "pre1", "pre2", "rig0", "rig2",
))  # fmt: skip
_KINDS = frozenset((
    "XYZ ", "curv", "para", "sf32", "chrm", "cicp", "mft1", "mft2", "mAB ", "mBA ", "mpet", "sig ",
))  # fmt: skip
_STANDARD = (
    "profile", "sRGB IEC61966-2.1", "sRGB", "sRGB built-in", "Display P3",
    "DCI-P3 D65 Gamut with sRGB Transfer", "DCI(P3) RGB", "Adobe RGB (1998)", "ProPhoto RGB",
    "ROMM RGB: ISO 22028-2:2013", "ColorMatch RGB", "Generic RGB Profile", "Generic Gray Gamma 2.2 Profile",
    "Dot Gain 20%", "Gray Gamma 2.2", "Rec. ITU-R BT.709-5", "Rec. ITU-R BT.2020-1",
    "U.S. Web Coated (SWOP) v2", "Coated FOGRA39 (ISO 12647-2:2004)",
)  # fmt: skip
_RENDERING = ((8, 10), (12, 24), (64, 80))  # header: version; class, colour spaces; intent, illuminant


def facts(name: str, profile: bytes) -> dict[str, str]:
    """Return the digest of a profile, and that it is a bare one if it is."""
    said = {name: hashlib.sha256(profile).hexdigest()}
    return said | {f"{name} bare": "yes"} if is_bare(profile) else said


def is_bare(profile: bytes) -> bool:
    """Say whether this profile is wholly made of colours and a standard name, in the one form there is."""
    if (
        len(profile) < 132
        or profile[24:40] != _DAY + b"acsp"
        or int.from_bytes(profile[:4], "big") != len(profile)
    ):
        return False
    if profile[4:8] + profile[10:12] + profile[40:63] + profile[80:128] != bytes(77) or profile[63] > 15:
        return False
    rows = _rows(profile)
    tags = [tag for tag, _, _ in rows]
    return (
        len(rows) > 2
        and len(set(tags)) == len(tags)
        and all(_fits(tag, profile[start : start + size], profile[8]) for tag, start, size in rows)
        and {b"desc", b"cprt"} < set(tags)
        and _tiled(profile, 132 + 12 * len(rows), {(start, size) for _, start, size in rows})
    )


def same_colours(old: bytes, new: bytes) -> bool:
    """Say whether two profiles give the same colours: the same tags that matter, with the same bytes."""
    header = all(old[start:stop] == new[start:stop] for start, stop in _RENDERING)
    return header and old[63] & 15 == new[63] and _colours(old) == _colours(new)


def _rows(profile: bytes) -> list[tuple[bytes, int, int]]:
    """Read the table of tags (7.3.1) as far as it reaches."""
    count = min(int.from_bytes(profile[128:132], "big"), 1000)
    return [_ROW.unpack_from(profile, at) for at in range(132, min(132 + 12 * count, len(profile) - 11), 12)]


def _colours(profile: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for tag, start, size in _rows(profile):
        name = tag.decode("latin-1")
        if name in _COLOURS and name not in found:
            found[name] = profile[start : start + size]
    return found


def _fits(tag: bytes, data: bytes, version: int) -> bool:
    name, new = tag.decode("latin-1"), version >= 4
    if name == "cprt":
        return data == (_unicode("-") if new else b"text\0\0\0\0-\0")
    if name == "desc":
        return any(data == (_unicode(known) if new else _ascii(known)) for known in _STANDARD)
    return name in _COLOURS and data[:4].decode("latin-1") in _KINDS and data[4:8] == bytes(4)


def _unicode(text: str) -> bytes:
    """Write multiLocalizedUnicodeType with one record (10.15)."""
    return (
        b"mluc"
        + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, 2 * len(text), 28)
        + text.encode("utf-16-be")
    )


def _ascii(text: str) -> bytes:
    """Write textDescriptionType of version 2 (ICC.1:2001-04, 6.5.17) without its other languages."""
    return struct.pack(f">4sII{len(text) + 1}s78x", b"desc", 0, len(text) + 1, text.encode("ascii"))


def _tiled(profile: bytes, at: int, parts: set[tuple[int, int]]) -> bool:
    """Say whether the parts lie one behind the other, each filled to four bytes with zeros."""
    for start, size in sorted(parts):
        stop = start + size
        if start != at or stop > len(profile) or any(profile[stop : stop + -size % 4]):
            return False
        at = stop + -size % 4
    return at == len(profile)
