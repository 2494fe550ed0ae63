"""Who saw, who could, what left, and who was refused: as commands write it and an auditor reads it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.audit import checkpoint, proof, store
from medsnap.audit.log import Log
from medsnap.commands._vault import log_of
from medsnap.crypto.note import Signer, Verifier
from medsnap.model.event import Action, AuditEvent
from medsnap.model.study import Match, MatchState, Patient, Visit
from medsnap.vault import directory
from medsnap.vault.host import Host
from medsnap.vault.keys import load_file
from medsnap.vault.writer import Writer
from tests.builders import signing
from tests.helpers import POLICIES

from .conftest import NOW, Kit
from .test_vault_commands import Shell, _state, shell

__all__ = ["shell"]

SEEN, HIDDEN, NOBODY = "4711", "0815", "9999"  # patients: of both groups, of a hidden one only, of none
ABSENT = "a" * 26


@dataclasses.dataclass
class Ward:
    """A vault with an owner, an auditor and a nurse of the general group, and three photos."""

    shell: Shell
    photos: list[str]

    def key(self, who: str) -> Path:
        return self.shell.key if who == "owner" else self.shell.home / f"{who}.key"

    def run(self, who: str, *words: object) -> tuple[int, str, str]:
        return self.shell(*words, "--key-file", self.key(who))

    def entries(self) -> list[dict[str, object]]:
        code, out, _ = self.run("owner", "audit", "ls", "--format", "json")
        assert code == 0
        entries: list[dict[str, object]] = json.loads(out)["entries"]
        return entries

    def report(self, who: str, *words: object) -> list[dict[str, object]]:
        code, out, err = self.run(who, "audit", "report", *words, "--format", "ndjson")
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    @property
    def log(self) -> Log:
        return log_of(self.shell.vault, directory.load(self.shell.vault).directory)

    def object_path(self, name: str) -> Path:
        return self.shell.vault / "objects" / name[:2] / name


def _add(shell: Shell, name: str, *words: str) -> None:
    key, request = shell.home / f"{name}.key", shell.home / f"{name}.member"
    assert shell("vault", "member", "key", name, "--key-file", key, "-o", request)[0] == 0
    code, _, err = shell(
        "vault", "member", "add", name, "--recipient", request, *words,
        "--root-key-file", shell.home / "recovery.key", "--key-file", shell.key,
    )  # fmt: skip
    assert code == 0, err


def _ingest(shell: Shell, photos: list[tuple[bytes, str, str]]) -> list[str]:
    place = Host.open(_state(shell), shell.vault, NOW)

    def log(commit: str, objects: tuple[str, ...]) -> None:
        event = AuditEvent(action=Action.INGEST, at=NOW.isoformat(), actor="ingest-1", objects=objects)
        store.record(
            log_of(shell.vault, place.directory), event, auditors=[place.directory.auditors],
            signer=place.signer, random=os.urandom, commit=commit,  # type: ignore[arg-type]
        )  # fmt: skip

    kit, ids = Kit(shell.home, None), []  # type: ignore[arg-type]
    with Writer(place, now=lambda: NOW, random=os.urandom, log=log) as writer:
        for photo, compartment, mrn in photos:
            row = kit.row(writer, photo, compartment)
            patient = Patient(mrn=mrn, issuer="2.999.1")
            match = Match(state=MatchState.MATCHED, patient=patient, visit=Visit(encounter="E1"))
            policy = dataclasses.replace(row.decision.policy, digest="f" * 64)
            decision = dataclasses.replace(row.decision, opened_by=("clinical-staff",), policy=policy)
            writer.add(compartment, dataclasses.replace(row, match=match, decision=decision))
            ids.append(str(row.seal.object))
        writer.commit()
    return ids


@pytest.fixture
def ward(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Ward:
    code, _, err = shell(
        "vault", "init", "--no-input", "--key-file", shell.key, "--recovery-file",
        shell.home / "recovery.key", "--suite", "x25519",
    )  # fmt: skip
    assert code == 0, err
    _add(shell, "nurse", "--compartment", "general", "--role", "clinical-staff")
    _add(shell, "auditor", "--compartment", "general", "--auditor", "--verb", "log")
    photos = [
        (b"one" * 400, "general", SEEN),
        (b"two" * 400, "intimate", SEEN),
        (b"3" * 900, "intimate", HIDDEN),
    ]
    return Ward(shell, _ingest(shell, photos))


def test_an_auditor_learns_who_saw_a_patient_and_who_could(ward: Ward, tmp_path: Path) -> None:
    seen, hidden, _ = ward.photos
    assert ward.run("nurse", "vault", "open", seen, "-o", tmp_path / "a.jpg")[0] == 0
    assert ward.run("nurse", "vault", "open", hidden, "-o", tmp_path / "b.jpg")[0] == 66
    assert ward.run("owner", "vault", "open", hidden, "-o", tmp_path / "c.jpg")[0] == 0
    *said, summary = ward.report("owner", "--patient", SEEN)
    sights = [(e["who"], e["action"], e["object"]) for e in said if e["type"] == "seen"]
    assert sights == [
        ("nurse", "open", seen), ("nurse", "open-refused", hidden), ("owner", "open", hidden)
    ]  # fmt: skip
    could = {e["who"]: (e["compartments"], e["until"]) for e in said if e["type"] == "could"}
    assert could["nurse"] == (["general"], None) and set(could) == {"owner", "nurse", "auditor"}
    assert (summary["photos"], summary["log"], summary["untold_versions"]) == (2, "consistent", [])
    # the auditor opens the general group only
    *said, summary = ward.report("auditor", "--patient", SEEN)
    assert [e["object"] for e in said if e["type"] == "seen"] == [seen] and summary["photos"] == 1
    assert {e["who"] for e in ward.report("owner", "--member", "nurse") if e["type"] == "seen"} == {"nurse"}
    assert [e["type"] for e in ward.report("owner", "--as-of", "2026-01-01")] == ["summary"]


def test_who_was_taken_out_could_until_then(ward: Ward) -> None:
    sheet = ("--root-key-file", ward.shell.home / "recovery.key")
    assert ward.run("owner", "vault", "member", "remove", "nurse", *sheet)[0] == 0
    [right] = [e for e in ward.report("owner", "--member", "nurse") if e["type"] == "could"]
    assert right["until"] is not None and right["until"] >= right["since"]  # type: ignore[operator]


def test_hidden_and_absent_patients_are_alike(ward: Ward) -> None:
    def told(mrn: str) -> tuple[object, ...]:
        forms = []
        for form in ("human", "json", "ndjson"):
            code, out, err = ward.run("auditor", "audit", "report", "--patient", mrn, "--format", form)
            forms.append((code, out.replace(mrn, "MRN"), err))
        return tuple(forms)

    assert told(HIDDEN) == told(NOBODY) != told(SEEN)
    last = [e for e in ward.entries() if e["action"] == "report"]
    assert all(e["objects"] == [] for e in last[:6]) and last[-1]["objects"] == [ward.photos[0]]


def test_what_is_asked_is_an_entry_that_names_no_patient(ward: Ward) -> None:
    ward.report("auditor", "--patient", SEEN)
    last = ward.entries()[-1]
    assert (last["action"], last["actor"], last["objects"]) == ("report", "auditor", [ward.photos[0]])
    assert SEEN not in json.dumps([e["details"] for e in ward.entries()])


def test_only_auditors_are_answered(ward: Ward) -> None:
    code, out, err = ward.run("nurse", "audit", "report", "--patient", SEEN)
    assert code == 77 and not out and "auditor" in err
    assert ward.run("nurse", "audit", "export")[0] == 77
    assert ward.run("owner", "audit", "report", "--patient", SEEN, "--sample", "3")[0] == 2
    assert ward.run("owner", "audit", "report", "--patient", SEEN, "--format", "sarif")[0] == 2


def test_the_page_to_print_loads_nothing(ward: Ward, tmp_path: Path) -> None:
    page = tmp_path / "access.html"
    assert ward.run("owner", "audit", "report", "--patient", SEEN, "-o", page)[0] == 0
    text = page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600 and "Who could" in text and "nurse" in text
    assert "http" not in text.replace("http-equiv", "") and "<script" not in text


def test_a_log_that_cannot_take_the_question_gives_no_answer(ward: Ward) -> None:
    tile = ward.shell.vault / f"log/tile/0/000.p/{ward.log.size()}"
    changed = bytearray(tile.read_bytes())
    changed[0] ^= 1
    tile.write_bytes(changed)
    code, out, err = ward.run("owner", "audit", "report", "--as-of", "2026-03-01")
    assert code == 4 and not out and "log/checkpoint" in err


def test_a_log_that_does_not_verify_is_said(ward: Ward) -> None:
    copy = ward.shell.home / "copy"
    assert ward.shell("vault", "copy", copy)[0] == 0
    code, out, _ = ward.run("owner", "audit", "report", "--member", "nurse", "--vault", copy)
    assert code == 0 and "does not verify" not in out
    path = copy / f"log/tile/entries/000.p/{ward.log.size()}"
    path.write_bytes(path.read_bytes().replace(b'"t":"2026', b'"t":"2025', 1))
    code, out, _ = ward.run("owner", "audit", "report", "--member", "nurse", "--vault", copy)
    assert code == 4 and "does not verify" in out and "Who saw" in out


def test_the_export_goes_on_where_it_ended(ward: Ward) -> None:
    code, out, _ = ward.run("auditor", "audit", "export")
    first = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and SEEN not in out
    assert {e["resourceType"] for e in first} == {"AuditEvent"}
    assert len({e["id"] for e in first}) == len(first) == ward.log.size()
    code, out, _ = ward.run("auditor", "audit", "export", "--from", len(first), "--as", "fhir-bundle")
    [entry] = json.loads(out)["entry"]
    assert entry["request"] == {"method": "PUT", "url": f"AuditEvent/{entry['resource']['id']}"}
    assert ward.run("auditor", "audit", "export", "--format", "json")[0] == 0


def _forked(ward: Ward, path: Path) -> Path:
    head = ward.log.head()
    assert head is not None
    key = Signer.parse_private(load_file(ward.shell.key).signer)
    path.write_bytes(checkpoint.sign(head.origin, head.size, bytes(32), [key]).note)
    return path


def _spoiled(ward: Ward, name: str) -> str:
    path = ward.object_path(name)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return name


def _unsigned_ring(ward: Ward) -> Path:
    path = ward.shell.home / "keyring.yaml"
    path.write_text(signing.ring_text())
    return path


Words = Callable[[Ward], tuple[object, ...]]
_SHEET = "recovery.key"
REFUSED: dict[str, tuple[str, Words, int, str, str, bool]] = {
    # what: who, words, exit, action, outcome, whether the entry names a photo
    "open, absent": ("nurse", lambda w: ("vault", "open", ABSENT, "-o", w.shell.home / "x"), 66,
                     "open-refused", "vault.not-found", True),
    "open, a name": ("nurse", lambda w: ("vault", "open", "Anna", "-o", w.shell.home / "x"), 66,
                     "open-refused", "vault.not-found", False),
    "open, hidden": ("nurse", lambda w: ("vault", "open", w.photos[1], "-o", w.shell.home / "x"), 66,
                     "open-refused", "vault.not-found", True),
    "open, spoiled": ("nurse", lambda w: ("vault", "open", _spoiled(w, w.photos[0]), "-o",
                                          w.shell.home / "x"), 4, "open-refused", "integrity", True),
    "check, spoiled": ("owner", lambda w: ("vault", "check", "--open"), 4, "check", "integrity", True),
    "export, absent": ("owner", lambda w: ("export", ABSENT, "--as", "fhir", "-o", w.shell.home / "out"), 66,
                       "export", "vault.not-found", True),
    "export, held": ("owner", lambda w: ("export", w.photos[1], "--as", "fhir", "-o", w.shell.home / "out"),
                     3, "export", "held", True),
    "export, all held": ("owner", lambda w: ("export", "--as", "fhir", "-o", w.shell.home / "out"), 3,
                         "export", "held", False),
    "consent": ("nurse", lambda w: ("consent", "withdraw", "--patient", SEEN, "--purpose", "teaching"), 77,
                "consent", "vault.key-refused", False),
    "no root key": ("owner", lambda w: ("vault", "member", "remove", "nurse"), 77,
                    "directory", "vault.key-refused", False),
    "rotate without": ("owner", lambda w: ("vault", "rotate", "general"), 77,
                       "directory", "vault.key-refused", False),
    "pin, unsigned": ("", lambda w: ("policy", "pin", _unsigned_ring(w), "--policy",
                                     POLICIES / "hospital.yaml", "--root-key", w.shell.home / _SHEET), 77,
                      "directory", "vault.key-refused", False),
    "sign, no seat": ("", lambda w: ("policy", "sign", POLICIES / "hospital.yaml", "--as", "m.allory",
                                     "--seat", "clinical", "--key-file", w.shell.home / "no.key"), 77,
                      "sign", "vault.key-refused", False),
    "break-glass, off": (
        "owner",
        lambda w: (
            "vault", "break-glass", "open", "--patient", SEEN, "--reason", "unwell", "--custodian-key",
            w.shell.home / "nurse.key", "-o", w.shell.home / "glass", "--policy", "little-clinic",
        ),
        77,
        "break-glass",
        "vault.key-refused",
        False,
    ),
    "verify, forked": ("owner", lambda w: ("audit", "verify", "--since", _forked(w, w.shell.home / "f")), 4,
                       "verify", "integrity", False),
    "verify, another log": ("owner", lambda w: ("audit", "verify", "--since", w.shell.key), 77,
                            "verify", "vault.key-refused", False),
    "verify": ("owner", lambda w: ("audit", "verify"), 0, "verify", "success", False),
}  # fmt: skip


def test_each_refusal_is_an_entry(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSNAP_KEY_FILE", str(ward.shell.key))
    found: dict[str, tuple[object, ...]] = {}
    for what, (who, words, _, _, _, _) in REFUSED.items():
        before = ward.log.size()
        code = (ward.run(who, *words(ward)) if who else ward.shell(*words(ward)))[0]
        new = ward.entries()[before:]
        last = new[-1] if new else {"action": "no entry", "outcome": "", "objects": []}
        found[what] = (code, last["action"], last["outcome"], bool(last["objects"]))
    assert found == {what: expected for what, (_, _, *expected_) in REFUSED.items()
                     if (expected := tuple(expected_))}  # fmt: skip


def test_in_a_copy_nothing_is_entered(ward: Ward) -> None:
    copy = ward.shell.home / "copy"
    assert ward.shell("vault", "copy", copy)[0] == 0
    size = (copy / "log/checkpoint").read_bytes()
    assert ward.run("owner", "audit", "verify", "--vault", copy)[0] == 0
    assert ward.run("owner", "audit", "report", "--member", "nurse", "--vault", copy)[0] == 0
    assert (copy / "log/checkpoint").read_bytes() == size
    assert ward.run("owner", "audit", "verify")[0] == 0
    assert ward.shell("vault", "copy", copy)[0] == 0, "the copy is still the vault's beginning"


def test_the_ledger_that_left_is_compared(ward: Ward, tmp_path: Path) -> None:
    clean, kept = tmp_path / "clean", tmp_path / "kept"
    assert ward.shell("audit", "checkpoint", "-o", clean)[0] == 0 and "ledger:" not in clean.read_text()
    assert ward.run("owner", "vault", "erase", ward.photos[0], "--reason", "asked for")[0] == 0
    assert ward.shell("audit", "checkpoint", "-o", kept)[0] == 0 and "ledger:" in kept.read_text()
    assert ward.run("owner", "vault", "erase", ward.photos[1], "--reason", "asked for")[0] == 0
    for since in (clean, kept):  # an erasure of later changes nothing of what was said then
        assert ward.run("owner", "audit", "verify", "--since", since)[0] == 0
    for note in (ward.shell.vault / "erasures").iterdir():
        note.unlink()
    code, _, err = ward.run("owner", "audit", "verify", "--since", kept)
    assert code == 4 and "ledger of erasures" in err


def test_a_photo_is_proved_to_who_has_the_key_only(ward: Ward, tmp_path: Path) -> None:
    seen, hidden, _ = ward.photos
    for who, photo, expected in (("nurse", seen, 0), ("owner", hidden, 0)):
        code, out, _ = ward.run(who, "audit", "proof", "--object", photo[:8])
        assert code == expected
        named = directory.load(ward.shell.vault).directory
        leaf = json.loads(proof.verify(out.encode(), [Verifier.parse(k) for k in named.log_vkeys]).extra)
        commits = {
            hashlib.sha256(p.read_bytes()).hexdigest(): p for p in (ward.shell.vault / "commits").iterdir()
        }
        assert photo in commits[leaf["commit"]].read_text()
    told = [ward.run("nurse", "audit", "proof", "--object", name) for name in (hidden, ABSENT)]
    assert told[0] == told[1] and told[0][0] == 66


def test_an_auditor_without_a_locked_group_learns_who_saw_and_that_something_left(ward: Ward) -> None:
    _add(ward.shell, "outside", "--auditor", "--verb", "log")
    assert ward.run("owner", "vault", "open", ward.photos[1], "-o", ward.shell.home / "x.jpg")[0] == 0
    *said, summary = ward.report("outside", "--period", "2020-01-01..")
    assert [(e["who"], e["object"]) for e in said if e["type"] == "seen"] == [("owner", ward.photos[1])]
    assert summary["log"] == "consistent"
    assert ward.run("outside", "audit", "ls")[0] == 0
    code, _, err = ward.run("outside", "vault", "ls")
    assert code == 77 and "medsnap audit report" in " ".join(err.split())
    code, _, err = ward.run("outside", "audit", "report", "--patient", SEEN)
    assert code == 77 and "locked group" in " ".join(err.split()), err
    words = ("vault", "member", "add", "x", "--recipient", ward.shell.home / "outside.member")
    code, _, err = ward.run("owner", *words, "--root-key-file", ward.shell.home / "recovery.key")
    assert code == 2 and "--compartment is missing" in err
