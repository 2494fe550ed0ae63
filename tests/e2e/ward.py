"""A vault with a few photos that may leave, copied for each test: for commands that meet in it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medsnap import policy as policies
from medsnap.audit import store
from medsnap.audit.log import Log
from medsnap.cli import root
from medsnap.commands import _main
from medsnap.crypto.note import Signer
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.record import DECIDE, DecisionRow
from medsnap.vault import directory, turns
from medsnap.vault import keys as key_files
from medsnap.vault.member_writer import MemberWriter
from tests.builders import export as make
from tests.builders.policy import given, ordinary
from tests.helpers import Ran
from tests.meeting import Paused, paused
from tests.unit.test_export_command import Clinic

HOLDING = "medsnap.commands._export_parts:_Sender._release"  # all is made, nothing has a receipt
MADE = "medsnap.commands._export_parts:_Sender._ready"
OPENING = "medsnap.vault.reader:Reader.open_seal"
RECEIPTS = "medsnap.vault.member_writer:MemberWriter.commit"
NAMING = "medsnap.commands._staging:Staging.release"


@dataclass
class Ward:
    """Commands run here, or in a child that stands still at a chosen moment."""

    folder: Path
    ids: list[str]
    _children: int = 0

    @property
    def vault(self) -> Path:
        return self.folder / "V"

    def out(self, name: str = "out") -> Path:
        return self.folder / name

    def run(self, *words: str | Path) -> Ran:
        """Run a command in this process."""
        said = [io.StringIO(), io.StringIO()]
        with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
            code = _main.run(root(), [str(w) for w in words])
        return Ran(" ".join(map(str, words)), code, said[0].getvalue(), said[1].getvalue())

    def beside(
        self, *words: str | Path, where: str, nth: int = 1, after: bool = False
    ) -> contextlib.AbstractContextManager[Paused]:
        """Run a command in a child that stands still there."""
        self._children += 1
        place = self.folder / f"child-{self._children}"
        return paused([str(w) for w in words], where, place, nth=nth, after=after)

    def export(self, *more: str, into: str = "out", as_: str = "fhir") -> list[str]:
        """Return the words of an export."""
        return ["export", *more, "--as", as_, "-o", str(self.out(into)), "--format", "ndjson"]

    def erase(self, *ids: str) -> list[str]:
        return ["vault", "erase", *ids, "--reason", "asked for", "--format", "ndjson"]

    def move(self, *ids: str) -> list[str]:
        policy = ("--policy", "hospital")
        return ["vault", "move", *ids, "--to", "intimate", "--reason", "seen", *policy, "--format", "ndjson"]

    def listed(self) -> set[str]:
        """Return the ids that a list shows."""
        ran = self.run("vault", "ls", "--format", "ndjson").expect(0)
        return {photo["id"] for photo in ran.photos}

    def files(self, name: str = "out") -> set[str]:
        """Return the names of all that lies in a target's folder, hidden things too."""
        return {p.name for p in self.out(name).rglob("*")} if self.out(name).exists() else set()

    def events(self, action: str) -> list[dict[str, Any]]:
        """Return the log's events of one kind, oldest first."""
        ran = self.run("audit", "ls", "--format", "ndjson").expect(0)
        found = [e for e in ran.lines if e.get("action") == action]
        return sorted(found, key=lambda e: e["entry"])

    def receipts(self, photo: str) -> list[dict[str, Any]]:
        shown = self.run("vault", "show", photo, "--format", "json").expect(0)
        found: list[dict[str, Any]] = shown.json["receipts"]
        return found

    def closes(self, photo: str) -> None:
        """Have a person decide that a photo leaves to nobody."""
        signed, keys = directory.load(self.vault).directory, key_files.load_file(self.folder / "k")
        policy = policies.load(policies.packaged("hospital")).ref
        said = make.decision(policy=policy, may_leave_to=(), holds=("ehr: a person closed it",))

        def log(commit: Sha256, _: object) -> None:
            event = AuditEvent(action=Action.DECIDE, at="2026-05-01T12:00:00Z", actor="owner", objects=())
            signer = Signer.parse_private(keys.signer or "")
            where, auditors = Log(self.vault / "log", signed.origin), [signed.auditors]
            store.record(where, event, auditors=auditors, signer=signer, random=os.urandom, commit=commit)

        writer = MemberWriter(self.vault, signed, keys, random=os.urandom, log=log)
        writer.add("general", DecisionRow(object=ObjectId(photo), decision=said, event=DECIDE))
        with turns.turn(self.vault):
            writer.commit()

    def sound(self) -> None:
        """Nothing is wrong with the vault, and nothing of anybody's work lies about."""
        self.run("vault", "check").expect(0)
        self.run("audit", "verify").expect(0)
        left = [p.name for p in (self.vault / "tmp").iterdir() if p.suffix != ".lock"]
        assert left == []


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A vault with three photos of one visit."""
    folder = tmp_path_factory.mktemp("ward")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        clinic = Clinic(folder, patch, _Quiet())  # type: ignore[arg-type]
        evidence = ordinary(**given({}))
        rows = clinic.seal(*((make.jpeg(quality=80 + n), {"evidence": evidence}) for n in range(3)))
    for one in (clinic.vault / "objects").iterdir():
        with contextlib.suppress(OSError):
            one.rmdir()  # a thousand empty folders would be copied with each test
    return folder, [row.seal.object for row in rows]


class _Quiet:
    """Stands in for pytest's capture, which no fixture of a session has."""

    def readouterr(self) -> Any:
        class _Said:
            out = ""

        return _Said()


@pytest.fixture
def ward(
    furnished: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ward]:
    folder, ids = furnished
    shutil.copytree(folder, tmp_path / "w")
    made = Ward(tmp_path / "w", ids)
    for name in [n for n in os.environ if n.startswith("MEDSNAP_")]:
        monkeypatch.delenv(name)
    for name, place in (("STATE", "state"), ("CACHE", "cache"), ("VAULT", "V"), ("KEY_FILE", "k")):
        monkeypatch.setenv(f"MEDSNAP_{name}", str(made.folder / place))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(turns, "TRIES", 1)  # nobody here waits for who will not go on by itself
    yield made


def summary(ran: Ran) -> dict[str, Any]:
    """Return the last record."""
    found: dict[str, Any] = json.loads(ran.out.splitlines()[-1])
    return found
