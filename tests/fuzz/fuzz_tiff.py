"""Any bytes as a TIFF or a DNG."""

from medsnap.model.photo import MediaType
from tests.fuzz._target import Target, check_scrub
from tests.golden.traps import DNGS, TIFFS


def check(data: bytes) -> None:
    """Take the file as both: what is not a DNG is soon refused as one."""
    check_scrub(data, MediaType.TIFF)
    check_scrub(data, MediaType.DNG)


_TAGS = (
    *(254, 255, 256, 257, 258, 259, 262, 266, 270, 271, 273, 274, 277, 278, 279, 284, 285, 317, 320, 322),
    *(323, 324, 325, 330, 338, 339, 347, 512, 513, 529, 530, 531, 532, 700, 33723, 34377, 34665, 34675),
    *(34853, 50706, 50708, 50721, 50740, 51008, 51022),
)
TARGET = Target(
    name="tiff",
    check=check,
    seeds=lambda: (build() for build in (*TIFFS.values(), *DNGS.values())),
    words=(
        b"II*\x00", b"MM\x00*", b"II+\x00\x08\x00\x00\x00", b"MM\x00+\x00\x08\x00\x00",
        *(tag.to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00" for tag in _TAGS),
        *(tag.to_bytes(2, "little") + b"\x04\x00" for tag in _TAGS),
    ),
)  # fmt: skip
