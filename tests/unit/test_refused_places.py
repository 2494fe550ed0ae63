"""What people read when a folder may not be written, a key not be read, a file not be reached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medsnap.cli import root
from medsnap.commands import _shared
from medsnap.commands._main import run
from medsnap.commands._shared import writable
from medsnap.errors import CannotCreate, IoFailed, KeyRefused
from medsnap.platform import write_durably
from medsnap.vault import keys
from tests.builders import export as make

DEVICES = "Device name,Ownership,OS\nTAB-1,Corporate,iPadOS\n"


def test_a_result_is_refused_before_the_work_where_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writable(tmp_path / "r.html")
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(CannotCreate) as refused:
        writable(tmp_path / "r.html")
    assert refused.value.where == str(tmp_path / "r.html")


def test_a_device_or_pipe_is_never_replaced_by_a_result(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    code = run(root(), ["policy", "show", "hospital", "-o", str(tmp_path / "pipe")])
    assert code == 73
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "pipe", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()


def test_a_key_of_somebody_else_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "me.key"
    path.write_text("AGE-SECRET-KEY-1", "utf-8")

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", closed)
    monkeypatch.setattr("builtins.open", closed)
    monkeypatch.setattr(os, "open", closed)
    with pytest.raises(KeyRefused) as refused:
        keys.load_file(path)
    assert "may not be read" in refused.value.message


@pytest.mark.parametrize("inside", [True, False])
def test_only_the_vaults_own_paths_are_named(tmp_path: Path, inside: bool) -> None:
    vault = tmp_path / "vault"
    path = (vault if inside else tmp_path / "MILLER_ANNA") / "writer.lock"
    io = _shared.Io(
        format=_shared.Format.HUMAN, output=None, verbose=0, quiet=False, no_input=True, dry_run=False,
        settings=_shared.config.load({}, tmp_path, None), vault=vault,
    )  # fmt: skip
    told = _shared._system(PermissionError(13, "Permission denied", str(path)), io)
    assert isinstance(told, IoFailed)
    assert (str(path) in told.where) is inside
    assert ("the vault" in told.message) is inside
    assert "MILLER" not in f"{told.where}{told.message}{told.hint}"


def test_what_cannot_be_read_is_said_in_words_and_empty_tables_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "IMG_1.JPG").write_bytes(make.jpeg())
    real = os.scandir

    def shut(path: object = ".") -> object:
        if str(path).endswith("dump"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", shut)
    code = run(root(), ["scan", str(tmp_path / "dump"), "--policy", "hospital", "--no-detect"])
    told = capsys.readouterr().out
    assert code == 3
    assert "look at its rights" in told
    assert "io.unreadable" not in told
    assert "\nnothing\n" not in told


def test_the_day_of_an_export_is_no_day_to_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "export.csv").write_text(DEVICES, "utf-8")
    words = ["device", "import", str(tmp_path / "export.csv"), "--profile", "intune", "-n", "--exported-on"]
    run(root(), [*words, "2999-01-01"])
    assert "lies in the future" in " ".join(capsys.readouterr().err.split())
    run(root(), [*words, "2026-01-01"])
    assert "lies in the future" not in capsys.readouterr().err
