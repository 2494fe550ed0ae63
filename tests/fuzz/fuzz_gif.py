"""Any bytes as a GIF."""

from medsnap.model.photo import MediaType
from tests.builders import gif as g
from tests.fuzz._target import Target, check_scrub
from tests.golden.traps import GIFS

TARGET = Target(
    name="gif",
    check=lambda data: check_scrub(data, MediaType.GIF),
    seeds=lambda: (build() for build in GIFS.values()),
    words=(
        b"GIF87a", b"GIF89a", b"\x21\xf9\x04", b"\x21\xfe", b"\x21\x01\x0c", b"\x21\xff\x0bNETSCAPE2.0",
        b"\x21\xff\x0bXMP DataXMP", b"\x21\xff\x0bICCRGBG1012", b"\x2c\x00\x00\x00\x00", b"\x3b", g.LOOP,
        b"\x00\x3b", b"\x02\x02\x44\x01\x00",
    ),
)  # fmt: skip
