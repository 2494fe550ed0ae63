"""Second reader of movies: what a sample entry may say of its coding, and not a byte more."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from medsnap.scrub.second.heif_pictures import ALPHA_NAMES
from medsnap.scrub.second.heif_streams import check_av1c, check_hvcc
from medsnap.scrub.second.heif_tables import Eater
from medsnap.scrub.second.movie_boxes import following

VISUAL = {
    "avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "dva1", "dvav", "av01", "vp08", "vp09", "mp4v", "s263",
    "h263", "H263", "jpeg", "apch", "apcn", "apcs", "apco", "ap4h", "ap4x",
}  # fmt: skip
PLAIN_SOUND = {"sowt": 0, "twos": 0, "raw ": 0, "lpcm": 0, "in24": 3, "in32": 4, "fl32": 4, "fl64": 8,
               "ulaw": 1, "alaw": 1}  # fmt: skip
SOUND = set(PLAIN_SOUND) | {"mp4a", "Opus", "fLaC", "alac", "ac-3", "ec-3", "samr", "sawb", ".mp3"}
LENGTHS = {"pasp": 8, "clap": 32, "btrt": 12, "fiel": 2, "gama": 4, "clli": 4, "mdcv": 24, "amve": 8,
           "hfov": 4, "dvcC": 24, "dvvC": 24, "dvwC": 24, "ccst": 8, "SmDm": 28, "CoLL": 8, "st3d": 5,
           "dac3": 3, "enda": 2, "vpcC": 12, "cbmp": 12}  # fmt: skip


@dataclass(slots=True)
class Coding:
    """One accepted sample entry."""

    name: str
    extent: tuple[int, int] = (0, 0)
    frame: int = 0  # bytes of a frame of uncompressed sound
    profile: bytes = b""
    shown: list[str] = field(default_factory=list)  # codes of colour, pixel shape, crop


def eat_entry(entry: Eater, name: str, *, sound: bool, version: int) -> Coding:
    """Eat a sample entry. Raises NotClean."""
    if name not in (SOUND if sound else VISUAL):
        raise entry.fail("a coding that is not known")
    entry.exactly(bytes(6) + b"\0\1")
    found = Coding(name)
    if sound:
        _sound(entry, found, version)
    else:
        entry.exactly(bytes(16))
        found.extent = entry.number(2), entry.number(2)
        entry.exactly(b"\0\x48\0\0\0\x48\0\0\0\0\0\0\0\1" + bytes(32))
        entry.take(2)
        entry.exactly(b"\xff\xff")
    seen: set[str] = set()
    while entry.at < entry.end:
        kind, body = entry.box()
        value = body.take(body.end - body.at)
        if kind in seen or not accepted(kind, value):
            raise body.fail("a box about the coding that is unknown, repeated or too long")
        seen.add(kind)
        if kind == "colr" and value[:4] in (b"prof", b"rICC"):
            found.profile = value[4:]
        elif kind == "colr":
            codes = "{}/{}/{}".format(*struct.unpack(">HHH", value[4:10]))
            found.shown.append(codes + (" full" if len(value) == 11 and value[10] else ""))
        elif kind in ("pasp", "clap"):
            found.shown.append(value.hex())
    return found


def _sound(entry: Eater, found: Coding, version: int) -> None:
    layout = entry.number(2)
    entry.exactly(bytes(6))
    channels, bits = entry.number(2), entry.number(2)
    entry.take(8)
    if layout > 2:
        raise entry.fail("a sound entry of another layout")
    per_packet = 0
    if layout == 1 and version == 0:
        entry.take(16)
    elif layout == 2 and version == 0:
        entry.exactly(b"\0\0\0\x48")
        entry.take(12)
        entry.exactly(b"\x7f\0\0\0")
        entry.take(8)
        per_packet = entry.number(4)
        if entry.number(4) != 1 and found.name in PLAIN_SOUND:
            raise entry.fail("uncompressed sound in long packets")
    if found.name in PLAIN_SOUND:
        found.frame = per_packet or channels * (PLAIN_SOUND[found.name] or -(-bits // 8))


def accepted(kind: str, value: bytes) -> bool:
    """Say whether a box about the coding has the one form that is written."""
    if kind in LENGTHS:
        return len(value) == LENGTHS[kind]
    check = CHECKS.get(kind)
    return check is not None and check(value)


def _colour(value: bytes) -> bool:
    if value[:4] == b"nclc":
        return len(value) == 10
    if value[:4] == b"nclx":
        return len(value) == 11 and value[10] in (0, 0x80)
    stated = int.from_bytes(value[4:8], "big")
    surplus = len(value) - 4 - stated
    marked = value[:4] in (b"prof", b"rICC") and value[40:44] == b"acsp"
    return marked and 0 <= surplus <= 3 and not any(value[4 + stated :])


def _avc(value: bytes) -> bool:
    """14496-15, 5.3.3.1: sequence and picture parameter sets, then the extension of high profiles."""
    if len(value) < 7 or value[0] != 1:
        return False
    at = _units(value, 6, value[5] & 31, 7)
    if 0 < at < len(value):
        at = _units(value, at + 1, value[at], 8)
    else:
        return False
    if at != len(value) and value[1] in (100, 110, 122, 144) and at > 0:
        at = _units(value, at + 4, value[at + 3], 13) if at + 4 <= len(value) else -1
    return at == len(value)


def _units(value: bytes, at: int, count: int, kind: int) -> int:
    """Step over `count` units of a kind; -1 where they do not fit."""
    for _ in range(count):
        size = int.from_bytes(value[at : at + 2], "big")
        if size < 2 or at + 2 + size > len(value) or value[at + 2] % 32 != kind:
            return -1
        at += 2 + size
    return at


def _layers(value: bytes) -> bool:
    return len(value) >= 6 and value[0] == 1 and check_hvcc(b"\1" + bytes(20) + value[4:])


def _stream(value: bytes) -> bool:
    """Accept one form of esds only (14496-1, 7.2.6): stream 0, one decoder, one setup, SL for files."""
    if value[:4] != bytes(4) or len(value) < 4:
        return False
    outer = _descriptor(value[4:], 3)
    if outer is None or outer[1] or outer[0][:3] != bytes(3):
        return False
    config = _descriptor(outer[0][3:], 4)
    if config is None or config[1] != b"\6\1\2" or len(config[0]) < 13:
        return False
    rest = config[0][13:]
    if not rest:
        return True
    setup = _descriptor(rest, 5)
    if setup is None or setup[1] or len(setup[0]) > 1024:
        return False
    visual = config[0][0] == 0x20 or 0x60 <= config[0][0] <= 0x65 or config[0][0] == 0x6A
    return not (visual and b"\0\0\1\xb2" in setup[0])


def _descriptor(value: bytes, tag: int) -> tuple[bytes, bytes] | None:
    """Open a descriptor with the shortest length: its body, and what follows."""
    if not value or value[0] != tag:
        return None
    size, at = 0, 1
    while at < min(len(value), 5):
        size, at = size * 128 + value[at] % 128, at + 1
        if value[at - 1] < 128:
            break
    if at + size > len(value) or (at > 2 and value[1] == 128):
        return None
    return value[at : at + size], value[at + size :]


def _opus(value: bytes) -> bool:
    mapped = len(value) > 11 and bool(value[10])
    return value[:1] == b"\0" and len(value) == (13 + value[1] if mapped else 11)


def _surround(value: bytes) -> bool:
    """ETSI TS 102 366, F.6: 3 bytes for each substream, a fourth where others depend on it."""
    at = 2
    for _ in range((value[1] & 7) + 1 if len(value) > 4 else 99):
        if at + 3 > len(value):
            return False
        at += 4 if value[at + 2] & 0x1E else 3
    return at == len(value) or (at + 2 == len(value) and value[at] == 1)


def _layout(value: bytes) -> bool:
    return value[:4] == bytes(4) and len(value) == 16 + 20 * int.from_bytes(value[12:16], "big")


def _wave(value: bytes) -> bool:
    """QTFF: the name of the coding, its empty entry, its setup, and a terminator."""
    lengths = {"frma": 4, "mp4a": 4, "enda": 2}
    eater = Eater(memoryview(value), 0, len(value), "wave")
    while eater.end - eater.at > 8:
        kind, body = eater.box()
        inner = body.take(body.end - body.at)
        fits = len(inner) == lengths[kind] if kind in lengths else kind in {"esds", "alac", "chan"}
        if not fits or (kind not in lengths and not accepted(kind, inner)):
            return False
        if kind == "mp4a" and any(inner):
            return False
    return value[-8:] == b"\0\0\0\x08" + bytes(4)


_STEREO = {"stri": 5, "hero": 5, "blin": 8, "dadj": 8, "prji": 8, "pkin": 8}


def _eyes(value: bytes, depth: int = 4) -> bool:
    """Apple's stereo video: boxes in boxes with leaves of a few bytes."""
    eater = Eater(memoryview(value), 0, len(value), "vexu")
    while eater.at < eater.end:
        kind = following(eater)
        _, body = eater.box()
        inner = body.take(body.end - body.at)
        if kind in {"eyes", "cams", "cmfy", "proj", "pack"}:
            if not depth or not _eyes(inner, depth - 1):
                return False
        elif len(inner) != _STEREO.get(kind, -1):
            return False
    return True


CHECKS: dict[str, Callable[[bytes], bool]] = {
    "avcC": _avc, "hvcC": check_hvcc, "lhvC": _layers, "av1C": check_av1c, "colr": _colour, "esds": _stream,
    "dOps": _opus, "dec3": _surround, "chan": _layout, "wave": _wave, "vexu": _eyes,
    "dfLa": lambda v: len(v) == 42 and v[:8] == b"\0\0\0\0\x80\0\0\x22",
    "alac": lambda v: len(v) in (4, 28, 52),
    "damr": lambda v: len(v) == 9 and not any(v[:4]),
    "d263": lambda v: len(v) == 7 and not any(v[:4]),
    "auxi": lambda v: v[:4] == bytes(4) and v[4:] in ALPHA_NAMES,
}  # fmt: skip
