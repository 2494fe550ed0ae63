"""Links, pipes, folders and strangers where a vault has files: named, never followed, not waited for."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.audit import store
from medsnap.errors import KeyRefused, Tampered
from medsnap.platform import NOT_PLAIN, kernel_lock
from medsnap.vault.directory import FILE, load
from medsnap.vault.files import read_limited
from tests.e2e.tampering import Check, enter, files, newest, reader_of, where
from tests.unit.vault.world import World

Shape = Callable[[Path], None]


def _link(path: Path) -> None:
    """The same bytes elsewhere: who keeps them there may change or take them later."""
    target = Path(tempfile.mkdtemp()) / "elsewhere"
    shutil.copyfile(path, target)
    path.unlink()
    path.symlink_to(target)


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


SHAPES: dict[str, Shape] = {
    "a link": _link,
    "a link to nowhere": _dangling,
    "a pipe": _pipe,
    "a folder": _folder,
    "an endless device": _device,
}
PLACES: dict[str, Callable[[Path], Path]] = {
    "directory": lambda v: v / FILE,
    "ring": lambda v: v / "keys" / load(v).directory.compartments[1].ring,
    "object": lambda v: files(v / "objects")[0],
    "batch": lambda v: files(v / "batches")[0],
    "commit": lambda v: files(v / "commits")[0],
    "policy": lambda v: files(v / "policies")[0],
    "entries": lambda v: newest(v, "entries"),
    "tile": lambda v: newest(v, "0"),
    "sealed event": lambda v: files(v / "log" / "sealed")[0],
    "checkpoint": lambda v: v / "log" / "checkpoint",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", PLACES)
def test_no_file_where_a_file_was(place: str, shape: str, world: World, check: Check) -> None:
    path = PLACES[place](world.vault)
    SHAPES[shape](path)
    found = check()
    assert found.code == 4, found.told
    assert where(path, world) in found.text
    if place not in ("directory", "checkpoint", "entries"):
        list(reader_of(world).rows())  # does not wait for a pipe's other end


@pytest.mark.parametrize("folder", ["objects", "commits", "log", "keys", "batches"])
def test_a_folder_that_is_a_link_is_named(folder: str, world: World, check: Check, tmp_path: Path) -> None:
    (world.vault / folder).rename(tmp_path / "moved")
    (world.vault / folder).symlink_to(tmp_path / "moved")
    found = check()
    assert found.code == 4
    assert (folder, NOT_PLAIN) in {(p["where"], p["what"]) for p in found.told["problems"]}


def test_what_does_not_belong_into_a_vault_is_named_and_put_aside(world: World, check: Check) -> None:
    (world.vault / "notes.txt").write_text("x")
    (world.vault / "more").mkdir()
    (world.vault / "lost+found").mkdir()  # of the disk, where the vault is all of it
    found = check()
    assert (found.code, found.places) == (4, ["more", "notes.txt"])
    assert check(repair=True).code == 0
    assert (world.vault / "tmp" / "aside" / "notes.txt").read_text() == "x"


# ── the log's folder ─────────────────────────────────────────────────────────────────────────


def test_an_earlier_tile_is_how_the_present_one_begins(world: World, check: Check) -> None:
    """Readers of an older checkpoint read them; nothing else of medsnap does."""
    for kind in ("0", "entries"):
        older = [p for p in files(world.vault / "log" / "tile" / kind) if p != newest(world.vault, kind)]
        assert older
        for path in older:
            good = path.read_bytes()
            for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], b""):
                path.write_bytes(bad)
                found = check()
                assert (found.code, found.places) == (4, [where(path, world)])
            path.write_bytes(good)
    assert check().code == 0


def test_strangers_in_the_log_are_named_and_what_a_crash_leaves_is_not(world: World, check: Check) -> None:
    log = world.vault / "log"
    store.put(world.log(), b"an event whose entry was not written any more")
    beyond = log / "tile" / "entries" / "000.p" / "99"
    beyond.write_bytes(b"half an append")
    assert check().code == 0
    odd = [
        log / "tile" / "0" / "000.p" / "x",
        log / "tile" / "readme",
        log / "note",
        log / "sealed" / "ab" / ("ab" + "0" * 62),
    ]
    for path in odd:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = check()
    assert (found.code, sorted(found.places)) == (4, sorted(where(p, world) for p in odd))


# ── locks, and rights ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lock", ["lock", "log/lock"])
def test_a_lock_that_leads_elsewhere_empties_nothing(lock: str, world: World) -> None:
    """Who has the storage makes the ingest host's own account write where he cannot."""
    victim = world.root / "important"
    victim.write_text("keep me")
    (world.vault / lock).unlink()
    (world.vault / lock).symlink_to(victim)
    with pytest.raises(Tampered):
        world.ingest() if lock == "lock" else enter(world, None)
    assert victim.read_text() == "keep me"


