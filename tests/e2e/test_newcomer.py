"""What people type wrong in their first hour: each gets told what, where and what to do next."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from PIL import Image

from tests.helpers import MEDSNAP, Clinic

HEAD = "file,folder,mrn,issuer,birth_date,encounter\n"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Make a vault by a packaged policy's name, and a dump whose names are awkward."""
    made = Clinic(tmp_path_factory.mktemp("new")).init("--policy", "hospital")
    folder = made.root / "dump" / "Station Müller (3)"
    folder.mkdir(parents=True)
    for name, grey in (("[red]x[red].jpg", 9), ("b.jpg", 99)):
        Image.new("L", (40, 30), grey).save(folder / name)
    return made


def test_no_command_is_no_error_but_help(clinic: Clinic) -> None:
    ran = clinic.run().expect(2)
    assert "Start with" in ran.out
    assert ran.err == ""


def test_a_usage_error_names_the_help_of_its_own_command(clinic: Clinic) -> None:
    assert "see medsnap vault open --help" in clinic.run("vault", "open", "abc").expect(2).err
    assert "see medsnap scan --help" in clinic.run("scan", "dump", "--polcy", "x").expect(2).err
    assert "see medsnap --help" in clinic.run("scn").expect(2).err


def test_a_policy_that_is_neither_file_nor_packaged_lists_the_packaged_ones(clinic: Clinic) -> None:
    for words in (["scan", "dump"], ["vault", "init", "--vault", "v2", "--recovery-file", "r2"]):
        ran = clinic.run(*words, "--policy", "hospitl").expect(66)
        assert "little-clinic" in ran.err
    assert not (clinic.root / "v2").exists()


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["scan", "dump", "--policy", "hospital", "-o", "absent/out.txt"], "absent/out.txt"),
        (["ingest", "dump", "--policy", "hospital", "--report", "absent/r.ndjson"], "absent/r.ndjson"),
    ],
)
def test_a_result_without_a_folder_is_refused_before_the_work(
    clinic: Clinic, words: list[str], place: str
) -> None:
    ran = clinic.run(*words).expect(73)
    assert place in ran.err
    assert clinic.objects() == set()


def test_own_folders_that_cannot_be_used_are_named(clinic: Clinic) -> None:
    (clinic.root / "in-the-way").write_text("")
    blocked = {name: str(clinic.root / "in-the-way" / "x") for name in ("MEDSNAP_CACHE", "MEDSNAP_STATE")}
    ran = clinic.run("vault", "ls", environment={**clinic.environment, **blocked})
    assert ran.code == 73, ran
    assert "MEDSNAP_CACHE" in ran.err or "MEDSNAP_STATE" in ran.err
    words = ("vault", "init", "--vault", "v3", "--key-file", "k3", "--recovery-file", "r3", "--no-input")
    ran = clinic.run(*words, environment={**clinic.environment, **blocked}).expect(73)
    assert "MEDSNAP_STATE" in ran.err
    assert not [n for n in ("v3", "k3", "r3") if (clinic.root / n).exists()]


def test_rows_that_name_nothing_are_told(clinic: Clinic) -> None:
    rows = ("b.jpg,,7,2.999.1,1970-01-01,E1", ",DCIM/101APPLE,7,2.999.1,1970-01-01,E1")
    (clinic.root / "m.csv").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    words = ("dump", "--policy", "hospital", "--manifest", "m.csv", "--no-detect")
    ran = clinic.run("scan", *words)
    assert "1 of 2 rows" in ran.err
    assert "line 3" in ran.err
    assert "whose photos they are" in ran.out
    assert "no row of the manifest names this photo" in ran.out
    assert "b.jpg" not in ran.out
    listed = clinic.run("scan", *words, "-v").out
    assert "Station Müller (3)/[red]x[red].jpg" in listed
    assert "medsnap policy explain ID" in clinic.run("ingest", *words, "-v").out


def test_a_photo_that_cannot_be_written_is_not_logged_as_opened(clinic: Clinic) -> None:
    clinic.ingest("dump")
    photo = clinic.listed()[0]["id"]
    before = clinic.run("audit", "ls", "--format", "ndjson").lines
    ran = clinic.run("vault", "open", photo[:8], "-o", "absent/x.jpg").expect(73)
    assert "absent/x.jpg" in ran.err
    assert clinic.run("audit", "ls", "--format", "ndjson").lines == before


def test_a_key_file_that_is_not_there_is_not_called_a_file_of_the_vault(clinic: Clinic) -> None:
    ran = clinic.run("vault", "ls", "--key-file", "myky").expect(66)
    assert "the key file does not exist" in ran.err
    assert "myky" in ran.err


def test_a_checkpoint_out_of_the_vault_itself_is_no_witness(clinic: Clinic) -> None:
    ran = clinic.run("audit", "verify", "--since", clinic.vault / "log" / "checkpoint").expect(0)
    assert "proves nothing" in ran.err


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_ctrl_c_says_that_work_is_kept(clinic: Clinic) -> None:
    many = clinic.root / "many"
    many.mkdir()
    for number in range(400):
        Image.new("RGB", (16, 16), (number % 256, number // 256, 7)).save(many / f"{number}.jpg")
    words = [*MEDSNAP, "ingest", str(many), "--policy", "hospital", "--no-detect", "--format", "ndjson"]
    run = subprocess.Popen(
        words, env=clinic.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=clinic.root
    )
    assert run.stdout is not None
    first = run.stdout.readline()  # so one photo is sealed
    run.send_signal(signal.SIGINT)
    rest, err = run.stdout.read(), run.communicate(timeout=300)[1]
    assert run.returncode == 130, err
    told = [json.loads(line) for line in (first + rest).splitlines()]
    assert told[-1]["error"]["id"] == "interrupted", told[-1]
    assert 0 < len(told) - 1 < 400
    again = clinic.ingest(many).expect(0)
    assert again.summary["already"] >= len(told) - 1
