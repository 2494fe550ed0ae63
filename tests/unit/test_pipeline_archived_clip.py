"""A clip in an archive is scrubbed where it lies, and what is sealed is what was proven."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.intake.limits import Limits
from medsnap.intake.reading import opened, rewritten
from medsnap.intake.walk import walk
from medsnap.model.photo import Candidate
from medsnap.pipeline import examine
from medsnap.scrub import clean
from tests.builders import archive as a
from tests.builders import movie as m
from tests.builders.heif import SECRET, box

CLIP = m.Movie([m.video(), m.sound(), m.metadata()], in_moov=[m.udta(box(b"name", SECRET))]).build()


def only(archive: Path) -> Candidate:
    (found,) = [one for one in walk([archive], Limits()) if isinstance(one, Candidate)]
    return found


@pytest.mark.parametrize(
    ("name", "pack"), [("day.zip", a.library_zip), ("day.tar.gz", lambda files: a.library_tar(files, "w:gz"))]
)
def test_it_is_scrubbed_and_read_in_one_pass(
    name: str, pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(pack({"ward/clip.mp4": CLIP}))
    found = only(tmp_path / name)
    seen = examine(found, None)
    assert (seen.held, seen.sha256) == ("", hashlib.sha256(CLIP).hexdigest())
    assert seen.rewrite is not None
    assert seen.report is not None
    with opened(found.source) as stream:
        out = b"".join(rewritten(seen.rewrite, stream))
    assert out == clean(CLIP).data(CLIP)
    assert SECRET in CLIP
    assert SECRET not in out
    assert hashlib.sha256(out).hexdigest() == seen.report.sha256_out


def test_a_huge_one_is_held(tmp_path: Path) -> None:
    (tmp_path / "day.zip").write_bytes(a.library_zip({"clip.mp4": CLIP}))
    found = only(tmp_path / "day.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medsnap.pipeline.MAX_STILL", len(CLIP) - 1)
        seen = examine(found, None)
    assert seen.rewrite is None
    assert "unpack it" in seen.held
    assert seen.sha256 == hashlib.sha256(CLIP).hexdigest()
    assert examine(found, None).rewrite is not None