def test_a_lock_that_is_a_pipe_is_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(Tampered), kernel_lock(tmp_path / "lock", what="it"):
        pass


def test_a_lock_names_its_holder_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with kernel_lock(path, what="it"):
        assert path.read_text() == f"process {os.getpid()}\n"
    assert path.read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="another account is needed")
def test_a_file_that_may_not_be_read_is_told_as_such(world: World) -> None:
    path = world.vault / FILE
    path.chmod(0)
    for folder in (world.vault, *world.vault.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o005)
    os.seteuid(65534)
    try:
        with pytest.raises(KeyRefused, match="permission denied"):
            read_limited(path, 100)
    finally:
        os.seteuid(0)


# ── where nobody looks ───────────────────────────────────────────────────────────────────────


def _written(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")


HIDING: dict[str, Callable[[Path], None]] = {
    "objects/readme": _written,
    "objects/" + "a" * 26: _written,
    "objects/evil": Path.mkdir,
    "objects/AB": Path.mkdir,
    "objects/ab/" + "AB" * 13: _written,
    "erasures/notes.txt": _written,
    "erasures/" + "A" * 26: _written,
    "proofs/x": _written,
    "directories/007": _written,
    "directories/\u0661": _written,
    "policies/" + "AB" * 32 + ".yaml": _written,
    "commits/" + "\uff41" * 26: _written,
    "batches/\x1b[2J": _written,
    "log/tile/entries/000.p/250": Path.mkdir,
    "log/evil": Path.mkdir,
}


@pytest.mark.parametrize("place", HIDING)
def test_what_lies_where_nobody_looks_is_named(place: str, world: World, check: Check) -> None:
    HIDING[place](world.vault / place)
    found = check()
    assert (found.code, found.places) == (4, [place])
    if found.told["problems"][0]["what"].startswith(("is a file", "is no folder", "is no erasure")):
        assert check(repair=True).code == 0


@pytest.mark.parametrize("lock", ["lock", "log/lock"])
def test_a_lock_that_is_a_second_name_of_a_file_empties_nothing(
    lock: str, world: World, check: Check
) -> None:
    victim = world.vault / ("directory" if lock == "lock" else "log/checkpoint")
    before = victim.read_bytes()
    (world.vault / lock).unlink()
    os.link(victim, world.vault / lock)
    found = check()
    assert (found.code, found.places) == (4, [lock])
    with pytest.raises(Tampered, match="is no lock"):
        world.ingest() if lock == "lock" else enter(world, None)
    assert victim.read_bytes() == before


@pytest.mark.parametrize("left", [b"", b"proc", b"process 17", b"process 17\n", bytes(11)])
def test_what_a_killed_holder_leaves_is_a_lock(left: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(left)
    with kernel_lock(tmp_path / "lock", what="it"):
        assert (tmp_path / "lock").read_bytes() == b"process %d\n" % os.getpid()


@pytest.mark.parametrize("place", ["directory", "ring", "batch", "commit", "policy", "entries", "checkpoint"])
def test_a_huge_file_of_holes_is_named_and_not_read(place: str, world: World, check: Check) -> None:
    path = PLACES[place](world.vault)
    with path.open("r+b") as handle:
        handle.truncate(1 << 36)
    start = time.process_time()
    found = check()
    assert found.code == 4
    assert where(path, world) in found.text
    assert time.process_time() - start < 5
