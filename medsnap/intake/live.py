"""The identifier that joins the still and the clip of a Live Photo."""

from __future__ import annotations

from medsnap.errors import MedsnapError
from medsnap.formats import bmff
from medsnap.model.rewrite import Buffer

APPLE_MAKER_NOTE = b"Apple iOS\x00\x00\x01MM"
MAKER_NOTE = 0x927C  # Exif 3.0, 4.6.6.4.1
_CONTENT_IDENTIFIER = 0x0011  # in Apple's maker note, an ASCII UUID
_KEY = b"com.apple.quicktime.content.identifier"
_MAX_ENTRIES = 256


def of_maker_note(note: bytes) -> str | None:
    """Read ContentIdentifier from Apple's maker note; offsets count from the note's first byte."""
    if not note.startswith(APPLE_MAKER_NOTE):
        return None
    count = int.from_bytes(note[14:16], "big")
    for k in range(min(count, _MAX_ENTRIES)):
        entry = note[16 + 12 * k : 28 + 12 * k]
        if len(entry) < 12:
            return None
        if int.from_bytes(entry[:2], "big") == _CONTENT_IDENTIFIER and entry[2:4] == b"\x00\x02":
            size, start = int.from_bytes(entry[4:8], "big"), int.from_bytes(entry[8:12], "big")
            return _text(note[start : start + size]) if 4 < size <= 64 else None
    return None


def of_clip(data: Buffer) -> str | None:
    """Read the content identifier from a QuickTime clip's moov/meta keys; None if there is none."""
    view = memoryview(data)
    try:
        boxes, _ = bmff.top(view)
        moov = next((b for b in boxes if b.type == b"moov"), None)
        inner = bmff.children(view, moov.body, moov.stop, "moov") if moov else ()
        meta = next((b for b in inner if b.type == b"meta"), None)
        return _of_meta(view, meta) if meta else None
    except MedsnapError:
        return None  # a damaged clip has no identifier; what becomes of the clip is decided elsewhere


def _of_meta(view: memoryview, meta: bmff.Box) -> str | None:
    # QuickTime's meta is a plain box, ISO's a full box with four more bytes.
    full = bytes(view[meta.body + 4 : meta.body + 8]) not in (b"hdlr", b"keys", b"mdta")
    boxes = bmff.children(view, meta.body + (4 if full else 0), meta.stop, "moov/meta")
    keys = next((b for b in boxes if b.type == b"keys"), None)
    values = next((b for b in boxes if b.type == b"ilst"), None)
    if keys is None or values is None:
        return None
    names = [bytes(view[k.body : k.stop]) for k in bmff.children(view, keys.body + 8, keys.stop, "keys")]
    for item in bmff.children(view, values.body, values.stop, "ilst"):
        number = int.from_bytes(item.type, "big")
        if 1 <= number <= len(names) and names[number - 1] == _KEY:
            # an item holds a `data` box: type indicator and locale (8 bytes), then the text
            return _text(bytes(view[item.body + 16 : min(item.stop, item.body + 80)]))
    return None


def _text(raw: bytes) -> str | None:
    try:
        text = raw.split(b"\x00", 1)[0].decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and text else None
