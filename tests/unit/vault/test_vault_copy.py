"""A copy is a vault, takes only what is new, never goes back, and says what the vault itself has lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from medsnap.audit import copying, events, store
from medsnap.audit.log import Log
from medsnap.crypto.age import generate_identity, recipient_of
from medsnap.crypto.note import Verifier, generate
from medsnap.errors import CannotCreate, KeyRefused, Locked, MedsnapError, Tampered, UsageError
from medsnap.model.event import Action, AuditEvent
from medsnap.model.seal import Suite
from medsnap.platform import kernel_lock
from medsnap.vault import check, copy_place, membership, trial
from medsnap.vault import copy as copies
from medsnap.vault.change import Authority
from medsnap.vault.directory import FILE, load
from medsnap.vault.objects import path_of

from .conftest import Kit
from .world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path / "w")
    made.shoot(1, 2)
    made.ingest()
    return made


def _copy(world: World, to: Path | None = None, *, reread: bool = False) -> copies.CopyReport:
    """What the command does."""
    to = to or world.copy
    log, signed = world.log(), load(world.vault)
    head = copying.snapshot(log, world.verifiers())
    with copy_place.begun(world.vault, to, signed):
        report = copies.copy(world.vault, to, signed, logged=set(store.commits(log)), reread=reread)
        copying.copy(log, Log(to / "log", log.origin), head)
    return report


def _clean(vault: Path, world: World) -> bool:
    log = Log(vault / "log", world.log().origin)
    log.verify(world.verifiers())
    logged = list(store.commits(log))
    return check.check(vault, root_vkey=world.new.directory.root, logged=logged).good


def test_a_copy_is_a_vault_and_later_takes_what_is_new(world: World) -> None:
    first = _copy(world)
    assert (first.objects, first.present, first.commits, first.problems) == (2, 0, 1, [])
    assert _clean(world.copy, world)
    world.shoot(3)
    world.ingest()
    second = _copy(world)
    assert (second.objects, second.present, second.commits) == (1, 2, 1)
    assert _clean(world.copy, world)
    assert _copy(world).bytes == 0


def test_ingest_goes_on_in_a_copy_that_takes_the_place_of_the_vault(world: World) -> None:
    """The host is alive, the disk of the vault is not: nothing is stored twice."""
    _copy(world)
    shutil.rmtree(world.vault)
    world.copy.rename(world.vault)
    world.shoot(3)
    world.ingest()
    assert world.stored() == world.expected(1, 2, 3)
    assert _clean(world.vault, world)


def test_a_copy_follows_the_members(world: World) -> None:
    _copy(world)
    keys = membership.new_keys(world.new.directory, "guest", os.urandom)
    guest = membership.Newcomer(name="guest", recipient=keys.recipients[0], compartments=("general",))
    authority = Authority(
        root_key=world.new.root_key, identities=(world.new.recovery_identity,), random=os.urandom
    )
    membership.add(world.vault, world.host_directory(), guest, authority)
    _copy(world)
    assert _clean(world.copy, world)
    assert {p.name for p in (world.copy / "keys").iterdir()} == {
        p.name for p in (world.vault / "keys").iterdir()
    }


def _refused(world: World, error: type[MedsnapError], words: str) -> None:
    before = {str(p): p.read_bytes() for p in world.copy.rglob("*") if p.is_file() and p.name != "lock"}
    with pytest.raises(error, match=words):
        _copy(world)
    assert before == {
        str(p): p.read_bytes() for p in world.copy.rglob("*") if p.is_file() and p.name != "lock"
    }


def test_another_vaults_copy_is_left_alone(world: World, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other")
    other.shoot(7)
    other.ingest()
    _copy(other)
    other.copy.rename(world.copy)
    _refused(world, CannotCreate, "another vault")


def test_a_folder_with_anything_else_in_it_is_left_alone(world: World) -> None:
    world.copy.mkdir()
    (world.copy / "thesis.txt").write_text("mine")
    _refused(world, CannotCreate, "not empty")


def test_a_copy_of_a_vault_with_another_root_is_left_alone(world: World) -> None:
    _copy(world)
    data = (world.copy / FILE).read_bytes()
    other = make_world(world.root / "forged").new.directory.root
    (world.copy / FILE).write_bytes(data.replace(world.new.directory.root.encode(), other.encode()))
    _refused(world, KeyRefused, "another root")


def test_a_vault_that_was_put_back_does_not_overwrite_a_newer_copy(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.vault, tmp_path / "old")
    world.shoot(3)
    world.ingest()
    _copy(world)
    shutil.rmtree(world.vault)
    (tmp_path / "old").rename(world.vault)
    _refused(world, Tampered, "put back")


def test_a_forked_vault_does_not_go_on_in_the_copy_of_the_true_one(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.root, tmp_path / "fork")
    world.shoot(3)
    world.ingest()
    _copy(world)
    fork = World(tmp_path / "fork", world.new)
    fork.shoot(4, 5)
    fork.ingest()
    fork.shoot(6)
    fork.ingest()
    size = Log(world.copy / "log", world.log().origin).size()
    with pytest.raises(Tampered, match="is not the one"):
        _copy(fork, world.copy)
    assert Log(world.copy / "log", world.log().origin).size() == size


def test_an_older_directory_does_not_replace_a_newer_one(world: World) -> None:
    old = (world.vault / FILE).read_bytes()
    authority = Authority(
        root_key=world.new.root_key, identities=(world.new.recovery_identity,), random=os.urandom
    )
    membership.new_epoch(world.vault, world.host_directory(), ["general"], authority)
    _copy(world)
    (world.vault / FILE).write_bytes(old)
    _refused(world, KeyRefused, "newer directory")


@pytest.mark.parametrize("place", ["vault/copy", ".", "vault"])
def test_copy_and_vault_do_not_lie_in_one_another(world: World, place: str) -> None:
    with pytest.raises(UsageError):
        _copy(world, world.root / place)


def test_two_copies_at_once_are_one_too_many(world: World) -> None:
    _copy(world)
    with kernel_lock(world.copy / "lock", what="the copy"), pytest.raises(Locked):
        _copy(world)


def test_what_the_vault_has_lost_is_named_and_the_rest_is_saved(world: World) -> None:
    one, other = sorted(p for p in (world.vault / "objects").rglob("*") if p.is_file())
    good = one.read_bytes()
    one.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    report = _copy(world)
    assert [p.where for p in report.problems] == [str(one.relative_to(world.vault))]
    assert (report.objects, report.commits) == (1, 1)
    assert (world.copy / other.relative_to(world.vault)).read_bytes() == other.read_bytes()
    assert not (world.copy / one.relative_to(world.vault)).exists()
    one.write_bytes(good)  # it was put back: the next copy takes it
    assert (_copy(world).objects, _clean(world.copy, world)) == (1, True)


@pytest.mark.parametrize("folder", ["objects", "batches", "commits"])
def test_a_broken_file_of_the_copy_is_mended_when_it_is_read_again(world: World, folder: str) -> None:
    _copy(world)
    path = min(p for p in (world.copy / folder).rglob("*") if p.is_file())
    path.write_bytes(path.read_bytes()[:-3])
    assert _copy(world).mended == 0
    assert not _clean(world.copy, world)
    assert _copy(world, reread=True).mended == 1
    assert _clean(world.copy, world)
    assert len(list((world.copy / "tmp" / "aside").iterdir())) == 1


def test_a_commit_that_waits_for_its_entry_is_not_copied(
    kit: Kit, photos: list[bytes], tmp_path: Path
) -> None:
    kit.ingest([(photos[0], "general")])
    kit.ingest([(photos[1], "general")])
    signed, to = load(kit.vault), tmp_path / "copy"
    with copy_place.begun(kit.vault, to, signed):
        report = copies.copy(kit.vault, to, signed, logged=set(kit.log[:1]))
    assert (report.commits, report.unlogged, report.objects) == (1, 1, 1)
    assert check.check(to, logged=kit.log[:1]).good


# ── the log ──────────────────────────────────────────────────────────────────────────────────


def test_a_log_is_copied_over_the_edge_of_its_tiles(tmp_path: Path) -> None:
    signer = generate("log", os.urandom)
    auditors = [recipient_of(generate_identity(os.urandom, suite=Suite.X25519))]
    verifiers = [Verifier.parse(signer.vkey)]
    source, target = Log(tmp_path / "one", "log"), Log(tmp_path / "other", "log")

    def append(count: int) -> None:
        entries = []
        for n in range(count):
            event = AuditEvent(action=Action.OPEN, at=f"2026-01-01T00:00:{n % 60:02}+00:00", actor="a")
            entry, sealed = events.leaf(event, auditors, os.urandom)
            store.put(source, sealed)
            entries.append(entry)
        source.append(entries, signer)

    for count in (1, 254, 1, 1, 260):
        append(count)
        new = copying.copy(source, target, copying.snapshot(source, verifiers))
        assert new == count
        assert target.verify(verifiers).size == source.size()
        assert store.check(target) == source.size()
    names = {str(p.relative_to(source.root)) for p in source.root.rglob("*") if p.is_file()} - {"lock"}
    assert names == {str(p.relative_to(target.root)) for p in target.root.rglob("*") if p.is_file()}


# ── does it open ─────────────────────────────────────────────────────────────────────────────


def test_the_sheet_alone_opens_everything_and_nothing_is_written(world: World) -> None:
    _copy(world)
    before = {str(p): p.stat().st_mtime_ns for p in world.copy.rglob("*")}
    found = trial.trial(world.copy, world.new.directory, (world.new.recovery_identity,))
    assert (found.committed, found.opened.photos, found.problems, found.lost) == (2, 2, [], ())
    assert before == {str(p): p.stat().st_mtime_ns for p in world.copy.rglob("*")}


def test_what_does_not_open_is_named_by_id(world: World) -> None:
    _copy(world)
    rows = [event for _, event in world.reader(world.owner).rows()]
    lost = rows[0]["seal"]["object"]
    path_of(world.copy, lost).unlink()
    found = trial.trial(world.copy, world.new.directory, (world.new.recovery_identity,))
    assert (found.lost, found.opened.photos) == ((lost,), 1)
    assert [p.where[-26:] for p in found.problems] == [lost]


def test_a_batch_that_is_gone_loses_its_photos_and_each_is_named(world: World) -> None:
    _copy(world)
    for path in (world.copy / "batches").iterdir():
        path.unlink()
    found = trial.trial(world.copy, world.new.directory, (world.new.recovery_identity,))
    assert len(found.lost) == 2
    assert found.problems


def test_keys_that_open_less_than_everything_are_no_recovery(world: World) -> None:
    keys = membership.new_keys(world.new.directory, "guest", os.urandom)
    guest = membership.Newcomer(name="guest", recipient=keys.recipients[0], compartments=("general",))
    authority = Authority(
        root_key=world.new.root_key, identities=(world.new.recovery_identity,), random=os.urandom
    )
    directory = membership.add(world.vault, world.host_directory(), guest, authority)
    found = trial.trial(world.vault, directory, keys.identities)
    assert found.partial and not found.sheets and found.problems == []
    assert found.other_set == ("identifiable", "intimate", "safeguarding") and found.lost == ()
