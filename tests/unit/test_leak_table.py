"""The leak signs over the table of made paths and files: what is right, and each row that is not (L1–L4)."""

from __future__ import annotations

import pytest

from medsnap.model.decision import LeakKind
from tests.builders import leaks
from tests.builders.leaks import Case

WRONG = {  # known, and told in docs/FEATURES.md
    ("Slack/IMG_0012.JPG", LeakKind.MESSAGING_APP, "false alarm"),
    ("cut screenshot.png", LeakKind.SCREENSHOT, "missed"),
    ("made/13 by an editor nobody knows.jpg", LeakKind.EDITED, "missed"),
}


def test_the_table_goes_wrong_only_where_the_documents_say_so() -> None:
    scores, wrong = leaks.scored(leaks.cases())
    assert {(case.path, kind, words.partition(":")[0]) for case, kind, words in wrong} == WRONG
    for score in scores.values():
        assert score.precision >= 0.9
        assert score.recall >= 0.8
        assert score.right >= 5


@pytest.mark.parametrize("case", leaks.cases(), ids=lambda case: case.path)
def test_each_sign_names_its_evidence_and_never_the_file(case: Case) -> None:
    name = case.path.rpartition("/")[2]
    for sign in case.signs():
        assert len(sign.because.split()) >= 4
        assert name not in sign.because
        assert name.rpartition(".")[0] not in sign.because


SAID = [
    ("stripped of all", "stripped of every segment, as exiftool and mat2 do"),
    ("stripped, JFIF left", "stripped, and coded with tables that are not libjpeg's"),
    ("coded again", "coded by libjpeg at quality 90"),
    ("messenger's size", "1600 pixels long as messengers send"),
    ("browser's canvas", "as a browser's canvas does"),
    ("ffmpeg", "written by ffmpeg"),
    ("of GD", "written by GD"),
    ("saved on an iPhone", "a program on an Apple device, not the camera"),
    ("from Facebook", "(FBMD)"),
    ("changed by ExifTool", "written by ExifTool"),
    ("saved for the web", "Save for Web"),
    ("scaled", "speak of 4032×3024 pixels, the picture has 64×48"),
]


@pytest.mark.parametrize(("which", "words"), SAID)
def test_what_is_said_of_a_container(which: str, words: str) -> None:
    case = next(c for c in leaks.cases() if which in c.path)
    assert any(words in sign.because for sign in case.signs()), case.signs()


def test_every_quality_of_libjpeg_is_told_and_no_other_table() -> None:
    for quality in (1, 49, 50, 75, 92, 99):
        case = Case(path="a.jpg", data=leaks.picture(quality=quality))
        assert f"at quality {quality}," in case.signs()[0].because
    own = Case(path="a.jpg", data=leaks.own_tables(leaks.picture(quality=75)))
    assert "libjpeg at" not in own.signs()[0].because


@pytest.mark.parametrize("cut", [3, 21, 60, 150])
def test_a_file_that_ends_early_is_no_surprise(cut: int) -> None:
    for case in (c for c in leaks.cases() if c.path.startswith("made/")):
        Case(path="IMG_1.JPG", data=case.data[:cut]).signs()
