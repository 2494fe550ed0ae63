"""A second reader, written from docs/SPEC.md alone: nothing of medsnap is imported here.

It lists every photo of a vault with its record and bytes, and refuses what the page tells it to refuse.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.interop.second_seals import decrypt, identities_in, merkle, need, opened, recipient_of, sha256

ID = re.compile(r"[a-z2-7]{26}")
VERBS = {
    "photo.add": "add",
    "photo.receipt": "receipt",
    "photo.decide": "decide",
    "photo.open": "open",
    "hold": "hold",
    "hold.release": "hold",
}


def verbs_at(writer: dict[str, Any], place: int) -> set[str]:
    """Give a writer's verbs for the commit at this place of the log."""
    for term in writer.get("earlier", ()):
        if place < term["until"]:
            return set(term["verbs"])
    return set(writer["verbs"])


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
        known = {"policy-keyring", "writer-terms", "two-recoveries", "erasures", "moves", "directory-history"}
        need(set(self.directory["requires"]) <= known, "needs what is not known")
        need(self.directory["version"] >= seen, "an older directory")
        self.rings = dict(self._rings(identities_in(text)))
        self.gone: set[str] = set()
        self.noted: set[str] = set()
        self.added: dict[str, list[tuple[str, str]]] = {}
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
            rights = {"expire", "erase", "move"} & verbs_at(writer, place[digest])
            need(said["verb"] in rights, "no right to erase")
            added = said.get("added", [])
            need(len(added) == (said["verb"] == "move") * len(said["objects"]), "a move that takes away")
            for a in added:
                self.added.setdefault(a["commit"], []).append((a["object"], a["payload"]))
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
            committed |= set(self.added.get(commit["commit"], ()))
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
