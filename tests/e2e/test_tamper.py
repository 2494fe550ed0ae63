"""Whatever somebody changes in a vault's storage is found and named: exit 4, or 77.

Each test is one thing that an adversary does. He has the storage, in some tests an ingest key too.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from medsnap.crypto.age import generate_identity, recipient_of
from medsnap.crypto.note import Signer, generate
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.seal import Suite
from medsnap.vault import batches, membership, objects
from medsnap.vault.change import Authority
from medsnap.vault.directory import FILE, Directory, load, serialise, text_of
from medsnap.vault.ids import random_id
from tests.e2e.tampering import Check, Past, commit_as, enter, files, newest, reader_of, where
from tests.unit.vault.world import World, make_world


def test_nobody_did_anything(world: World, check: Check) -> None:
    assert check().code == 0
    found = check(open_=True, key_file=world.root / "owner.key")
    assert (found.code, found.told["opened"]["photos"]) == (0, 5)


# ── any bit of any kind of file ──────────────────────────────────────────────────────────────


def _header(path: Path) -> int:
    data = path.read_bytes()
    return data.index(b"\n", data.index(b"\n--- ") + 1) + 1


def _object(vault: Path) -> Path:
    return max(files(vault / "objects"), key=lambda p: p.stat().st_size)


Spot = Callable[[Path], tuple[Path, range]]


def _whole(find: Callable[[Path], Path]) -> Spot:
    def spot(vault: Path) -> tuple[Path, range]:
        path = find(vault)
        return path, range(path.stat().st_size)

    return spot


def _within(begin: Callable[[Path], int], length: int) -> Spot:
    def spot(vault: Path) -> tuple[Path, range]:
        path = _object(vault)
        start = begin(path)
        return path, range(start, start + length)

    return spot


KINDS: dict[str, Spot] = {
    "directory": _whole(lambda v: v / FILE),
    "ring": _whole(lambda v: v / "keys" / load(v).directory.compartments[1].ring),
    "auditors' ring": _whole(lambda v: v / "keys" / load(v).directory.auditors_ring),
    "object, header": _within(lambda p: 0, 200),
    "object, nonce": _within(_header, 16),
    "object, chunk": _within(lambda p: _header(p) + 16, 80),
    "object, padding": _within(lambda p: p.stat().st_size - 18, 2),
    "object, tag": _within(lambda p: p.stat().st_size - 16, 16),
    "batch": _whole(lambda v: files(v / "batches")[0]),
    "commit": _whole(lambda v: files(v / "commits")[0]),
    "log, entries": _whole(lambda v: newest(v, "entries")),
    "log, tile": _whole(lambda v: newest(v, "0")),
    "log, sealed event": _whole(lambda v: files(v / "log" / "sealed")[0]),
    "log, checkpoint": _whole(lambda v: v / "log" / "checkpoint"),
    "policy": _whole(lambda v: files(v / "policies")[0]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bit_is_flipped(kind: str, world: World, check: Check) -> None:
    path, places = KINDS[kind](world.vault)
    good = path.read_bytes()
    name = str(path.relative_to(world.vault))
    steps = max(1, len(places) // 6)
    for n, place in enumerate(dict.fromkeys((*places[::steps], places[-1]))):
        data = bytearray(good)
        data[place] ^= 1 << (n % 8)
        path.write_bytes(data)
        found = check()
        assert found.code in (4, 77), (place, found.told)
        assert name in found.text, (place, found.told)
    path.write_bytes(good)
    assert check().code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_cut_emptied_lengthened_or_taken_away(kind: str, world: World, check: Check) -> None:
    path, _ = KINDS[kind](world.vault)
    good = path.read_bytes()
    for data in (good[:-1], b"", good + b"\n"):
        path.write_bytes(data)
        assert check().code in (4, 77), data[-20:]
    path.unlink()
    if kind == "directory":
        assert check().code == 66  # that is no vault any more
    elif kind != "policy":  # one of many that may be there: only who needs it misses it
        assert check().code in (4, 77)


# ── objects ──────────────────────────────────────────────────────────────────────────────────


def test_two_objects_are_swapped(world: World, check: Check) -> None:
    one, other, *_ = files(world.vault / "objects")
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    found = check()
    assert found.code == 4
    assert sorted(found.places) == [where(one, world), where(other, world)]


def test_an_older_form_of_an_object_is_put_back(world: World, check: Check) -> None:
    """The same photo, sealed to the same group before: it opens, and is not what was committed."""
    compartment, event = next(iter(reader_of(world).rows()))
    photo = reader_of(world).open(event["seal"]["object"])
    path = objects.path_of(world.vault, event["seal"]["object"])
    path.unlink()
    objects.put(
        world.vault,
        event["seal"]["object"],
        [photo],
        length=len(photo),
        recipient=world.host().directory.compartment(compartment).recipient,
        random=os.urandom,
    )
    found = check()
    assert (found.code, found.places) == (4, [where(path, world)])
    with pytest.raises(Tampered):
        reader_of(world).open(event["seal"]["object"])


def test_a_foreign_object_is_added(world: World, check: Check) -> None:
    stranger = random_id(os.urandom)
    recipient = world.host().directory.compartments[0].recipient
    (world.vault / "objects" / stranger[:2]).mkdir(exist_ok=True)
    objects.put(
        world.vault,
        stranger,
        [b"his"],
        length=3,
        recipient=recipient,
        random=os.urandom,  # type: ignore[arg-type]
    )
    found = check()
    assert (found.code, found.places) == (4, [f"objects/{stranger[:2]}/{stranger}"])


# ── batches and commits ──────────────────────────────────────────────────────────────────────


def test_a_batch_of_an_older_commit_is_put_in_the_place_of_a_newer_one(world: World, check: Check) -> None:
    found = [s.commit for s in reader_of(world).commits()]
    old, new = (next(iter(c.batches)).batch for c in found)
    shutil.copy(world.vault / "batches" / old, world.vault / "batches" / new)
    verdict = check()
    assert (verdict.code, verdict.places) == (4, [f"batches/{new}"])


def test_an_older_commit_is_put_in_the_place_of_a_newer_one(world: World, check: Check) -> None:
    old, new = (s.commit.commit for s in reader_of(world).commits())
    shutil.copy(world.vault / "commits" / old, world.vault / "commits" / new)
    verdict = check()
    assert verdict.code == 4
    assert {f"commits/{new}", "log"} <= set(verdict.places)


def test_a_commit_of_another_vault_is_added(world: World, check: Check, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other")
    other.shoot(9)
    other.ingest()
    [commit] = files(other.vault / "commits")
    shutil.copy(commit, world.vault / "commits" / commit.name)
    verdict = check()
    assert (verdict.code, verdict.places) == (4, [f"commits/{commit.name}"])


def test_an_event_by_a_key_that_has_not_its_verb(world: World, check: Check, past: Past) -> None:
    _, event = next(iter(reader_of(world).rows()))
    line = json.dumps(
        {"event": "photo.open", "object": event["seal"]["object"], "decision": event["decision"]}
    )
    name = commit_as(world, past.exporter.signer, {event["seal"]["compartment"]: [line.encode()]})
    verdict = check(open_=True, key_file=world.root / "owner.key")
    assert (verdict.code, verdict.places) == (4, [f"commits/{name}"])
    assert "may not 'open'" in verdict.text


def test_photos_added_by_a_key_that_may_not_add(world: World, check: Check, past: Past) -> None:
    object_id = random_id(os.urandom)
    recipient = world.host().directory.compartments[0].recipient
    (world.vault / "objects" / object_id[:2]).mkdir(exist_ok=True)
    placed = objects.put(
        world.vault,
        object_id,
        [b"his"],
        length=3,
        recipient=recipient,
        random=os.urandom,  # type: ignore[arg-type]
    )
    name = commit_as(world, past.exporter.signer, {}, placed.digests)
    verdict = check()
    assert (verdict.code, verdict.places) == (4, [f"commits/{name}"])
    assert "exporter" in verdict.text


def test_a_batch_by_a_revoked_ingest_key(world: World, check: Check) -> None:
    def announce(_after: Directory) -> int:
        enter(world, None)  # as the command does, so that another key signs the checkpoint
        return 2

    authority = Authority(
        root_key=world.new.root_key,
        identities=(world.new.recovery_identity,),
        random=os.urandom,
        announce=announce,
    )
    membership.remove(world.vault, world.host_directory(), "ingest-1", authority)
    assert check().code == 0, "what it signed before stays good"
    line = batches.head("x", "y", "z")
    name = commit_as(world, world.new.ingest_key, {"general": [line]})
    verdict = check()
    assert (verdict.code, verdict.places) == (4, [f"commits/{name}"])
    assert "ingest-1" in verdict.text
    with pytest.raises(KeyRefused):
        world.ingest()


# ── the directory ────────────────────────────────────────────────────────────────────────────


def test_an_old_directory_is_put_back(world: World, check: Check, past: Past) -> None:
    shutil.copy(past.at("first") / "vault" / FILE, world.vault / FILE)
    verdict = check()
    assert (verdict.code, verdict.places[0]) == (4, FILE)
    with pytest.raises(KeyRefused, match="older"):
        world.ingest()


def _forge(world: World, root: Signer | None) -> None:
    """Put the adversary's public key in the place of a group's, signed by him or as it was."""
    signed = load(world.vault)
    keys_ = list(signed.directory.compartments)
    his = recipient_of(generate_identity(os.urandom, suite=Suite.X25519))
    keys_[0] = replace(keys_[0], recipient=his)
    forged = replace(
        signed.directory,
        compartments=tuple(keys_),
        version=9,
        root=root.vkey if root else signed.directory.root,
    )
    if root is not None:
        (world.vault / FILE).write_bytes(serialise(forged, [root]))
        return
    signature = signed.data.rpartition(b"\n\n")[2]
    (world.vault / FILE).write_bytes(text_of(forged).encode() + b"\n" + signature)


@pytest.mark.parametrize("own_root", [False, True], ids=["as it was signed", "signed by a root of his own"])
def test_a_public_key_is_swapped(own_root: bool, world: World, check: Check) -> None:
    _forge(world, generate(f"{world.new.directory.vault}/root", os.urandom) if own_root else None)
    verdict = check()
    assert verdict.code in (4, 77) and FILE in verdict.text
    with pytest.raises(KeyRefused):
        world.ingest()


def test_another_vault_lies_here(world: World, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other")
    shutil.rmtree(world.vault)
    shutil.copytree(other.vault, world.vault)
    with pytest.raises(KeyRefused):
        world.ingest()
