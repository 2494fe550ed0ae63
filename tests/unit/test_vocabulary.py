"""The packaged vocabularies are what DICOM's tables give, judged by named rules, and need no pydicom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydicom")
from medsnap.policy import sites
from medsnap.policy.table import CODE_SETS
from vocabulary import make
from vocabulary.groups import GROUPS, members
from vocabulary.judge import Side, intimate, side_of


def data(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((make.DATA / name).read_text("utf-8"))
    return found


ROWS = data("sites.json")["sites"]


@pytest.mark.parametrize("name", ["sites.json", "laterality.json", "views.json"])
def test_each_file_is_in_step(name: str) -> None:
    made = make.files()
    assert (make.DATA / name).read_text("utf-8") == made[name], "run: make vocabulary"
    assert made == make.files()


def test_a_second_writing_changes_nothing_and_a_wrong_file_is_replaced(tmp_path: Path) -> None:
    assert make.write(tmp_path) == ("sites.json", "laterality.json", "views.json")
    assert make.write(tmp_path) == ()
    (tmp_path / "views.json").write_text("{}")
    assert make.write(tmp_path) == ("views.json",)


def test_each_file_names_its_source() -> None:
    for name in ("sites.json", "laterality.json"):
        head = data(name)
        assert "PS3.16" in head["source"]
        assert "pydicom" in head["source"]
        assert [group["uid"] for group in head["groups"]] == [GROUPS[g["cid"]][1] for g in head["groups"]]
    assert "no context group" in data("views.json")["source"]


def test_all_concepts_of_the_groups_are_there_once_and_in_their_sets() -> None:
    assert [row["code"] for row in ROWS] == [concept.code for concept in members(4, 4031, 4029)]
    table = data("sites.json")["sets"]
    assert tuple(table) == CODE_SETS
    found = sites.packaged().by_word
    for row in ROWS:
        listed = tuple(name for name, groups in table.items() if set(groups) & set(row["cid"]))
        assert found[sites.normal(row["meaning"])].sets == listed != ()


def test_no_site_has_two_sides_and_none_at_once() -> None:
    assert not [row["meaning"] for row in ROWS if row["paired"] and row["midline"]]
    named = {row["meaning"]: row["side"] for row in ROWS if "side" in row}
    assert named["Left inguinal region"] == "left"
    assert all(side in meaning.lower() for meaning, side in named.items())
    assert not [row["meaning"] for row in ROWS if "side" in row and (row["paired"] or row["midline"])]


@pytest.mark.parametrize(
    ("meaning", "side"),
    [
        ("Forearm", Side.PAIRED),
        ("Skin of lower eyelid", Side.PAIRED),
        ("Renal pelvis", Side.PAIRED),
        ("Nose", Side.MIDLINE),
        ("Skin of side of nose", Side.PAIRED),
        ("Sternum", Side.MIDLINE),
        ("Umbilical region", Side.MIDLINE),
        ("Abdomen", Side.FREE),
        ("Skin of back", Side.FREE),
        ("Gallbladder", Side.FREE),
        ("Bladder", Side.MIDLINE),
        ("Left ventricle", Side.FREE),
        ("Right lumbar region", Side.NAMED),
    ],
)
def test_sides(meaning: str, side: Side) -> None:
    assert side_of(meaning).side is side


def test_a_site_that_no_rule_judges_stops_the_making() -> None:
    with pytest.raises(LookupError, match="Wing"):
        side_of("Wing")


def test_a_word_for_two_sites_stops_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(make.SITES, "14975008", ("belly",))
    with pytest.raises(LookupError, match="belly"):
        make.files()


def test_words_for_a_code_of_no_group_stop_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(make.SITES, "12345", ("wing",))
    with pytest.raises(LookupError, match="12345"):
        make.files()


@pytest.mark.parametrize(
    ("meaning", "yes"),
    [("Skin of labium majus", True), ("Skin", True), ("Skin of chin", False), ("Renal pelvis", False),
     ("Pelvis", True), ("Rectum", True), ("Skin of medial surface of thigh", True), ("Thigh", False)],
)  # fmt: skip
def test_what_may_be_intimate(meaning: str, yes: bool) -> None:
    assert intimate(meaning) is yes


def test_policies_are_read_without_pydicom() -> None:
    code = (
        "import sys; from medsnap import policy; policy.load(policy.packaged('hospital'));"
        "sys.exit('pydicom' in sys.modules or 'vocabulary' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
