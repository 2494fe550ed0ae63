"""The reader written from docs/SPEC.md, against medsnap, which is only run here.

What the reader says must be what `vault ls`, `vault show` and `vault open` say; what the page tells a reader
to refuse, it refuses.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pyrage = pytest.importorskip("pyrage")
from tests.interop.second_reader import Vault  # noqa: E402  (after the skip: it opens age files with pyrage)
from tests.interop.second_seals import Refused, decrypt  # noqa: E402

pytestmark = pytest.mark.interop


def medsnap(folder: Path, *words: str | Path, code: int | None = 0) -> str:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8",
        "MEDSNAP_STATE": str(folder / "host"), "MEDSNAP_CACHE": str(folder / "cache"),
        "MEDSNAP_VAULT": str(folder / "vault"), "MEDSNAP_KEY_FILE": str(folder / "keys" / "owner.key"),
    }  # fmt: skip
    command = [sys.executable, "-m", "medsnap", *map(str, words)]
    ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert code is None or ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the demo's day, its vault and a second ingest that was killed and run again."""
    folder = tmp_path_factory.mktemp("second") / "day"
    medsnap(folder.parent, "demo", folder, "--quiet")
    more = folder / "more"
    more.mkdir()
    for number in range(24):
        Image.effect_noise((64, 64), 40 + number).save(more / f"{number}.png")
    words = ["ingest", more, "--policy", "hospital", "--no-detect", "--jobs", "1", "--format", "ndjson"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "medsnap", *map(str, words), "--vault", str(folder / "vault")],
        env={"PATH": os.defpath, "HOME": str(folder), "MEDSNAP_STATE": str(folder / "host")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    assert killed.stdout is not None
    for _ in range(3):
        killed.stdout.readline()
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    # members come and go, and epochs with them
    sheet = ("--root-key-file", folder / "keys" / "recovery.txt")
    request = folder / "leaver.member"
    medsnap(folder, "vault", "member", "key", "leaver", "--key-file", folder / "leaver.key", "-o", request)
    groups = ("--compartment", "general", "--compartment", "identifiable", "--auditor")
    medsnap(folder, "vault", "member", "add", "leaver", "--recipient", request, *groups, *sheet)
    medsnap(folder, "vault", "rotate", "intimate", *sheet)
    medsnap(folder, "vault", "member", "remove", "leaver", *sheet)
    medsnap(folder, *words)
    # one photo is on hold, two are erased one after the other: a batch is replaced twice
    photos = json.loads(medsnap(folder, "vault", "ls", "--format", "json"))["photos"]
    names = [p["id"] for p in photos if p["verb"] == "restrict"]
    medsnap(folder, "vault", "legal-hold", "add", names[0], "--reason", "an inquiry")
    for name in names[-2:]:
        medsnap(folder, "vault", "erase", name, "--reason", "on request")
    # two photos go to another group, the one on hold among them; one of them comes back
    why = ("--reason", "a tattoo", "--policy", "hospital")
    ran = medsnap(folder, "vault", "move", *names[:2], "--to", "intimate", *why, "--format", "json")
    now = {p["object"]: p["now"] for p in json.loads(ran)["photos"]}
    medsnap(folder, "vault", "move", now[names[1]], "--to", "identifiable", "--open", *why)
    return folder


def test_it_lists_what_medsnap_lists_and_opens_the_same_bytes(clinic: Path, tmp_path: Path) -> None:
    vault = Vault(clinic / "vault", clinic / "keys" / "owner.key")
    photos = vault.photos()
    listed = {p["id"]: p for p in json.loads(medsnap(clinic, "vault", "ls", "--format", "json"))["photos"]}
    assert set(photos) == set(listed)
    assert len(photos) > 30
    for name, record in photos.items():
        entry = listed[name]
        said = {
            "id": name,
            "at": record["at"],
            "source": record["source_name"],
            "media": record["media"],
            "length": record["seal"]["length"],
            "state": record["state"],
            "reason": record["reason"] or None,
            "verb": record["decision"]["verb"],
            "compartment": record["seal"]["compartment"],
            "match": record["match"]["state"],
        }
        assert {k: entry[k] for k in said} == said
        assert len(vault.open(record["seal"])) == entry["length"]
    for name in sorted(photos)[::9]:
        shown = json.loads(medsnap(clinic, "vault", "show", name, "--format", "json"))["photo"]
        assert shown == photos[name]
        medsnap(clinic, "vault", "open", name, "-o", tmp_path / name)
        assert (tmp_path / name).read_bytes() == vault.open(photos[name]["seal"])


def test_of_what_was_erased_it_finds_nothing_and_of_a_hold_what_it_says(clinic: Path) -> None:
    vault = Vault(clinic / "vault", clinic / "keys" / "owner.key")
    events = [event for _, event in vault.events()]
    assert len(vault.gone) >= 5
    assert len(vault.instead) >= 2
    for name in vault.gone:
        assert not (clinic / "vault" / "objects" / name[:2] / name).exists()
        about = [e.get("seal") or e.get("receipt") or e for e in events]
        assert name not in [part.get("object") for part in about]
    [hold] = [event for event in events if event["event"] == "hold"]
    assert (hold["reason"], hold["object"] in vault.photos()) == ("an inquiry", True)
    lying = {path.name for path in (clinic / "vault" / "batches").iterdir()}
    assert not lying & set(vault.instead)


def test_a_moved_photo_lies_where_it_went_and_its_history_with_it(clinic: Path) -> None:
    vault = Vault(clinic / "vault", clinic / "keys" / "owner.key")
    moved = {len(p["moves"]): p for p in vault.photos().values() if p.get("moves")}
    assert {n: p["seal"]["compartment"] for n, p in moved.items()} == {1: "intimate", 2: "identifiable"}
    assert {m["was"] for p in moved.values() for m in p["moves"]} <= vault.gone
    for record in moved.values():
        assert vault.open(record["seal"])
        assert record["decision"]["compartment"] == record["seal"]["compartment"]
        receipts = [e["receipt"] for _, e in vault.events() if e["event"] == "photo.receipt"]
        assert record["seal"]["object"] in [r["object"] for r in receipts]
    [hold] = [e for _, e in vault.events() if e["event"] == "hold"]
    assert hold["object"] == moved[1]["seal"]["object"]


def test_it_finds_clips_receipts_and_lines_sealed_before_a_kill(clinic: Path) -> None:
    vault = Vault(clinic / "vault", clinic / "keys" / "recovery.txt")
    clips = [c["seal"] for p in vault.photos().values() for c in p["companions"] if c["seal"]]
    assert [vault.open(seal)[4:8] for seal in clips] == [b"ftyp"] * len(clips)
    assert clips
    kinds = [event["event"] for _, event in vault.events()]
    assert kinds.count("photo.receipt") > 10
    sealed = 0
    for path in (clinic / "vault" / "batches").iterdir():
        for identities in vault.rings.values():
            sealed += (decrypt(path.read_bytes(), identities) or b"").count(b'"event":"sealed"')
    assert sealed >= 3


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _first(folder: Path) -> Path:
    return min(p for p in folder.rglob("*") if p.is_file())


def _ring(vault: Path) -> Path:
    [name, *_] = re.findall(r'"ring": "(.*)"', (vault / "directory").read_text())
    return vault / "keys" / name


def _swap(vault: Path) -> None:
    one, two = sorted(p for p in (vault / "objects").rglob("*") if p.is_file())[:2]
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)


