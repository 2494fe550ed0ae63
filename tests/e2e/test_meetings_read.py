"""Who reads while photos go: lists, copies and checks see the vault before or after, never half of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medsnap.vault import turns
from tests.e2e.ward import Ward

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

BATCH = "medsnap.vault.commits:read_batch"
HALF = "medsnap.vault.commits:write_new"


@pytest.mark.parametrize("nth", [1, 5])  # of two commits with four batches each
@pytest.mark.parametrize("removal", ["erase", "move"])
def test_a_list_that_is_overtaken_begins_again(ward: Ward, removal: str, nth: int) -> None:
    ward.run(*ward.export()).expect(0)
    gone = ward.ids[0]
    words = ward.erase(gone) if removal == "erase" else ward.move(gone)
    with ward.beside("vault", "reindex", "--format", "json", where=BATCH, nth=nth) as reading:
        ward.run(*words).expect(0)
        ran = reading.goes_on().expect(0)
    assert ran.json["photos"] == len(ward.listed()) == (2 if removal == "erase" else 3)
    assert ran.json["problems"] is False
    assert gone not in ward.listed()


def test_a_list_beside_half_a_removal_is_that_of_before(ward: Ward) -> None:
    for where in ("medsnap.vault.erasures:write", "medsnap.vault.moving:write_new"):
        with ward.beside(*ward.move(ward.ids[0]), where=where) as removal:
            assert ward.listed() == set(ward.ids)
            removal.dies()
    assert ward.listed() == set(ward.ids)
    ward.run(*ward.erase(ward.ids[1])).expect(0)
    assert ward.listed() == {ward.ids[0], ward.ids[2]}
    ward.sound()


@pytest.mark.parametrize("where", [BATCH, "medsnap.vault.copy:_Copying._object"])
@pytest.mark.parametrize("removal", ["erase", "move"])
def test_a_copy_that_is_overtaken_begins_again(ward: Ward, removal: str, where: str) -> None:
    to = ward.folder / "copy"
    gone = ward.ids[0]
    words = ward.erase(gone) if removal == "erase" else ward.move(gone)
    with ward.beside("vault", "copy", to, "--format", "json", where=where) as copying:
        ward.run(*words).expect(0)
        ran = copying.goes_on().expect(0)
    assert ran.json["ok"] is True
    tried = ward.run("vault", "restore-test", to, "--recovery-file", ward.folder / "r", "--format", "json")
    assert tried.expect(0).json["photos"] == (2 if removal == "erase" else 3)
    assert not (to / "objects" / gone[:2] / gone).exists()


def test_a_copy_beside_half_a_commit_has_all_of_before_and_the_next_one_the_rest(ward: Ward) -> None:
    to = ward.folder / "copy"
    with ward.beside(*ward.export(), where=HALF, nth=2) as export:
        first = ward.run("vault", "copy", to, "--format", "json").expect(0)
        assert first.json["unlogged"] == 0
        tried = ward.run(
            "vault", "restore-test", to, "--recovery-file", ward.folder / "r", "--format", "json"
        )
        assert tried.expect(0).json["photos"] == 3
        export.goes_on().expect(0)
    again = ward.run("vault", "copy", to, "--format", "json").expect(0)
    assert (again.json["commits"], again.json["objects"]) == (1, 0)


def test_nobody_tries_a_copy_that_is_being_written(ward: Ward) -> None:
    to = ward.folder / "copy"
    with ward.beside("vault", "copy", to, where="medsnap.audit.copying:copy") as copying:
        ward.run("vault", "restore-test", to, "--recovery-file", ward.folder / "r").expect(75)
        ward.run("vault", "copy", to).expect(75)
        copying.goes_on().expect(0)


def test_a_check_waits_for_a_member_who_is_writing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    real = turns.turn
    with ward.beside(*ward.export(), where=HALF, after=True) as export:
        ward.run("vault", "check").expect(75)
        repair = ward.run("vault", "check", "--repair", "--key-file", ward.folder / "k").expect(75)
        assert "members' lock" in repair.err

        @contextmanager
        def patient(vault: Path) -> Iterator[None]:
            export.goes_on().expect(0)
            with real(vault):
                yield

        monkeypatch.setattr(turns, "turn", patient)
        ward.run("vault", "check").expect(0)
    monkeypatch.setattr(turns, "turn", real)
    ward.sound()


def test_a_check_still_finds_what_a_killed_member_left(ward: Ward) -> None:
    with ward.beside(*ward.export(), where=HALF, after=True) as export:
        export.dies()
    found = ward.run("vault", "check", "--format", "json").expect(4)
    assert [p["what"] for p in found.json["problems"]] == ["a batch in no commit"]
    ward.run("vault", "check", "--repair").expect(0)
    ward.run(*ward.export()).expect(0)
    ward.run("vault", "check").expect(0)


def test_a_list_that_meets_a_change_of_keys_opens_the_new_ones(ward: Ward) -> None:
    with ward.beside(
        "vault", "ls", "--format", "ndjson", where="medsnap.vault.reader:Reader._open_rings"
    ) as reading:
        ward.run("vault", "rotate", "general", "--root-key-file", ward.folder / "r").expect(0)
        assert {photo["id"] for photo in reading.goes_on().expect(0).photos} == set(ward.ids)
