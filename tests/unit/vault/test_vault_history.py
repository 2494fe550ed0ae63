"""The chain of directories: forks by whoever has the root key, missing versions, and a root that changes."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from medsnap.crypto.note import Signer, generate
from medsnap.errors import Exit, KeyRefused
from medsnap.vault import copy as copies
from medsnap.vault import copy_place, history, membership, pins, renewal, session
from medsnap.vault import directory as d
from medsnap.vault.change import Authority, Edit, change
from medsnap.vault.check import check
from medsnap.vault.directory import Directory
from medsnap.vault.recovery import ROOT, root_of
from medsnap.vault.renewal import Renewal

from .conftest import NOW, Kit


def _root(kit: Kit) -> Signer:
    return Signer.parse_private(kit.new.root_key)


def _authority(kit: Kit, root_key: str = "") -> Authority:
    return Authority(
        root_key=root_key or kit.new.root_key, identities=kit.owner.identities, random=os.urandom
    )


def _turn(vault: Path, kit: Kit, root_key: str = "") -> Directory:
    """Make the next version, as a keeper of the root does."""
    now = d.load(vault).directory
    return membership.new_epoch(vault, now, ["general"], _authority(kit, root_key))


def _renew(vault: Path, kit: Kit, root_key: str = "") -> str:
    """Replace the root; return its new private key."""
    now = d.load(vault).directory
    new = renewal.prepare(now, (ROOT,), (), os.urandom)
    renewal.renew(vault, now, new, _authority(kit, root_key))
    return root_of(new.root, now.vault).private()


def _reader(kit: Kit, cache: str = "cache") -> Directory:
    return session.trusted(kit.vault, kit.owner, state=kit.root / "none", cache=kit.root / cache)


def _see(kit: Kit) -> None:
    """Let the ingest host and a reader remember what lies there now."""
    kit.host()
    _reader(kit)


def _refused(kit: Kit, text: str) -> None:
    """Both refuse, with exit 77, and remember what they knew before."""
    memory = [(p / pins.PIN).read_bytes() for p in (kit.state, kit.root / "cache")]
    for look in (kit.host, lambda: _reader(kit)):
        with pytest.raises(KeyRefused, match=text) as caught:
            look()
        assert caught.value.exit == Exit.REFUSED and caught.value.hint
    assert memory == [(p / pins.PIN).read_bytes() for p in (kit.state, kit.root / "cache")]
    assert not check(kit.vault, pin=pins.read_pin(kit.state)).good


def _forked(kit: Kit, turns: int) -> Path:
    """What a thief of the root makes beside the vault: another continuation of it."""
    other = kit.root / "forked"
    shutil.copytree(kit.vault, other)
    for _ in range(turns):
        _turn(other, kit)
    return other


def _put(kit: Kit, other: Path) -> None:
    shutil.rmtree(kit.vault)
    shutil.copytree(other, kit.vault)


# ── a thief of the root ──────────────────────────────────────────────────────────────────────


def test_two_directories_of_one_version_are_a_fork(kit: Kit) -> None:
    other = _forked(kit, 1)
    _turn(kit.vault, kit)
    _see(kit)
    _put(kit, other)
    _refused(kit, "fork: its version 2")


def test_a_second_first_version_is_a_fork(kit: Kit) -> None:
    _see(kit)
    changed = dataclasses.replace(kit.directory, expires="2040-01-01T00:00:00+00:00")
    (kit.vault / d.FILE).write_bytes(d.serialise(changed, [_root(kit)]))
    _refused(kit, "fork: its version 1")


@pytest.mark.parametrize("further", [1, 2, 4])
def test_what_grew_out_of_a_fork_is_refused(further: int, kit: Kit) -> None:
    other = _forked(kit, 1 + further)
    _turn(kit.vault, kit)
    _see(kit)
    _put(kit, other)
    _refused(kit, "fork: its version 2")


def test_a_jump_is_followed_where_the_versions_between_lead_back(kit: Kit) -> None:
    _see(kit)
    for _ in range(4):
        _turn(kit.vault, kit)
    assert kit.host().directory.version == _reader(kit).version == 5
    assert pins.read_pin(kit.state).digest == d.digest_of((kit.vault / d.FILE).read_bytes())


@pytest.mark.parametrize("gone", [2, 3])
def test_a_jump_over_a_missing_version_is_refused(gone: int, kit: Kit) -> None:
    _see(kit)
    for _ in range(3):
        _turn(kit.vault, kit)
    (kit.vault / history.place(gone)).unlink()
    _refused(kit, f"^version {gone} is missing")


def test_a_version_between_that_was_swapped_is_refused(kit: Kit) -> None:
    other = _forked(kit, 3)
    _see(kit)
    for _ in range(3):
        _turn(kit.vault, kit)
    shutil.copy(other / history.place(3), kit.vault / history.place(3))
    _refused(kit, "not the one that its successor names")


@pytest.mark.parametrize("claims", [0, 4], ids=["no history", "a history that begins later"])
def test_a_thief_who_leaves_the_history_out_is_refused(claims: int, kit: Kit) -> None:
    _turn(kit.vault, kit)
    _see(kit)
    forged = dataclasses.replace(d.load(kit.vault).directory, version=5, history=claims, before="0" * 64)
    (kit.vault / d.FILE).write_bytes(d.serialise(forged, [_root(kit)]))
    _refused(kit, "missing")


def test_a_pin_of_before_takes_what_its_root_signed_and_learns_the_digest(kit: Kit) -> None:
    old = pins.Pin(vault=kit.directory.vault, root=kit.directory.root, version=1)
    pins.write_pin(kit.state, old)
    kit.host()
    assert pins.read_pin(kit.state) == pins.first((kit.vault / d.FILE).read_bytes())


def test_a_vault_of_before_keeps_its_history_from_the_next_change_on(kit: Kit) -> None:
    bare = dataclasses.replace(kit.directory, history=0, version=7, requires=("erasures",))
    (kit.vault / d.FILE).write_bytes(d.serialise(bare, [_root(kit)]))
    pins.write_pin(kit.state, pins.Pin(vault=bare.vault, root=bare.root, version=3))
    after = _turn(kit.vault, kit)
    assert (after.version, after.history, d.HISTORY in after.requires) == (8, 7, True)
    assert kit.host().directory == after and check(kit.vault, root_vkey=bare.root).good
    _turn(kit.vault, kit)
    (kit.vault / history.place(8)).unlink()
    assert kit.host().directory.version == 9, "seen 8: 9 names it, nothing between is needed"


# ── a root that changes ──────────────────────────────────────────────────────────────────────


def test_pins_follow_to_a_new_root(kit: Kit) -> None:
    _see(kit)
    key = _renew(kit.vault, kit)
    new = Signer.parse_private(key).vkey
    assert kit.host().directory.root == _reader(kit).root == new
    assert _reader(kit, "a new machine").root == new, "with the key file that names the old root"
    pin = pins.read_pin(kit.state)
    assert (pin.root, pin.version, pin.former) == (new, 2, (kit.directory.root,))
    _turn(kit.vault, kit, key)
    assert kit.host().directory.version == _reader(kit).version == 3
    assert check(kit.vault, pin=pins.read_pin(kit.state)).good


def test_pins_follow_two_new_roots_at_once_and_from_far_behind(kit: Kit) -> None:
    _see(kit)
    _turn(kit.vault, kit)
    second = _renew(kit.vault, kit)
    _turn(kit.vault, kit, second)
    third = _renew(kit.vault, kit, second)
    _turn(kit.vault, kit, third)
    newest = Signer.parse_private(third).vkey
    assert kit.host().directory.root == _reader(kit).root == _reader(kit, "new").root == newest
    between = dataclasses.replace(kit.owner, root_vkey=Signer.parse_private(second).vkey)
    for cache in ("cache", "another"):  # a memory that began with the first root, and none at all
        found = session.trusted(kit.vault, between, state=kit.root / "none", cache=kit.root / cache)
        assert found.version == 6
    signed = d.load(kit.vault)
    assert len(history.roots(kit.vault, signed.directory, signed.data)) == 3


def test_a_reader_forgets_nothing_when_his_key_file_names_the_new_root(kit: Kit) -> None:
    old = (kit.vault / d.FILE).read_bytes()
    _see(kit)
    key = _renew(kit.vault, kit)
    newest = _reader(kit).version
    keys = dataclasses.replace(kit.owner, root_vkey=Signer.parse_private(key).vkey)
    found = session.trusted(kit.vault, keys, state=kit.root / "none", cache=kit.root / "cache")
    assert found.version == newest
    (kit.vault / d.FILE).write_bytes(old)
    with pytest.raises(KeyRefused, match="older"):
        session.trusted(kit.vault, keys, state=kit.root / "none", cache=kit.root / "cache")


def _next(kit: Kit, root: str) -> Directory:
    data = (kit.vault / d.FILE).read_bytes()
    return dataclasses.replace(kit.directory, root=root, version=2, before=d.digest_of(data))


@pytest.mark.parametrize("signs", ["the thief", "the thief twice", "the old root"])
def test_a_root_that_the_one_before_or_it_did_not_sign_is_refused(signs: str, kit: Kit) -> None:
    _see(kit)
    thief = generate(f"{kit.directory.vault}/root", os.urandom)
    signers = {
        "the thief": [thief],
        "the thief twice": [thief, generate(_root(kit).name, os.urandom)],
        "the old root": [_root(kit)],  # he could not show that he has the new key
    }
    data = (kit.vault / d.FILE).read_bytes()
    history.keep(kit.vault, kit.directory, data)
    (kit.vault / d.FILE).write_bytes(d.serialise(_next(kit, thief.vkey), signers[signs]))
    _refused(kit, "signature does not verify|did not sign")


def test_the_old_root_counts_for_nothing_once_the_new_one_was_seen(kit: Kit) -> None:
    stolen = _forked(kit, 5)  # by a thief of the old root, with a higher version
    _see(kit)
    _renew(kit.vault, kit)
    _see(kit)
    with pytest.raises(KeyRefused, match="not the root key"):
        _turn(kit.vault, kit)
    _put(kit, stolen)
    _refused(kit, "did not sign|fork")


def test_a_renewal_whose_key_is_another_changes_nothing(kit: Kit) -> None:
    before = kit.files()
    wanted = Renewal(identities=(), closed=(), root=os.urandom(32))
    stranger = dataclasses.replace(_authority(kit), new_root=generate(_root(kit).name, os.urandom).private())
    with pytest.raises(KeyRefused, match="new root's key"):
        change(
            kit.vault,
            kit.directory,
            stranger,
            lambda _current: Edit(turns=(), finish=lambda base, _commits: renewal.planned(base, wanted)),
        )
    assert {k: v for k, v in kit.files().items() if k != "lock"} == before


# ── what lies in directories/ ────────────────────────────────────────────────────────────────


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_every_byte_of_the_history_is_judged_and_named(kit: Kit) -> None:
    key = _renew(kit.vault, kit)
    _turn(kit.vault, kit, key)
    assert check(kit.vault).good
    for version in (1, 2):  # 2 has the signatures of both roots
        path = kit.vault / history.place(version)
        data = path.read_bytes()
        for at in (*range(0, len(data), 61), *range(len(data) - 240, len(data), 7)):
            _flip(path, at)
            report = check(kit.vault)
            assert history.place(version) in [p.where for p in report.problems], (version, at)
            path.write_bytes(data)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda v: (v / "directories/2").unlink(), "directories/2"),
    "a stray": (lambda v: (v / "directories/x").write_bytes(b""), "directories/x"),
    "a version to come": (lambda v: shutil.copy(v / "directories/2", v / "directories/9"), "directories/9"),
    "a number written otherwise": (
        lambda v: shutil.copy(v / "directories/2", v / "directories/02"),
        "directories/02",
    ),
    "two swapped": (lambda v: shutil.copy(v / "directories/1", v / "directories/2"), "directories/2"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_with_the_history_is_named(what: str, kit: Kit) -> None:
    _turn(kit.vault, kit)
    _turn(kit.vault, kit)
    act, where = BROKEN[what]
    act(kit.vault)
    assert [p.where for p in check(kit.vault, root_vkey=kit.directory.root).problems] == [where]


def test_a_version_that_was_kept_before_a_kill_is_no_fault_and_another_in_its_place_stops(kit: Kit) -> None:
    data = (kit.vault / d.FILE).read_bytes()
    history.keep(kit.vault, kit.directory, data)
    assert check(kit.vault, root_vkey=kit.directory.root).good
    path = kit.vault / history.place(1)
    path.write_bytes(data + b"\n")
    assert [p.where for p in check(kit.vault).problems] == ["directories/1"]
    with pytest.raises(Exception, match="another directory of this version"):
        _turn(kit.vault, kit)
    assert (kit.vault / d.FILE).read_bytes() == data
    path.write_bytes(data)
    assert _turn(kit.vault, kit).version == 2


def test_a_copy_holds_the_history_and_refuses_a_fork(kit: Kit) -> None:
    to, other = kit.root / "copy", _forked(kit, 3)
    _turn(kit.vault, kit)
    _renew_key = _renew(kit.vault, kit)

    def copy(vault: Path) -> None:
        signed = d.load(vault)
        with copy_place.begun(vault, to, signed):
            assert copies.copy(vault, to, signed, logged=set()).problems == []

    copy(kit.vault)
    assert check(to, root_vkey=kit.directory.root).good
    _turn(kit.vault, kit, _renew_key)
    copy(kit.vault)
    assert sorted(p.name for p in (to / history.FOLDER).iterdir()) == ["1", "2", "3"]
    before = (to / d.FILE).read_bytes()
    with pytest.raises(KeyRefused):
        copy(other)
    assert (to / d.FILE).read_bytes() == before


def test_a_new_root_gives_an_expired_directory_new_time_and_nothing_else_does(kit: Kit) -> None:
    until = "2040-01-01T00:00:00+00:00"
    now = kit.directory
    stays = renewal.prepare(now, ("recovery",), (), os.urandom, expires=until)
    assert renewal.planned(now, stays).expires == now.expires
    new = renewal.prepare(now, (ROOT,), (), os.urandom, expires=until)
    late = NOW + timedelta(days=500)
    with pytest.raises(KeyRefused, match="expired"):
        kit.host(late)
    assert renewal.renew(kit.vault, now, new, _authority(kit)).expires == until
    assert kit.host(late).directory.version == 2