def _entries(vault: Path) -> Path:
    """Give the newest bundle; older, partial ones may still lie there and are never read."""
    return max((vault / "log" / "tile" / "entries" / "000.p").iterdir(), key=lambda p: int(p.name))


TAMPERED = {
    "a byte of the directory": lambda v: _flip(v / "directory", 40),
    "a byte of a ring": lambda v: _flip(_ring(v), -1),
    "a byte of a commit": lambda v: _flip(_first(v / "commits"), 60),
    "a byte of a batch": lambda v: _flip(_first(v / "batches"), -1),
    "a byte of an object": lambda v: _flip(_first(v / "objects"), -1),
    "two objects swapped": _swap,
    "an object gone": lambda v: _first(v / "objects").unlink(),
    "a commit gone": lambda v: _first(v / "commits").unlink(),
    "an entry of the log": lambda v: _flip(_entries(v), 20),
    "a byte of an erasure": lambda v: _flip(_first(v / "erasures"), 60),
    "an erasure gone": lambda v: _first(v / "erasures").unlink(),
    "the signature of the log": lambda v: _flip(v / "log" / "checkpoint", -6),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_it_refuses_what_the_page_tells_it_to_and_medsnap_agrees(
    what: str, clinic: Path, tmp_path: Path
) -> None:
    vault = tmp_path / "vault"
    shutil.copytree(clinic / "vault", vault)
    TAMPERED[what](vault)
    with pytest.raises((Refused, ValueError, KeyError)):
        reader = Vault(vault, clinic / "keys" / "owner.key")
        for record in reader.photos().values():
            for seal in (record["seal"], *(c["seal"] for c in record["companions"] if c["seal"])):
                reader.open(seal)
    words = ("audit", "verify") if "log" in what else ("vault", "check")
    medsnap(clinic, *words, "--vault", vault, code=4)


def test_a_foreign_key_lists_nothing_and_says_nothing(clinic: Path, tmp_path: Path) -> None:
    owner = (clinic / "keys" / "owner.key").read_text()
    [root] = re.findall(r"^# medsnap-root: .*$", owner, flags=re.MULTILINE)
    key = tmp_path / "stranger.key"
    key.write_text(f"{root}\n{pyrage.x25519.Identity.generate()}\n")
    vault = Vault(clinic / "vault", key)
    assert vault.rings == {}
    assert vault.photos() == {}
    with pytest.raises(Refused, match="an older directory"):
        Vault(clinic / "vault", key, seen=99)
