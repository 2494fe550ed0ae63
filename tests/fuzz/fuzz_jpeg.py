"""Any bytes as a JPEG."""

from medsnap.model.photo import MediaType
from tests.fuzz._target import Target, check_scrub
from tests.golden.traps import JPEGS

TARGET = Target(
    name="jpeg",
    check=lambda data: check_scrub(data, MediaType.JPEG),
    seeds=lambda: (build() for build in JPEGS.values()),
    words=(
        *(bytes((0xFF, marker)) for marker in (0xC0, 0xC2, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD)),
        *(bytes((0xFF, marker)) for marker in (0xCC, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xFF)),
        b"JFIF\x00\x01\x02", b"Exif\x00\x00", b"ICC_PROFILE\x00\x01\x01", b"Adobe\x00\x64", b"acsp",
        b"MM\x00*\x00\x00\x00\x08", b"II*\x00\x08\x00\x00\x00",
    ),
)  # fmt: skip
