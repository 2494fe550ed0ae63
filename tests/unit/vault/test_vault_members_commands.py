"""`vault member` and `vault rotate` as people type them; who has no role of a photo does not see it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.vault import directory, pins
from medsnap.vault.host import Host
from medsnap.vault.ids import random_id
from medsnap.vault.writer import Writer

from .conftest import NOW, Kit
from .test_vault_commands import Shell, _state, shell

__all__ = ["shell"]


@pytest.fixture
def made(shell: Shell) -> Shell:
    code, _, _ = shell(
        "vault", "init", "--no-input", "--key-file", shell.key, "--recovery-file", shell.home / "rec.key",
        "--suite", "x25519",
    )  # fmt: skip
    assert code == 0
    return shell


def _add(shell: Shell, name: str, *words: str) -> Path:
    key, request = shell.home / f"{name}.key", shell.home / f"{name}.member"
    code, _, err = shell("vault", "member", "key", name, "--key-file", key, "-o", request)
    assert code == 0
    code, out, _ = shell(
        "vault", "member", "add", name, "--recipient", request, *words,
        "--root-key-file", shell.home / "rec.key", "--key-file", shell.key,
    )  # fmt: skip
    assert code == 0
    print_ = "".join(err.partition("must be this one:")[2].split())[:64]
    assert print_ in "".join(out.split()), "both see the same fingerprint"
    return key


def _ingest(shell: Shell, photo: bytes, compartment: str, *roles: str) -> str:
    """Add a photo that these roles may open, and log its commit."""
    from medsnap.audit import store
    from medsnap.commands._vault import log_of
    from medsnap.model.event import Action, AuditEvent

    place = Host.open(_state(shell), shell.vault, NOW)

    def log(commit: str, objects: tuple[str, ...]) -> None:
        event = AuditEvent(action=Action.INGEST, at=NOW.isoformat(), actor="ingest-1", objects=objects)
        store.record(
            log_of(shell.vault, place.directory), event, auditors=[place.directory.auditors],
            signer=place.signer, random=os.urandom, commit=commit,  # type: ignore[arg-type]
        )  # fmt: skip

    kit = Kit(shell.home, None)  # type: ignore[arg-type]
    with Writer(place, now=lambda: NOW, random=os.urandom, log=log) as writer:
        row = kit.row(writer, photo, compartment)
        decision = dataclasses.replace(row.decision, opened_by=roles)
        writer.add(compartment, dataclasses.replace(row, decision=decision))
        writer.commit()
    return row.seal.object


def test_a_member_is_made_listed_and_taken_out(made: Shell) -> None:
    _add(made, "a.sommer", "--compartment", "general", "--role", "clinical-staff")
    told = made.json("vault", "member", "ls")
    owner, sommer = told["members"]
    assert (owner["roles"], owner["auditor"]) == (["*"], True)
    assert (sommer["name"], sommer["compartments"]) == ("a.sommer", ["general"])
    assert (sommer["roles"], sommer["verbs"]) == (["clinical-staff"], ["log", "look"])
    assert told["hosts"] == [{"host": "ingest-1", "seen": None, "confirmed": False}]
    rest = ("--root-key-file", made.home / "rec.key")
    code, out, _ = made("vault", "member", "remove", "a.sommer", "--dry-run", *rest)
    assert code == 0 and "Nothing was changed" in out and told == made.json("vault", "member", "ls")
    code, out, _ = made("vault", "member", "remove", "a.sommer", *rest)
    flat = " ".join(out.split())
    assert code == 0
    assert "open photos of 'general' sealed before epoch 2" in flat
    assert "ingest-1: has not written yet; now it is 3" in flat
    told = made.json("vault", "member", "ls")
    assert [m["name"] for m in told["members"]] == ["owner"] and told["removed"] == ["a.sommer"]
    assert (made("vault", "check")[0], made("audit", "verify", "--key-file", made.key)[0]) == (0, 0)
    events = made.json("audit", "ls", "--key-file", made.key)["entries"]
    said = [e["details"] for e in events if e["action"] == "directory"]
    assert ["member", "a.sommer"] in said[-1] and ["change", "member-remove"] in said[-1]


def test_a_removed_member_opens_nothing_new_not_even_with_stock_age(
    made: Shell, tool: Callable[[str], str], photos: list[bytes], tmp_path: Path
) -> None:
    age = tool("age")

    def opens(identities: Path, name: str) -> bool:
        words = [age, "-d", "-i", str(identities), str(made.vault / name)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def place(name: str) -> str:
        return f"objects/{name[:2]}/{name}"

    key = _add(made, "leaver", "--compartment", "general", "--role", "clinical-staff")
    old = _ingest(made, photos[2], "general", "clinical-staff")
    out = made.home / "out.jpg"
    assert made("vault", "open", old, "-o", out, "--key-file", key)[0] == 0
    assert out.read_bytes() == photos[2]
    ring = directory.load(made.vault).directory.compartment("general").ring
    assert opens(key, f"keys/{ring}")
    ids = tmp_path / "ids"  # he keeps what he had
    ids.write_bytes(
        subprocess.run(
            [age, "-d", "-i", str(key), str(made.vault / "keys" / ring)], capture_output=True, check=True
        ).stdout
    )
    assert opens(ids, place(old))
    assert made("vault", "member", "remove", "leaver", "--root-key-file", made.home / "rec.key")[0] == 0
    new = _ingest(made, photos[3], "general", "clinical-staff")
    after = directory.load(made.vault).directory
    rings = [f"keys/{k.ring}" for k in after.compartments]
    assert not any(opens(i, name) for i in (ids, key) for name in (place(new), *rings))
    assert not {b for b in (made.vault / "batches").iterdir() if opens(key, f"batches/{b.name}")}
    assert opens(ids, place(old)), "as the command said"
    assert made("vault", "ls", "--key-file", key)[0] == 77
    listed = made.json("vault", "ls", "--key-file", made.key)["photos"]
    assert {p["id"] for p in listed} == {old, new}
    assert made.json("vault", "member", "ls")["hosts"][0]["confirmed"]


@pytest.mark.parametrize("form", ["human", "json", "ndjson"])
def test_a_photo_of_another_role_is_answered_like_an_absent_one(
    made: Shell, photos: list[bytes], form: str
) -> None:
    nurse = _add(made, "nurse", "--compartment", "general", "--role", "clinical-staff")
    seen = _ingest(made, photos[0], "general", "photo-desk", "clinical-staff")
    absent = random_id(os.urandom)

    def view(other: str) -> list[object]:
        common = ("--key-file", nurse, "--format", form)
        return [
            made("vault", "ls", *common),
            made("vault", "ls", "--compartment", "general", *common),
            made("vault", "show", other, *common),
            made("vault", "show", other[:8], *common),
            made("policy", "explain", other, *common),
            made("policy", "explain", other, "--as", "photo-desk", *common),
            made("vault", "open", other, "-o", made.home / "x", *common),
            made("vault", "show", seen, *common),
        ]

    before = view(absent)
    for roles in (("photo-desk",), ()):
        hidden = _ingest(made, photos[4], "general", *roles)
        assert view(hidden) == view(absent) == before
        assert made("vault", "show", hidden, "--key-file", made.key)[0] == 0
    assert [before[n][0] for n in (2, 4, 6, 7)] == [66, 66, 66, 0]  # type: ignore[index]
    assert not (made.home / "x").exists()


def test_a_member_without_a_role_sees_nothing_and_an_owner_may_be_bound(
    shell: Shell, photos: list[bytes]
) -> None:
    words = ("--no-input", "--key-file", shell.key, "--recovery-file", shell.home / "rec.key")
    assert shell("vault", "init", *words, "--suite", "x25519", "--role", "photo-desk")[0] == 0
    bare = _add(shell, "bare", "--compartment", "general")
    mine = _ingest(shell, photos[0], "general", "photo-desk")
    _ingest(shell, photos[1], "general", "clinical-staff")

    def listed(key: Path) -> list[str]:
        return [p["id"] for p in shell.json("vault", "ls", "--key-file", key)["photos"]]

    assert listed(bare) == []
    assert listed(shell.key) == [mine]
    assert len(listed(shell.home / "rec.key")) == 2, "no role binds the recovery sheet"


def test_what_cannot_be_is_refused_and_changes_nothing(made: Shell) -> None:
    before = (made.vault / "directory").read_bytes()
    rest = ("--root-key-file", made.home / "rec.key")
    request = made.home / "x.member"
    assert made("vault", "member", "key", "x", "--key-file", made.home / "x.key", "-o", request)[0] == 0
    add = ("vault", "member", "add", "x", "--compartment", "general")
    for words, code in {
        (*add, "--recipient", made.home / "nowhere", *rest): 66,
        (*add, "--recipient", made.home / "x.key", *rest): 77,
        (*add, "--recipient", request, "--root-key-file", made.key): 77,
        (*add, "--recipient", request, "--key-file", made.key): 77,
        (*add, "--recipient", request, "--verb", "add", *rest): 2,
        (*add, "--recipient", request, "--role", "Über", *rest): 2,
        ("vault", "member", "add", "y", "--compartment", "general", "--recipient", request, *rest): 2,
        ("vault", "member", "remove", "owner", *rest): 2,
        ("vault", "member", "remove", "nobody", "-n", *rest): 2,
        ("vault", "rotate", *rest): 2,
        ("vault", "rotate", "nowhere", *rest): 2,
    }.items():
        ended, out, err = made(*words)
        assert ended == code, (words, ended, out, err)
        assert "Traceback" not in err
    assert (made.vault / "directory").read_bytes() == before


def test_rotate_changes_the_key_and_old_and_new_open(made: Shell, photos: list[bytes]) -> None:
    one = _ingest(made, photos[0], "intimate")
    rest = ("--root-key-file", made.home / "rec.key")
    told = made.json("vault", "rotate", "intimate", "--auditors", *rest)
    assert told["epochs"] == {"intimate": 2} and told["auditors_epoch"] == 2
    assert [h["confirmed"] for h in told["hosts"]] == [False]
    two = _ingest(made, photos[1], "intimate")
    for name, photo in ((one, photos[0]), (two, photos[1])):
        out = made.home / name
        assert made("vault", "open", name, "-o", out, "--key-file", made.key)[0] == 0
        assert out.read_bytes() == photo
    actions = [e.get("action") for e in made.json("audit", "ls", "--key-file", made.key)["entries"]]
    assert actions == ["init", "ingest", "directory", "ingest", "open", "open"], "both epochs of the log open"


def test_a_new_vault_is_hybrid_and_says_what_that_needs(shell: Shell) -> None:
    words = ("--no-input", "--key-file", shell.key, "--recovery-file", shell.home / "rec.key")
    told = shell.json("vault", "init", *words)
    assert told["suite"] == "hybrid"
    named = directory.load(shell.vault).directory
    assert all(k.recipient.startswith("age1pq1") for k in named.compartments)
    assert pins.read_pin(_state(shell)).version == 1


def test_a_restore_test_with_a_members_key_names_nothing_that_is_not_his(
    made: Shell, photos: list[bytes]
) -> None:
    key = _add(made, "nurse", "--compartment", "general")
    words = ("vault", "restore-test", made.vault, "--recovery-file", key, "--format", "json")
    _ingest(made, photos[3], "general")
    before = made(*words)
    hidden = _ingest(made, photos[4], "intimate")
    code, out, err = made(*words)
    assert (code, err) == (before[0], before[2]) and code == 3
    told, was = json.loads(out), json.loads(before[1])
    assert (told["committed"], told["not_tried"]) == (2, 1) and (was["committed"], was["not_tried"]) == (1, 0)
    for answer in (told, was):  # whoever has the storage counts these
        del answer["committed"], answer["not_tried"], answer["log"]
    assert told == was and hidden not in out and told["photos"] == 1
    assert told["other_set"] == ["identifiable", "intimate", "safeguarding"] and told["locked"] == []
    ring = next(k.ring for k in directory.load(made.vault).directory.compartments if k.name == "general")
    (made.vault / "keys" / ring).write_bytes(b"x")
    code, out, _ = made(*words)
    assert code == 4 and json.loads(out)["locked"] == ["general"], "his own must open"
