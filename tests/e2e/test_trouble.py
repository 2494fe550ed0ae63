"""What goes wrong for people: full disks, rights, closed pipes, vanishing files, signals, two runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import MEDSNAP, Clinic, digests, mere_mortal, without_ids

SMALL_PIPE = 4096  # bytes: a run that writes into it stands still until somebody reads
FILLER = 120  # files whose records fill that pipe several times over


def _photos(folder: Path, count: int, *, side: int = 64) -> Path:
    """Draw photos; each is another picture, noise so that its size is what the side says."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        noise = Image.effect_noise((side, side), 20 + n).convert("RGB")
        noise.save(folder / f"IMG_{n:04}.jpg", quality=95)
    return folder


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path / "clinic").init()


# ── full disk ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system; skips loudly where that is not allowed."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "medsnap-test", str(folder)]
    ran = None
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount"):
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if ran is None or ran.returncode:
        pytest.skip(f"a full disk needs root and mount: {ran.stderr.strip() if ran else 'no root'}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], timeout=120, check=False)


def test_a_full_disk_stops_the_run_and_a_run_with_room_ends_it(tmp_path: Path) -> None:
    dump = _photos(tmp_path / "dump", 12, side=400)
    before = digests(dump)
    whole = Clinic(tmp_path / "whole").init()
    whole.ingest(dump).expect(0)
    needed = sum(p.stat().st_size for p in whole.vault.rglob("*") if p.is_file())
    clinic = Clinic(tmp_path / "full")
    with _small_disk(clinic.vault, str(needed // 2)) as disk:
        clinic.init()
        for _ in range(2):  # a second try on the full disk changes nothing for the worse
            ran = clinic.ingest(dump).expect(74)
            error = ran.lines[-1]["error"]
            assert "space" in error["message"].lower(), error
            assert digests(dump) == before
        remount = ["mount", "-o", f"remount,size={needed * 4}", str(disk)]
        subprocess.run(remount, timeout=120, check=True)
        clinic.ingest(dump).expect(0)
        assert without_ids(clinic.listed()) == without_ids(whole.listed())
        clinic.run("vault", "check").expect(0)
        clinic.run("audit", "verify").expect(0)
        assert clinic.objects() == {p["id"] for p in clinic.listed()}
    assert digests(dump) == before


# ── no right to write, no right to read ──────────────────────────────────────────────────────


@pytest.mark.parametrize("closed", ["tmp", "batches", "."])
def test_a_vault_that_cannot_be_written_stops_the_run(closed: str, clinic: Clinic, tmp_path: Path) -> None:
    dump = _photos(tmp_path / "dump", 2)
    wrapper = mere_mortal()
    (clinic.vault / closed).chmod(0o500)
    ran = clinic.ingest(dump, wrapper=wrapper).expect(74)
    assert "error" in ran.lines[-1]
    assert all("object" not in line or line["outcome"] != "failed" for line in ran.lines)
    (clinic.vault / closed).chmod(0o700)
    clinic.ingest(dump, wrapper=wrapper).expect(0)
    assert clinic.objects() == {p["id"] for p in clinic.listed()}
    assert len(clinic.objects()) == 2
    clinic.run("vault", "check").expect(0)


def test_a_photo_that_cannot_be_read_fails_alone(clinic: Clinic, tmp_path: Path) -> None:
    dump = _photos(tmp_path / "dump", 3)
    wrapper = mere_mortal()
    (dump / "IMG_0001.jpg").chmod(0)
    ran = clinic.ingest(dump, wrapper=wrapper).expect(3)
    assert {p["source"]: p["outcome"] for p in ran.photos} == {
        "IMG_0000.jpg": "done", "IMG_0001.jpg": "failed", "IMG_0002.jpg": "done",
    }  # fmt: skip


# ── pipes and terminals ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["human", "json", "ndjson"])
@pytest.mark.parametrize(
    "words", [["vault", "ls"], ["doctor"], ["policy", "show", "hospital", "--effective"]]
)
def test_a_reader_that_goes_away_is_no_defect(words: list[str], form: str, clinic: Clinic) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [*MEDSNAP, *words, "--format", form],
        env=clinic.environment, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE,
        timeout=300, check=False,
    )  # fmt: skip
    os.close(writing)
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    assert b"Exception ignored" not in ran.stderr, ran.stderr.decode()
    assert ran.returncode == 74, ran.stderr.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words", [["doctor"], ["doctor", "--format", "json"], ["--help"], ["vault", "ls", "--x"]]
)
def test_a_full_disk_behind_a_redirection_is_told_on_stderr(words: list[str], clinic: Clinic) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*MEDSNAP, *words],
            env=clinic.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    assert b"Exception ignored" not in ran.stderr, ran.stderr.decode()
    assert ran.returncode == (2 if "--x" in words else 74)
    assert ran.stderr.startswith(b"error: ")


def test_a_run_without_any_stream_does_its_work(clinic: Clinic, tmp_path: Path) -> None:
    dump = _photos(tmp_path / "dump", 2)
    command = [*MEDSNAP, "ingest", str(dump), "--policy", "hospital", "--no-detect"]
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    assert subprocess.run(shell, env=clinic.environment, timeout=300, check=False).returncode == 0
    assert len(clinic.listed()) == 2
    clinic.run("vault", "check").expect(0)


