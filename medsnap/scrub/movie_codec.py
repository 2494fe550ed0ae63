"""What a decoder must be told, box by box, each in one canonical form; free text has no place in it.

Allow-list of the boxes inside a sample entry. `canonical` gives the form that is written, None where
the box only describes (cut), and refuses what may be needed and is not known.
"""

from __future__ import annotations

from collections.abc import Callable

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Cursor, box_at
from medsnap.scrub import heif_coded, icc
from medsnap.scrub.heif_write import box
from medsnap.scrub.movie_esds import esds

# Boxes of one length whose every bit is about rendering (14496-12, 14496-15, QTFF, Dolby Vision, VP9).
FIXED = {
    b"pasp": 8, b"clap": 32, b"btrt": 12, b"fiel": 2, b"gama": 4, b"clli": 4, b"mdcv": 24, b"amve": 8,
    b"hfov": 4, b"dvcC": 24, b"dvvC": 24, b"dvwC": 24, b"ccst": 8, b"SmDm": 28, b"CoLL": 8, b"st3d": 5,
    b"dac3": 3, b"enda": 2, b"vpcC": 12, b"frma": 4, b"cbmp": 12,
}  # fmt: skip

# Boxes that describe the recording, not the rendering.
CUT = frozenset((b"free", b"skip", b"wide", b"uuid", b"udta", b"meta", b"strf", b"name", b"sgpd", b"load"))

Writer = Callable[[bytes, str], bytes]


def canonical(kind: bytes, payload: bytes, where: str) -> bytes | None:
    """Return the payload that is written, or None. Raises Malformed, Unsupported."""
    if kind in CUT:
        return None
    if kind in FIXED:
        if len(payload) < FIXED[kind]:
            raise Malformed("a box about the coding is too short", where=where)
        return payload[: FIXED[kind]]
    writer = _WRITERS.get(kind)
    if writer is None:
        raise Unsupported("a box about the coding that medsnap does not know", where=where)
    return writer(payload, where)


def colour(payload: bytes, where: str) -> bytes | None:
    """Return the colour information: codes, or an ICC profile, or None for a kind nobody reads (12.1.5)."""
    size = {b"nclx": 11, b"nclc": 10}.get(payload[:4], 0)
    if size:
        if len(payload) < size:
            raise Malformed("colour codes are too short", where=where)
        return payload[:10] + bytes((payload[10] & 0x80,)) if size == 11 else payload[:10]
    if payload[:4] in (b"prof", b"rICC"):
        return payload if icc.usable(payload[4:]) else None
    return None


def _avcc(payload: bytes, where: str) -> bytes:
    """Rewrite an AVC configuration: parameter sets and nothing else (14496-15, 5.3.3)."""
    fields = Cursor(memoryview(payload), 0, len(payload), where)
    head = bytes(fields.take(5))
    if head[0] != 1 or head[4] & 3 == 2:
        raise Unsupported("an AVC configuration of an unknown version", where=where)
    out = head
    first = fields.uint(1)
    out += bytes((first,)) + _sets(fields, first & 31, 7)
    second = fields.uint(1)
    out += bytes((second,)) + _sets(fields, second, 8)
    if head[1] in (100, 110, 122, 144) and fields.left >= 4:  # some writers leave the extension out
        tail = bytes(fields.take(4))
        out += tail + _sets(fields, tail[3], 13)
    return out


def _sets(fields: Cursor, count: int, kind: int) -> bytes:
    out = b""
    for _ in range(count):
        unit = bytes(fields.take(fields.uint(2)))
        if len(unit) < 2 or unit[0] & 31 != kind:
            raise Malformed("a parameter set is of another type than its list", where=fields.where)
        out += len(unit).to_bytes(2, "big") + unit
    return out


def _lhvc(payload: bytes, where: str) -> bytes:
    """Rewrite the configuration of a second layer (14496-15, 9.5.3): stereo video of newer phones."""
    if len(payload) < 6 or payload[0] != 1:
        raise Unsupported("a layered configuration of an unknown version", where=where)
    # the same lists as hvcC behind a shorter head: borrow its reader
    as_hvcc = b"\1" + bytes(20) + payload[4:5] + payload[5:]
    return payload[:5] + heif_coded.clean_hvcc(as_hvcc, where)[22:]


