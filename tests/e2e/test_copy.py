"""Copy, check, repair and restore as people type them; the host is destroyed, a bare machine opens all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from medsnap.crypto.note import Signer
from medsnap.vault import commits, directory, keys
from tests.builders import small
from tests.helpers import Clinic, Ran


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    clinic = Clinic(tmp_path_factory.mktemp("clinic")).init()
    dump = clinic.root / "dump"
    dump.mkdir()
    for n in range(3):
        (dump / f"IMG_{n}.jpg").write_bytes(small.jpeg() + bytes([n]))
    clinic.ingest(dump)
    clinic.run("vault", "copy", clinic.root / "copy").expect(0)
    return clinic


@pytest.fixture
def clinic(made: Clinic, tmp_path: Path) -> Clinic:
    """The same clinic, for one test to spoil."""
    shutil.copytree(made.root, tmp_path / "clinic")
    return Clinic(tmp_path / "clinic")


def _restore(clinic: Clinic, bare: Path, copy: Path) -> Ran:
    """Run restore-test with nothing of this clinic but the copy and the sheet."""
    bare.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(bare), "LANG": "C.UTF-8"}
    words = ("vault", "restore-test", copy, "--recovery-file", clinic.recovery, "--format", "json")
    return clinic.run(*words, environment=environment, cwd=bare)


def test_the_host_is_gone_and_a_bare_machine_opens_everything(clinic: Clinic, tmp_path: Path) -> None:
    for part in ("vault", "host", "home", "dump", "cache"):
        shutil.rmtree(clinic.root / part, ignore_errors=True)
    clinic.key.unlink()
    ran = _restore(clinic, tmp_path / "bare", clinic.root / "copy")
    found = ran.expect(0).json
    assert (found["ok"], found["committed"], found["photos"], found["lost"]) == (True, 3, 3, [])
    assert not list((tmp_path / "bare").iterdir()), "it leaves nothing on that machine"


def test_a_copy_with_a_broken_photo_is_said_by_id(clinic: Clinic, tmp_path: Path) -> None:
    path = min(p for p in (clinic.root / "copy" / "objects").rglob("*") if p.is_file())
    path.write_bytes(path.read_bytes()[:-1])
    ran = _restore(clinic, tmp_path / "bare", clinic.root / "copy")
    assert ran.expect(4).json["lost"] == [path.name]
    clinic.run("vault", "copy", clinic.root / "copy", "--reread").expect(0)
    shutil.rmtree(tmp_path / "bare")
    _restore(clinic, tmp_path / "bare", clinic.root / "copy").expect(0)


def test_a_member_who_wrote_and_was_cut_off_before_the_log_mends_it_with_his_key(clinic: Clinic) -> None:
    held = keys.load_file(clinic.key)
    signer = Signer.parse_private(held.signer)
    known = directory.load(clinic.vault).directory
    signed = commits.write(clinic.vault, known, commits.Draft(lines={}), signer=signer, random=os.urandom)
    place = f"commits/{signed.commit.commit}"
    told = clinic.run("vault", "check", "--format", "json").expect(4).json
    assert [p["where"] for p in told["problems"]] == [place]
    clinic.run("vault", "check", "--repair").expect(4)  # without keys nobody can sign the log
    clinic.run("vault", "check", "--repair", "--open").expect(0)
    clinic.run("vault", "check").expect(0)
    clinic.run("audit", "verify").expect(0)


def test_strays_are_shown_first_and_moved_then(clinic: Clinic) -> None:
    stray = clinic.vault / "objects" / "aa" / "left-by-a-sync-tool"
    stray.write_bytes(b"?")
    told = clinic.run("vault", "check", "--repair", "-n", "--format", "json").expect(4).json
    assert stray.exists() and told["moved"] == 0
    clinic.run("vault", "check", "--repair").expect(0)
    assert (clinic.vault / "tmp" / "aside" / "objects-aa-left-by-a-sync-tool").read_bytes() == b"?"
    assert not stray.exists()


def test_who_has_pinned_nothing_and_has_no_key_moves_nothing(clinic: Clinic) -> None:
    shutil.rmtree(clinic.state)
    (clinic.vault / "objects" / "aa" / "stray").write_bytes(b"?")
    clinic.run("vault", "check", "--repair", environment=clinic.host_environment).expect(77)
    clinic.run("vault", "check", "--repair").expect(0)  # the owner's key names the root


def test_a_sample_is_told_with_its_seed(clinic: Clinic) -> None:
    told = clinic.run("vault", "check", "--sample", "40%", "--seed", "x", "--format", "json").expect(0).json
    assert told["sample"] == {"percent": 40.0, "seed": "x"} and told["objects"] <= 3
    today = clinic.run("vault", "check", "--open", "--sample", "100%", "--format", "json").expect(0).json
    assert len(today["sample"]["seed"]) == 10
    assert today["opened"] == {"photos": 3, "clips": 0, "failed": []}
    events = clinic.run("audit", "ls", "--format", "ndjson").expect(0).lines
    assert [e["action"] for e in events if e.get("action") == "check"] == ["check"]


WRONG = {
    "no share": (["check", "--sample", "much"], 2),
    "a seed for nothing": (["check", "--seed", "x"], 2),
    "a trial of nothing": (["check", "-n"], 2),
    "no sheet": (["restore-test", "{copy}"], 2),
    "a sheet that is not there": (["restore-test", "{copy}", "--recovery-file", "{root}/none"], 66),
    "no copy": (["restore-test", "{root}/none", "--recovery-file", "{sheet}"], 66),
    "into itself": (["copy", "{root}/vault/inside"], 2),
    "onto a file": (["copy", "{sheet}"], 73),
    "into the dump": (["copy", "{root}/dump"], 73),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str, made: Clinic) -> None:
    words, code = WRONG[case]
    places = {"copy": made.root / "copy", "root": made.root, "sheet": made.recovery}
    ran = made.run("vault", *[w.format(**places) for w in words]).expect(code)
    assert ran.err.startswith("error: ") or code == 2


def test_a_sheet_of_another_vault_is_refused(made: Clinic, tmp_path: Path) -> None:
    other = Clinic(tmp_path / "other").init()
    words = ("vault", "restore-test", made.root / "copy", "--recovery-file", other.recovery)
    assert "another vault" in made.run(*words).expect(77).err
