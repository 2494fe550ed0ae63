"""A colour profile with what rendering needs and no free text (ICC.1:2022, clauses 7 and 9).

Only by wish: a profile that stays byte for byte is the better proof. Names of standard profiles stay,
because colour software looks for them; makers, models, copyrights, dates and private tags go.
"""

from __future__ import annotations

from medsnap.errors import Unsupported

_HEADER = 128
_MOST_TAGS = 100
_KEPT = frozenset(
    (
        b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"chad", b"chrm",
        b"cicp", b"gamt", b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"D2B0", b"D2B1", b"D2B2",
        b"D2B3", b"B2D0", b"B2D1", b"B2D2", b"B2D3", b"pre0", b"pre1", b"pre2", b"rig0", b"rig2",
    )
)  # fmt: skip
_TYPES = frozenset(
    (
        b"XYZ ",
        b"curv",
        b"para",
        b"sf32",
        b"chrm",
        b"cicp",
        b"mft1",
        b"mft2",
        b"mAB ",
        b"mBA ",
        b"mpet",
        b"sig ",
    )
)
_NAMES = (
    "sRGB IEC61966-2.1", "sRGB", "sRGB built-in", "Display P3", "DCI-P3 D65 Gamut with sRGB Transfer",
    "DCI(P3) RGB", "Adobe RGB (1998)", "ProPhoto RGB", "ROMM RGB: ISO 22028-2:2013", "ColorMatch RGB",
    "Generic RGB Profile", "Generic Gray Gamma 2.2 Profile", "Dot Gain 20%", "Gray Gamma 2.2",
    "Rec. ITU-R BT.709-5", "Rec. ITU-R BT.2020-1", "U.S. Web Coated (SWOP) v2",
    "Coated FOGRA39 (ISO 12647-2:2004)",
)  # fmt: skip
_NAMELESS = "profile"
_DAY = b"".join(part.to_bytes(2, "big") for part in (2000, 1, 1, 0, 0, 0))


def minimal(profile: bytes, where: str) -> bytes:
    """Write the profile anew without free text; the same profile always gives the same bytes.

    Raises Unsupported where a tag that rendering needs is not of a known type or lies outside.
    """
    tags = _tags(profile, where)
    version = profile[8]
    name = next((n for n in _NAMES if _says(tags.get(b"desc", b""), n)), _NAMELESS)
    written: dict[bytes, bytes] = {b"desc": _named(name, version), b"cprt": _text("-", version)}
    for tag, data in tags.items():
        if tag in _KEPT:
            if data[:4] not in _TYPES or data[4:8] != bytes(4):
                raise Unsupported("the colour profile holds what medsnap does not know", where=where)
            written[tag] = data
    if len(written) < 3:
        raise Unsupported("the colour profile holds nothing to render with", where=where)
    return _assemble(profile, written)


def _tags(profile: bytes, where: str) -> dict[bytes, bytes]:
    """Read the tag table (7.3); of two tags with one name the first counts."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    if not 0 < count <= _MOST_TAGS:
        raise Unsupported("the colour profile has no sound table of tags", where=where)
    found: dict[bytes, bytes] = {}
    for row in range(_HEADER + 4, _HEADER + 4 + 12 * count, 12):
        start, size = (int.from_bytes(profile[at : at + 4], "big") for at in (row + 4, row + 8))
        if size < 8 or start + size > len(profile):
            raise Unsupported("the colour profile has no sound table of tags", where=where)
        found.setdefault(profile[row : row + 4], profile[start : start + size])
    return found


def _says(data: bytes, name: str) -> bool:
    """Say whether a description is this name: ASCII (version 2) or in its first language (version 4)."""
    if data[:4] == b"desc":
        length = int.from_bytes(data[8:12], "big")
        return data[12 : 12 + length].rstrip(b"\x00") == name.encode("ascii")
    if data[:4] == b"mluc" and len(data) >= 28:
        length, start = int.from_bytes(data[20:24], "big"), int.from_bytes(data[24:28], "big")
        return data[start : start + length] == name.encode("utf-16-be")
    return False


def _named(name: str, version: int) -> bytes:
    if version >= 4:
        return _text(name, version)
    raw = name.encode("ascii") + b"\x00"
    return b"desc" + bytes(4) + len(raw).to_bytes(4, "big") + raw + bytes(4 + 4 + 2 + 1 + 67)


def _text(text: str, version: int) -> bytes:
    if version < 4:
        return b"text" + bytes(4) + text.encode("ascii") + b"\x00"
    raw = text.encode("utf-16-be")
    head = b"mluc" + bytes(4) + (1).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"enUS"
    return head + len(raw).to_bytes(4, "big") + (28).to_bytes(4, "big") + raw


def _assemble(profile: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Write header, table and data; tags with the same data share them (7.3.1)."""
    table, body = len(tags).to_bytes(4, "big"), b""
    places: dict[bytes, int] = {}
    base = _HEADER + 4 + 12 * len(tags)
    for tag, data in tags.items():
        if data not in places:
            places[data] = base + len(body)
            body += data + bytes(-len(data) % 4)
        table += tag + places[data].to_bytes(4, "big") + len(data).to_bytes(4, "big")
    size = base + len(body)
    attributes = bytes(7) + bytes((profile[63] & 0x0F,))
    header = b"".join(
        (
            size.to_bytes(4, "big"), bytes(4), profile[8:10], bytes(2), profile[12:24], _DAY, b"acsp",
            bytes(20 - 4), attributes, profile[64:80], bytes(48),
        )
    )  # fmt: skip
    return header + table + body
