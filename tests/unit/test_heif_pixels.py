"""Real pictures, encoded and decoded by foreign codecs: a scrub changes no pixel."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from medsnap.formats import heif
from medsnap.model.photo import MediaType
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif import plan
from medsnap.scrub.second.heif import account
from tests.builders import heif as make
from tests.builders.heif import SECRET, Heif, Part


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    with Image.open(io.BytesIO(data)) as picture:
        return picture.mode, picture.size, picture.tobytes()


def dressed(file: Heif) -> Heif:
    """Add what phones add: Exif, XMP, a thumbnail, a name, padding."""
    file.parts += [
        Part(70, b"Exif", make.EXIF, name=SECRET),
        Part(71, b"mime", make.XMP, content_type=b"application/rdf+xml"),
        make.hevc_item(72, 99),
    ]
    file.refs += [(b"cdsc", 70, [1]), (b"cdsc", 71, [1]), (b"thmb", 72, [1])]
    file.before = [make.box(b"free", SECRET)]
    return file


def turned() -> Heif:
    file = make.tiled(2, 2)
    file.part(1).props.append((b"irot", b"\1", True))
    return file


def overlay() -> Heif:
    canvas = bytes(2) + b"\xff\xff" * 4 + b"\0\x80\0\x60" + b"\0\0\0\0" + b"\0\x30\0\x10"
    file = Heif([Part(1, b"iovl", canvas, [make.ispe(128, 96)], place="idat")])
    file.parts += [make.hevc_item(2, 5, hidden=True), make.hevc_item(3, 90, hidden=True)]
    file.refs = [(b"dimg", 1, [2, 3])]
    return file


def identity() -> Heif:
    file = Heif([Part(1, b"iden", b"", [make.ispe(64, 64), (b"irot", b"\3", True)], place="nowhere")])
    file.parts.append(make.hevc_item(2, 5, hidden=True))
    file.refs = [(b"dimg", 1, [2])]
    return file


def transparent() -> Heif:
    plane = make.hevc_item(2, 40)
    plane.props.append((b"auxC", make.ALPHA, True))
    return Heif([make.hevc_item(1), plane], [(b"auxl", 2, [1])])


def transparent_grid() -> Heif:
    """Both planes are grids; writers put the alpha mark on the grid and on its tiles."""
    file = make.tiled()
    plane = make.grid(10, 1, 2)
    tiles = [make.hevc_item(11, 30, hidden=True), make.hevc_item(12, 60, hidden=True)]
    for part in (plane, *tiles):
        part.props.append((b"auxC", make.ALPHA, True))
    file.parts += [plane, *tiles]
    file.refs += [(b"dimg", 10, [11, 12]), (b"auxl", 10, [1])]
    return file


@pytest.mark.parametrize(
    "build",
    [lambda: Heif([make.hevc_item(1)]), make.tiled, turned, overlay, identity, transparent, transparent_grid],
    ids=["single", "grid", "turned grid", "overlay", "identity", "alpha", "alpha grid"],
)
def test_hevc_pixels_are_equal(build: Callable[[], Heif]) -> None:
    data = dressed(build()).build()
    output = b"".join(bytes(piece) for piece in plan(data, MediaType.HEIC, ScrubKeep()).chunks(data))
    account(output, MediaType.HEIC)
    assert SECRET not in output
    assert pixels(output) == pixels(data)


def test_avif_pixels_are_equal_and_metadata_goes() -> None:
    from PIL import Image

    sink = io.BytesIO()
    picture = Image.radial_gradient("L").convert("RGBA")
    picture.putalpha(Image.linear_gradient("L"))
    picture.save(sink, "AVIF", quality=60, speed=10, exif=make.EXIF[10:], xmp=make.XMP)
    data = sink.getvalue()
    assert SECRET in data
    output = b"".join(bytes(piece) for piece in plan(data, MediaType.AVIF, ScrubKeep()).chunks(data))
    account(output, MediaType.AVIF)
    assert SECRET not in output
    assert pixels(output) == pixels(data)


def test_view_reads_what_an_encoder_wrote() -> None:
    import pillow_heif
    from PIL import Image, ImageCms

    pillow_heif.register_heif_opener()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sink = io.BytesIO()
    Image.new("RGB", (80, 64), "teal").save(
        sink, "HEIF", quality=50, exif=b"Exif\0\0" + make.EXIF[10:], xmp=make.XMP, icc_profile=profile
    )
    data = sink.getvalue()
    assert heif.exif(data) == make.EXIF[10:]
    assert heif.xmp(data) == make.XMP
    assert heif.icc(data) == profile
    assert heif.size(data) == (80, 64)
    found = heif.view(data)
    assert found.brands[0] == b"heic"
    assert {item.type for item in found.items.values()} == {b"hvc1", b"Exif", b"mime"}
