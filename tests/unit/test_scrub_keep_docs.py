"""docs/SCRUB.md: its example runs, and its tables name what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medsnap.commands.scrub import Companions, Icc, Keep, Names, Sound, Times
from medsnap.intake import archive
from medsnap.intake.archive import LIMITS
from medsnap.scrub import scrub
from tests.builders import jpeg as j
from tests.helpers import ROOT
from tests.unit.test_scrub_keep import FILES, old, told

TEXT = (ROOT / "docs" / "SCRUB.md").read_text(encoding="utf-8")


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    photo = FILES["jpeg"](old())
    monkeypatch.chdir(tmp_path)
    Path("wound.jpg").write_bytes(photo)
    exec(compile(code, "docs/SCRUB.md", "exec"), {})
    said = capsys.readouterr().out
    assert "all decoded pixels are equal" in said
    assert "gps APP1 Exif GPS" in said
    assert Path("clean.jpg").read_bytes() == scrub(photo)
    assert told(Path("with-day.jpg").read_bytes()) == {"turn": 6, "taken": b"2025:03:04 00:00:00"}
    Path("wound.jpg").write_bytes(photo + j.segment(0xF0, b"x"))
    Path("wound.jpg").write_bytes(b"\xff\xd8\xff\xf0\x00\x02")
    with pytest.raises(Exception, match="JPEG"):
        exec(compile(code, "docs/SCRUB.md", "exec"), {})


@pytest.mark.parametrize(
    "option",
    [
        *(f"--keep {k}" for k in Keep),
        f"--icc {Icc.MINIMAL}",
        f"--audio {Sound.DROP}",
        f"--times {Times.KEEP}",
        f"--companions {Companions.KEEP_CLIP}",
        f"--names {Names.IDS}",
    ],
)
def test_every_wish_is_described(option: str) -> None:
    assert f"`{option}`" in TEXT


def test_limits_and_suffixes_are_those_of_the_code() -> None:
    assert (LIMITS.entries, LIMITS.file_bytes, LIMITS.total_bytes, LIMITS.ratio) == (
        100_000, 4 << 30, 256 << 30, 200,
    )  # fmt: skip
    for suffix in re.findall(r"`(zip|tar[.a-z0-9]*)`", TEXT):
        assert archive.named_like_one(f"x.{suffix}")
