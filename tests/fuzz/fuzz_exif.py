"""Any bytes as an Exif payload: alone, and within a JPEG, a PNG and a WebP; also with all that may stay."""

from medsnap.formats import tiff
from medsnap.model.photo import MediaType
from medsnap.scrub import ScrubKeep, exif
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import small as s
from tests.builders import webp as w
from tests.fuzz._target import Target, check_scrub
from tests.golden.traps import phone_exif

_ALL = ScrubKeep(captured_at="keep", device="keep")


def check(data: bytes) -> None:
    """The reader never fails; whatever it read, the copies hold only what was written anew."""
    found = tiff.read(data)
    assert 1 <= found.orientation <= 8
    assert exif.reveals(data)
    if len(data) < 65_000:
        one = j.after_soi(s.jpeg(), j.segment(0xE1, b"Exif\x00\x00" + data))
        check_scrub(one, MediaType.JPEG)
        check_scrub(one, MediaType.JPEG, _ALL)
    check_scrub(s.png(p.chunk(b"eXIf", data)), MediaType.PNG, _ALL)
    check_scrub(w.riff(w.extended(8, 1, 1), s.VP8, w.chunk(b"EXIF", data)), MediaType.WEBP, _ALL)


TARGET = Target(
    name="exif",
    check=check,
    seeds=lambda: (
        phone_exif()[10:], j.exif(3, little=True)[10:], j.adobe_rgb(6)[10:], b"MM\x00+" + bytes(12),
    ),
    words=(
        b"MM\x00*\x00\x00\x00\x08", b"II*\x00\x08\x00\x00\x00", b"\x01\x12\x00\x03", b"\x87\x69\x00\x04",
        b"\x88\x25\x00\x04", b"\xa0\x05\x00\x04", b"\x90\x03\x00\x02", b"\x01\x0f\x00\x02", b"R03\x00",
        b"\x92\x7c\x00\x07", b"2025:03:04 05:06:07\x00",
    ),
)  # fmt: skip
