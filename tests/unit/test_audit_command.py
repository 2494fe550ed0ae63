"""`medsnap audit verify` and `audit ls` on a real vault, through the command line."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medsnap.audit import store
from medsnap.audit.log import Log
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.crypto.note import Signer, fingerprint
from medsnap.model.event import Action, AuditEvent
from medsnap.model.seal import Suite
from medsnap.vault import host
from medsnap.vault.create import NewVault, create

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OBJECT = "m" * 26


class Site:
    """A vault with three logged events, a member's key file and a host folder."""

    def __init__(self, folder: Path) -> None:
        rnd = random.Random(11).randbytes
        self.vault = folder / "vault"
        self.state = folder / "state"
        self.made: NewVault = create(
            self.vault, compartments=["general"], member="m.lee", suite=Suite.X25519, now=NOW, random=rnd,
            expires=NOW + timedelta(days=3650),
        )  # fmt: skip
        self.key = self._key(folder / "member.key", self.made.member_identity)
        self.stranger = self._key(folder / "stranger.key", _other())
        self.log = Log(self.vault / "log", self.made.directory.origin)
        self.signer = Signer.parse_private(self.made.ingest_key)
        self.kept = folder / "kept.checkpoint"
        for n, action in enumerate((Action.INIT, Action.INGEST, Action.OPEN)):
            event = AuditEvent(
                action=action, at=f"2026-03-01T08:00:0{n}Z", actor="ingest-1", objects=(OBJECT,)
            )
            head = store.record(
                self.log, event, auditors=[self.made.directory.auditors], signer=self.signer, random=rnd
            )
            if n == 1:
                self.kept.write_bytes(head.note)

    @staticmethod
    def _key(path: Path, identity: str) -> Path:
        path.write_text(identity + "\n")
        path.chmod(0o600)
        return path


def _other() -> str:
    from medsnap.crypto.age import generate_identity

    return generate_identity(random.Random(5).randbytes)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name in ("MEDSNAP_VAULT", "MEDSNAP_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEDSNAP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Site(tmp_path)


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = run(root(), ["audit", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def data(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code, out, _ = call(capsys, *words, "--format", "json")
    return code, json.loads(out)


def test_verify_without_an_outside_checkpoint_says_so(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "verify", "--vault", site.vault)
    assert code == 0 and "consistent, not witnessed" in out and "NOT checked" in out
    code, found = data(capsys, "verify", "--vault", site.vault)
    assert (code, found["state"], found["size"], found["sealed"]) == (0, "consistent, not witnessed", 3, 3)


def test_verify_with_an_outside_checkpoint(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = data(capsys, "verify", "--vault", site.vault, "--since", site.kept)
    assert (code, found["state"], found["witnessed"]) == (0, "consistent", 2)


def test_verify_uses_the_pin_of_this_host(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    folder = site.state / site.made.directory.vault
    folder.parent.mkdir(mode=0o700)
    host.pin(folder, site.vault, fingerprint(site.made.directory.root))
    assert data(capsys, "verify", "--vault", site.vault)[1]["directory_checked"] == "pin"
    path = site.vault / "directory"
    path.write_bytes(path.read_bytes().replace(b"ingest-1", b"ingest-9"))
    assert call(capsys, "verify", "--vault", site.vault)[0] == 77


@pytest.mark.parametrize("name", ["tile/entries/000.p/3", "tile/0/000.p/3", "checkpoint", "sealed"])
def test_tampering_is_exit_4_with_the_place(
    site: Site, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = site.vault / "log" / name
    if name == "sealed":
        path = next(p for p in path.rglob("*") if p.is_file())
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    code, _, err = call(capsys, "verify", "--vault", site.vault)
    assert code == 4 and "where: log/" in " ".join(err.split())


def test_a_log_that_was_rolled_back_is_exit_4(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    newest = tmp_path / "newest"
    newest.write_bytes((site.vault / "log/checkpoint").read_bytes())
    (site.vault / "log/checkpoint").write_bytes(site.kept.read_bytes())
    assert call(capsys, "verify", "--vault", site.vault)[0] == 0
    code, found = data(capsys, "verify", "--vault", site.vault, "--since", newest)
    assert (code, found["error"]["id"]) == (4, "integrity")


def test_this_host_remembers_what_it_verified(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    folder = site.state / site.made.directory.vault
    folder.parent.mkdir(mode=0o700)
    host.pin(folder, site.vault, fingerprint(site.made.directory.root))
    assert data(capsys, "verify", "--vault", site.vault)[1]["remembered"] is None
    assert data(capsys, "verify", "--vault", site.vault)[1]["remembered"] == 3
    (site.vault / "log/checkpoint").write_bytes(site.kept.read_bytes())
    code, found = data(capsys, "verify", "--vault", site.vault)
    assert code == 4 and "this host saw last" in found["error"]["message"]
    assert data(capsys, "verify", "--vault", site.vault)[0] == 4


def test_ls_shows_ids_to_auditors(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = data(capsys, "ls", "--vault", site.vault, "--key-file", site.key)
    assert code == 0 and found["events"] == 3
    assert [e["action"] for e in found["entries"]] == ["init", "ingest", "open"]
    assert found["entries"][2]["objects"] == [OBJECT]
    human = call(capsys, "ls", "--vault", site.vault, "--key-file", site.key)[1]
    assert human.count("m") > 3 * len(OBJECT) and "2026-03-01T08:00:02Z" in human


@pytest.mark.parametrize("stranger", [False, True])
def test_ls_shows_others_times_and_digests_only(
    site: Site, capsys: pytest.CaptureFixture[str], stranger: bool
) -> None:
    words = ["--key-file", site.stranger] if stranger else []
    code, out, err = call(capsys, "ls", "--vault", site.vault, "--format", "ndjson", *words)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [x["type"] for x in lines] == ["sealed"] * 3 + ["summary"]
    assert all(set(x) == {"type", "entry", "at", "sealed", "because"} for x in lines[:3])
    assert OBJECT not in out and "ingest" not in out and bool(err) == stranger


def test_no_vault_and_no_checkpoint_are_exit_66(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(capsys, "verify", "--vault", tmp_path / "nowhere")[0] == 66
    assert call(capsys, "verify", "--vault", site.vault, "--since", tmp_path / "nothing")[0] == 66
    assert call(capsys, "verify")[0] == 2
    (tmp_path / "text").write_text("hello")
    assert call(capsys, "verify", "--vault", site.vault, "--since", tmp_path / "text")[0] == 77
