"""Other readers take each copy: Pillow, exiftool, pngcheck, webpinfo, djpeg, ffprobe, and a browser."""

from __future__ import annotations

import html
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from medsnap.scrub import scrub
from tests.builders import heif as h
from tests.builders import jpeg as j
from tests.builders import movie as m
from tests.builders.jpeg import SECRET
from tests.golden.traps import phone_exif

pytestmark = pytest.mark.interop
Tool = Callable[[str], str]
_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"


def picture(mode: str = "RGB", shade: int = 0) -> Image.Image:
    """Four corners of four colours, wider than high: turned or swapped, it looks different."""
    made = Image.linear_gradient("L").resize((120, 80)).convert("RGB")
    for at, colour in (((0, 0), "red"), ((90, 0), "lime"), ((0, 60), "blue"), ((90, 60), "orange")):
        made.paste(colour, (*at, at[0] + 30, at[1] + 20))
    return made.point(lambda v: (v + shade) % 256).convert(mode)


def swapped() -> bytes:
    """A profile whose red is green and whose green is red: who ignores it shows other colours."""
    kept = j.profile()
    return kept.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def saved(form: str, mode: str = "RGB", frames: int = 1, **options: Any) -> bytes:
    """Encode with all that Pillow can add."""
    out = io.BytesIO()
    more = [picture(mode, 40 * n) for n in range(1, frames)]
    if more:
        options |= {"save_all": True, "append_images": more, "duration": 60_000}
    picture(mode).save(out, form, **options)
    return out.getvalue()


def heic(grid: bool) -> bytes:
    """A HEIC of one picture or of four tiles, turned, with everything beside it."""
    file = h.tiled(2, 2) if grid else h.Heif([h.hevc_item(1)])
    file.part(1).props.append((b"irot", b"\1", True))
    file.parts += [h.Part(70, b"Exif", h.EXIF), h.hevc_item(72, 99)]
    file.refs += [(b"cdsc", 70, [1]), (b"thmb", 72, [1])]
    file.after = [h.box(b"mpvd", h.SECRET)]
    return file.build()


_EXIF = phone_exif(6)[4:]
_ALL: dict[str, Any] = {"exif": _EXIF, "icc_profile": swapped()}
_TAGS = {0x0112: 6, 0x0131: SECRET.decode(), 0x013B: SECRET.decode()}
STILLS: dict[str, Callable[[], bytes]] = {
    "phone.jpg": lambda: saved("JPEG", quality=90, xmp=_XMP, comment=SECRET, **_ALL) + j.CLIP,
    "progressive.jpg": lambda: saved("JPEG", progressive=True, **_ALL),
    "grey.jpg": lambda: saved("JPEG", "L", exif=_EXIF),
    "cmyk.jpg": lambda: saved("JPEG", "CMYK", exif=_EXIF),
    "colours.png": lambda: saved("PNG", **_ALL) + SECRET,
    "alpha.png": lambda: saved("PNG", "RGBA", exif=_EXIF),
    "palette.png": lambda: saved("PNG", "P"),
    "animated.png": lambda: saved("PNG", frames=3, exif=_EXIF),
    "lossy.webp": lambda: saved("WEBP", xmp=_XMP, **_ALL),
    "lossless.webp": lambda: saved("WEBP", "RGBA", lossless=True, xmp=_XMP, **_ALL),
    "animated.webp": lambda: saved("WEBP", frames=3, xmp=_XMP, **_ALL),
    "still.gif": lambda: saved("GIF", "P", comment=SECRET),
    "animated.gif": lambda: saved("GIF", "P", frames=3, comment=SECRET, loop=0),
    "still.avif": lambda: saved("AVIF", xmp=_XMP, **_ALL),
    "animated.avif": lambda: saved("AVIF", frames=3, xmp=_XMP),
    "one.heic": lambda: heic(False),
    "tiles.heic": lambda: heic(True),
    "deflate.tif": lambda: saved(
        "TIFF", compression="tiff_adobe_deflate", tiffinfo=_TAGS, icc_profile=swapped()
    ),
    "pages.tif": lambda: saved("TIFF", frames=3, compression="tiff_lzw", artist=SECRET.decode()),
}
CLIPS: dict[str, tuple[str, ...]] = {
    "last.mp4": (),
    "first.mov": ("-movflags", "faststart+use_metadata_tags"),
    "fragments.mp4": ("-movflags", "frag_keyframe+empty_moov"),
}


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Each still as it came, and its copy."""
    before, after = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")
    for name, build in STILLS.items():
        data = build()
        (before / name).write_bytes(data)
        (after / name).write_bytes(scrub(data))
    return before, after


@pytest.fixture(scope="module")
def clips(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Each clip that ffmpeg makes, turned, with sound, title and place; and its copy."""
    before, after = tmp_path_factory.mktemp("clips"), tmp_path_factory.mktemp("clean")
    source = ("-f", "lavfi", "-i", "testsrc=d=1:s=160x120:r=10", "-f", "lavfi", "-i", "sine=d=1")
    told = ("-metadata", f"title={SECRET.decode()}", "-metadata", "location=+52.5200+013.4050/")
    coded = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-y")
    for name, options in CLIPS.items():
        made = before / name
        call(tool("ffmpeg"), "-v", "error", *source, *coded, *told, *options, made)
        data = made.read_bytes()
        assert SECRET in data
        at = data.index(m.MATRIX, data.index(b"tkhd"))
        data = data[:at] + m.QUARTER + data[at + len(m.QUARTER) :]
        made.write_bytes(data)
        (after / name).write_bytes(scrub(data))
    return before, after


