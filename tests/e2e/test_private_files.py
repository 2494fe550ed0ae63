"""Whatever medsnap makes is its owner's alone, also for somebody whose umask hides nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from medsnap import disk
from tests.e2e.in_process import run
from tests.unit.vault.world import World


@pytest.fixture
def open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


COMMANDS: list[list[str]] = [
    [
        "vault",
        "init",
        "--vault",
        "n/vault",
        "--key-file",
        "n/key",
        "--recovery-file",
        "n/sheet",
        "--no-input",
    ],
    ["vault", "ls"],
    ["vault", "copy", "n/copy"],
    ["vault", "ledger", "--save", "n/ledger.json"],
    ["vault", "member", "key", "bob", "--key-file", "n/bob.key", "-o", "n/bob.member"],
    ["vault", "host", "key", "ingest-2", "-o", "n/ingest-2.host"],
    ["vault", "prove"],
    ["audit", "checkpoint", "-o", "n/checkpoint"],
    ["audit", "report", "--policy", "hospital", "-o", "n/report.html"],
    ["export", "all", "--as", "fhir", "-o", "n/out"],
]


def test_nothing_is_open_to_others(world: World, open_to_all: None) -> None:
    new = world.root / "n"
    new.mkdir(mode=0o700)
    environment = {
        "HOME": str(new / "home"),
        "MEDSNAP_VAULT": str(world.vault),
        "MEDSNAP_STATE": str(new / "a" / "state"),
        "MEDSNAP_CACHE": str(new / "b" / "cache"),
        "MEDSNAP_KEY_FILE": str(world.root / "owner.key"),
    }
    before = {p: p.stat().st_mode for p in world.vault.rglob("*")}
    for words in COMMANDS:
        ran = run(words, environment=environment, cwd=world.root, seed=" ".join(words))
        assert ran.code in (0, 1, 3, 77), ran
    made = [p for p in (*new.rglob("*"), *world.vault.rglob("*")) if before.get(p) != p.stat().st_mode]
    assert len(made) > 60
    assert [str(p.relative_to(world.root)) for p in made if p.stat().st_mode & 0o077] == []


def test_missing_folders_are_made_private_and_those_that_are_there_stay(
    tmp_path: Path, open_to_all: None
) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    disk.make_folders(tmp_path / "there" / "a" / "b")
    disk.make_folders(tmp_path / "there" / "a" / "b")
    modes = [oct(p.stat().st_mode & 0o777) for p in (tmp_path / "there", *sorted(tmp_path.rglob("a*")))]
    assert modes == ["0o755", "0o700"]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        disk.make_folders(tmp_path / "file" / "below")
    with pytest.raises(NotADirectoryError):
        disk.make_folders(tmp_path / "file")
