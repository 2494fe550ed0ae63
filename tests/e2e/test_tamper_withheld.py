"""What the log names and the storage withholds: a member is told, and nothing leaves on what is left.

He who has the storage and no key can take out the one file in which a consent was withdrawn, a hold laid
on or a decision tightened, or break the log so that nobody knows what came after what.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import pytest

from medsnap.audit import order
from medsnap.audit.log import Log
from medsnap.audit.merkle import leaf_hash, root_of
from medsnap.crypto.note import Verifier, generate
from medsnap.errors import Tampered
from medsnap.model.photo import Sha256
from tests.e2e.tampering import Run, commit_as, files, newest
from tests.helpers import Ran
from tests.unit.vault.conftest import NOW
from tests.unit.vault.world import World


def _withdrawn(world: World, medsnap: Run) -> Path:
    """Record a withdrawal; return the commit that holds it."""
    before = set(files(world.vault / "commits"))
    medsnap("consent", "withdraw", "--patient", "4711", "--purpose", "teaching").expect(0)
    [commit] = set(files(world.vault / "commits")) - before
    return commit


def _listed(ran: Ran) -> list[str]:
    return sorted(p["id"] for p in json.loads(ran.out)["photos"])


@pytest.mark.parametrize("cached", [True, False], ids=["known catalogue", "new catalogue"])
def test_a_commit_that_the_log_names_is_taken_out(cached: bool, world: World, medsnap: Run) -> None:
    whole = _listed(medsnap("vault", "ls", "--format", "json").expect(0))
    _withdrawn(world, medsnap).unlink()
    if not cached:
        shutil.rmtree(world.root / "cache")
    for _ in range(2):  # to be told once is not enough
        found = medsnap("vault", "ls", "--format", "json").expect(4)
        assert _listed(found) == whole
        assert "the log names a commit that is missing or changed" in found.err
    assert "missing or changed" in medsnap("consent", "ls").expect(4).err
    stopped = medsnap("export", "all", "--as", "fhir", "-o", "out", "-n").expect(4)
    assert "a withdrawal or a stricter decision" in stopped.err
    assert not (world.root / "out").exists()


def test_the_commit_comes_back_and_all_is_well(world: World, medsnap: Run) -> None:
    commit = _withdrawn(world, medsnap)
    kept = commit.read_bytes()
    commit.unlink()
    medsnap("vault", "ls").expect(4)
    commit.write_bytes(kept)
    medsnap("vault", "ls").expect(0)
    assert "4711" in medsnap("consent", "ls").expect(0).out
    medsnap("export", "all", "--as", "fhir", "-o", "out", "-n")  # whatever may leave
    commit.unlink()  # what was taken in stays known, and vault check names the file
    assert "4711" in medsnap("consent", "ls").expect(0).out
    medsnap("vault", "check").expect(4)


def test_without_a_log_that_verifies_nothing_is_believed_to_come_last(world: World, medsnap: Run) -> None:
    """A reviewer opens a photo and closes it again; a broken log must not put the opening after it."""

    def verbs(code: int) -> dict[str, str]:
        found = medsnap("vault", "ls", "--format", "json").expect(code)
        assert ("was ignored" in found.err) is bool(code)
        return {p["id"]: p["verb"] for p in json.loads(found.out)["photos"]}

    [first, *_] = json.loads(medsnap("vault", "ls", "--format", "json").expect(0).out)["photos"]
    shown = medsnap("vault", "show", first["id"], "--format", "json").expect(0)
    opened = json.loads(shown.out)["photo"]["decision"] | {"verb": "accept", "may_leave_to": ["ehr"]}
    event = {"event": "photo.open", "object": first["id"], "decision": opened}
    commit_as(world, world.new.member_signer, {first["compartment"]: [json.dumps(event).encode()]})
    path = newest(world.vault, "entries")
    good = path.read_bytes()
    shutil.rmtree(world.root / "cache")
    path.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
    assert verbs(4)[first["id"]] == first["verb"] != "accept"
    path.write_bytes(good)
    assert verbs(0)[first["id"]] == "accept"  # nothing of the wrong order was kept


def test_an_older_vault_is_put_back_and_a_member_has_seen_more(
    world: World, medsnap: Run, tmp_path: Path
) -> None:
    shutil.copytree(world.vault, tmp_path / "older")
    _withdrawn(world, medsnap)
    medsnap("vault", "ls").expect(0)
    shutil.rmtree(world.vault)
    shutil.copytree(tmp_path / "older", world.vault)
    found = medsnap("vault", "ls").expect(4)
    assert "the log was put back" in " ".join(found.err.split())
    assert "4711" in medsnap("consent", "ls").expect(4).out  # what he has seen he still knows
    assert medsnap("export", "all", "--as", "fhir", "-o", "out", "-n").code == 4
    medsnap("vault", "reindex").expect(0)  # he has asked, and takes the older one for true
    medsnap("vault", "ls").expect(0)


# ── the reading of the log alone ─────────────────────────────────────────────────────────────


NOTHING = order.Known()


class _Logged:
    def __init__(self, folder: Path) -> None:
        self.signer = generate("medsnap.test/log", os.urandom)
        self.log = Log(folder, "medsnap.test/log")
        self.commits: list[Sha256] = []

    def grow(self, count: int) -> None:
        entries = []
        for _ in range(count):
            commit = Sha256(os.urandom(32).hex())
            self.commits.append(commit)
            entries.append(
                json.dumps({"v": 1, "t": NOW.isoformat(), "commit": commit, "sealed": "ab" * 32}).encode()
            )
        self.log.append(entries, self.signer)

    def read(self, before: order.Known = NOTHING) -> order.Known:
        return order.read(self.log, [Verifier.parse(self.signer.vkey)], before)


@pytest.fixture
def logged(tmp_path: Path, no_sync: None) -> _Logged:
    return _Logged(tmp_path / "log")


def test_it_goes_on_from_what_is_remembered_over_any_sizes(logged: _Logged) -> None:
    known = logged.read()
    assert known == order.Known()
    for count in (1, 1, 2, 5, 247, 1, 3, 300, 255):
        logged.grow(count)
        known = logged.read(order.unpack(known.pack()))
        assert known == logged.read()
        assert list(known.commits) == logged.commits


def test_what_is_remembered_is_the_tree_that_is_signed(logged: _Logged) -> None:
    logged.grow(300)
    known = logged.read()
    logged.grow(1)
    head = logged.log.head()
    assert head is not None
    assert order.read(logged.log, [Verifier.parse(logged.signer.vkey)], known).size == head.size == 301
    leaves = [leaf_hash(entry) for entry in logged.log.entries()]
    assert root_of(leaves) == head.root


def test_another_log_signed_by_a_thief_of_the_key_is_not_gone_on_with(
    logged: _Logged, tmp_path: Path
) -> None:
    logged.grow(10)
    known = logged.read()
    forked = _Logged(tmp_path / "fork")
    forked.signer = logged.signer
    forked.grow(12)
    with pytest.raises(Tampered, match="does not begin as it did"):
        forked.read(known)
    shorter = _Logged(tmp_path / "shorter")
    shorter.signer = logged.signer
    shorter.grow(9)
    with pytest.raises(Tampered, match="put back"):
        shorter.read(known)
    with pytest.raises(Tampered, match="no checkpoint"):
        _Logged(tmp_path / "none").read(known)


def test_what_nobody_packed_is_nothing_known() -> None:
    for data in (b"", b"1 2 3", b"1 2 1\n" + bytes(31), b"9 0 0\n", b"x y z\n", b"1 3 1\n" + bytes(32)):
        assert order.unpack(data) == order.Known()


def test_an_unsigned_checkpoint_is_no_log(logged: _Logged) -> None:
    logged.grow(3)
    path = logged.log.root / "checkpoint"
    text, _, _ = path.read_bytes().partition("— ".encode())
    path.write_bytes(text + "— x ".encode() + base64.b64encode(bytes(68)) + b"\n")
    with pytest.raises(Tampered):
        logged.read()
