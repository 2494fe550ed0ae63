"""`medsnap scrub`: where copies go, what is refused before anything is written, what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from medsnap.cli import root
from medsnap.commands import _main as main
from medsnap.commands import _scrub_work as work
from medsnap.scrub import scrub
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders.jpeg import SECRET

PHOTO = j.after_soi(j.base(), j.exif(6))


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    root = tmp_path / "dump"
    (root / "a" / "b").mkdir(parents=True)
    (root / "one.jpg").write_bytes(PHOTO)
    (root / "a" / "b" / "two.png").write_bytes(p.picture(p.TEXT))
    (root / "a" / "three.gif").write_bytes(b"GIF89a" + bytes(30))
    (root / "notes.txt").write_bytes(b"hello")
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main.run(root(), ["scrub", *map(str, arguments), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_folder_is_mirrored(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run(capsys, dump, "-o", tmp_path / "out")
    out = tmp_path / "out"
    assert code == 3
    assert {k: data[k] for k in ("done", "skipped", "held", "failed")} == {
        "done": 2,
        "skipped": 1,
        "held": 1,
        "failed": 0,
    }
    assert {str(f.relative_to(out)) for f in out.rglob("*") if f.is_file()} == {"one.jpg", "a/b/two.png"}
    assert (out / "one.jpg").read_bytes() == scrub(PHOTO)
    assert (dump / "one.jpg").read_bytes() == PHOTO
    assert (out / "one.jpg").stat().st_mode & 0o777 == 0o600
    record = next(r for r in data["records"] if r["path"].endswith("one.jpg"))
    assert record["outcome"] == "done"
    assert record["sha256_in"] == hashlib.sha256(PHOTO).hexdigest()
    assert record["sha256_out"] == hashlib.sha256((out / "one.jpg").read_bytes()).hexdigest()
    assert [c["kind"] for c in record["removed"]] == ["exif"]
    assert record["kept"] == []
    assert record["pixels_equal"] is None
    assert data["removed"] == {"name or text": 2}


def test_verified_pixels_are_recorded(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run(capsys, dump / "one.jpg", "-o", tmp_path / "out", "--verify-pixels")
    assert (code, data["records"][0]["pixels_equal"]) == (0, True)


def test_a_dry_run_writes_nothing(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, data = run(capsys, dump, "--dry-run", "-o", tmp_path / "out")
    assert (code, data["done"], data["dry_run"]) == (3, 2, True)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_report_goes_into_a_private_file(
    dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    _, data = run(capsys, dump, "-o", tmp_path / "out", "--report", report)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert ["coded_sha256" in line for line in lines[:-1]] == [r["outcome"] == "done" for r in lines[:-1]]
    assert lines[:-1] == data["records"]
    assert lines[-1] == {k: v for k, v in data.items() if k not in ("records", "schema_version")}
    assert report.stat().st_mode & 0o777 == 0o600
    code, data = run(capsys, dump, "-o", tmp_path / "other", "--report", report)
    assert (code, data["error"]["id"]) == (73, "output.cannot-create")
    assert not (tmp_path / "other").exists()


def _same_names(dump: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "one.jpg").write_bytes(PHOTO)
    return [dump / "one.jpg", tmp_path / "one.jpg", "-o", tmp_path / "out"]


def _existing(dump: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one.jpg").write_bytes(b"mine")
    return [dump, "-o", tmp_path / "out"]


def _inside(dump: Path, tmp_path: Path) -> list[object]:
    return [dump, "-o", dump / "a" / "clean"]


def _itself(dump: Path, tmp_path: Path) -> list[object]:
    return [dump, "-o", dump]


def _beside_itself(dump: Path, tmp_path: Path) -> list[object]:
    return [dump / "one.jpg", "-o", dump]


def _link(dump: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    return [dump, "-o", tmp_path / "out"]


def _file(dump: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "out").write_bytes(b"mine")
    return [dump, "-o", tmp_path / "out"]


@pytest.mark.parametrize(
    "prepare",
    [_same_names, _existing, _inside, _itself, _beside_itself, _link, _file],
    ids=lambda f: f.__name__,
)
def test_nothing_is_written_where_it_must_not(
    prepare: Any, dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = prepare(dump, tmp_path)
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    code, data = run(capsys, *arguments)
    assert (code, data["error"]["id"]) == (73, "output.cannot-create")
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before


def test_links_are_not_followed(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.jpg").write_bytes(PHOTO)
    (dump / "folder").symlink_to(tmp_path / "elsewhere")
    (dump / "file.jpg").symlink_to(tmp_path / "elsewhere" / "x.jpg")
    _, data = run(capsys, dump, "-o", tmp_path / "out")
    linked = {Path(r["path"]).name: r["outcome"] for r in data["records"] if "link" in r.get("reason", "")}
    assert linked == {"folder": "skipped", "file.jpg": "skipped"}


def test_a_link_in_the_output_is_refused(
    dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trap").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "trap")
    code, _ = run(capsys, dump, "-o", tmp_path / "out")
    assert code == 73
    assert list((tmp_path / "trap").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_block(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(dump / "pipe.jpg")
    _, data = run(capsys, dump, "-o", tmp_path / "out")
    assert {Path(r["path"]).name for r in data["records"] if r["outcome"] == "skipped"} == {
        "pipe.jpg",
        "notes.txt",
    }


def test_a_missing_source_and_a_missing_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run(capsys, tmp_path / "nothing", "-o", tmp_path / "out")
    assert (code, data["error"]["id"]) == (66, "input.missing")
    code, data = run(capsys, tmp_path)
    assert (code, data["error"]["id"]) == (2, "usage")


def test_held_reasons_hold_no_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.jpg").write_bytes(j.after_soi(j.base(), j.segment(0xF0, SECRET)))
    code, data = run(capsys, tmp_path / "bad.jpg", "-o", tmp_path / "out")
    assert (code, data["records"][0]["outcome"]) == (3, "held")
    assert SECRET.decode() not in json.dumps(data)
    assert not (tmp_path / "out").exists()


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (tmp_path / "t").write_bytes(b"new")
    work.name_new(tmp_path / "t", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"new"
    (tmp_path / "t").write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        work.name_new(tmp_path / "t", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"new"
