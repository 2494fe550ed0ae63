"""`medsnap scrub` when something is wrong: no room, odd names, a report without a place, thousands held."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from medsnap.cli import root
from medsnap.commands import _main as main
from medsnap.commands import _scrub_work as work
from medsnap.errors import Exit
from medsnap.scrub import ScrubKeep
from tests.builders import jpeg as j

PHOTO = j.after_soi(j.base(), j.exif(6))


def job(folder: Path, name: str = "1.jpg") -> work.Job:
    (folder / name).write_bytes(PHOTO)
    return work.Job(source=folder / name, target=Path(name), shown=name, token="t")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_no_room_ends_the_run(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.open

    def refuse(path: str | Path, *more: int) -> int:
        if str(path).endswith(".tmp"):
            raise OSError(number, os.strerror(number), str(path))
        return listed(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    setup = work.Setup(into=tmp_path / "out", keep=ScrubKeep())
    done = work.one(job(tmp_path), setup)
    assert done.stop == (f"the copies cannot be written: {os.strerror(number)}", str(tmp_path / "out"))
    assert (done.exit, done.hint) == (Exit.IO, "make room, or name another folder")
    assert [p.name for p in (tmp_path / "out").iterdir()] == []


def test_a_source_that_may_not_be_read_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, opened = job(tmp_path), os.open

    def refuse(path: str | Path, *more: int) -> int:
        if str(path) == str(made.source):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    done = work.one(made, work.Setup(into=tmp_path / "out", keep=ScrubKeep()))
    assert (done.stop, done.outcome, done.reason) == (None, "failed", "Permission denied")


def test_a_name_that_is_no_utf8_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [b"bad\xff.jpg", b"bad\xfe.jpg"]
    (tmp_path / "in").mkdir()
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_bytes(PHOTO)
    report = tmp_path / "r.jsonl"
    code = main.run(
        root(), ["scrub", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--report", str(report)]
    )
    assert code == 0
    capsys.readouterr()
    rows = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert {os.fsencode(Path(r["path"]).name) for r in rows if "path" in r} == set(names)


def test_a_report_without_a_folder_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.jpg").write_bytes(PHOTO)
    out = tmp_path / "out"
    code = main.run(
        root(), ["scrub", str(tmp_path / "1.jpg"), "-o", str(out), "--report", str(out / "r.jsonl")]
    )
    assert (code, out.exists()) == (73, False)
    assert "the folder for this file does not exist" in capsys.readouterr().err


def test_a_page_names_fifty_without_a_copy_and_counts_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.jpg").write_bytes(b"")
    assert main.run(root(), ["scrub", str(tmp_path), "--dry-run", "--jobs", "1"]) == 3
    told = capsys.readouterr().out
    assert told.count("held, no copy: ") == 50
    assert "and 10 more without a copy: --report FILE names each" in told


def test_an_interrupted_scrub_is_not_told_to_run_again_into_its_own_copies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.jpg").write_bytes(PHOTO)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medsnap.commands.scrub._run", stop)
    code = main.run(root(), ["scrub", str(tmp_path / "1.jpg"), "-o", str(tmp_path / "out")])
    assert code == 130
    assert "run it again into an empty folder" in capsys.readouterr().err
