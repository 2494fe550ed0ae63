"""A vault, its ingest host and a small dump below one folder, for operations that are to be cut off."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from medsnap import batch, pipeline, policy
from medsnap.audit import store
from medsnap.audit.log import Log
from medsnap.commands import ingest as command
from medsnap.commands._deliver import delivery
from medsnap.commands._shared import Format, Io
from medsnap.config import Settings
from medsnap.crypto.note import Verifier
from medsnap.errors import MedsnapError
from medsnap.intake.limits import Limits
from medsnap.model.outcome import Done, Held, Outcome
from medsnap.model.photo import Candidate
from medsnap.model.seal import Suite
from medsnap.pipeline import Rules
from medsnap.policy.nouns import Policy
from medsnap.vault import host, pins
from medsnap.vault.create import NewVault, create
from medsnap.vault.directory import Directory, load, verify
from medsnap.vault.host import Host
from medsnap.vault.keys import Keys
from medsnap.vault.reader import Reader
from medsnap.workers import Lost
from tests.builders import jpeg as j
from tests.builders import small

from .conftest import NOW, digest


@cache
def hospital() -> Policy:
    return policy.load(policy.packaged("hospital"))


@dataclass(frozen=True)
class HerePool:
    """The workers' work in this process: what they do to files is reading only."""

    verify_pixels: bool = False

    def map(self, items: Iterable[Candidate]) -> Iterator[tuple[Candidate, pipeline.Examination | Lost]]:
        for item in items:
            try:
                yield item, pipeline.examine(item, None, verify_pixels=self.verify_pixels)
            except MedsnapError as problem:
                yield item, Lost(problem.id, problem.message)


def photo(number: int) -> bytes:
    """A tiny JPEG, each with a comment of its own that a scrub removes."""
    plain = small.jpeg()
    return plain[:2] + j.segment(0xFE, b"photo %d" % number) + plain[2:] + bytes([number])


@dataclass
class World:
    """Everything that a cut-off operation may touch lies below `root`."""

    root: Path
    new: NewVault
    guest: Keys | None = None

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def dump(self) -> Path:
        return self.root / "dump"

    @property
    def copy(self) -> Path:
        return self.root / "copy"

    @property
    def io(self) -> Io:
        return Io(
            format=Format.HUMAN,
            output=None,
            verbose=0,
            quiet=True,
            no_input=True,
            dry_run=False,
            settings=Settings(values={}, home=self.root, environment={}),
            clock=lambda: NOW,
            random=os.urandom,
        )

    @property
    def owner(self) -> Keys:
        directory = self.new.directory
        return Keys(
            identities=(self.new.member_identity,),
            signer=self.new.member_signer,
            root_vkey=directory.root,
            vault=directory.vault,
        )

    def shoot(self, *numbers: int) -> None:
        """Put photos into the dump."""
        for number in numbers:
            (self.dump / f"IMG_{number}.jpg").write_bytes(photo(number))

    def host(self) -> Host:
        return Host.open(self.state, self.vault, NOW)

    def ingest(self) -> list[Outcome]:
        """Take the dump in as the command does, examining here."""
        rules = Rules(policy=hospital(), now=NOW)
        found = batch.find([self.dump], Limits())
        outcomes: list[Outcome] = []
        io = self.io
        work = command._Work(
            dump=found,
            workers=HerePool(),  # type: ignore[arg-type]
            sending=delivery(io, rules, []),
            tell=lambda outcome, decision: outcomes.append(outcome),
            name="dump",
        )
        command._run(io, self.host(), rules, work)
        return outcomes

    def host_directory(self) -> Directory:
        """The directory as the root signed it, whatever this host may do."""
        return verify(load(self.vault).data, root_vkey=self.new.directory.root)

    def log(self) -> Log:
        return command.log_of(self.vault, load(self.vault).directory)

    def verifiers(self) -> list[Verifier]:
        return [Verifier.parse(k) for k in load(self.vault).directory.log_vkeys]

    def stored(self, keys: Keys | None = None) -> list[str]:
        """Open every photo that these keys open; return the digests of the sources, sorted."""
        reader = self.reader(keys or self.owner)
        found = []
        for _, event in reader.rows():
            if event["event"] == "photo.add":
                assert digest(reader.open(event["seal"]["object"])) == event["seal"]["plaintext"]
                found.append(str(event["source_sha256"]))
        assert reader.problems == []
        return sorted(found)

    def reader(self, keys: Keys) -> Reader:
        order = tuple(store.commits(self.log()))
        return Reader(self.vault, self.host().directory, keys.identities, order=order)

    def expected(self, *numbers: int) -> list[str]:
        return sorted(digest(photo(n)) for n in numbers)


def taken_in(outcomes: Iterable[Outcome]) -> bool:
    return all(isinstance(o, Done | Held) for o in outcomes)


def make_world(root: Path) -> World:
    root.mkdir(mode=0o700, exist_ok=True)
    new = create(
        root / "vault",
        compartments=[c.name for c in hospital().compartments],
        member="owner",
        suite=Suite.X25519,
        now=NOW,
        random=os.urandom,
        expires=NOW + timedelta(days=365),
    )
    for folder in (root / "vault" / "objects").iterdir():
        folder.rmdir()  # a thousand empty folders in each of a thousand images: put makes them anew
    world = World(root, new)
    pins.write_pin(world.state, pins.first((world.vault / "directory").read_bytes()))
    host.write_ingest_key(world.state, new.ingest_key)
    world.dump.mkdir()
    return world
