"""A vault in a temporary folder with made-up photos; the clock and the randomness are the test's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap.model.decision import Decision, PolicyRef, Verb
from medsnap.model.photo import MediaType, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.seal import Seal, Suite
from medsnap.model.study import Match, MatchState, Patient, Visit
from medsnap.vault import host, membership, pins
from medsnap.vault.create import NewVault, create
from medsnap.vault.directory import Directory
from medsnap.vault.host import Host
from medsnap.vault.keys import Keys
from medsnap.vault.reader import Reader
from medsnap.vault.writer import Writer

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
COMPARTMENTS = ("general", "identifiable", "intimate")


def digest(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())


@dataclass
class Kit:
    """One vault, its host folder and its secrets."""

    root: Path
    new: NewVault
    log: list[Sha256] = field(default_factory=list)

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def directory(self) -> Directory:
        return self.new.directory

    @property
    def owner(self) -> Keys:
        return Keys(
            identities=(self.new.member_identity,),
            signer=self.new.member_signer,
            root_vkey=self.directory.root,
            vault=self.directory.vault,
        )

    def host(self, now: datetime = NOW) -> Host:
        return Host.open(self.state, self.vault, now)

    def writer(self, dump: str = "") -> Writer:
        return Writer(
            self.host(),
            now=lambda: NOW,
            random=os.urandom,
            log=lambda commit, ids: self.log.append(commit),
            logged=lambda: set(self.log),
            dump=dump,
        )

    def row(
        self, writer: Writer, photo: bytes, compartment: str = "general", name: str = "IMG_1.jpg"
    ) -> PhotoRow:
        """Seal a photo and make its row, without adding it."""
        seal = writer.seal(
            [photo[:1000], photo[1000:]] if len(photo) > 1000 else [photo],
            source=digest(photo),
            compartment=compartment,
            media=MediaType.JPEG,
            length=len(photo),
        )
        return self.row_of(seal, photo, name)

    def row_of(self, seal: Seal, photo: bytes, name: str = "IMG_1.jpg") -> PhotoRow:
        """Make the row of a sealed photo."""
        policy = PolicyRef(policy="test", version=1, digest="0", effective="0", baseline=1)
        return PhotoRow(
            seal=seal,
            state="done",
            source_name=name,
            source_sha256=digest(photo),
            source_size=len(photo),
            media=MediaType.JPEG,
            at=NOW.isoformat(),
            decision=Decision(
                verb=Verb.ACCEPT,
                compartment=seal.compartment,
                votes=(),
                decided_by="features.face",
                policy=policy,
                at=NOW.isoformat(),
                evidence="0",
            ),
            match=Match(
                state=MatchState.MATCHED,
                patient=Patient(mrn="4711", issuer="2.999.1"),
                visit=Visit(encounter="E1"),
            ),
        )

    def ingest(self, photos: Sequence[tuple[bytes, str]], dump: str = "") -> list[PhotoRow]:
        """Add photos with their compartments and commit them."""
        rows = []
        with self.writer(dump) as writer:
            for n, (photo, compartment) in enumerate(photos):
                rows.append(self.row(writer, photo, compartment, f"IMG_{n}.jpg"))
                writer.add(compartment, rows[-1])
            writer.commit()
        return rows

    def reader(self, keys: Keys | None = None) -> Reader:
        return Reader(self.vault, self.host().directory, (keys or self.owner).identities, order=self.log)

    def member(self, name: str, *compartments: str, verbs: Sequence[str] = ()) -> Keys:
        """Add a member with some compartments."""
        directory, keys = membership.add_member(
            self.vault,
            self.host().directory,
            opener=self.owner.identities,
            root_key=self.new.root_key,
            name=name,
            compartments=compartments,
            verbs=verbs,
            random=os.urandom,
        )
        assert directory.version == self.host().directory.version
        return keys

    def files(self) -> dict[str, bytes]:
        return {
            str(p.relative_to(self.vault)): p.read_bytes()
            for p in sorted(self.vault.rglob("*"))
            if p.is_file()
        }


def make(root: Path) -> Kit:
    root.mkdir(exist_ok=True)
    new = create(
        root / "vault",
        compartments=COMPARTMENTS,
        member="owner",
        suite=Suite.X25519,
        now=NOW,
        random=os.urandom,
        expires=NOW + timedelta(days=365),
    )
    kit = Kit(root, new)
    pins.write_pin(kit.state, pins.first((kit.vault / "directory").read_bytes()))
    host.write_ingest_key(kit.state, new.ingest_key)
    return kit


@pytest.fixture(autouse=True, scope="session")
def no_sync() -> Iterator[None]:
    """Leave fsync out: a killed process loses no page of the system's cache, only a power cut does."""
    real = os.fsync
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    yield
    os.fsync = real


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return make(tmp_path / "kit")


@pytest.fixture
def another(tmp_path: Path) -> Kit:
    return make(tmp_path / "another")


@pytest.fixture
def photos() -> list[bytes]:
    return [os.urandom(size) for size in (1, 999, 65_536, 70_001, 200_000)]
