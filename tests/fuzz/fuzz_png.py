"""Any bytes as a PNG; checksums are set right too, or no mutation would get past the first chunk."""

import zlib

from medsnap.model.photo import MediaType
from tests.fuzz._target import Target, check_scrub
from tests.golden.traps import PNGS


def mended(data: bytes) -> bytes:
    """Return the file with the right CRC in every chunk that is whole."""
    out, at = [data[:8]], 8
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if stop + 4 > len(data):
            break
        out += [data[at:stop], zlib.crc32(data[at + 4 : stop]).to_bytes(4, "big")]
        at = stop + 4
    return b"".join((*out, data[at:]))


def check(data: bytes) -> None:
    """Check the file as it is, and mended."""
    better = mended(data)
    check_scrub(better, MediaType.PNG)
    if better != data:
        check_scrub(data, MediaType.PNG)


TARGET = Target(
    name="png",
    check=check,
    seeds=lambda: (build() for build in PNGS.values()),
    words=(
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT",
        b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"mDCV",
        b"cLLI", b"hIST", b"sPLT", b"caBX", b"Raw profile type exif\x00\x00", b"\x78\x9c", b"acsp",
    ),
)  # fmt: skip
