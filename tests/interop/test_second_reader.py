"""A second reader, written from docs/SPEC.md alone: nothing of medsnap is imported here, only run.

It lists every photo of a vault with its record and its bytes. What it says must be what `vault ls`,
`vault show` and `vault open` say; what the page tells a reader to refuse, it refuses.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image

from tests.interop import age_hybrid

pyrage = pytest.importorskip("pyrage")
pytestmark = pytest.mark.interop
ID = re.compile(r"[a-z2-7]{26}")
VERBS = {
    "photo.add": "add",
    "photo.receipt": "receipt",
    "photo.decide": "decide",
    "photo.open": "open",
    "hold": "hold",
    "hold.release": "hold",
}


class Refused(Exception):
    """What SPEC.md, "What a reader refuses", tells to refuse."""


def need(fact: object, why: str) -> None:
    if not fact:
        raise Refused(why)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ── the reader ───────────────────────────────────────────────────────────────────────────────


def opened(note: bytes, vkeys: Iterable[str]) -> tuple[str, set[str]]:
    """Give the text of a signed note and the known keys that signed it."""
    body, found, lines = note.rpartition(b"\n\n")
    need(found, "no signed note")
    text, signed = body + b"\n", set()
    for vkey in vkeys:
        name, key_id, packed = vkey.split("+", 2)
        raw = base64.b64decode(packed, validate=True)
        need(raw[:1] == b"\x01" and len(raw) == 33, "no Ed25519 key")
        need(sha256(f"{name}\n".encode() + raw)[:8] == key_id, "a key id is wrong")
        for line in lines.decode().splitlines():
            dash, signer, value = line.split(" ")
            signature = base64.b64decode(value, validate=True)
            if (dash, signer, signature[:4].hex()) == ("—", name, key_id):
                try:
                    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text)
                except InvalidSignature:
                    raise Refused("a signature is wrong") from None
                signed.add(vkey)
    return text.decode(), signed


def verbs_at(writer: dict[str, Any], place: int) -> set[str]:
    """Give a writer's verbs for the commit at this place of the log."""
    for term in writer.get("earlier", ()):
        if place < term["until"]:
            return set(term["verbs"])
    return set(writer["verbs"])


def recipient_of(identity: str) -> str:
    if identity.startswith(age_hybrid.SECRET):
        return age_hybrid.recipient_of(identity)
    return str(pyrage.x25519.Identity.from_str(identity).to_public())


def decrypt(data: bytes, identities: list[str]) -> bytes | None:
    """Open with the suite of the keys: pyrage knows x25519 only."""
    if any(i.startswith(age_hybrid.SECRET) for i in identities):
        try:
            return age_hybrid.decrypt(data, identities)
        except InvalidTag:
            raise Refused("a seal is broken") from None
    keys = [pyrage.x25519.Identity.from_str(i) for i in identities]
    try:
        return bytes(pyrage.decrypt(data, keys)) if keys else None
    except pyrage.DecryptError as problem:
        if "No matching keys" in str(problem):
            return None
        raise Refused(str(problem)) from None


def identities_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]


