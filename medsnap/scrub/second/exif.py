"""Second reader: the one Exif that a scrubbed file may hold, byte for byte (Exif 3.0, 4.6).

It takes the few values out, checks the form of each, builds what the whole must then look like, and
compares. It shares no code with the rewriter.
"""

from __future__ import annotations

import hashlib
import re
import struct
from itertools import pairwise

_MOST = 512  # bytes: no Exif of ours is longer
_MAKE, _MODEL, _TURN, _EXIF, _TAKEN, _OFFSET, _SPACE, _INTEROP = (
    0x10F, 0x110, 0x112, 0x8769, 0x9003, 0x9011, 0xA001, 0xA005,
)  # fmt: skip
_FORMS = {
    _MAKE: ("make", re.compile(rb"[\x20-\x7e]{1,64}\Z")),
    _MODEL: ("model", re.compile(rb"[\x20-\x7e]{1,64}\Z")),
    _TAKEN: (
        "time",
        re.compile(rb"[12]\d\d\d:(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d\Z"),
    ),
    _OFFSET: ("offset", re.compile(rb"[+-](0\d|1[0-4]):[0-5]\d\Z")),
}


def read(payload: bytes) -> dict[str, str] | None:
    """Return what a fresh Exif says about rendering and what is kept; None where it is anything else."""
    if not 26 <= len(payload) <= _MOST or payload[:8] != b"MM\0\x2a\0\0\0\x08":
        return None
    outer = _values(payload, 8)
    if any(len(outer.get(tag, b"1234")) != 4 for tag in (_TURN, _EXIF)):
        return None  # a number or a pointer that says to be text
    inner = _values(payload, struct.unpack(">I", outer[_EXIF])[0]) if _EXIF in outer else {}
    facts: dict[str, str] = {}
    if _TURN in outer:
        facts["orientation"] = str(outer[_TURN][1])
        if not 2 <= outer[_TURN][1] <= 8 or outer[_TURN][2:] != b"\0\0":
            return None
    if _INTEROP in inner:
        facts["colour"] = "Adobe RGB (R03)"
    kept: dict[int, bytes] = {}
    for tag, (_, form) in _FORMS.items():
        value = (outer if tag in (_MAKE, _MODEL) else inner).get(tag)
        if value is not None and not form.match(value):
            return None
        if value is not None:
            kept[tag] = value
    if payload != _expected(outer.get(_TURN, b"\0\1")[1], kept, adobe_rgb=_INTEROP in inner):
        return None
    if kept:
        facts["kept"] = ", ".join(_FORMS[tag][0] for tag in kept) + " " + hashlib.sha256(payload).hexdigest()
    return facts


def _values(payload: bytes, at: int) -> dict[int, bytes]:
    """Take the values of one directory out, as far as they can be read; what is wrong shows later."""
    found: dict[int, bytes] = {}
    count = int.from_bytes(payload[at : at + 2], "big")
    for place in range(at + 2, min(at + 2 + 12 * count, len(payload) - 11), 12):
        tag, kind, length, field = struct.unpack_from(">HHI4s", payload, place)
        if kind != 2:
            found[tag] = field
            continue
        where = int.from_bytes(field, "big")
        text = field[:length] if length <= 4 else payload[where : where + min(length, _MOST)]
        found[tag] = text[:-1]  # without its NUL, which the comparison checks
    return found


def _expected(turn: int, kept: dict[int, bytes], *, adobe_rgb: bool) -> bytes:
    """Build the only bytes that may say this: directories in their order, texts behind their directory."""
    first: list[tuple[int, bytes | int | None]] = [(t, kept[t]) for t in (_MAKE, _MODEL) if t in kept]
    second: list[tuple[int, bytes | int | None]] = [(t, kept[t]) for t in (_TAKEN, _OFFSET) if t in kept]
    if turn != 1:
        first.append((_TURN, turn))
    if adobe_rgb:
        second += [(_SPACE, 0xFFFF), (_INTEROP, None)]
    if second:
        first.append((_EXIF, None))
    starts = [8]
    for rows in (first, second):
        texts = [v for _, v in rows if isinstance(v, bytes)]
        texts_size = sum((len(v) + 2) // 2 * 2 for v in texts if len(v) > 3)
        starts.append(starts[-1] + (2 + 12 * len(rows) + 4 + texts_size if rows else 0))
    whole = b"MM\0*" + struct.pack(">I", 8)
    for rows, (start, following) in zip((first, second), pairwise(starts), strict=True):
        whole += _rows(rows, start, following) if rows else b""
    return whole + (struct.pack(">HHHI4sI", 1, 1, 2, 4, b"R03", 0) if adobe_rgb else b"")


def _rows(rows: list[tuple[int, bytes | int | None]], start: int, following: int) -> bytes:
    """Build one directory that starts at `start`; a pointer leads to `following`."""
    table, texts = struct.pack(">H", len(rows)), b""
    behind = start + 2 + 12 * len(rows) + 4
    for tag, value in rows:
        match value:
            case None:
                table += struct.pack(">HHII", tag, 4, 1, following)
            case int():
                table += struct.pack(">HHIHH", tag, 3, 1, value, 0)
            case _ if len(value) <= 3:
                table += struct.pack(">HHI4s", tag, 2, len(value) + 1, value)
            case _:
                table += struct.pack(">HHII", tag, 2, len(value) + 1, behind + len(texts))
                texts += struct.pack(f"{(len(value) + 2) // 2 * 2}s", value)
    return table + struct.pack(">I", 0) + texts
