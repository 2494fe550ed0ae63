"""Promise 7: stock age and a text editor recover photos, names and metadata."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap.model.decision import Decision, PolicyRef, Verb
from medsnap.model.photo import MediaType, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.seal import Suite
from medsnap.model.study import Match, MatchState
from medsnap.vault import host, keys, pins
from medsnap.vault.create import create
from medsnap.vault.host import Host
from medsnap.vault.writer import Writer

pytestmark = pytest.mark.interop
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def _row(writer: Writer, photo: bytes, compartment: str, name: str) -> PhotoRow:
    digest = Sha256(hashlib.sha256(photo).hexdigest())
    seal = writer.seal(
        [photo], source=digest, compartment=compartment, media=MediaType.JPEG, length=len(photo)
    )
    return PhotoRow(
        seal=seal,
        state="done",
        source_name=name,
        source_sha256=digest,
        source_size=len(photo),
        media=MediaType.JPEG,
        at="",
        decision=Decision(
            verb=Verb.ACCEPT,
            compartment=compartment,
            votes=(),
            decided_by="",
            at="",
            evidence="",
            policy=PolicyRef(policy="p", version=1, digest="", effective="", baseline=1),
        ),
        match=Match(state=MatchState.UNMATCHED),
    )


def _age(age: str, identity: Path, sealed: Path) -> bytes:
    return subprocess.run(
        [age, "-d", "-i", str(identity), str(sealed)], check=True, capture_output=True
    ).stdout


def test_stock_age_recovers_photos_and_rows(tmp_path: Path, tool: Callable[[str], str]) -> None:
    age = tool("age")
    vault, state = tmp_path / "vault", tmp_path / "state"
    new = create(
        vault,
        compartments=("general", "intimate"),
        member="owner",
        suite=Suite.X25519,
        now=NOW,
        random=os.urandom,
        expires=NOW + timedelta(days=1),
    )
    directory = new.directory
    pins.write_pin(state, pins.Pin(vault=directory.vault, root=directory.root, version=1))
    host.write_ingest_key(state, new.ingest_key)
    sheet = tmp_path / "recovery.key"
    sheet_keys = keys.Keys(
        identities=(new.recovery_identity,), root_key=new.root_key, signer=new.recovery_signer
    )
    keys.save_file(sheet, keys.render(sheet_keys, "recovery"), random=os.urandom)
    photos = {n: os.urandom(n) for n in (1, 65_535, 65_536, 65_537, 300_000)}
    with _writer(state, vault) as writer:  # a run that ends before its commit
        writer.add("intimate", _row(writer, b"before the crash", "intimate", "crash.jpg"))
    with _writer(state, vault) as writer:
        rows = [_row(writer, p, "intimate", f"{n}.jpg") for n, p in photos.items()]
        for row in rows:
            writer.add("intimate", row)
        writer.commit()
    # from here on: no medsnap
    ids = tmp_path / "ids"
    ids.write_bytes(_age(age, sheet, vault / "keys" / directory.compartment("intimate").ring))
    for row, photo in zip(rows, photos.values(), strict=True):
        sealed = vault / "objects" / row.seal.object[:2] / row.seal.object
        plain = _age(age, ids, sealed)
        assert plain[: row.seal.length] == photo and not any(plain[row.seal.length :])
    _rows_by_hand(age, ids, vault)


def _writer(state: Path, vault: Path) -> Writer:
    return Writer(
        Host.open(state, vault, NOW), now=lambda: NOW, random=os.urandom, log=lambda commit, objects: None
    )


def _rows_by_hand(age: str, ids: Path, vault: Path) -> None:
    found: list[str] = []
    opened = 0
    for batch in (vault / "batches").iterdir():
        shown = subprocess.run([age, "-d", "-i", str(ids), str(batch)], check=False, capture_output=True)
        if shown.returncode:
            continue
        opened += 1
        for line in shown.stdout.decode().split("\n"):
            event = json.loads(line) if line else {}
            if event.get("event") == "sealed":
                import base64

                inner = ids.with_name("line.age")
                inner.write_bytes(base64.b64decode(event["age"]))
                event = json.loads(_age(age, ids, inner))
            if event.get("event") == "photo.add":
                found.append(event["source_name"])
    assert opened == 1
    assert found == ["crash.jpg", "1.jpg", "65535.jpg", "65536.jpg", "65537.jpg", "300000.jpg"]