def _opus(payload: bytes, where: str) -> bytes:
    """Cut an Opus configuration to its length (Opus in ISOBMFF, 4.3.2)."""
    size = 11 + (2 + payload[1] if len(payload) > 10 and payload[10] else 0)
    if len(payload) < size or payload[0]:
        raise Malformed("an Opus configuration does not fit", where=where)
    return payload[:size]


def _flac(payload: bytes, where: str) -> bytes:
    """Keep the stream information of FLAC; comments and pictures go (FLAC in ISOBMFF, 3.3.2)."""
    if len(payload) < 42 or payload[4] & 0x7F or payload[5:8] != b"\0\0\x22":
        raise Malformed("a FLAC configuration does not begin with its stream information", where=where)
    return bytes(4) + b"\x80" + payload[5:42]


def _alac(payload: bytes, where: str) -> bytes:
    if len(payload) not in (4, 28, 52):  # 4: the empty entry that stands inside `wave`
        raise Malformed("an ALAC configuration of an odd length", where=where)
    return payload


def _empty_entry(payload: bytes, where: str) -> bytes:
    """Write the entry inside `wave` that repeats the coding's name: zero bytes (QTFF, sound)."""
    if len(payload) < 4:
        raise Malformed("the entry inside a setup of sound is too short", where=where)
    return bytes(4)


def _eac3(payload: bytes, where: str) -> bytes:
    """Cut an E-AC-3 configuration to its substreams (ETSI TS 102 366, F.6)."""
    if len(payload) < 5:
        raise Malformed("an E-AC-3 configuration is too short", where=where)
    at = 2
    for _ in range((payload[1] & 7) + 1):
        if at + 3 > len(payload):
            raise Malformed("an E-AC-3 configuration does not fit", where=where)
        at += 4 if payload[at + 2] >> 1 & 15 else 3
    joined = at + 2 if at + 2 <= len(payload) and payload[at] == 1 else at  # flag and index of joint objects
    return payload[:joined]


def _chan(payload: bytes, where: str) -> bytes:
    """Cut a channel layout to its descriptions (QTFF, chan)."""
    count = int.from_bytes(payload[12:16], "big")
    if len(payload) < 16 or count > 128 or len(payload) < 16 + 20 * count:
        raise Malformed("a channel layout does not fit", where=where)
    return bytes(4) + payload[4 : 16 + 20 * count]


def _amr(payload: bytes, where: str) -> bytes:
    """AMR: the vendor code in front goes (3GPP TS 26.244, 6.7)."""
    if len(payload) < 9:
        raise Malformed("an AMR configuration is too short", where=where)
    return bytes(4) + payload[4:9]


def _h263(payload: bytes, where: str) -> bytes:
    """H.263: the vendor code in front goes (3GPP TS 26.244, 6.8)."""
    if len(payload) < 7:
        raise Malformed("an H.263 configuration is too short", where=where)
    return bytes(4) + payload[4:7]


# Stereo video: which boxes may nest, and the few bytes each leaf has (Apple, stereo video in ISOBMFF).
STEREO = {
    b"eyes": -1, b"cams": -1, b"cmfy": -1, b"proj": -1, b"pack": -1,
    b"stri": 5, b"hero": 5, b"blin": 8, b"dadj": 8, b"prji": 8, b"pkin": 8, b"must": -2,
}  # fmt: skip


def _vexu(payload: bytes, where: str) -> bytes:
    """Keep what says how two eyes are packed; unknown boxes go."""
    return _nested(memoryview(payload), where, depth=3)


def _nested(view: memoryview, where: str, depth: int) -> bytes:
    out, at = b"", 0
    while at < len(view):
        inner = box_at(view, at, len(view), to_end=False)
        if inner is None:
            raise Malformed("a box about stereo does not fit", where=where)
        size = STEREO.get(inner.type, -2)
        body = view[inner.body : inner.stop]
        if size == -1 and depth:
            out += box(inner.type, _nested(body, where, depth - 1))
        elif size >= 0 and len(body) >= size:
            out += box(inner.type, bytes(body[:size]))
        at = inner.stop
    return out


_WRITERS: dict[bytes, Writer] = {
    b"avcC": _avcc, b"hvcC": heif_coded.clean_hvcc, b"lhvC": _lhvc, b"av1C": heif_coded.clean_av1c,
    b"esds": esds, b"dOps": _opus, b"dfLa": _flac, b"alac": _alac, b"dec3": _eac3, b"chan": _chan,
    b"damr": _amr, b"d263": _h263, b"vexu": _vexu, b"mp4a": _empty_entry,
}  # fmt: skip