def call(*command: str | Path, fine: tuple[int, ...] = (0,)) -> str:
    """Run a program; what it says on both streams."""
    ran = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=120)
    said = ran.stdout + ran.stderr
    assert ran.returncode in fine, f"{command[0]}: exit {ran.returncode}\n{said[-2000:]}"
    return said


def frames(path: Path) -> list[bytes]:
    """Every frame as people see it: upright, in RGBA."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    with Image.open(path) as opened:
        count = getattr(opened, "n_frames", 1)
        shown = []
        for number in range(count):
            opened.seek(number)
            shown.append(ImageOps.exif_transpose(opened).convert("RGBA").tobytes())
        return shown


@pytest.mark.parametrize("name", STILLS)
def test_pillow_shows_the_same_upright(name: str, stills: tuple[Path, Path]) -> None:
    before, after = (folder / name for folder in stills)
    assert frames(after) == frames(before)
    assert SECRET not in after.read_bytes()
    with Image.open(before) as one, Image.open(after) as two:
        assert two.info.get("icc_profile") == one.info.get("icc_profile")


def test_exiftool_finds_nothing_to_complain_of(stills: tuple[Path, Path], tool: Tool) -> None:
    said = call(
        tool("exiftool"), "-j", "-a", "-G1", "-warning", "-error", "-api", "largefilesupport=1", stills[1]
    )
    records = json.loads(said[said.index("[") : said.rindex("]") + 1])
    assert len(records) == len(STILLS)
    assert [r for r in records if set(r) != {"SourceFile"}] == []


@pytest.mark.parametrize("form", ["png", "gif", "webp", "avif", "heic"])
def test_exiftool_validates(form: str, stills: tuple[Path, Path], tool: Tool) -> None:
    """By all its rules; of a fresh Exif it only misses tags that say something (ExifVersion …)."""
    paths = sorted(stills[1].glob(f"*.{form}"))
    said = call(tool("exiftool"), "-j", "-a", "-validate", "-warning", *paths)
    for record in json.loads(said[: said.rindex("]") + 1]):
        told = record.get("Warning", [])
        missing = [told] if isinstance(told, str) else told
        assert [w for w in missing if "Missing required" not in w] == [], record["SourceFile"]


def test_pngcheck(stills: tuple[Path, Path], tool: Tool) -> None:
    said = call(tool("pngcheck"), "-v", *sorted(stills[1].glob("*.png")))
    assert "No errors detected" in said
    assert not [line for line in said.splitlines() if "illegal" in line or "additional data" in line]


def test_webpinfo(stills: tuple[Path, Path], tool: Tool) -> None:
    for path in sorted(stills[1].glob("*.webp")):
        said = call(tool("webpinfo"), path)
        assert "No error detected" in said, said
        assert "arning" not in said, said


def test_djpeg_decodes_without_a_warning(stills: tuple[Path, Path], tool: Tool, tmp_path: Path) -> None:
    for path in sorted(stills[1].glob("*.jpg")):
        assert call(tool("djpeg"), "-outfile", tmp_path / "out.ppm", path) == ""


def probed(tool: Tool, path: Path) -> tuple[dict[str, Any], set[str]]:
    """What ffprobe knows of a file, and its complaints."""
    asked = ("-v", "warning", "-print_format", "json", "-show_format", "-show_streams")
    said = call(tool("ffprobe"), *asked, path)
    end = said.rindex("}") + 1
    return dict(json.loads(said[:end])), {line.rpartition("]")[2] for line in said[end:].split("\n")}


_FFPROBE = [n for n in STILLS if n.endswith((".jpg", ".png", ".gif", ".avif")) and n != "animated.avif"]


@pytest.mark.parametrize("name", _FFPROBE)
def test_ffprobe_reads_stills(name: str, stills: tuple[Path, Path], tool: Tool) -> None:
    (before, old), (after, new) = (probed(tool, folder / name) for folder in stills)
    assert new <= old, "a complaint that the original does not get"
    one, two = before["streams"][0], after["streams"][0]
    for what in ("codec_name", "width", "height", "pix_fmt"):
        assert one[what] == two[what]


@pytest.mark.parametrize("name", CLIPS)
def test_clips_play_the_same(name: str, clips: tuple[Path, Path], tool: Tool) -> None:
    before, after = (folder / name for folder in clips)
    (one, _), (two, complaints) = probed(tool, before), probed(tool, after)
    assert complaints <= {""}
    assert len(one["streams"]) == len(two["streams"]) == 2
    told = json.dumps(two)
    assert SECRET.decode() not in told
    assert "13.4050" not in told
    assert "creation_time" not in told
    video = next(s for s in two["streams"] if s["codec_type"] == "video")
    assert abs(video["side_data_list"][0]["rotation"]) == 90
    assert digests(tool, before) == digests(tool, after)


def digests(tool: Tool, path: Path) -> list[str]:
    """The MD5 of every decoded frame, and its time."""
    said = call(tool("ffmpeg"), "-v", "error", "-i", path, "-f", "framemd5", "-")
    lines = [line for line in said.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    return lines


def test_a_made_movie_is_read_by_ffprobe(tmp_path: Path, tool: Tool) -> None:
    path = tmp_path / "made.mp4"
    path.write_bytes(scrub(m.Movie([m.video(), m.sound()]).build()))
    kinds = [s["codec_type"] for s in json.loads(_quiet(tool, path))["streams"]]
    assert kinds == ["video", "audio"]


def _quiet(tool: Tool, path: Path) -> str:
    # the samples are made up and do not decode: only the tables are judged here
    return call(tool("ffprobe"), "-v", "quiet", "-print_format", "json", "-show_streams", path)


_SHOWN = [n for n in STILLS if not n.endswith((".heic", ".tif"))]


def screenshot(tool: Tool, page: Path, work: Path) -> Image.Image:
    """What Chromium shows of a page."""
    shot = work / f"{page.stem}.png"
    call(
        tool("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars", "--force-device-scale-factor=1", "--force-color-profile=srgb",
        f"--user-data-dir={work / page.stem}", "--window-size=900,900", "--virtual-time-budget=8000",
        f"--screenshot={shot}", page.as_uri(),
    )  # fmt: skip
    with Image.open(shot) as opened:
        return opened.convert("RGB")


def page(work: Path, name: str, paths: list[Path]) -> Path:
    """A page that shows each file in a box of its own."""
    style = "<style>body{margin:0}img,video{width:150px;height:150px;object-fit:contain;float:left}</style>"
    shown = (f'<img src="{html.escape(p.as_uri())}" decoding="sync">' for p in paths)
    path = work / f"{name}.html"
    path.write_text(f"<!doctype html>{style}{''.join(shown)}")
    return path


def box(shot: Image.Image, number: int) -> Image.Image:
    """The part of a screenshot that shows one file."""
    left, top = number % 6 * 150, number // 6 * 150
    return shot.crop((left, top, left + 150, top + 150))


def test_a_browser_shows_each_copy_like_the_original(
    stills: tuple[Path, Path], tool: Tool, tmp_path: Path
) -> None:
    tool("chromium")
    one, two = (
        screenshot(tool, page(tmp_path, name, [folder / n for n in _SHOWN]), tmp_path)
        for name, folder in zip(("before", "after"), stills, strict=True)
    )
    for number, name in enumerate(_SHOWN):
        seen = box(one, number)
        assert len(seen.getcolors(1 << 20) or ()) > 5, f"{name} is not shown at all"
        assert seen.tobytes() == box(two, number).tobytes(), name


def test_the_browser_would_see_a_lost_orientation_or_profile(tool: Tool, tmp_path: Path) -> None:
    tool("chromium")
    whole, lying, flat = tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "c.jpg"
    whole.write_bytes(saved("JPEG", **_ALL))
    lying.write_bytes(saved("JPEG", icc_profile=swapped()))
    flat.write_bytes(saved("JPEG", exif=_EXIF))
    shot = screenshot(tool, page(tmp_path, "all", [whole, lying, flat]), tmp_path)
    shown = [box(shot, number).tobytes() for number in range(3)]
    assert len(set(shown)) == 3
