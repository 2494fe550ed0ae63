"""A made-up dump of a phone for benchmarks: JPEGs and HEICs of 12 MP with all that phones write.

The pictures are noise at three scales under made light, so that the coded scans are as long as a
phone's and full of FF bytes; nothing comes from a real photo. The same seed gives the same dump.
"""

# ruff: noqa: PLC0415 - only what a run needs is imported, and medsnap's own start is measured
from __future__ import annotations

import io
import os
import random
from pathlib import Path

WIDTH, HEIGHT = 4032, 3024
_PHONES = (
    (b"Apple", b"iPhone 14"),
    (b"samsung", b"SM-S911B"),
    (b"Google", b"Pixel 7"),
    (b"Xiaomi", b"2201123G"),
)
_XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:Description xmp:CreateDate="2025-03-04T05:06:{seconds:02}" exif:GPSLatitude="{place:.5f}" '
    'dc:creator="Dr Example {number}"{clip}/></x:xmpmeta>{space}<?xpacket end="w"?>'
)


def scan(seed: int, quality: int = 90) -> tuple[bytes, bytes]:
    """Encode one picture; return it and its thumbnail, both as bare JPEGs."""
    from PIL import Image, ImageChops

    dice = random.Random(seed)
    light = Image.frombytes("RGB", (16, 12), dice.randbytes(16 * 12 * 3)).resize((WIDTH, HEIGHT), 3)
    shapes = _noise(dice, 16).resize((WIDTH, HEIGHT), 3)
    grain = _noise(dice, 2).resize((WIDTH, HEIGHT), 2).point(lambda v: 116 + v * 24 // 256)
    sensor = _noise(dice, 1).point(lambda v: 122 + v * 11 // 256)
    picture = Image.blend(light, Image.merge("RGB", (shapes,) * 3), 0.3)
    for layer in (grain, sensor):
        picture = ImageChops.add(picture, Image.merge("RGB", (layer,) * 3), 1, -128)
    whole, small = io.BytesIO(), io.BytesIO()
    picture.save(whole, "JPEG", quality=quality)
    picture.resize((320, 240)).save(small, "JPEG", quality=70)
    return whole.getvalue(), small.getvalue()


def _noise(dice: random.Random, step: int):  # type: ignore[no-untyped-def]
    from PIL import Image

    size = (WIDTH // step, HEIGHT // step)
    return Image.frombytes("L", size, dice.randbytes(size[0] * size[1]))


def exif(dice: random.Random, thumbnail: bytes) -> bytes:
    """An Exif payload with place, times, serial numbers, owner, maker note and thumbnail."""
    import piexif

    make, model = dice.choice(_PHONES)
    when = b"2025:%02d:%02d %02d:%02d:%02d" % tuple(dice.randint(1, top) for top in (12, 28, 23, 59, 59))
    degrees = tuple((dice.randrange(60), 1) for _ in range(3))
    made = piexif.dump({
        "0th": {
            0x010F: make, 0x0110: model, 0x0112: dice.choice((1, 1, 6, 8, 3)), 0x011A: (72, 1),
            0x011B: (72, 1), 0x0131: b"camera build %d" % dice.randrange(999), 0x0132: when,
            0x013B: b"Dr Example %03d" % dice.randrange(999), 0x0213: 1,
        },
        "Exif": {
            0x829A: (1, dice.randint(30, 900)), 0x829D: (18, 10), 0x8827: 100, 0x9003: when, 0x9004: when,
            0x927C: make + b"\x00" + dice.randbytes(1500), 0xA001: 1, 0xA002: WIDTH, 0xA003: HEIGHT,
            0xA430: b"Ward %d tablet" % dice.randint(1, 30), 0xA431: b"%012X" % dice.getrandbits(48),
        },
        "GPS": {0: (2, 3, 0, 0), 1: b"N", 2: degrees, 3: b"E", 4: degrees, 6: (dice.randrange(900), 1)},
        "1st": {0x0103: 6, 0x011A: (72, 1), 0x011B: (72, 1)} if thumbnail else {},
        "thumbnail": thumbnail or None,
    })  # fmt: skip
    return bytes(made)


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def _packet(dice: random.Random, clip: bytes) -> bytes:
    place = dice.uniform(35, 60)
    motion = f' GCamera:MotionPhoto="1" Item:Length="{len(clip)}"' if clip else ""
    said = _XMP.format(
        seconds=dice.randrange(60), place=place, number=dice.randrange(999), clip=motion, space=" " * 2000
    )
    return said.encode()


def jpeg(picture: bytes, thumbnail: bytes, seed: int) -> bytes:
    """Dress a bare JPEG as a phone does; every fifth has a motion clip behind it."""
    from PIL import ImageCms

    dice = random.Random(seed)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    head = _segment(0xE1, exif(dice, thumbnail))
    clip = b"\x00\x00\x00\x18ftypmp42" + bytes(12) + dice.randbytes(400_000) if seed % 5 == 4 else b""
    head += _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + _packet(dice, clip))
    head += _segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + profile)
    return b"\xff\xd8" + head + picture[picture.index(b"\xff\xdb") :] + clip


def make_jpegs(folder: Path, count: int, unique: int = 24) -> None:
    """Write `count` JPEGs, about 2.4 MB each: `unique` scans, metadata of its own in every file."""
    folder.mkdir(parents=True)
    scans = [scan(seed, 85 + seed % 4) for seed in range(min(unique, count))]
    for number in range(count):
        picture, thumbnail = scans[number % len(scans)]
        (folder / f"IMG_{number:04}.jpg").write_bytes(jpeg(picture, thumbnail, number))


def make_heics(folder: Path, count: int) -> None:
    """Write `count` HEICs as phones lay them out: 48 tiles of 512 pixels, thumbnail, Exif, XMP; 2 MB."""
    import pillow_heif
    from PIL import Image

    from tests.builders import heif

    pillow_heif.register_heif_opener()
    folder.mkdir(parents=True)
    dice = random.Random(0)
    tiles = []
    for _ in range(4):
        out = io.BytesIO()
        Image.frombytes("RGB", (256, 256), dice.randbytes(3 << 16)).resize((512, 512), 3).save(
            out, "HEIF", quality=20
        )
        tiles.append(heif._parts_of(out.getvalue(), b"hvcC"))
    for number in range(count):
        (folder / f"IMG_{number:04}.heic").write_bytes(_heic(tiles, random.Random(number)))


def _heic(tiles: list[tuple[bytes, bytes]], dice: random.Random) -> bytes:
    from tests.builders import heif

    parts = []
    for number in range(2, 51):
        setup, data = tiles[number % len(tiles)]
        side = heif.ispe(512, 512)
        parts.append(heif.Part(number, b"hvc1", data, [(b"hvcC", setup, True), side], hidden=number < 50))
    grid = heif.grid(1, 6, 8)
    grid.data = grid.data[:4] + WIDTH.to_bytes(2, "big") + HEIGHT.to_bytes(2, "big")
    grid.props = [heif.ispe(WIDTH, HEIGHT), (b"irot", b"\x03", True)]
    told = heif.Part(51, b"Exif", b"\x00\x00\x00\x06" + exif(dice, b""))
    packet = heif.Part(52, b"mime", _packet(dice, b""), content_type=b"application/rdf+xml")
    refs = [(b"dimg", 1, list(range(2, 50))), (b"thmb", 50, [1]), (b"cdsc", 51, [1]), (b"cdsc", 52, [1])]
    return heif.Heif([grid, *parts, told, packet], refs).build()


if __name__ == "__main__":
    import sys

    make_jpegs(Path(sys.argv[1]) / "jpeg", int(os.environ.get("COUNT", "400")))
    make_heics(Path(sys.argv[1]) / "heic", int(os.environ.get("COUNT", "400")) // 4)
