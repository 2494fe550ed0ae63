"""What somebody signed is not yet sound: proofs, erasures, rings and batches that a key holder made wrong."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medsnap import disk
from medsnap.crypto import age
from medsnap.crypto.note import Signer, sign_note
from medsnap.errors import IoFailed, KeyRefused, Malformed, MedsnapError, Tampered
from medsnap.vault import age as outside
from medsnap.vault import batches, erasures, proofs, repair, rings, versions
from medsnap.vault.commits import BatchRef
from medsnap.vault.repair import Move, Plan

from .conftest import Kit

NAME = "a" * 26
DEEP = "[" * 100_000


def signed(kit: Kit, text: str) -> bytes:
    return sign_note(text, [Signer.parse_private(kit.owner.signer or "")])


def changed(text: str, **fields: Any) -> str:
    return json.dumps(json.loads(text) | fields)


# ── proofs ───────────────────────────────────────────────────────────────────────────────────

WRONG_PROOFS: dict[str, Callable[[str, str], str]] = {
    "another kind of note": lambda head, body: f"medsnap commit\n{body}",
    "no JSON": lambda head, body: f"{head}\nopens everything",
    "JSON without end": lambda head, body: f"{head}\n{DEEP}",
    "a field of another type": lambda head, body: f"{head}\n{changed(body, opens='general')}",
    "a newer format": lambda head, body: f"{head}\n{changed(body, format=2)}",
    "of another vault": lambda head, body: f"{head}\n{changed(body, vault=NAME)}",
    "under another name": lambda head, body: f"{head}\n{changed(body, proof=NAME)}",
}


@pytest.mark.parametrize("what", WRONG_PROOFS)
def test_a_wrong_proof_proves_nothing_and_is_named(what: str, kit: Kit) -> None:
    directory, signer = kit.host().directory, Signer.parse_private(kit.owner.signer or "")
    made = proofs.prove(kit.vault, directory, kit.reader(), signer, at="", random=os.urandom)
    path = kit.vault / "proofs" / made.proof
    assert (len(proofs.proven(kit.vault, directory)), list(proofs.faults(kit.vault, directory))) == (3, [])
    head, _, body = path.read_text().rpartition("\n\n")[0].partition("\n")
    path.write_bytes(signed(kit, WRONG_PROOFS[what](head, body) + "\n"))
    assert proofs.proven(kit.vault, directory) == frozenset()
    assert [where for where, _ in proofs.faults(kit.vault, directory)] == [f"proofs/{made.proof}"]


# ── erasures ─────────────────────────────────────────────────────────────────────────────────


def _note(kit: Kit, **fields: Any) -> str:
    plain = {
        "erasure": NAME, "vault": kit.directory.vault, "directory": 1, "verb": "erase", "objects": [],
        "replaced": [], "format": 1,
    }  # fmt: skip
    return "medsnap erasure\n" + json.dumps(plain | fields) + "\n"


WRONG_ERASURES: dict[str, tuple[Callable[[Kit], str], type[MedsnapError]]] = {
    "another kind of note": (lambda kit: _note(kit).replace("erasure\n", "commit\n", 1), Tampered),
    "JSON without end": (lambda kit: f"medsnap erasure\n{DEEP}\n", Tampered),
    "a newer format": (lambda kit: _note(kit, format=2), KeyRefused),
    "of another vault": (lambda kit: _note(kit, vault="b" * 26), Tampered),
    "a path as a name": (
        lambda kit: _note(kit, objects=[{"object": "../../x", "payload": "0" * 64, "header": "0" * 64}]),
        Tampered,
    ),
    "objects added by an erasure": (
        lambda kit: _note(
            kit, added=[{"commit": NAME, "object": NAME, "payload": "0" * 64, "header": "0" * 64}]
        ),
        Tampered,
    ),
    "a move that brings nothing": (
        lambda kit: _note(
            kit, verb="move", objects=[{"object": NAME, "payload": "0" * 64, "header": "0" * 64}]
        ),
        Tampered,
    ),
}


@pytest.mark.parametrize("what", WRONG_ERASURES)
def test_a_wrong_erasure_takes_nothing_out(what: str, kit: Kit) -> None:
    make, kind = WRONG_ERASURES[what]
    note = signed(kit, make(kit))
    with pytest.raises(kind):
        erasures.parse(note, kit.directory, "erasures/x")
    (kit.vault / "erasures").mkdir(exist_ok=True)
    (kit.vault / "erasures" / NAME).write_bytes(note)
    found = erasures.read(kit.vault, kit.directory)
    assert (found.notes, found.gone) == ((), frozenset())
    assert [where for where, _ in found.problems] == [f"erasures/{NAME}"]
    assert erasures.read_any(kit.vault, kit.directory) == []


def test_an_erasure_under_another_name_counts_for_nothing(kit: Kit) -> None:
    (kit.vault / "erasures").mkdir(exist_ok=True)
    (kit.vault / "erasures" / ("b" * 26)).write_bytes(signed(kit, _note(kit)))
    found = erasures.read(kit.vault, kit.directory)
    assert found.notes == ()
    assert [what for _, what in found.problems] == ["an erasure of another name lies here"]
    assert erasures.read_any(kit.vault, kit.directory) == []


def test_batches_that_stand_in_for_each_other_end_the_reading() -> None:
    one, two = (BatchRef(batch=n * 26, sha256="0" * 64) for n in "ab")  # type: ignore[arg-type]
    ring = replace(erasures.NOTHING, by={one.batch: two, two.batch: one})
    with pytest.raises(Tampered, match="in a ring"):
        ring.current(one)


# ── rings ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "content", [b"", b"AGE-SECRET-KEY-1QQQ\n", age.generate_identity(os.urandom).encode() + b"\n"],
    ids=["nothing", "no key", "another key"],
)  # fmt: skip
def test_a_ring_without_the_key_that_the_directory_names_is_refused(content: bytes, kit: Kit) -> None:
    key = kit.directory.compartment("general")
    data = age.encrypt_bytes(content, [kit.directory.members[0].recipient], random=os.urandom)
    (kit.vault / "keys" / key.ring).write_bytes(data)
    with pytest.raises(Tampered, match="the file that the directory names"):
        rings.compartment_identities(kit.vault, key, kit.owner.identities)
    named = replace(key, ring_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(Tampered, match="does not hold the key"):
        rings.compartment_identities(kit.vault, named, kit.owner.identities)


# ── batches ──────────────────────────────────────────────────────────────────────────────────

WRONG_LINES = {
    "no JSON": (b'{"event":"hold"\n', "line 1 of a batch is no JSON"),
    "JSON without end": (DEEP.encode(), "line 1 of a batch is no JSON"),
    "a list": (b'{"event":"batch"}\n\n["photo.add"]', "line 3 of a batch is no object"),
    "a sealed line that is no base64": (b'{"event":"sealed","age":"%%"}', "sealed before a crash"),
    "a sealed line that is no age file": (
        b'{"event":"sealed","age":"%s"}' % base64.b64encode(b"age-encryption.org/v1\n"),
        "sealed before a crash",
    ),
}


@pytest.mark.parametrize("what", WRONG_LINES)
def test_a_wrong_line_of_a_batch_is_named(what: str) -> None:
    plain, said = WRONG_LINES[what]
    identity = age.generate_identity(os.urandom)
    data = age.encrypt_bytes(plain, [age.recipient_of(identity)], random=os.urandom)
    assert outside.decrypt(data, [identity], []) == plain
    with pytest.raises(Tampered, match=said):
        list(batches.events(data, [identity], where="batches/x"))


# ── what a host and a repair hold ────────────────────────────────────────────────────────────


def test_a_broken_memory_of_policies_is_no_empty_one(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    assert versions.seen(folder) == {}
    versions.note(folder, "northside", 4, "d4")
    versions.note(folder, "northside", 3, "d3")
    assert versions.seen(folder)["northside"].version == 4
    for broken in (b"", b"[]", DEEP.encode(), b'{"policies":{"northside":4}}'):
        (folder / versions.FILE).write_bytes(broken)
        with pytest.raises(Malformed, match="cannot be read"):
            versions.seen(folder)


def _repair(kit: Kit) -> Plan:
    (kit.vault / "tmp" / "stray").write_bytes(b"stray")
    return Plan(moves=(Move(source="tmp/stray", target="tmp/aside/stray"),))


def test_a_disk_without_links_keeps_what_a_repair_puts_aside(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(disk, "link", refuse)
    assert repair.carry_out(kit.vault, _repair(kit)) == 1
    assert (kit.vault / "tmp" / "aside" / "stray").read_bytes() == b"stray"
    assert not (kit.vault / "tmp" / "stray").exists()


def test_a_disk_that_refuses_links_for_another_reason_stops_a_repair(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(disk, "link", refuse)
    with pytest.raises(IoFailed):
        repair.carry_out(kit.vault, _repair(kit))
    assert (kit.vault / "tmp" / "stray").read_bytes() == b"stray"
