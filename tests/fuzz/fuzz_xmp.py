"""Any bytes as an XMP packet and as the text chunks of a PNG."""

import zlib

from medsnap.formats import embedded
from medsnap.model.photo import MediaType
from medsnap.scrub import exif
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import small as s
from tests.builders import webp as w
from tests.fuzz._target import Target, check_scrub

_HEAD = b"http://ns.adobe.com/xap/1.0/\x00"


def check(data: bytes) -> None:
    """Reading says something and never fails; the copies hold none of it."""
    assert exif.xmp_reveals(data)
    embedded.inflate(data)
    if len(data) < 65_000:
        one = j.after_soi(s.jpeg(), j.segment(0xE1, _HEAD + data))
        assert embedded.xmp(one, MediaType.JPEG) == data
        check_scrub(one, MediaType.JPEG)
    check_scrub(w.riff(w.extended(4, 1, 1), s.VP8, w.chunk(b"XMP ", data)), MediaType.WEBP)
    for kind in (b"iTXt", b"zTXt", b"tEXt"):
        file = s.png(p.chunk(kind, data))
        embedded.exif(file, MediaType.PNG)
        embedded.xmp(file, MediaType.PNG)
        check_scrub(file, MediaType.PNG)


TARGET = Target(
    name="xmp",
    check=check,
    seeds=lambda: (
        b"<?xpacket?><x:xmpmeta exif:GPSLatitude='1' dc:creator='a'/>",
        b"XML:com.adobe.xmp\x00\x00\x00\x00\x00<x:xmpmeta/>",
        b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(b"<x:xmpmeta/>"),
        p.raw_profile(6)[8:-4],
        zlib.compress(bytes(1000)),
    ),
    words=(
        b"XML:com.adobe.xmp\x00",
        b"Raw profile type exif\x00\x00",
        b"\nexif\n",
        b"\x78\x9c",
        b"GPS",
        b"dc:",
    ),
)
