"""An archive in a dump is a folder of the dump: same outcomes, same companions, readable as any source."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from medsnap import pipeline
from medsnap.errors import IoFailed
from medsnap.intake import walk
from medsnap.intake.limits import Limits
from medsnap.intake.walk import SkippedFile
from medsnap.model.photo import Candidate, CompanionKind
from medsnap.pipeline import examine
from tests.builders import archive as a
from tests.builders import jpeg as j

PHOTO = j.after_soi(j.base(), j.exif(6))
CLIP = b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  " + bytes(40)
FILES = {
    "DCIM/IMG_1.HEIC.jpg": PHOTO,
    "DCIM/IMG_2.JPG": PHOTO,
    "DCIM/IMG_2.MOV": CLIP,
    "DCIM/IMG_2.AAE": b"<plist/>",
    "DCIM/IMG_2.JPG.json": b'{"photoTakenTime": 1}',
    "DCIM/notes.txt": b"hello",
    ".thumbnails/1.jpg": PHOTO,
    "inner.zip": a.library_zip({"x.jpg": PHOTO}),
    "../evil.jpg": PHOTO,
}


def find(*paths: Path) -> tuple[dict[str, Candidate], dict[str, SkippedFile]]:
    found = list(walk.walk(paths, Limits()))
    good = {c.source.relative.reveal(): c for c in found if isinstance(c, Candidate)}
    bad = {s.source.reveal(): s for s in found if isinstance(s, SkippedFile)}
    assert len(good) + len(bad) == len(found)
    return good, bad


@pytest.mark.parametrize("name", ["phone.zip", "phone.tar", "phone.tar.gz"])
def test_an_archive_is_walked_like_a_folder(name: str, tmp_path: Path) -> None:
    root = tmp_path / "dump"
    root.mkdir()
    made = (
        a.library_zip(FILES)
        if name.endswith("zip")
        else a.library_tar(FILES, "w:gz" if "gz" in name else "w")
    )
    (root / name).write_bytes(made)
    (root / "z.jpg").write_bytes(PHOTO)
    good, bad = find(root)
    assert list(good) == [f"{name}/DCIM/IMG_1.HEIC.jpg", f"{name}/DCIM/IMG_2.JPG", "z.jpg"]
    assert {k: (v.reason, v.error) for k, v in bad.items()} == {
        f"{name}/DCIM/notes.txt": ("not a photo or clip", ""),
        f"{name}/.thumbnails/1.jpg": ("a thumbnail or index of the phone or computer", ""),
        f"{name}/inner.zip": ("an archive, or one within an archive: unpack it first", ""),
        f"{name}/../evil.jpg": ("refused: a name that would leave the folder", "input.refused"),
    }
    pair = good[f"{name}/DCIM/IMG_2.JPG"]
    assert {c.kind for c in pair.companions} == {
        CompanionKind.LIVE_CLIP,
        CompanionKind.AAE,
        CompanionKind.TAKEOUT_JSON,
    }
    assert pair.landing == "phone"
    for candidate in good.values():
        with pipeline.opened(candidate.source) as stream:
            assert stream.read() == PHOTO
            assert stream.seek(0) == 0
            assert pipeline.digest_of(stream) == hashlib.sha256(PHOTO).hexdigest()
        seen = examine(candidate, None)
        assert (seen.sha256, seen.held) == (hashlib.sha256(PHOTO).hexdigest(), "")
    clip = next(c for c in pair.companions if c.kind is CompanionKind.LIVE_CLIP)
    with pipeline.opened(clip.source) as stream:
        assert stream.read() == CLIP


def test_an_archive_named_itself_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "phone.zip").write_bytes(a.library_zip({"tablet-07/IMG_1.jpg": PHOTO}))
    good, _ = find(tmp_path / "phone.zip")
    assert {k: v.landing for k, v in good.items()} == {"tablet-07/IMG_1.jpg": "tablet-07"}


def test_an_archive_in_a_landing_folder(tmp_path: Path) -> None:
    (tmp_path / "tablet-07" / "sub").mkdir(parents=True)
    (tmp_path / "tablet-07" / "sub" / "x.zip").write_bytes(a.library_zip({"a/IMG_1.jpg": PHOTO}))
    good, _ = find(tmp_path)
    assert {k: v.landing for k, v in good.items()} == {"tablet-07/sub/x.zip/a/IMG_1.jpg": "tablet-07"}


def test_documents_are_no_archives_of_photos(tmp_path: Path) -> None:
    (tmp_path / "letter.docx").write_bytes(a.library_zip({"word/media/image1.jpg": PHOTO}))
    good, bad = find(tmp_path)
    assert good == {}
    assert [s.reason for s in bad.values()] == ["an archive, or one within an archive: unpack it first"]


def test_an_exchanged_archive_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(a.library_zip({"a.jpg": PHOTO}))
    good, _ = find(path)
    path.write_bytes(a.library_zip({"a.jpg": PHOTO, "b.jpg": PHOTO}))
    with pytest.raises(IoFailed, match="changed"), pipeline.opened(good["a.jpg"].source):
        pass


def test_a_damaged_member_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    big = PHOTO + bytes(range(256)) * 400
    data = bytearray(a.library_zip({"a.jpg": big, "b.jpg": PHOTO}, stored=True))
    data[80_000] ^= 1  # behind the head that the walk reads
    path.write_bytes(data)
    good, _ = find(path)
    with pytest.raises(IoFailed, match="check sum"):
        examine(good["a.jpg"], None)
    assert examine(good["b.jpg"], None).held == ""
