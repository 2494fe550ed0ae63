"""Links, pipes, folders and strangers where a vault has files: named, never followed, not waited for."""

from __future__ import annotations

import os
import shutil
import tempfile
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