def test_ingest_keeps_its_work_when_the_reader_goes_away(clinic: Clinic, tmp_path: Path) -> None:
    dump = _photos(tmp_path / "dump", 6)
    run = clinic.start("ingest", dump, "--policy", "hospital", "--no-detect", "--format", "ndjson")
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    said = run.stderr.read().decode()
    assert run.wait(300) in (0, 74)
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    clinic.ingest(dump).expect(0)
    assert len(clinic.listed()) == 6
    clinic.run("vault", "check").expect(0)


def test_no_colour_and_no_bar_where_nobody_looks(clinic: Clinic, tmp_path: Path) -> None:
    dump = _photos(tmp_path / "dump", 2)
    ran = clinic.run("ingest", dump, "--policy", "hospital", "--no-detect").expect(0)
    assert "\x1b" not in ran.out + ran.err
    wanted = {**clinic.environment, "NO_COLOR": "1", "TERM": "xterm-256color", "FORCE_COLOR": ""}
    assert "\x1b" not in clinic.run("vault", "ls", environment=wanted).expect(0).out


def test_no_colour_is_respected_on_a_terminal(clinic: Clinic) -> None:
    pty = pytest.importorskip("pty")

    def shown(**more: str) -> bytes:
        ours, theirs = pty.openpty()
        environment = {**clinic.environment, "TERM": "xterm-256color", **more}
        run = subprocess.Popen(
            [*MEDSNAP, "vault", "check"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # Linux says EIO when the other side is closed
            pass
        os.close(ours)
        assert run.wait(300) == 0, said
        return said

    plain = shown(NO_COLOR="1")
    assert b"Everything fits" in plain
    assert b"\x1b[3" not in plain
    assert b"\x1b[" in shown(), "on a terminal there is colour, else this test proves nothing"


# ── a run that stands still at a known place ─────────────────────────────────────────────────


def _filled(dump: Path) -> Path:
    """Add files that are no photos: their records come first and fill a small pipe."""
    dump.mkdir(exist_ok=True)
    for n in range(FILLER):
        (dump / f"note-{n:03}-{'x' * 120}.txt").write_text("no photo")
    return dump


@contextmanager
def _standing(clinic: Clinic, dump: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run that has walked the dump, holds the lock, and waits for a reader of its records."""
    words = ["ingest", str(dump), "--policy", "hospital", "--no-detect", "--format", "ndjson", *more]
    try:
        run = clinic.start(*words, pipesize=SMALL_PIPE)
    except (ValueError, PermissionError) as refused:
        pytest.skip(f"the size of a pipe cannot be set here: {refused}")
    assert run.stdout is not None
    try:
        assert run.stdout.readline(), "the run ended before it said anything"
        yield run
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait(300)
        run.stdout.close()


def test_a_file_that_vanishes_after_the_walk_fails_alone(clinic: Clinic, tmp_path: Path) -> None:
    dump = _filled(_photos(tmp_path / "dump", 3))
    with _standing(clinic, dump) as run:
        (dump / "IMG_0001.jpg").unlink()
        out, err = run.communicate(timeout=300)
    assert run.returncode == 3, err.decode()
    assert b"Traceback" not in err
    assert b"IMG_" not in err  # a name may be a patient's
    said = out.decode()
    outcomes = [line for line in said.splitlines() if "IMG_" in line]
    assert len(outcomes) == 3
    assert sum('"outcome":"failed"' in line and "IMG_0001.jpg" in line for line in outcomes) == 1
    assert len(clinic.listed()) == 2
    clinic.run("vault", "check").expect(0)


def test_a_file_that_grows_after_the_walk_waits_for_the_next_run(clinic: Clinic, tmp_path: Path) -> None:
    dump = _filled(_photos(tmp_path / "dump", 2))
    with _standing(clinic, dump) as run:
        with (dump / "IMG_0000.jpg").open("ab") as handle:
            handle.write(b"more")
        run.communicate(timeout=300)
    assert run.returncode == 3
    assert [p["source"] for p in clinic.listed()] == ["IMG_0001.jpg"]
    clinic.ingest(dump)
    assert len(clinic.listed()) == 2


def test_two_runs_at_once_the_second_waits_outside(clinic: Clinic, tmp_path: Path) -> None:
    dump = _filled(_photos(tmp_path / "dump", 2))
    with _standing(clinic, dump) as run:
        second = clinic.ingest(dump).expect(75)
        error = second.lines[-1]["error"]
        assert error["id"] == "vault.locked"
        assert error["retryable"] is True
        assert f"process {run.pid}" in error["message"]
        assert run.communicate(timeout=300)
    assert run.returncode == 0
    clinic.ingest(dump).expect(0)
    assert len(clinic.listed()) == 2


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_ends_the_run_and_keeps_its_work(
    number: signal.Signals, code: int, clinic: Clinic, tmp_path: Path
) -> None:
    """The records of sealed photos fill the pipe: the signal strikes in the middle of the dump."""
    dump = _photos(tmp_path / "dump", 60)
    for photo in list(dump.iterdir()):
        photo.rename(dump / f"{photo.stem}-{'y' * 150}.jpg")
    with _standing(clinic, dump) as run:
        os.kill(run.pid, number)
        _, err = run.communicate(timeout=300)
    assert run.returncode == code, err.decode()
    assert b"Traceback" not in err, err.decode()
    sealed = len(clinic.listed())
    assert 0 < sealed < 60
    clinic.run("vault", "check").expect(0)
    ended = clinic.ingest(dump).expect(0)
    assert ended.summary["already"] >= sealed
    assert len(clinic.listed()) == 60
    assert clinic.objects() == {p["id"] for p in clinic.listed()}
