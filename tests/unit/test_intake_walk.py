"""Finding photos: by content, in one order, with their companions, never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medsnap.demo import clip, exif_writer
from medsnap.errors import InputMissing, TooLarge
from medsnap.intake.limits import Limits
from medsnap.intake.walk import SkippedFile, walk
from medsnap.model.photo import Candidate, MediaType

JPEG = b"\xff\xd8\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n"
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
MOV = clip.movie(brand=b"qt  ", payload=b"frames")
TEXT = b"hello"
UUID_A, UUID_B = "AAAAAAAA-0000-4000-8000-000000000001", "BBBBBBBB-0000-4000-8000-000000000002"


def live_jpeg(identifier: str) -> bytes:
    entry = exif_writer.text(0x0011, identifier)
    note = b"Apple iOS\x00\x00\x01MM" + exif_writer.directory([entry], 14, 0)
    exif = exif_writer.write(
        ifd0=[exif_writer.text(0x010F, "Apple")], exif=[exif_writer.undefined(0x927C, note)]
    )
    return b"\xff\xd8\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + b"\xff\xd9"


def live_mov(identifier: str) -> bytes:
    return clip.movie(brand=b"qt  ", payload=b"frames", identifier=identifier)


def lay(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def found(*roots: Path, limits: Limits | None = None) -> dict[str, str]:
    """Each file with its outcome: media type and companions, or the reason."""
    out: dict[str, str] = {}
    for item in walk(roots, limits or Limits()):
        name = item.source.relative.reveal() if isinstance(item, Candidate) else item.source.reveal()
        assert name not in out
        if isinstance(item, SkippedFile):
            out[name] = f"{item.reason} {item.error}".strip()
        else:
            kinds = " ".join(sorted(c.kind.value for c in item.companions))
            out[name] = f"{item.media.value} {kinds}".strip()
    return out


@pytest.mark.parametrize(
    ("name", "data", "outcome"),
    [
        ("a.txt", JPEG, "image/jpeg"),
        ("a.jpg", TEXT, "named like a photo, but its bytes are none"),
        ("a.doc", TEXT, "not a photo or clip"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c....", "an archive, or one within an archive: unpack it first"),
        ("a.jpg", b"", "an empty file"),
        (".trashed-1700000000-a.jpg", JPEG, "in the trash"),
        (".Trashes/501/a.jpg", JPEG, "in the trash"),
        ("$RECYCLE.BIN/x/a.jpg", JPEG, "in the trash"),
        (".pending-1700000000-a.jpg", JPEG, "not completely copied yet"),
        ("a.jpg.part", JPEG, "not completely copied yet"),
        ("a.jpg.crdownload", JPEG, "not completely copied yet"),
        (".a.heic.icloud", b"bplist00", "not completely copied yet"),
        (".thumbnails/a.jpg", JPEG, "a thumbnail or index of the phone or computer"),
        ("@eaDir/a.jpg/t.jpg", JPEG, "a thumbnail or index of the phone or computer"),
        ("Thumbs.db", TEXT, "a thumbnail or index of the phone or computer"),
        (".DS_Store", TEXT, "a thumbnail or index of the phone or computer"),
        ("._a.jpg", JPEG, "a thumbnail or index of the phone or computer"),
        ("a.aae", TEXT, "a sidecar without its photo"),
        ("a.jpg.json", b'{"photoTakenTime": 1}', "a sidecar without its photo"),
        ("settings.json", b"{}", "not a photo or clip"),
    ],
)
def test_every_file_has_one_outcome(tmp_path: Path, name: str, data: bytes, outcome: str) -> None:
    assert found(lay(tmp_path, {name: data})) == {name: outcome}


@pytest.mark.parametrize(
    ("files", "outcomes"),
    [
        ({"a.HEIC": HEIC, "A.mov": MOV}, {"a.HEIC": "image/heic live-clip"}),
        (
            {"a.jpg": live_jpeg(UUID_A), "a.mov": live_mov(UUID_A)},
            {"a.jpg": "image/jpeg live-clip"},
        ),
        (
            {"a.jpg": live_jpeg(UUID_A), "a.mov": live_mov(UUID_B)},
            {"a.jpg": "image/jpeg", "a.mov": "video/quicktime"},
        ),
        (
            {"a.heic": HEIC, "a.jpg": JPEG, "a.mov": MOV},
            {"a.heic": "image/heic live-clip", "a.jpg": "image/jpeg"},
        ),
        ({"a.png": PNG, "a.mov": MOV}, {"a.png": "image/png", "a.mov": "video/quicktime"}),
        ({"x/a.heic": HEIC, "y/a.mov": MOV}, {"x/a.heic": "image/heic", "y/a.mov": "video/quicktime"}),
        (
            {"a.jpg": JPEG, "a.mp4": b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom"},
            {"a.jpg": "image/jpeg", "a.mp4": "video/mp4"},
        ),
        ({"IMG_0001.HEIC": HEIC, "IMG_0001.AAE": TEXT}, {"IMG_0001.HEIC": "image/heic aae"}),
        (
            {"IMG_0001.HEIC": HEIC, "IMG_E0001.JPG": JPEG, "IMG_O0001.AAE": TEXT, "IMG_E0001.MOV": MOV},
            {"IMG_0001.HEIC": "image/heic aae edited edited"},
        ),
        ({"IMG_E0001.JPG": JPEG}, {"IMG_E0001.JPG": "image/jpeg"}),
        ({"a.jpg": JPEG, "a.xmp": TEXT}, {"a.jpg": "image/jpeg xmp"}),
        (
            {"a.jpg": JPEG, "a.png": PNG, "a.png.xmp": TEXT},
            {"a.jpg": "image/jpeg", "a.png": "image/png xmp"},
        ),
        ({"a.jpg": JPEG, "a.jpg.json": TEXT}, {"a.jpg": "image/jpeg takeout-json"}),
        (
            {"a.jpg": JPEG, "a.jpg.supplemental-metadata.json": TEXT},
            {"a.jpg": "image/jpeg takeout-json"},
        ),
        ({"a.jpg": JPEG, "a.jpg.suppl.json": TEXT}, {"a.jpg": "image/jpeg takeout-json"}),
        (
            {"a.jpg": JPEG, "a(1).jpg": JPEG, "a.jpg(1).json": TEXT},
            {"a.jpg": "image/jpeg", "a(1).jpg": "image/jpeg takeout-json"},
        ),
        (
            {"a.jpg": JPEG, "a(1).jpg": JPEG, "a.jpg.supplemental-metadata(1).json": TEXT},
            {"a.jpg": "image/jpeg", "a(1).jpg": "image/jpeg takeout-json"},
        ),
        (
            {"n" * 60 + ".jpg": JPEG, "n" * 46 + ".json": TEXT},
            {"n" * 60 + ".jpg": "image/jpeg takeout-json"},
        ),
        (
            {"wound_1.jpg": JPEG, "wound.json": TEXT},
            {"wound_1.jpg": "image/jpeg", "wound.json": "not a photo or clip"},
        ),
        (
            {"n" * 60 + "1.jpg": JPEG, "n" * 60 + "2.jpg": JPEG, "n" * 46 + ".json": TEXT},
            {
                "n" * 60 + "1.jpg": "image/jpeg",
                "n" * 60 + "2.jpg": "image/jpeg",
                "n" * 46 + ".json": "not a photo or clip",
            },
        ),
    ],
)
def test_companions(tmp_path: Path, files: dict[str, bytes], outcomes: dict[str, str]) -> None:
    assert found(lay(tmp_path, files)) == outcomes


def test_order_is_that_of_path_bytes(tmp_path: Path) -> None:
    names = ["a/z.jpg", "a.b.jpg", "a/b/c.jpg", "B.jpg", "ä.jpg", "b/a.jpg", "a-b/x.jpg"]
    listed = list(found(lay(tmp_path, dict.fromkeys(names, JPEG))))
    assert listed == sorted(names, key=os.fsencode)


def test_landing_folder_is_the_first_below_the_root(tmp_path: Path) -> None:
    lay(tmp_path, {"TAB/DCIM/a.jpg": JPEG, "b.jpg": JPEG})
    landings = {c.source.path.name: c.landing for c in walk([tmp_path], Limits()) if isinstance(c, Candidate)}
    assert landings == {"a.jpg": "TAB", "b.jpg": None}


def test_links_and_special_files_are_left(tmp_path: Path) -> None:
    outside = lay(tmp_path / "outside", {"secret.jpg": JPEG})
    inside = lay(tmp_path / "in", {"a.jpg": JPEG})
    (inside / "l.jpg").symlink_to(outside / "secret.jpg")
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    (inside / "loop").symlink_to(inside, target_is_directory=True)
    os.mkfifo(inside / "pipe.jpg")
    link = "a link: links are not followed"
    wanted = {
        "a.jpg": "image/jpeg",
        "l.jpg": link,
        "folder": link,
        "loop": link,
        "pipe.jpg": "not an ordinary file",
    }
    assert found(inside) == wanted
    assert found(inside / "folder") == {"folder": link}


def test_limits(tmp_path: Path) -> None:
    lay(tmp_path, {"a.jpg": JPEG, "b/c/d.jpg": JPEG})
    assert found(tmp_path, limits=Limits(file_bytes=3))["a.jpg"].endswith("input.too-large")
    assert found(tmp_path, limits=Limits(depth=1))["b/c"].endswith("input.too-large")
    with pytest.raises(TooLarge):
        found(tmp_path, limits=Limits(entries=1))


def test_unreadable_files_are_errors_and_not_skipped_in_silence(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    lay(tmp_path, {"a.jpg": JPEG, "b/c.jpg": JPEG})
    (tmp_path / "a.jpg").chmod(0)
    (tmp_path / "b").chmod(0)
    try:
        assert {reason.rpartition(" ")[2] for reason in found(tmp_path).values()} == {"io.unreadable"}
    finally:
        (tmp_path / "b").chmod(0o700)


def test_a_missing_path_fails_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        walk([tmp_path, tmp_path / "none"], Limits())


def test_overlapping_roots_give_one_outcome_a_file(tmp_path: Path) -> None:
    lay(tmp_path, {"x/a.jpg": JPEG, "b.jpg": JPEG})
    items = list(walk([tmp_path, tmp_path / "x", tmp_path / "b.jpg"], Limits()))
    assert len(items) == 2


def test_names_that_are_no_utf8_fit_into_json(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.jpg")).write_bytes(JPEG)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    (name,) = found(tmp_path)
    assert name == "a\\xff.jpg"


def test_a_tiff_whose_directory_lies_far_back_is_read_whole(tmp_path: Path) -> None:
    directory = b"\x01\x00" + b"\x12\xc6\x01\x00\x04\x00\x00\x00\x01\x04\x00\x00" + bytes(4)  # DNGVersion
    data = b"II*\x00" + (100_000).to_bytes(4, "little") + bytes(99_992) + directory
    lay(tmp_path, {"a.dng": data})
    assert found(tmp_path) == {"a.dng": MediaType.DNG.value}


def test_corpus_files_all_have_an_outcome(corpus: Path) -> None:
    listed = found(corpus / "photos")
    assert len(listed) == sum(p.is_file() for p in (corpus / "photos").rglob("*"))
    assert sum("/" in outcome for outcome in listed.values()) > 100
