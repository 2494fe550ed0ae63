"""The board's page: every sentence has its line, all that the policy says stands in it, nothing runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.policy.board import chapters
from medsnap.policy.board_words import listed, places
from medsnap.report.board_html import Sheet, render

NAMES = ["hospital", "little-clinic", "dermatology"]


@pytest.mark.parametrize("name", NAMES)
def test_every_sentence_names_lines_that_exist(name: str) -> None:
    loaded = policy.load(policy.packaged(name))
    lengths = {
        f"{n}.yaml": len(policy.packaged(n).read_text("utf-8").splitlines()) for n in policy.packaged_names()
    }
    for chapter in chapters(loaded):
        for sentence in chapter.sentences:
            assert sentence.text.endswith("."), sentence
            assert not re.search(r"[{}\[\]_]|None|True|False", sentence.text), sentence
            for part in sentence.where.split("; "):
                file, _, lines = part.partition(":")
                assert all(1 <= int(n) <= lengths[file] for n in re.findall(r"\d+", lines)), sentence


@pytest.mark.parametrize("name", NAMES)
def test_what_the_policy_says_stands_on_the_page(name: str) -> None:
    loaded = policy.load(policy.packaged(name))
    text = " ".join(s.text for c in chapters(loaded) for s in c.sentences)
    features = {f.replace("_", " ") for f in loaded.features}
    assert {f for f in features if f not in text} == set()
    for group in loaded.compartments:
        assert f"“{group.name}”" in text
        assert all(role in text for role in group.open_to)
    assert all(rule.because in text for rule in loaded.rules)
    assert all(f"“{export.name}”" in text for export in loaded.exports)
    assert all(person in text for seat in loaded.seats for person in seat.people)


def test_each_line_of_the_hospitals_file_is_behind_a_sentence() -> None:
    loaded = policy.load(policy.packaged("hospital"))
    shown: set[int] = set()
    for chapter in chapters(loaded):
        for sentence in chapter.sentences:
            for part in sentence.where.split("; "):
                file, _, lines = part.partition(":")
                for first, last in re.findall(r"(\d+)(?:-(\d+))?", lines if file == "hospital.yaml" else ""):
                    shown |= set(range(int(first), int(last or first) + 1))
    for path in ("features.scar", "devices.personal", "rules.child-injury", "exports.pacs", "break_glass"):
        assert int(loaded.where(path).rpartition(":")[2]) in shown, path


def test_the_file_is_self_contained_and_foreign_text_is_escaped() -> None:
    attack = '<script>alert(1)</script>"&\u202e\x1b[31m'
    page = render(
        Sheet(
            title=attack,
            subtitle=attack,
            notes=(attack,),
            chapters=[(attack, [(attack, attack)])],
            seats=[(attack, attack)],
            foot=attack,
        )
    )
    assert "<script" not in page
    assert not re.search(r"[\u202e\x1b]", page)
    assert not re.search(r"https?:|src=|url\(|@import", page)
    assert page.count("&lt;script&gt;") == 10
    assert "default-src 'none'" in page


def test_the_command_writes_a_file_or_shows_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MEDSNAP_STATE", "MEDSNAP_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    assert run(root(), ["policy", "show", "hospital", "--board", "-o", "board.html"]) == 0
    assert Path("board.html").read_text("utf-8").startswith("<!doctype html>")
    assert "board.html" in capsys.readouterr().out
    assert run(root(), ["policy", "show", "hospital", "--board", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)["sentences"]
    assert {"chapter", "sentence", "where"} <= said[0].keys()
    assert run(root(), ["policy", "show", "hospital", "--board"]) == 0
    assert "Kept" not in (out := capsys.readouterr().out)
    assert "The governing body is: Clinical Imaging Governance Group." in out


def test_words_and_lines_are_joined_as_people_write_them() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b_c"]), listed("abc", "or")] == [
        "", "a", "a and b c", "a, b or c",
    ]  # fmt: skip
    assert places(["a:3", "a:1", "a:2", "b:9", "a:7", "", "a:7"]) == "a:1-3, 7; b:9"
