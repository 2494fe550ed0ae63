"""`medsnap scrub`: archives, companions, paths on stdin, names, times, what is kept, workers that die."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from medsnap.cli import root
from medsnap.commands import _main as main
from medsnap.commands import _scrub_work as work
from medsnap.commands import scrub as command
from medsnap.commands._scrub_work import Job, Setup
from medsnap.model.photo import MediaType
from medsnap.scrub import ScrubKeep, clean, scrub
from medsnap.workers import Pool
from tests.builders import archive as a
from tests.builders import jpeg as j
from tests.unit.test_scrub_keep import FILES as MADE
from tests.unit.test_scrub_keep import old

PHOTO = j.after_soi(j.base(), j.exif(6))
CLIP = b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  " + bytes(40)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main.run(root(), ["scrub", *map(str, arguments), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def written(out: Path) -> dict[str, bytes]:
    return {f.relative_to(out).as_posix(): f.read_bytes() for f in out.rglob("*") if f.is_file()}


@pytest.mark.parametrize("name", ["phone.zip", "phone.tar", "phone.tgz"])
def test_an_archive_is_scrubbed_member_by_member(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "DCIM/1.jpg": PHOTO,
        "../evil.jpg": PHOTO,
        "inner.zip": a.library_zip({"x.jpg": PHOTO}),
        "notes.txt": b"hello",
        "DCIM/2.jpg": PHOTO,
        "DCIM/2.AAE": b"<plist/>",
    }
    made = (
        a.library_zip(files)
        if name.endswith("zip")
        else a.library_tar(files, "w:gz" if "gz" in name else "w")
    )
    (tmp_path / "dump" / "sub").mkdir(parents=True)
    (tmp_path / "dump" / "sub" / name).write_bytes(made)
    code, data = run(capsys, tmp_path / "dump", "-o", tmp_path / "out")
    assert code == 3
    assert written(tmp_path / "out") == {f"sub/phone/DCIM/{n}.jpg": scrub(PHOTO) for n in (1, 2)}
    outcomes = {r["path"].partition(name + "/")[2]: (r["outcome"], r.get("reason")) for r in data["records"]}
    assert outcomes == {
        "DCIM/1.jpg": ("done", None),
        "DCIM/2.jpg": ("done", None),
        "DCIM/2.AAE": ("skipped", "dropped: a list of edits (AAE)"),
        "inner.zip": ("skipped", "an archive, or one within an archive: unpack it first"),
        "notes.txt": ("skipped", "no photo, by its content"),
        "../evil.jpg": ("held", "refused: a name that would leave the folder"),
    }
    assert data["companions_dropped"] == 1


def test_what_only_looks_like_no_photo_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "broken.jpg": b"\x00" * 500,
        "empty.heic": b"",
        "film.avi": b"RIFF\x00\x01\x00\x00AVI LIST" + bytes(40),
        "letter.pdf": b"%PDF-1.7\n/Author (A)",
        "._IMG_1.jpg": b"\x00\x05\x16\x07" + bytes(60),
        "notes.txt": b"hello",
    }
    (tmp_path / "dump").mkdir()
    for name, data in files.items():
        (tmp_path / "dump" / name).write_bytes(data)
    code, data = run(capsys, tmp_path / "dump", "-o", tmp_path / "out")
    assert code == 3
    outcomes = {Path(r["path"]).name: (r["outcome"], r["reason"]) for r in data["records"]}
    assert outcomes == {
        "broken.jpg": ("held", "named like a photo, but its bytes are none"),
        "empty.heic": ("held", "named like a photo, but its bytes are none"),
        "film.avi": ("held", "medsnap cannot scrub video/x-msvideo"),
        "letter.pdf": ("held", "medsnap cannot scrub application/pdf; seen in it: name or text"),
        "._IMG_1.jpg": ("skipped", "no photo, by its content"),
        "notes.txt": ("skipped", "no photo, by its content"),
    }
    assert written(tmp_path / "out") == {}


def test_a_folder_that_cannot_be_read_costs_only_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card" / "lost+found").mkdir(parents=True)
    (tmp_path / "card" / "1.jpg").write_bytes(PHOTO)
    listing = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("lost+found"):  # what an account without rights is told; root is never told
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", closed)
    code, data = run(capsys, tmp_path / "card", "-o", tmp_path / "out")
    assert (code, data["done"], data["failed"]) == (3, 1, 1)
    assert written(tmp_path / "out") == {"1.jpg": scrub(PHOTO)}
    (told,) = [r for r in data["records"] if r["outcome"] == "failed"]
    assert told["path"].endswith("lost+found") and told["reason"] == "this folder cannot be read"


def test_an_archive_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.zip").write_bytes(a.library_zip({"1.jpg": PHOTO}))
    code, _ = run(capsys, tmp_path / "p.zip", "-o", tmp_path / "out", "--times", "keep")
    assert code == 0
    assert written(tmp_path / "out") == {"p/1.jpg": scrub(PHOTO)}


def test_two_refused_members_do_not_collide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.zip").write_bytes(a.library_zip({"../1.jpg": PHOTO, "../2.jpg": PHOTO, "3.jpg": PHOTO}))
    code, data = run(capsys, tmp_path / "p.zip", "-o", tmp_path / "out")
    assert (code, data["held"], data["done"]) == (3, 2, 1)
    assert written(tmp_path / "out") == {"p/3.jpg": scrub(PHOTO)}


def test_two_archives_for_one_folder_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "p.zip").write_bytes(a.library_zip({"1.jpg": PHOTO}))
    (tmp_path / "d" / "p.tar").write_bytes(a.library_tar({"1.jpg": PHOTO}))
    code, _ = run(capsys, tmp_path / "d", "-o", tmp_path / "out")
    assert (code, (tmp_path / "out").exists()) == (73, False)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    folder.mkdir()
    (folder / "IMG_2.JPG").write_bytes(PHOTO)
    (folder / "IMG_2.MOV").write_bytes(CLIP)
    (folder / "IMG_2.AAE").write_bytes(b"<plist/>")
    (folder / "IMG_2.JPG.xmp").write_bytes(b"<x:xmpmeta/>")
    (folder / "IMG_2.JPG.json").write_bytes(b'{"photoTakenTime": 1}')
    (folder / "IMG_E2.JPG").write_bytes(PHOTO)
    return folder


def test_companions_never_lie_beside_the_clean_photo(
    pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, data = run(capsys, pair, "-o", tmp_path / "out")
    assert code == 0
    assert set(written(tmp_path / "out")) == {"IMG_2.JPG", "IMG_E2.JPG"}
    dropped = {Path(r["path"]).name: r for r in data["records"] if "companion_of" in r}
    assert set(dropped) == {"IMG_2.MOV", "IMG_2.AAE", "IMG_2.JPG.xmp", "IMG_2.JPG.json"}
    assert {r["outcome"] for r in dropped.values()} == {"skipped"}
    assert {r["companion_of"] for r in dropped.values()} == {str(pair / "IMG_2.JPG")}
    assert data["companions_dropped"] == 4


def test_the_clip_is_scrubbed_by_wish_or_when_named(
    pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ((pair, "--companions", "keep-clip"), (pair / "IMG_2.MOV",)):
        _, data = run(capsys, *arguments, "--dry-run")
        clip = next(r for r in data["records"] if r["path"].endswith(".MOV"))
        assert clip["outcome"] in ("held", "done")  # this clip is none: it was looked at
        assert "companion_of" not in clip


@pytest.mark.parametrize("end", [b"\n", b"\x00"])
def test_paths_on_stdin(
    end: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["one.jpg", "a b.jpg"] + (["line\nend.jpg"] if end == b"\x00" else [])
    for name in names:
        (tmp_path / name).write_bytes(PHOTO)
    text = end.join(os.fsencode(tmp_path / name) for name in names) + end
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    code, data = run(capsys, "-", "-o", tmp_path / "out")
    assert (code, data["done"]) == (0, len(names))
    assert set(written(tmp_path / "out")) == set(names)


def test_nothing_on_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    code, data = run(capsys, "-", "-o", tmp_path / "out")
    assert (code, data["error"]["id"]) == (66, "input.missing")


def test_ids_hide_names_and_the_report_maps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d" / "Musterfrau").mkdir(parents=True)
    (tmp_path / "d" / "Musterfrau" / "Erika.jpeg").write_bytes(PHOTO)
    (tmp_path / "d" / "Erika.jpeg").write_bytes(PHOTO)
    report = tmp_path / "map.ndjson"
    code, _ = run(capsys, tmp_path / "d", "-o", tmp_path / "out", "--names", "ids", "--report", report)
    assert code == 0
    files = written(tmp_path / "out")
    assert len(files) == 2
    assert all(Path(n).suffix == ".jpg" and len(Path(n).stem) == 24 and "/" not in n for n in files)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert {r["path"] for r in lines[:-1]} == {str(p) for p in (tmp_path / "d").rglob("*.jpeg")}
    assert {Path(r["output"]).name for r in lines[:-1]} == set(files)
    assert report.stat().st_mode & 0o777 == 0o600
    code, data = run(capsys, tmp_path / "d", "-o", tmp_path / "other", "--names", "ids")
    assert (code, data["error"]["id"]) == (2, "usage")


def test_the_coded_digest_is_that_of_the_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    _, data = run(capsys, tmp_path / "a.jpg", "-o", tmp_path / "out", "--report", tmp_path / "r")
    copy = (tmp_path / "out" / "a.jpg").read_bytes()
    assert data["records"][0]["coded_sha256"] == work.coded_digest(clean(copy).rewrite, copy)
    assert data["records"][0]["coded_sha256"] != work.coded_digest(clean(j.base(size=(32, 32))).rewrite, copy)


@pytest.mark.parametrize(("times", "expected"), [("keep", 1_234_567_890), ("reset", 946_684_800)])
def test_file_times(times: str, expected: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    os.utime(tmp_path / "a.jpg", (1_234_567_890, 1_234_567_890))
    run(capsys, tmp_path / "a.jpg", "-o", tmp_path / "out", "--times", times)
    assert int((tmp_path / "out" / "a.jpg").stat().st_mtime) == expected
    assert int((tmp_path / "a.jpg").stat().st_mtime) == 1_234_567_890


def test_what_is_kept_by_wish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = MADE["jpeg"](old())
    (tmp_path / "a.jpg").write_bytes(data)
    keep = ("--keep", "captured-day", "--keep", "device")
    code, told = run(capsys, tmp_path / "a.jpg", "-o", tmp_path / "out", *keep)
    wanted = ScrubKeep(captured_at="day", device="keep")
    assert (code, written(tmp_path / "out")) == (0, {"a.jpg": clean(data, keep=wanted).data(data)})
    assert told["kept"] == {"time": 1, "device": 1}
    code, told = run(capsys, tmp_path / "a.jpg", "-n", "--keep", "captured-day", "--keep", "captured-at")
    assert (code, told["error"]["id"]) == (2, "usage")


def deadly(setup: Setup) -> Any:
    def answer(job: Job) -> work.Done:
        if job.source.name == "die.jpg" and setup.into is not None:
            setup.into.mkdir()
            work.temporary(setup.into, job.token).write_bytes(b"half")
            os._exit(9)
        return work.one(job, setup)

    return answer


def test_a_killed_worker_costs_one_file_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "die.jpg", "z.jpg"):
        (tmp_path / name).write_bytes(PHOTO)

    def pool(where: str, setup: Setup, **how: Any) -> Pool[Job, work.Done]:
        assert where == "medsnap.commands._scrub_work:worker"
        return Pool(f"{__name__}:deadly", setup, **how)

    monkeypatch.setattr("medsnap.workers.Pool", pool)
    names = [tmp_path / n for n in ("die.jpg", "a.jpg", "z.jpg")]
    code, data = run(capsys, *names, "-o", tmp_path / "out", "--jobs", "1")
    assert [r["outcome"] for r in data["records"]] == ["held", "done", "done"]
    assert (code, set(written(tmp_path / "out"))) == (3, {"a.jpg", "z.jpg"})


def test_every_type_that_can_be_scrubbed_has_a_suffix() -> None:
    from medsnap.scrub.registry import FORMATS

    assert set(FORMATS) <= set(work.SUFFIX)
    assert MediaType.UNKNOWN not in work.SUFFIX
    assert command.MAX_FILE == 4 << 30
