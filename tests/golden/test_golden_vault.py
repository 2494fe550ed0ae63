"""A vault of format 1 that an old medsnap made: every later one opens it, and refuses what is newer."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from medsnap.crypto.note import Signer, sign_note
from medsnap.vault import keys
from tests.e2e.in_process import run
from tests.e2e.two_vaults import OWNER, Role, photo_lists
from tests.golden.make_vault_1 import READER, SUITES
from tests.helpers import Ran, digests
from tests.unit.vault.world import photo

GOLDEN = Path(__file__).parent / "vault-1"
OPERATOR = Role(name="operator", keyless=True)


class Kept:
    """A copy of one golden vault, and what was known of it when it was made."""

    def __init__(self, suite: str, root: Path) -> None:
        self.root = root / "stage"
        shutil.copytree(GOLDEN / suite, self.root)
        for name in ("work", "home", "state"):
            (self.root / name).mkdir()
        for key in (self.root / "keys").iterdir():
            key.chmod(0o600)  # version control keeps no modes
        self.vault, self.work = self.root / "vault", self.root / "work"
        self.known: dict[str, Any] = json.loads((self.root / "known.json").read_text(encoding="utf-8"))

    def run(self, *words: str, role: Role = OWNER) -> Ran:
        return run(words, environment=role.environment(self.root), cwd=self.work, seed=" ".join(words))

    def records(self, *words: str, role: Role = OWNER) -> list[dict[str, Any]]:
        return self.run(*words, "--format", "ndjson", role=role).expect(0).lines[:-1]


@pytest.fixture(params=SUITES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    return Kept(request.param, tmp_path)


def _holds(found: list[dict[str, Any]], known: list[dict[str, Any]]) -> None:
    """All that was known is still said so; a later medsnap may say more."""
    assert len(found) == len(known)
    for now, then in zip(found, known, strict=True):
        assert now | then == now


def test_every_row_event_and_consent_is_read(kept: Kept) -> None:
    _holds(kept.records("vault", "ls"), kept.known["photos"])
    _holds(kept.records("audit", "ls"), kept.known["events"])
    _holds(kept.records("consent", "ls"), kept.known["consents"])
    shown = kept.run("vault", "show", kept.known["sent"], "--format", "json").expect(0).json
    assert [receipt["target"] for receipt in shown["receipts"]] == ["ehr"]


def test_every_photo_opens(kept: Kept) -> None:
    assert len(kept.known["plain"]) == 3
    for name, digest in kept.known["plain"].items():
        kept.run("vault", "open", name, "-o", name).expect(0)
        assert hashlib.sha256((kept.work / name).read_bytes()).hexdigest() == digest


def test_another_member_opens_his_and_knows_of_no_other(kept: Kept) -> None:
    seen = [photo["id"] for photo in kept.records("vault", "ls", role=READER)]
    assert set(seen) == set(kept.known["plain"]) - set(kept.known["hidden"])
    kept.run("vault", "open", seen[0], "-o", "mine", role=READER).expect(0)
    kept.run("vault", "open", kept.known["hidden"][0], "-o", "no", role=READER).expect(66)


def test_it_is_whole(kept: Kept) -> None:
    checked = kept.run("vault", "check", "--open", "--format", "json").expect(0).json
    assert checked["ok"] is True
    assert kept.run("audit", "verify", "--format", "json").expect(0).json["directory_checked"] == "key file"
    sheet = ("--recovery-file", "../keys/recovery.key")
    restored = kept.run("vault", "restore-test", "../vault", *sheet, "--format", "json").expect(0).json
    assert (restored["photos"], restored["lost"]) == (3, [])


def test_a_member_is_taken_out_of_it_and_it_stays_whole(kept: Kept) -> None:
    """A later medsnap also goes on with it: its directory is changed, not only read."""
    kept.run("vault", "member", "remove", "reader", "--root-key-file", "../keys/recovery.key").expect(0)
    assert len(kept.records("vault", "ls")) == 3
    kept.run("vault", "ls", role=READER).expect(77)
    assert kept.run("vault", "check", "--open", "--format", "json").expect(0).json["ok"] is True


@pytest.mark.parametrize(
    ("fields", "named"), [({"format": 2}, "format 2"), ({"requires": ["time-travel"]}, "time-travel")]
)
def test_what_is_newer_is_refused_with_a_hint(fields: Mapping[str, Any], named: str, tmp_path: Path) -> None:
    """The right root signed it: only what it needs speaks against it, and nothing is written (SPEC)."""
    kept = Kept("x25519", tmp_path)
    root = keys.load_file(kept.root / "keys" / "recovery.key").root_key
    place = kept.vault / "directory"
    head, _, rest = place.read_text(encoding="utf-8").partition("\n")
    body = json.loads(rest.partition("\n\n")[0])
    body |= fields
    place.write_bytes(sign_note(f"{head}\n{json.dumps(body, indent=1)}\n", [Signer.parse_private(root)]))
    photo_lists(kept.work, {1: 1})
    (kept.work / "new.jpg").write_bytes(photo(9))
    before = digests(kept.vault)
    for words in (
        "vault ls",
        "vault open aaaaaaaa -o x",
        "vault check",
        "vault check --open --repair",
        "vault copy ../copy",
        "vault restore-test ../vault --recovery-file ../keys/recovery.key",
        "vault reindex",
        "vault member ls",
        "vault member remove reader --root-key-file ../keys/recovery.key",
        "ingest new.jpg --no-detect",
        "export --as fhir -o out",
        "audit verify",
        "audit ls",
    ):
        for role in (OWNER, OPERATOR):
            ran = kept.run(*words.split(), role=role)
            assert ran.code == 77, ran
            if role is OWNER or "no key" not in ran.err:
                assert named in ran.err, ran
                assert "update medsnap" in ran.err, ran
    assert digests(kept.vault) == before
    assert not (kept.root / "copy").exists()
