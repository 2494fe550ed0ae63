"""The audit log cut, forked, forged or put back: found and named, exit 4."""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import pytest

from medsnap.audit import checkpoint, merkle, tiles
from medsnap.commands import audit as audit_commands
from medsnap.commands._shared import Format
from medsnap.crypto.note import Signer, generate
from medsnap.errors import MedsnapError
from medsnap.vault.directory import FILE
from tests.e2e.tampering import Check, Past, Verdict, files, newest, where
from tests.unit.vault.world import World

# ── the log ──────────────────────────────────────────────────────────────────────────────────


def _older(world: World, past: Past, *parts: str) -> None:
    for part in parts:
        target = world.vault / part
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        source = past.at("first") / "vault" / part
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)


def _verify(world: World, since: Path, capsys: pytest.CaptureFixture[str]) -> Verdict:
    capsys.readouterr()
    code = audit_commands.verify(vault=world.vault, since=str(since), key_file=None, format_=Format.JSON)
    return Verdict(code, json.loads(capsys.readouterr().out))


def test_the_log_is_cut(world: World, check: Check, past: Past) -> None:
    _older(world, past, "log")
    verdict = check()
    assert verdict.code == 4
    assert any(p.startswith("log/checkpoint") for p in verdict.places)
    assert any(p.startswith("commits/") for p in verdict.places)


def test_vault_and_log_are_put_back_together(
    world: World, check: Check, past: Past, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "kept.checkpoint"
    shutil.copy(world.vault / "log" / "checkpoint", kept)
    _older(world, past, "log", "objects", "batches", "commits")
    verdict = check()  # this host remembers
    assert verdict.code == 4 and "cut" in verdict.text
    shutil.rmtree(world.state)
    assert check().code == 0  # who remembers nothing is not warned
    assert _verify(world, kept, capsys).code == 4  # but a checkpoint kept elsewhere tells it


def test_the_log_is_forked(
    world: World, check: Check, past: Past, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A thief of the ingest key goes on from the first night with photos of his own."""
    kept = tmp_path / "kept.checkpoint"
    shutil.copy(world.vault / "log" / "checkpoint", kept)
    theirs = World(tmp_path / "theirs", past.world.new)
    shutil.copytree(past.at("first"), theirs.root)
    theirs.shoot(7, 8)
    theirs.ingest()
    assert theirs.log().size() == world.log().size()
    shutil.rmtree(world.vault)
    shutil.copytree(theirs.vault, world.vault)
    shutil.copy(past.at("last") / "vault" / FILE, world.vault / FILE)
    verdict = check()
    assert verdict.code == 4 and "rewritten" in verdict.text
    assert _verify(world, kept, capsys).code == 4
    with pytest.raises(MedsnapError):
        world.shoot(6)
        world.ingest()  # and it is never signed on


@pytest.mark.parametrize("who", ["a stranger", "the thief of the ingest key"])
def test_a_checkpoint_is_forged(who: str, world: World, check: Check) -> None:
    origin, path = world.new.directory.origin, world.vault / "log" / "checkpoint"
    signer = (
        generate(origin, os.urandom) if who == "a stranger" else Signer.parse_private(world.new.ingest_key)
    )
    path.write_bytes(checkpoint.sign(origin, 2, bytes(32), [signer]).note)
    verdict = check()
    assert verdict.code == 4
    assert any(p.startswith("log/checkpoint") for p in verdict.places)


def test_an_entry_of_the_log_is_changed_with_its_tiles(world: World, check: Check) -> None:
    """Entry and hash fit each other again; the signed root does not."""
    entries = newest(world.vault, "entries")
    found = list(world.log().entries())
    found[0] = found[0].replace(b'"v":1', b'"v":1 ')
    entries.write_bytes(tiles.encode_bundle(found))
    newest(world.vault, "0").write_bytes(b"".join(map(merkle.leaf_hash, found)))
    verdict = check()
    assert verdict.code == 4 and "root" in verdict.text


def test_a_policy_is_replaced_by_another(world: World, check: Check) -> None:
    path = files(world.vault / "policies")[0]
    path.write_bytes(path.read_bytes().replace(b"restrict", b"accept  ", 1) + b"\n")
    verdict = check()
    assert (verdict.code, verdict.places) == (4, [where(path, world)])


def test_what_a_bundle_of_changes_says_is_complete(world: World, check: Check) -> None:
    """Many faults at once: each is named."""
    one, other, *_ = files(world.vault / "objects")
    one.unlink()
    other.write_bytes(base64.b64encode(other.read_bytes()))
    batch = files(world.vault / "batches")[0]
    batch.write_bytes(b"")
    places = set(check().places)
    assert {where(one, world), where(other, world), where(batch, world)} <= places
