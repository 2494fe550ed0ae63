"""TIFFs, BigTIFFs and DNGs with every trap: what is added holds SECRET."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.builders.jpeg import SECRET

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
Numbers = Sequence[int]


@dataclass
class Ifd:
    """One directory: tags as (type, numbers or bytes); strips or tiles, and directories below a tag."""

    tags: Mapping[int, tuple[int, Numbers | bytes]]
    strips: Sequence[bytes] = ()
    tiled: bool = False
    below: Mapping[int, Sequence[Ifd]] = field(default_factory=dict)
    gap: bytes = b""  # bytes between the strips that nothing names


def picture(
    width: int = 8,
    height: int = 6,
    *,
    channels: int = 3,
    rows: int | None = None,
    compression: int = 1,
    extra: Mapping[int, tuple[int, Numbers | bytes]] | None = None,
    below: Mapping[int, Sequence[Ifd]] | None = None,
    seed: int = 1,
    tail: bytes = b"",
    gap: bytes = b"",
) -> Ifd:
    """A directory with an RGB or grey gradient in strips; `tail` follows each strip within its count."""
    rows = rows or height
    raw = [bytes((seed * 37 + x * 11 + y * 5) % 256 for x in range(width * channels)) for y in range(height)]
    parts = [b"".join(raw[at : at + rows]) for at in range(0, height, rows)]
    tags: dict[int, tuple[int, Numbers | bytes]] = {
        256: (3, (width,)),
        257: (3, (height,)),
        258: (3, (8,) * channels),
        259: (3, (compression,)),
        262: (3, (2 if channels == 3 else 1,)),
        277: (3, (channels,)),
        278: (3, (rows,)),
        **(extra or {}),
    }
    strips = [encode(part, compression) + tail for part in parts]
    return Ifd(tags, strips, below=below or {}, gap=gap)


def encode(part: bytes, compression: int) -> bytes:
    """Compress a strip: none, deflate, PackBits or LZW (each code a literal, cleared in time)."""
    match compression:
        case 8:
            return zlib.compress(part)
        case 32773:
            pieces = (part[at : at + 128] for at in range(0, len(part), 128))
            return b"".join(bytes((len(p) - 1,)) + p for p in pieces)
        case 5:
            return lzw(part)
    return part


def lzw(part: bytes, *, end: bool = True) -> bytes:
    """Encode as LZW literals of 9 bits, with a clear code before the codes would widen."""
    codes: list[int] = []
    for at in range(0, len(part), 200):
        codes += [256, *part[at : at + 200]]
    codes += [257] * end
    bits = "".join(f"{code:09b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def file(*chain: Ifd, little: bool = True, big: bool = False, tail: bytes = b"") -> bytes:
    """A whole file: strips first, values and directories behind them, `tail` at the end."""
    return _Writer(little, big).file(chain) + tail


class _Writer:
    def __init__(self, little: bool, big: bool) -> None:
        self.order = "little" if little else "big"
        self.big = big
        self.word = 8 if big else 4
        mark = b"II" if little else b"MM"
        extra = self.n(8, 2) + bytes(2) if big else b""
        self.out = bytearray(mark + self.n(43 if big else 42, 2) + extra + bytes(self.word))

    def n(self, value: int, size: int) -> bytes:
        return value.to_bytes(size, self.order, signed=value < 0)

    def file(self, chain: Sequence[Ifd]) -> bytes:
        link = len(self.out) - self.word
        for ifd in chain:
            at, behind = self.ifd(ifd)
            self.out[link : link + self.word] = self.n(at, self.word)
            link = behind
        return bytes(self.out)

    def place(self, data: bytes) -> int:
        self.out += bytes(len(self.out) & 1)
        at = len(self.out)
        self.out += data
        return at

    def ifd(self, ifd: Ifd) -> tuple[int, int]:
        """Write a directory; return its offset and where its link to the next one lies."""
        tags = dict(ifd.tags)
        if ifd.strips:
            offsets = []
            for strip in ifd.strips:
                offsets.append(self.place(strip))
                self.out += ifd.gap
            one, two = (324, 325) if ifd.tiled else (273, 279)
            kind = 16 if self.big else 4
            tags.setdefault(one, (kind, offsets))
            tags.setdefault(two, (kind, [len(s) for s in ifd.strips]))
        for tag, directories in ifd.below.items():
            tags[tag] = (4, [self.ifd(d)[0] for d in directories])
        entries = b""
        for tag in sorted(tags):
            kind, value = tags[tag]
            size = _SIZES.get(kind, 1)
            raw = value if isinstance(value, bytes) else self.numbers(value, kind)
            count = len(raw) // size
            data = (
                raw.ljust(self.word, b"\0") if len(raw) <= self.word else self.n(self.place(raw), self.word)
            )
            entries += self.n(tag, 2) + self.n(kind, 2) + self.n(count, self.word) + data
        count = len(entries) // (20 if self.big else 12)
        at = self.place(self.n(count, 8 if self.big else 2) + entries + bytes(self.word))
        return at, len(self.out) - self.word

    def numbers(self, values: Numbers, kind: int) -> bytes:
        size = _SIZES[kind] // (2 if kind in (5, 10) else 1)
        return b"".join(self.n(v, size) for v in values)


EXIF = Ifd(
    {
        0x9003: (2, b"2024:05:06 07:08:09\0"),
        0x927C: (7, b"MAKER\0" + SECRET * 4),
        0xA431: (2, SECRET + b"\0"),
    }
)
GPS = Ifd({0: (1, b"\2\3\0\0"), 1: (2, b"N\0"), 2: (5, (48, 1, 8, 1, 33, 1)), 0x1B: (7, SECRET)})
NOISY: dict[int, tuple[int, Numbers | bytes]] = {
    270: (2, SECRET + b"\0"),
    271: (2, b"Maker " + SECRET + b"\0"),
    306: (2, b"2024:05:06 07:08:09\0"),
    700: (1, b"<x:xmpmeta exif:GPSLatitude='1'>" + SECRET),
    33723: (7, b"\x1c\x02\x50" + SECRET),
    34377: (1, b"8BIM\x04\x04" + SECRET),
    37724: (7, b"Adobe Photoshop Document Data Block\0" + SECRET),
    42112: (2, b"<GDALMetadata>" + SECRET + b"\0"),
    50341: (7, b"PrintIM\0" + SECRET),
    65000: (2, SECRET + b"\0"),
}


def lossless(*, application: bytes = b"", frame: int = 0xC3, tail: bytes = b"") -> bytes:
    """A lossless JPEG of 8 x 6 equal samples, 12 bits: every difference is nought and takes one bit."""
    head = bytes.fromhex("ffd8") + application
    start = b"\xff" + bytes((frame,)) + bytes.fromhex("000b 0c 0006 0008 01 00 11 00")
    table = bytes.fromhex("ffc4 0014 00 01" + "00" * 15 + "00")
    scan = bytes.fromhex("ffda 0008 01 00 00 01 00 00") + bytes(6)
    return head + start + table + scan + b"\xff\xd9" + tail


CAMERA: dict[int, tuple[int, Numbers | bytes]] = {
    274: (3, (6,)),
    50706: (1, (1, 4, 0, 0)),
    50707: (1, (1, 1, 0, 0)),
    50708: (2, b"Phone X1\0"),
    50721: (10, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
    50728: (5, (1, 2, 1, 1, 1, 2)),
    50778: (3, (21,)),
}
OPCODES = bytes.fromhex("00000001 00000003 01030000 00000000 00000004 0badcafe")


def raw(
    *, compression: int = 1, extra: Mapping[int, tuple[int, Numbers | bytes]] | None = None, tail: bytes = b""
) -> Ifd:
    """The directory of a raw picture of 8 x 6 with a Bayer pattern, 16 bits."""
    samples = b"".join(((k * 523) & 0xFFF).to_bytes(2, "little") for k in range(48))
    tags: dict[int, tuple[int, Numbers | bytes]] = {
        254: (4, (0,)),
        256: (4, (8,)),
        257: (4, (6,)),
        258: (3, (16,)),
        259: (3, (compression,)),
        262: (3, (32803,)),
        277: (3, (1,)),
        278: (3, (6,)),
        33421: (3, (2, 2)),
        33422: (1, (0, 1, 1, 2)),
        50714: (3, (64,)),
        50717: (3, (4095,)),
        51009: (7, OPCODES),
        **(extra or {}),
    }
    return Ifd(tags, [(lossless() if compression == 7 else encode(samples, compression)) + tail])


def dng(
    *below: Ifd,
    extra: Mapping[int, tuple[int, Numbers | bytes]] | None = None,
    little: bool = True,
) -> bytes:
    """A DNG as phones write it: a preview in the first directory, the pictures below it, and every leak."""
    leaks: dict[int, tuple[int, Numbers | bytes]] = {
        254: (4, (1,)),
        50735: (2, SECRET + b"\0"),
        50740: (1, b"Adobe\0MakN" + SECRET),
        50827: (2, SECRET + b".CR2\0"),
        50936: (2, SECRET + b"\0"),
    }
    first = picture(
        extra={**NOISY, **CAMERA, **leaks, **(extra or {})}, below={330: below or (raw(),), 34665: (EXIF,)}
    )
    return file(first, little=little)
