"""The vault that is tampered with, and its check as the command line runs it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap.commands import vault_check
from medsnap.commands._shared import Format
from medsnap.vault import keys, membership
from medsnap.vault.change import Authority
from medsnap.vault.directory import WriterVerb
from tests.e2e.in_process import run
from tests.e2e.tampering import Check, Past, Run, Verdict
from tests.e2e.ward import furnished, ward
from tests.helpers import Ran
from tests.unit.vault.world import World, make_world

__all__ = ["furnished", "ward"]


@pytest.fixture(scope="module")
def no_sync() -> Iterator[None]:
    real = os.fsync
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    yield
    os.fsync = real


@pytest.fixture(scope="module")
def past(no_sync: None, tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("past")
    world = make_world(folder / "now")
    authority = Authority(
        root_key=world.new.root_key, identities=(world.new.recovery_identity,), random=os.urandom
    )
    world.shoot(1, 2)
    world.ingest()
    shutil.copytree(world.root, folder / "first")
    exporter = membership.new_keys(world.new.directory, "exporter", os.urandom)
    newcomer = membership.Newcomer(
        name="exporter",
        recipient=exporter.recipients[0],
        vkey=exporter.vkey,
        compartments=("general", "identifiable"),
        verbs=(WriterVerb.RECEIPT, WriterVerb.LOG),
    )
    membership.add(world.vault, world.host().directory, newcomer, authority)
    world.shoot(3, 4, 5)
    world.ingest()
    (world.root / "owner.key").touch(mode=0o600)
    (world.root / "owner.key").write_text(keys.render(world.owner, "owner"))
    shutil.copytree(world.root, folder / "last")
    return Past(folder, world, exporter)


@pytest.fixture
def world(past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The vault after the last night, and this host's memory of it."""
    root = tmp_path / "w"
    shutil.copytree(past.at("last"), root)
    state = root / "host" / past.world.new.directory.vault  # where the commands look for it
    state.parent.mkdir(mode=0o700)
    state.symlink_to(root / "state")
    for name in [n for n in os.environ if n.startswith("MEDSNAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MEDSNAP_STATE", str(root / "host"))
    monkeypatch.setenv("MEDSNAP_CACHE", str(root / "cache"))
    return World(root, past.world.new)


@pytest.fixture
def check(world: World, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run `vault check` as the command line does."""

    def run(**options: Any) -> Verdict:
        capsys.readouterr()
        code = vault_check.check(vault=world.vault, format_=Format.JSON, **_DEFAULTS | options)
        return Verdict(code, json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def medsnap(world: World) -> Run:
    """Run a command as the vault's owner, with a cache that lasts."""
    environment = {
        "HOME": str(world.root),
        "MEDSNAP_VAULT": str(world.vault),
        "MEDSNAP_STATE": str(world.root / "host"),
        "MEDSNAP_CACHE": str(world.root / "cache"),
        "MEDSNAP_KEY_FILE": str(world.root / "owner.key"),
    }

    def command(*words: str | Path) -> Ran:
        return run(words, environment=environment, cwd=world.root, seed=os.urandom(8).hex())

    return command


_DEFAULTS = {"open_": False, "sample": "", "seed": "", "repair": False, "key_file": None}
