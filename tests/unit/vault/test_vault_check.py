"""`check` needs no keys and names the place of every fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.model.photo import Sha256
from medsnap.vault import check
from medsnap.vault.ids import is_id

from .conftest import Kit


@pytest.fixture
def full(kit: Kit, photos: list[bytes]) -> Kit:
    kit.ingest([(p, c) for p, c in zip(photos, ("general", "intimate") * 3, strict=False)])
    kit.ingest([(b"another" * 100, "identifiable")])
    return kit


def _check(kit: Kit) -> check.CheckReport:
    return check.check(kit.vault, root_vkey=kit.directory.root, logged=set(kit.log))


def test_a_good_vault_is_good(full: Kit) -> None:
    report = _check(full)
    assert report.good and not report.problems
    assert (report.commits, report.batches, report.objects) == (2, 6, 6)


def _first(folder: str) -> Callable[[Path], Path]:
    return lambda vault: min(p for p in (vault / folder).rglob("*") if p.is_file())


CLASSES = {
    "directory": lambda vault: vault / "directory",
    "ring": _first("keys"),
    "object": _first("objects"),
    "batch": _first("batches"),
    "commit": _first("commits"),
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("place", [0, 30, 60, 120, 200, -200, -30, -1])
def test_a_flipped_bit_is_found_and_named(full: Kit, name: str, place: int) -> None:
    path = CLASSES[name](full.vault)
    data = bytearray(path.read_bytes())
    place = max(-len(data), min(place, len(data) - 1))
    data[place] ^= 4
    path.write_bytes(data)
    report = _check(full)
    assert not report.good
    assert str(path.relative_to(full.vault)) in {
        p.where.removeprefix(f"{full.vault}/") for p in report.problems
    }


@pytest.mark.parametrize("name", CLASSES)
def test_a_missing_and_a_cut_file_are_found(full: Kit, name: str) -> None:
    path = CLASSES[name](full.vault)
    data = path.read_bytes()
    for content in (None, b"", data[: len(data) // 2], data + b"x"):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        places = [p.where for p in _check(full).problems]
        # a commit that is gone can only be named by its hash in the log
        named = str(path.relative_to(full.vault)) if name != "commit" or content is not None else "log"
        assert any(named in place for place in places), content
        path.write_bytes(data)
    assert _check(full).good


def test_a_stray_object_is_an_orphan_unless_it_waits(full: Kit) -> None:
    stray = full.vault / "objects" / "aa" / ("a" * 26)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"?")
    (problem,) = _check(full).problems
    assert "orphan" in problem.what and problem.where == f"objects/aa/{'a' * 26}"
    report = check.check(full.vault, logged=set(full.log), waiting={"a" * 26})
    assert report.good and report.waiting == 1


@pytest.mark.parametrize(
    "place", ["objects/aa/name.jpg", "objects/bb/" + "a" * 26, "batches/" + "a" * 26, "keys/x", "commits/x"]
)
def test_a_stray_file_is_named(full: Kit, place: str) -> None:
    path = full.vault / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"?")
    assert [p.where for p in _check(full).problems] == [place]


def test_a_whole_commit_taken_away_is_seen_by_the_log(full: Kit) -> None:
    for path in (full.vault / "commits").iterdir():
        path.unlink()
    shutil.rmtree(full.vault / "batches")
    shutil.rmtree(full.vault / "objects")
    assert check.check(full.vault).good  # nothing in the vault itself tells it
    assert len([p for p in _check(full).problems if p.where == "log"]) == 2


def test_a_commit_that_the_log_does_not_know_is_named(full: Kit) -> None:
    lost: Sha256 = full.log.pop()
    (problem,) = _check(full).problems
    assert problem.where.startswith("commits/") and is_id(problem.where[8:])
    assert lost not in full.log


def test_another_root_is_refused(full: Kit, another: Kit) -> None:
    assert not check.check(full.vault, root_vkey=another.directory.root).good


def test_nothing_there_is_a_problem_too(tmp_path: Path) -> None:
    assert not check.check(tmp_path).good
