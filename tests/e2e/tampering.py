"""A vault over three nights, and what an adversary who has its storage does to it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsnap.audit import store
from medsnap.crypto.note import Signer
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import Sha256
from medsnap.vault import commits, objects
from medsnap.vault.directory import load
from medsnap.vault.erasures import Erasure
from medsnap.vault.keys import Keys
from medsnap.vault.reader import Reader
from tests.helpers import Ran
from tests.unit.vault.conftest import NOW
from tests.unit.vault.world import World


@dataclass(frozen=True, slots=True)
class Past:
    """A vault over three nights: copies of everything after the first, and after the last."""

    folder: Path
    world: World
    exporter: Keys  # a member who may write receipts, nothing else

    def at(self, moment: str) -> Path:
        return self.folder / moment


@dataclass(frozen=True, slots=True)
class Verdict:
    code: int
    told: dict[str, Any]

    @property
    def places(self) -> list[str]:
        return [p["where"] for p in self.told.get("problems", [])]

    @property
    def text(self) -> str:
        return json.dumps(self.told)


Check = Callable[..., Verdict]
Run = Callable[..., Ran]


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def newest(vault: Path, folder: str) -> Path:
    return max(files(vault / "log" / "tile" / folder), key=lambda p: p.stat().st_size)


def where(path: Path, world: World) -> str:
    return str(path.relative_to(world.vault))


def reader_of(world: World) -> Reader:
    order = tuple(store.commits(world.log()))
    return Reader(world.vault, world.host().directory, world.owner.identities, order=order)


def enter(world: World, commit: Sha256 | None) -> None:
    """Put an entry into the log with the owner's key."""
    event = AuditEvent(action=Action.EXPORT, at=NOW.isoformat(), actor="x")
    signer = Signer.parse_private(world.new.member_signer)
    auditors = [load(world.vault).directory.auditors]
    store.record(world.log(), event, auditors=auditors, signer=signer, random=os.urandom, commit=commit)


def first_erased(world: World, erasure: str) -> Erasure:
    """Make the note that the first commit's first photo was erased; whoever signs it may not."""
    directory = world.host_directory()
    return Erasure(
        erasure=erasure,
        vault=directory.vault,
        directory=directory.version,
        verb="erase",
        objects=next(iter(reader_of(world).commits())).commit.objects[:1],
        replaced=(),
    )


def commit_as(
    world: World, private: str, lines: dict[str, list[bytes]], *added: objects.ObjectDigests
) -> str:
    """What somebody writes who has a signing key and the storage, and enters in the log."""
    directory = load(world.vault).directory
    signer = Signer.parse_private(private)
    draft = commits.Draft(lines=lines, objects=added)
    signed = commits.write(world.vault, directory, draft, signer=signer, random=os.urandom)
    enter(world, signed.sha256)  # the log takes all commits alike
    return signed.commit.commit