def merkle(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


class Vault:
    """A vault in the eyes of one key file."""

    def __init__(self, folder: Path, key_file: Path, seen: int = 0) -> None:
        self.folder = folder
        text = key_file.read_text()
        [root] = re.findall(r"^# medsnap-root: (.*)$", text, flags=re.MULTILINE)
        body, signed = opened((folder / "directory").read_bytes(), [root])
        head, _, rest = body.partition("\n")
        self.directory = json.loads(rest)
        need(head == "medsnap directory" and root in signed, "another root")
        need(self.directory["root"] == root, "another root")
        need(self.directory["format"] == 1, "another format")
        known = {"policy-keyring", "writer-terms", "two-recoveries", "erasures"}
        need(set(self.directory["requires"]) <= known, "needs what is not known")
        need(self.directory["version"] >= seen, "an older directory")
        self.rings = dict(self._rings(identities_in(text)))
        self.gone: set[str] = set()
        self.noted: set[str] = set()
        self.instead: dict[str, dict[str, str]] = {}

    def _rings(self, own: list[str]) -> Iterator[tuple[str, list[str]]]:
        for row in self.directory["compartments"]:
            need(ID.fullmatch(row["ring"].removesuffix(".age")), "no id")
            data = (self.folder / "keys" / row["ring"]).read_bytes()
            need(sha256(data) == row["ring_sha256"], "another ring")
            plain = decrypt(data, own)
            if plain is not None:
                pairs = [(recipient_of(i), i) for i in identities_in(plain.decode())]
                need(row["recipient"] in dict(pairs), "a ring without its key")
                yield row["name"], [i for r, i in pairs if r in (row["recipient"], *row["past"])]

    def log(self) -> list[str | None]:
        """Give the commits' digests in the log's order, its root and signature verified."""
        loggers = [w["vkey"] for w in self.directory["writers"] if "log" in w["verbs"]]
        text, signed = opened((self.folder / "log" / "checkpoint").read_bytes(), loggers)
        origin, size, root = text.splitlines()[:3]
        need(signed and origin == self.directory["origin"], "nobody signed the log")
        leaves: list[bytes] = []
        for bundle in range((int(size) + 255) // 256):
            width = min(256, int(size) - bundle * 256)
            name = f"{bundle:03}" if width == 256 else f"{bundle:03}.p/{width}"
            data = (self.folder / "log" / "tile" / "entries" / name).read_bytes()
            for _ in range(width):
                length = int.from_bytes(data[:2], "big")
                leaves.append(data[2 : 2 + length])
                data = data[2 + length :]
        need(merkle(leaves) == base64.b64decode(root), "the log has another root")
        return [json.loads(leaf)["commit"] for leaf in leaves]

    def _notes(self, folder: str, line: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Give digest, content and writer of each signed note of a folder."""
        writers = {w["vkey"]: w for w in self.directory["writers"]}
        for path in (self.folder / folder).glob("*"):
            note = path.read_bytes()
            text, signed = opened(note, writers)
            head, _, body = text.partition("\n")
            need(head == line and signed, "nobody signed it")
            said = json.loads(body)
            fits = (said["format"], said["vault"], said[line.split()[1]])
            need(fits == (1, self.directory["vault"], path.name), "it belongs elsewhere")
            yield sha256(note), said, writers[signed.pop()]

    def _erased(self, place: dict[str, int]) -> None:
        """Take in what was erased: objects that are gone, batches that are read in place of others."""
        noted = list(self._notes("erasures", "medsnap erasure"))
        need({d for d, _, _ in noted} <= set(place), "an erasure is not in the log")
        for digest, said, writer in sorted(noted, key=lambda n: place[n[0]]):
            need(said["verb"] in {"expire", "erase"} & verbs_at(writer, place[digest]), "no right to erase")
            self.gone |= {o["object"] for o in said["objects"]}
            self.noted.add(digest)
            for r in said["replaced"]:
                self.instead.setdefault(r["batch"], {"batch": r["by"], "sha256": r["by_sha256"]})

    def _current(self, ref: dict[str, str]) -> dict[str, str]:
        while ref["batch"] in self.instead:
            ref = self.instead[ref["batch"]]
        return ref

    def commits(self) -> list[tuple[dict[str, Any], set[str]]]:
        """Give each commit with the verbs of its signer, in the log's order."""
        found = list(self._notes("commits", "medsnap commit"))
        logged = [digest for digest in self.log() if digest is not None]
        place = {digest: n for n, digest in reversed(list(enumerate(logged)))}
        self._erased(place)
        need({d for d, _, _ in found} | self.noted == set(place), "log and commits differ")
        found.sort(key=lambda c: place[c[0]])
        return [(commit, verbs_at(writer, place[digest])) for digest, commit, writer in found]

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give every event that counts, with its compartment."""
        for commit, verbs in self.commits():
            committed = {(o["object"], o["payload"]) for o in commit["objects"]}
            existed = [row["name"] for row in self.directory["compartments"][: len(commit["batches"])]]
            missing = set(existed) & set(self.rings)
            for ref in map(self._current, commit["batches"]):
                need(ID.fullmatch(ref["batch"]), "no id")
                data = (self.folder / "batches" / ref["batch"]).read_bytes()
                need(sha256(data) == ref["sha256"], "another batch")
                for name in list(missing):
                    plain = decrypt(data, self.rings[name])
                    if plain is None:
                        continue
                    missing.remove(name)
                    for event in self._lines(plain, name, commit):
                        kind = event.pop("event")
                        about = event.get("seal") or event.get("receipt") or event
                        if about.get("object") in self.gone:
                            continue
                        need(VERBS[kind] in verbs, f"the signer may not {kind}")
                        seals = [event["seal"]] if kind == "photo.add" else []
                        seals += [c["seal"] for c in event.get("companions", ()) if c["seal"]]
                        for seal in seals:
                            need(seal["compartment"] == name, "another compartment")
                            need((seal["object"], seal["payload"]) in committed, "not in its commit")
                        yield name, {"event": kind, **event}
            need(not missing, "a batch is missing")

    def _lines(self, plain: bytes, name: str, commit: dict[str, Any]) -> Iterator[dict[str, Any]]:
        head, *rest = (json.loads(line) for line in plain.splitlines() if line)
        bound = {"event": "batch", "vault": commit["vault"], "commit": commit["commit"], "compartment": name}
        need({k: head[k] for k in bound} == bound, "a batch belongs elsewhere")
        for event in rest:
            if event["event"] != "sealed":
                yield event
                continue
            inner = decrypt(base64.b64decode(event["age"]), self.rings[name])
            need(inner, "a sealed line does not open")
            yield from (json.loads(line) for line in (inner or b"").splitlines() if line)

    def photos(self) -> dict[str, dict[str, Any]]:
        """Give the record of every photo by its id; the first one counts."""
        found: dict[str, dict[str, Any]] = {}
        for _, event in self.events():
            if event["event"] == "photo.add":
                found.setdefault(event["seal"]["object"], event)
        return found

    def open(self, seal: dict[str, Any]) -> bytes:
        """Give the bytes of a photo or clip."""
        path = self.folder / "objects" / seal["object"][:2] / seal["object"]
        need(ID.fullmatch(seal["object"]) and path.is_file(), "an object is missing")
        data = path.read_bytes()
        begin = data.index(b"\n", data.index(b"\n--- ") + 1) + 1
        need(sha256(data[begin:]) == seal["payload"], "another object")
        plain = decrypt(data, self.rings[seal["compartment"]])
        need(plain, "an object does not open")
        photo = (plain or b"")[: seal["length"]]
        need(len(photo) == seal["length"] and sha256(photo) == seal["plaintext"], "another photo")
        return photo


# ── compared with medsnap, which runs as a program ───────────────────────────────────────────


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
    assert len(vault.gone) >= 2
    assert len(vault.instead) >= 2
    for name in vault.gone:
        assert not (clinic / "vault" / "objects" / name[:2] / name).exists()
        assert name not in json.dumps(events)
    [hold] = [event for event in events if event["event"] == "hold"]
    assert (hold["reason"], hold["object"] in vault.photos()) == ("an inquiry", True)
    lying = {path.name for path in (clinic / "vault" / "batches").iterdir()}
    assert not lying & set(vault.instead)


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
