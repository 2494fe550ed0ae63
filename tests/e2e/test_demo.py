"""`medsnap demo`: the first thing that a stranger runs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.helpers import Clinic, Ran, digests


@pytest.fixture(scope="module")
def me(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return Clinic(tmp_path_factory.mktemp("me"))


@pytest.fixture(scope="module")
def place(me: Clinic) -> Path:
    return me.root.parent / "day of a demo"  # a name with blanks must do as well


@pytest.fixture(scope="module")
def shown(me: Clinic, place: Path) -> Ran:
    return me.run("demo", place).expect(0)


def _made(place: Path) -> tuple[int, int]:
    return len(list((place / "to-pacs").glob("*.dcm"))), len(list((place / "to-ehr").glob("*.bundle.json")))


def test_each_command_that_the_demo_shows_can_be_typed(me: Clinic, place: Path, shown: Ran) -> None:
    """The lines after `$` are no decoration."""
    commands = [shlex.split(x[2:])[1:] for x in shown.out.splitlines() if x.startswith("$ medsnap ")]
    assert len(commands) >= 8
    environment = {
        **me.host_environment,
        "MEDSNAP_STATE": str(place / "host"),
        "MEDSNAP_CACHE": str(place / "cache"),
        "MEDSNAP_VAULT": str(place / "vault"),
        "MEDSNAP_KEY_FILE": str(place / "keys" / "owner.key"),
    }
    typed = [w for w in commands if w[1] in ("ls", "check", "verify", "explain")]
    assert len(typed) == 4
    for words in typed:
        me.run(*words, cwd=place, environment=environment).expect(0)


def test_the_demo_runs_again_and_leaves_the_dump_as_it_was(me: Clinic, place: Path, shown: Ran) -> None:
    assert min(_made(place)) >= 8
    assert "What happened" in shown.out
    dump = digests(place / "day" / "dump")
    assert len(dump) >= 20

    again = me.run("demo", place, "--format", "json").expect(0)
    told = again.json
    assert (told["dicom"], told["bundles"]) == _made(place)
    assert min(_made(place)) >= 8
    # the made-up day is the same each time: what the first run left is what a fresh one makes
    assert digests(place / "day" / "dump") == dump
    # nothing outside its folder: no key, no pin, no cache of the person who tries it
    assert not [p for p in me.root.rglob("*") if p.is_file()]


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    ran = Clinic(tmp_path / "me").run("demo", mine, "--format", "json").expect(73)
    assert ran.json["error"]["id"] == "output.cannot-create"
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
