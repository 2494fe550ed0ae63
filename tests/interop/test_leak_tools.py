"""What other programs leave of a phone's photo is noticed, and what is said of it is true."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.model.decision import LeakKind, LeakSign
from medsnap.model.photo import MediaType
from tests.builders import leaks
from tests.builders.leaks import BARE, EDITED, Case

Run = tuple[str, str, str, LeakKind, str]  # program, its words, ending, sign, what is said
TOOLS: list[Run] = [
    ("exiftool", "-q -all= -o OUT IN", "jpg", BARE, "stripped of every segment"),
    ("exiftool", "-q -xmp:title=x -o OUT IN", "jpg", EDITED, "written by ExifTool"),
    ("jpegtran", "-copy none -outfile OUT IN", "jpg", BARE, "stripped, and coded with tables that are not"),
    ("convert", "IN -strip -quality 88 OUT", "jpg", BARE, "coded by libjpeg at quality 88"),
    ("convert", "IN -resize 50% OUT", "jpg", EDITED, "cut or scaled"),
    ("convert", "IN OUT", "png", EDITED, "no camera writes PNG"),
    ("ffmpeg", "-v error -y -i IN OUT", "jpg", EDITED, "written by ffmpeg"),
]


@pytest.mark.parametrize("case", TOOLS, ids=lambda case: f"{case[0]} {case[1]}")
def test_a_program_leaves_its_mark(tool: Callable[[str], str], tmp_path: Path, case: Run) -> None:
    program, words, ending, kind, said = case
    before, after = tmp_path / "IMG_0001.JPG", tmp_path / f"IMG_0002.{ending}"
    before.write_bytes(leaks.own_tables(leaks.phone()))
    assert _signs(before) == ()
    paths = {"IN": str(before), "OUT": str(after)}
    run = [tool(program), *(paths.get(word, word) for word in words.split())]
    subprocess.run(run, check=True, timeout=300, capture_output=True)
    assert any(sign.kind is kind and said in sign.because for sign in _signs(after)), _signs(after)


def _signs(path: Path) -> tuple[LeakSign, ...]:
    media = MediaType.PNG if path.suffix == ".png" else MediaType.JPEG
    return Case(path=path.name, data=path.read_bytes(), media=media).signs()
