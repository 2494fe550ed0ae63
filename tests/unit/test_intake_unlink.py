"""A source goes only when it is the very file that was taken in; whoever swaps it meanwhile loses nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from medsnap.intake.unlink import PRIVATE, Known, Stays, supported, tidy, unlink
from tests.strikes import arm

pytestmark = pytest.mark.skipif(not supported(), reason="works by the handles of folders")
PHOTO = b"a photo" * 1000


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "dump" / "DCIM"
    folder.mkdir(parents=True)
    (folder / "IMG_1.jpg").write_bytes(PHOTO)
    return folder


def known(path: Path) -> Known:
    found = path.stat()
    return Known(device=found.st_dev, inode=found.st_ino, size=found.st_size)


def same(file: BinaryIO) -> bool:
    return hashlib.sha256(file.read()).digest() == hashlib.sha256(PHOTO).digest()


def gone(path: Path, seen: Known | None = None, judge: Callable[[BinaryIO], bool] = same) -> Stays | None:
    return unlink(path, seen or known(path), judge, os.urandom)


def everything(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_file_goes_and_nothing_else(dump: Path) -> None:
    (dump / "IMG_2.jpg").write_bytes(b"another")
    assert gone(dump / "IMG_1.jpg") is None
    assert [p.name for p in dump.iterdir()] == ["IMG_2.jpg"]


def test_another_file_of_the_same_name_stays(dump: Path) -> None:
    path = dump / "IMG_1.jpg"
    seen = known(path)
    path.rename(dump / "elsewhere.jpg")
    path.write_bytes(PHOTO)  # the same bytes, another inode: nobody took this one in
    assert gone(path, seen) is Stays.OTHER
    assert len(everything(dump)) == 2


@pytest.mark.parametrize("more", [b"", b"!"], ids=["as long", "longer"])
def test_what_changed_since_stays(dump: Path, more: bytes) -> None:
    path = dump / "IMG_1.jpg"
    seen = known(path)
    data = b"A" + PHOTO[1:] + more
    path.write_bytes(data)
    assert gone(path, seen) is (Stays.OTHER if more else Stays.CHANGED)
    assert everything(dump) == {"IMG_1.jpg": data}
    assert [p.name for p in dump.iterdir()] == ["IMG_1.jpg"], "no private folder is left"


def test_a_link_in_its_place_is_not_followed(dump: Path) -> None:
    path = dump / "IMG_1.jpg"
    seen = known(path)
    path.rename(dump.parent / "kept.jpg")
    path.symlink_to(dump.parent / "kept.jpg")
    assert gone(path, seen) is Stays.OTHER
    assert path.is_symlink()
    assert (dump.parent / "kept.jpg").read_bytes() == PHOTO


def test_a_folder_that_became_a_link_is_not_followed(dump: Path, tmp_path: Path) -> None:
    path = dump / "IMG_1.jpg"
    seen = known(path)
    moved = tmp_path.resolve() / "moved"
    dump.rename(moved)
    dump.symlink_to(moved)
    assert gone(path, seen) is Stays.OTHER
    assert (moved / "IMG_1.jpg").read_bytes() == PHOTO


def test_a_pipe_or_folder_in_its_place_does_not_hang(dump: Path) -> None:
    path = dump / "IMG_1.jpg"
    seen = known(path)
    path.unlink()
    os.mkfifo(path)
    assert gone(path, seen) is Stays.OTHER
    path.unlink()
    path.mkdir()
    assert gone(path, seen) is Stays.OTHER
    assert path.is_dir()


def test_written_to_while_it_is_compared_it_goes_back(dump: Path) -> None:
    path = dump / "IMG_1.jpg"
    with path.open("r+b") as writer:  # somebody has it open: the private folder does not stop him

        def judge(file: BinaryIO) -> bool:
            equal = same(file)
            writer.write(b"B")
            writer.flush()
            return equal

        assert gone(path, judge=judge) is Stays.CHANGED
    assert everything(dump) == {"IMG_1.jpg": b"B" + PHOTO[1:]}


def test_a_new_file_under_the_name_is_not_overwritten_by_the_one_that_goes_back(dump: Path) -> None:
    path = dump / "IMG_1.jpg"

    def judge(file: BinaryIO) -> bool:
        path.write_bytes(b"a new photo")
        return False

    assert gone(path, judge=judge) is Stays.APART
    assert sorted(everything(dump).values()) == sorted((b"a new photo", PHOTO))


def test_swapped_between_the_opening_and_the_move_both_files_stay(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dump / "IMG_1.jpg"
    seen = known(path)
    real = os.mkdir

    def swap(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        path.rename(dump / "moved.jpg")
        path.write_bytes(b"slipped in")
        real(name, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", swap)
    assert gone(path, seen) is Stays.OTHER
    assert everything(dump) == {"IMG_1.jpg": b"slipped in", "moved.jpg": PHOTO}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_in_a_folder_that_cannot_be_written_it_stays(dump: Path) -> None:
    dump.chmod(0o500)
    assert gone(dump / "IMG_1.jpg") is Stays.RIGHTS
    dump.chmod(0o700)


STEPS = ("open", "mkdir", "rename", "stat", "unlink", "rmdir", "fsync")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_any_step_the_photo_is_whole_or_gone_and_the_next_run_ends_it(
    dump: Path,
) -> None:
    path = dump / "IMG_1.jpg"
    ends = set()
    for step in range(1, 40):
        path.write_bytes(PHOTO)
        seen = known(path)
        child = os.fork()
        if child == 0:
            arm(step, STEPS)
            unlink(path, seen, same, os.urandom)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        left = everything(dump)
        assert list(left.values()) in ([PHOTO], []), "half a photo, or two"
        ends.add((bool(left), next(iter(left), "").startswith(PRIVATE)))
        for rest in list(dump.rglob("IMG_1.jpg")):  # as the next run finds it by its walk
            assert gone(rest) is None
            tidy(rest.parent)
        tidy(dump)
        assert list(dump.iterdir()) == []
        if not os.WIFSIGNALED(status):
            break
    else:
        pytest.fail("it never ran to its end")
    assert ends == {(True, False), (True, True), (False, False)}
