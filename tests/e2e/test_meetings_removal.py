"""Ingest, removals and what members write, at once: one works, the other ends with 75 and did nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.builders import export as make
from tests.e2e.ward import Ward

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

NOTE = "medsnap.vault.erasures:write"
COMMIT = "medsnap.vault.commits:write"


def _dump(ward: Ward, name: str, *qualities: int) -> Path:
    folder = ward.folder / name
    folder.mkdir()
    for quality in qualities:
        (folder / f"IMG_{quality}.jpg").write_bytes(make.jpeg(quality=quality))
    return folder


def _ingest(dump: Path) -> list[str]:
    how = ("--no-detect", "--jobs", "1", "--format", "ndjson")
    return ["ingest", str(dump), "--policy", "hospital", *how]


def test_of_ingest_and_a_removal_the_second_one_ends_at_once(ward: Ward) -> None:
    dump = _dump(ward, "dump", 60)
    before = ward.listed()
    with ward.beside(*_ingest(dump), where=COMMIT) as taking:
        for words in (ward.erase(ward.ids[0]), ward.move(ward.ids[0]), _ingest(dump)):
            ran = ward.run(*words).expect(75)
            assert "another medsnap run holds the vault" in ran.out
        assert ward.listed() == before
        assert ward.run("vault", "copy", ward.folder / "copy", "--format", "json").expect(0).json["ok"]
        assert taking.goes_on().code in (0, 3, 5)
    assert len(ward.listed()) == len(before) + 1
    with ward.beside(*ward.erase(ward.ids[0]), where=NOTE) as removal:
        ward.run(*_ingest(dump)).expect(75)
        ward.run(*ward.move(ward.ids[1])).expect(75)
        removal.goes_on().expect(0)
    assert len(ward.listed()) == len(before)
    ward.sound()


def test_what_members_write_waits_for_a_removal(ward: Ward) -> None:
    number = ("--patient", "T1")
    hold = ("vault", "legal-hold", "add", "--reason", "a court", *number)
    with ward.beside(*ward.erase(ward.ids[0]), where=NOTE) as removal:
        busy = ward.run(*hold).expect(75)
        assert "members' lock" in busy.err
        removal.goes_on().expect(0)
    ward.run(*hold).expect(0)
    ward.sound()


def test_a_hold_that_came_first_keeps_the_photo(ward: Ward) -> None:
    photo = ward.ids[0]
    with ward.beside(*ward.erase(photo), where="medsnap.vault.erasure:alone") as removal:
        ward.run("vault", "legal-hold", "add", photo, "--reason", "a court").expect(0)
        assert removal.goes_on().code == 3
    assert photo in ward.listed()


def test_decisions_on_what_moves_meanwhile_are_not_lost_unsaid(ward: Ward) -> None:
    apply = ("policy", "apply", "hospital", "--open", "--format", "ndjson")
    with ward.beside(*apply, where="medsnap.vault.turns:turn") as deciding:
        ward.run(*ward.move(ward.ids[0])).expect(0)
        assert "moved or erased meanwhile" in deciding.goes_on().expect(75).out
    ward.run(*apply)
    ward.sound()


def test_two_hosts_take_turns_and_what_one_left_cut_off_is_not_the_others(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = os.environ["MEDSNAP_STATE"]
    second = str(ward.folder / "second")
    monkeypatch.setenv("MEDSNAP_STATE", second)
    _second_host(ward)
    mine, others = _dump(ward, "mine", 60, 61), _dump(ward, "others", 62)
    before = len(ward.listed())
    monkeypatch.setenv("MEDSNAP_STATE", first)
    with ward.beside(*_ingest(mine), where=COMMIT) as taking:
        monkeypatch.setenv("MEDSNAP_STATE", second)
        ward.run(*_ingest(others)).expect(75)
        taking.dies()
    assert ward.run(*_ingest(others)).code in (0, 3, 5)
    assert len(ward.listed()) == before + 1
    monkeypatch.setenv("MEDSNAP_STATE", first)
    assert ward.run(*_ingest(mine)).code in (0, 3, 5)
    assert len(ward.listed()) == before + 3
    ward.sound()


def _second_host(ward: Ward) -> None:
    root, request = ward.folder / "r", ward.folder / "second.host"
    shown = ward.run("vault", "trust", "--format", "json")
    ward.run("vault", "trust", shown.json["fingerprint"]).expect(0)
    ward.run("vault", "host", "key", "second", "-o", request).expect(0)
    words = ("--vkey", request, "--root-key-file", root)
    ward.run("vault", "host", "add", "second", *words).expect(0)
