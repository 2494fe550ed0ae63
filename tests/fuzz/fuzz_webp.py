"""Any bytes as a WebP."""

from medsnap.model.photo import MediaType
from tests.fuzz._target import Target, check_scrub
from tests.golden.traps import WEBPS

TARGET = Target(
    name="webp",
    check=lambda data: check_scrub(data, MediaType.WEBP),
    seeds=lambda: (build() for build in WEBPS.values()),
    words=(b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "),
)
