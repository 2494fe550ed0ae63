"""Break-glass: two people, one patient, the log first; then the keys end, with the next change at last."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medsnap.audit import store
from medsnap.commands._vault import log_of
from medsnap.crypto.note import Signer
from medsnap.model.event import Action, AuditEvent, Due
from medsnap.model.study import Patient
from medsnap.vault import directory, rings
from medsnap.vault.directory import Directory
from medsnap.vault.host import Host
from medsnap.vault.keys import load_file
from medsnap.vault.writer import Writer
from tests.helpers import POLICY_FOR_ALL

from .conftest import NOW, Kit
from .test_vault_commands import Shell, _state, shell
from .test_vault_members_commands import _add

__all__ = ["shell"]
RULES = "open_to: [emergency-physician], lasts: 4 hours, tell: [privacy-office], never: [safeguarding]"
GLASS = f"break_glass: {{{RULES}}}\n"


@pytest.fixture
def made(shell: Shell) -> Shell:
    """A vault with a physician who opens one group, a custodian who opens two more, and a bystander."""
    (shell.home / "with.yaml").write_text(POLICY_FOR_ALL + GLASS)
    (shell.home / "without.yaml").write_text(POLICY_FOR_ALL)
    code, out, err = shell(
        "vault", "init", "--no-input", "--key-file", shell.key, "--recovery-file", shell.home / "rec.key",
        "--suite", "x25519", "--policy", shell.home / "with.yaml",
    )  # fmt: skip
    assert code == 0, out + err
    groups = ("--compartment", "identifiable", "--compartment", "intimate")
    _add(shell, "dr", "--compartment", "general", "--role", "emergency-physician")
    _add(shell, "custodian", *groups, "--compartment", "safeguarding", "--role", "privacy-office")
    _add(shell, "nurse", "--compartment", "general", "--role", "clinic-staff")
    return shell


def _current(shell: Shell) -> Directory:
    return directory.load(shell.vault).directory


def _ingest(shell: Shell, photo: bytes, group: str, mrn: str) -> str:
    place = Host.open(_state(shell), shell.vault, NOW)

    def log(commit: str, objects: tuple[str, ...]) -> None:
        event = AuditEvent(action=Action.INGEST, at=NOW.isoformat(), actor="ingest-1", objects=objects)
        store.record(
            log_of(shell.vault, place.directory), event, auditors=[place.directory.auditors],
            signer=place.signer, random=os.urandom, commit=commit,  # type: ignore[arg-type]
        )  # fmt: skip

    kit = Kit(shell.home, None)  # type: ignore[arg-type]
    with Writer(place, now=lambda: NOW, random=os.urandom, log=log) as writer:
        row = kit.row(writer, photo, group)
        match = dataclasses.replace(row.match, patient=Patient(mrn=mrn, issuer="2.999.1"))
        writer.add(group, dataclasses.replace(row, match=match))
        writer.commit()
    return row.seal.object


def _glass(shell: Shell, out: str, *words: object, **given: str) -> tuple[int, str, str]:
    options = {
        "--patient": "4711", "--reason": "unconscious, wound history", "--policy": shell.home / "with.yaml",
        "--custodian-key": shell.home / "custodian.key", "--key-file": shell.home / "dr.key",
    } | {f"--{name.replace('_', '-')}": value for name, value in given.items()}  # fmt: skip
    flat = [word for pair in options.items() for word in pair]
    return shell("vault", "break-glass", *flat, "-o", shell.home / out, *words)


def _end(shell: Shell, *words: object) -> tuple[int, str, str]:
    root = ("--root-key-file", shell.home / "rec.key", "--key-file", shell.key)
    return shell("vault", "break-glass", "end", *root, *words)


def _events(shell: Shell) -> list[dict[str, Any]]:
    found = shell.json("audit", "ls", "--key-file", shell.key)["entries"]
    return [e | {"details": dict(e["details"])} for e in found]


def test_it_opens_this_patient_s_photos_and_says_what_the_key_could(made: Shell) -> None:
    wanted, other, shut = os.urandom(900), os.urandom(800), os.urandom(700)
    name = _ingest(made, wanted, "identifiable", "4711")
    _ingest(made, other, "identifiable", "4712")
    hidden = _ingest(made, shut, "safeguarding", "4711")
    code, out, _ = _glass(made, "out", "--ticket", "INC-1", "--format", "json")
    assert code == 0
    files = {p.name: p for p in (made.home / "out").iterdir()}
    assert set(files) == {f"{name}.jpg", "break-glass.json"}
    assert files[f"{name}.jpg"].read_bytes() == wanted
    assert all(p.stat().st_mode & 0o077 == 0 for p in (*files.values(), made.home / "out"))
    report = json.loads(files["break-glass.json"].read_text())
    assert report["patient"] == "4711" and "4711" not in out, "the number stands in the report alone"
    assert report["tell"] == [{"role": "privacy-office", "members": ["custodian"]}]
    assert [p["id"] for p in report["opened"]] == [name]
    assert {c["compartment"]: c["photos"] for c in report["could_open"]} == {
        "identifiable": 2, "intimate": 0, "safeguarding": None,
    }  # fmt: skip
    assert hidden not in json.dumps(report) and report["shut"] == ["safeguarding"]
    [told, opened] = _events(made)[-2:]
    assert (told["action"], told["actor"], told["objects"]) == ("break-glass", "dr", [])
    assert told["details"]["custodian"] == "custodian" and told["details"]["ticket"] == "INC-1"
    assert (opened["action"], opened["objects"]) == ("open", [name])
    assert "4711" not in json.dumps(_events(made)).replace(told["details"]["policy"], "")


def test_the_log_is_told_before_anything_is_opened(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a log that cannot be written nothing is opened and nothing written."""
    from medsnap.audit.log import Log
    from medsnap.errors import IoFailed

    _ingest(made, os.urandom(900), "identifiable", "4711")

    def full(*_given: object, **_more: object) -> None:
        raise IoFailed("the disk is full")

    monkeypatch.setattr(Log, "append", full)
    assert _glass(made, "out")[0] == 74
    assert list((made.home / "out").iterdir()) == []


def test_hidden_and_absent_answer_alike(made: Shell) -> None:
    _ingest(made, os.urandom(900), "safeguarding", "5000")
    said = []
    for mrn, out in (("5000", "a"), ("9999", "b")):
        code, text, err = _glass(made, out, "--format", "json", patient=mrn)
        report = json.loads(text)
        written = json.loads((made.home / out / "break-glass.json").read_text())
        for part in (report, written):
            part.pop("at"), part.pop("until"), part.pop("patient", None)
        said.append((code, report, err, written, sorted(p.name for p in (made.home / out).iterdir())))
    assert said[0] == said[1]
    assert said[0][0] == 66 and said[0][4] == ["break-glass.json"]
    entries = [{k: v for k, v in e.items() if k not in ("at", "entry")} for e in _events(made)[-4:]]
    for entry in entries:
        entry["details"].pop("until", None)
    assert entries[:2] == entries[2:]


@pytest.mark.parametrize(
    ("given", "code", "what"),
    [
        ({"policy": "without.yaml"}, 77, "knows no emergency access"),
        ({"key_file": "nurse.key"}, 77, "none of your roles"),
        ({"key_file": "me.key"}, 77, "none of your roles"),
        ({"key_file": "rec.key"}, 77, "no member who signs"),
        ({"custodian_key": "dr.key"}, 77, "another person"),
        ({"custodian_key": "rec.key"}, 77, "no member's of this vault"),
        ({"reason": " "}, 2, "needs a sentence"),
        ({"reason": "for 4711"}, 2, "names the patient's number"),
        ({"patient": " "}, 2, "is empty"),
        ({"ticket": "A. Beispiel"}, 2, "is no id"),
    ],
)
def test_who_may_not_gets_nothing_and_nothing_is_due(
    made: Shell, given: dict[str, str], code: int, what: str
) -> None:
    _ingest(made, os.urandom(900), "identifiable", "4711")
    files = {k: str(made.home / v) if v.endswith((".key", ".yaml")) else v for k, v in given.items()}
    ended, _, err = _glass(made, "out", **files)
    assert ended == code and what in " ".join(err.split()), err
    assert not (made.home / "out").exists()
    assert "No break-glass waits" in _end(made)[1]


def test_a_key_file_and_a_folder_that_are_taken_are_refused_first(made: Shell) -> None:
    (made.home / "out").mkdir()
    before = (made.vault / "log" / "checkpoint").read_bytes()
    assert _glass(made, "out")[0] == 73
    assert (made.vault / "log" / "checkpoint").read_bytes() == before


def _stolen(shell: Shell) -> dict[str, set[str]]:
    """Give the identities that the custodian's file opens now."""
    held = load_file(shell.home / "custodian.key").identities
    found = _current(shell)
    keys = {k.name: rings.compartment_identities(shell.vault, k, held) for k in found.compartments}
    return {name: set(identities) for name, identities in keys.items() if identities}


def test_the_end_gives_new_keys_that_the_custodian_s_file_never_had(made: Shell) -> None:
    _glass(made, "out")
    before, kept = _current(made), _stolen(made)
    assert set(kept) == {"identifiable", "intimate", "safeguarding"}
    code, out, _ = _end(made)
    assert code == 0 and "custodian is no member any more" in out
    now = _current(made)
    assert now.member("custodian") is None and _stolen(made) == {}
    from medsnap.crypto.age import recipient_of

    for key in now.compartments:
        grown = key.name != "general"
        assert key.epoch == before.compartment(key.name).epoch + grown
        assert not grown or key.recipient not in {recipient_of(i) for i in kept[key.name]}
    assert "No break-glass waits" in _end(made)[1], "it ends once"
    assert made.json("vault", "member", "ls")["due"] == []
    photo = os.urandom(600)
    name = _ingest(made, photo, "intimate", "1")
    assert made("vault", "open", name, "-o", made.home / "n", "--key-file", made.key)[0] == 0
    assert _glass(made, "again")[0] == 77, "the custodian's key is spent"
    assert made("vault", "check")[0] == 0


@pytest.mark.parametrize("change", ["add", "remove", "rotate", "host"])
def test_the_next_change_of_the_directory_ends_it(made: Shell, change: str) -> None:
    _glass(made, "out")
    before = _current(made)
    root = ("--root-key-file", made.home / "rec.key", "--key-file", made.key)
    if change == "add":
        _add(made, "second", "--compartment", "identifiable", "--role", "photo-desk")
    elif change == "host":
        key = _state(made) / "ingest.key"
        key.rename(made.home / "old")
        assert made("vault", "host", "key", "ingest-2", "-o", made.home / "i2")[0] == 0
        assert made("vault", "host", "add", "ingest-2", "--vkey", made.home / "i2", *root)[0] == 0
    else:
        word = "nurse" if change == "remove" else "general"
        words = ("member", "remove", word) if change == "remove" else ("rotate", word)
        assert "ends a break-glass" in " ".join(made("vault", *words, *root)[2].split())
    now = _current(made)
    assert now.version == before.version + 1
    assert now.member("custodian") is None and _stolen(made) == {}
    for name in ("identifiable", "intimate", "safeguarding"):
        assert now.compartment(name).epoch == before.compartment(name).epoch + 1
    assert "No break-glass waits" in _end(made)[1]


def test_a_custodian_whose_file_never_left_him_can_stay(made: Shell) -> None:
    _glass(made, "out")
    before = _stolen(made)
    assert _end(made, "--keep-custodian")[0] == 0
    after = _stolen(made)
    assert all(len(after[name]) == len(before[name]) + 1 for name in before)
    assert "No break-glass waits" in _end(made)[1]


def test_nobody_is_locked_out_by_the_end(made: Shell) -> None:
    """Where the custodian is the last one of a group, the end waits for another member."""
    from medsnap.vault.change import Authority, Edit, change

    found, keys = _current(made), load_file(made.home / "rec.key")
    authority = Authority(root_key=keys.root_key, identities=keys.identities, random=os.urandom)
    members = tuple(
        dataclasses.replace(m, compartments=("general",)) if m.name == "owner" else m for m in found.members
    )
    edit = Edit(turns=(), finish=lambda base, _n: dataclasses.replace(base, members=members))
    change(made.vault, found, authority, lambda _c: edit)
    _glass(made, "out")
    code, _, err = made("vault", "break-glass", "end", "--root-key-file", made.home / "rec.key")
    assert code == 2 and "last member who opens" in " ".join(err.split())
    assert _current(made).member("custodian") is not None
    _add(
        made,
        "second",
        *(w for g in ("identifiable", "intimate", "safeguarding") for w in ("--compartment", g)),
    )
    assert _current(made).member("custodian") is None


def test_what_is_due_stands_in_the_clear_leaf(made: Shell, tmp_path: Path) -> None:
    """No key is needed to see it, and it names neither patient nor reason."""
    _glass(made, "out")
    assert made.json("vault", "member", "ls")["due"] == ["identifiable", "intimate", "safeguarding"]
    log = log_of(made.vault, _current(made))
    [due] = store.due(log)
    assert due.used == "custodian"
    assert dict(due.epochs) == {"identifiable": 1, "intimate": 1, "safeguarding": 1}
    leaf = next(entry for entry in log.entries() if b'"due"' in entry)
    assert set(json.loads(leaf)) == {"v", "t", "commit", "sealed", "due", "used", "until"}
    assert b"4711" not in leaf and b"unconscious" not in leaf


# ── its time ─────────────────────────────────────────────────────────────────────────────────


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _told(shell: Shell, *dues: Due, at: datetime) -> None:
    """Put entries into the log as an opening at another time would have written them."""
    keys = load_file(shell.home / "dr.key")
    for due in dues:
        event = AuditEvent(action=Action.BREAK_GLASS, at=_at(at), actor="dr")
        store.record(
            log_of(shell.vault, _current(shell)), event, auditors=[_current(shell).auditors],
            signer=Signer.parse_private(keys.signer), random=os.urandom, due=due,
        )  # fmt: skip


def _due(until: str) -> Due:
    return Due(epochs=(("identifiable", 1),), used="custodian", until=until)


def test_its_time_stands_in_the_clear_leaf_and_a_further_opening_does_not_lengthen_it(made: Shell) -> None:
    start = datetime.now(UTC)
    _glass(made, "one")
    (made.home / "longer.yaml").write_text(POLICY_FOR_ALL + GLASS.replace("4 hours", "9 hours"))
    code, out, _ = _glass(made, "two", "--format", "json", policy=str(made.home / "longer.yaml"))
    first, second = store.due(log_of(made.vault, _current(made)))
    assert first.until == second.until == json.loads(out)["until"]
    lasts = datetime.fromisoformat(first.until) - start
    assert timedelta(hours=3.9) < lasts < timedelta(hours=4.1) and code == 66


OVER = {
    "by the clock": [_due(_at(datetime.now(UTC) - timedelta(minutes=1)))],
    "one of two": [_due("2999-01-01T00:00:00+00:00"), _due(_at(datetime.now(UTC) - timedelta(minutes=1)))],
    "nobody knows when": [_due("")],
    "no time": [_due("tomorrow")],
}


@pytest.mark.parametrize("what", OVER)
def test_when_its_time_is_over_nothing_more_is_opened_before_the_end(made: Shell, what: str) -> None:
    _ingest(made, os.urandom(900), "identifiable", "4711")
    _told(made, *OVER[what], at=datetime.now(UTC) - timedelta(hours=5))
    said = [_glass(made, "out", patient=mrn) for mrn in ("4711", "9999")]
    assert said[0] == said[1] and said[0][0] == 77
    assert "have not ended" in " ".join(said[0][2].split()) and not (made.home / "out").exists()
    [refused, _again] = _events(made)[-2:]
    assert (refused["action"], refused["actor"]) == ("break-glass", "dr") and refused["outcome"] != "success"
    code, out, _ = made("vault", "check", "--format", "json")
    told = json.loads(out)
    assert code == 1 and told["ok"] and told["break_glass"]["overdue"]
    assert told["break_glass"]["groups"] == ["identifiable"]
    assert "A break-glass is over" in " ".join(made("vault", "check")[1].split())
    state = {c["check"]: c["state"] for c in made.json("doctor")["checks"]}
    assert state["break-glass"].startswith("OVERDUE: over")
    assert _end(made, "--keep-custodian")[0] == 0
    assert _glass(made, "again")[0] == 0, "a new emergency after the end"
    code, out, _ = made("vault", "check", "--format", "json")
    assert code == 0 and not json.loads(out)["break_glass"]["overdue"]
    assert "open until" in {c["check"]: c["state"] for c in made.json("doctor")["checks"]}["break-glass"]


def test_a_clock_that_was_put_back_gives_no_more_time(made: Shell) -> None:
    """What the log shows after the opening counts too: other hosts have clocks of their own."""
    now = datetime.now(UTC)
    _told(made, _due(_at(now + timedelta(hours=1))), at=now)
    assert _glass(made, "one")[0] == 66
    event = AuditEvent(action=Action.VERIFY, at=_at(now + timedelta(hours=2)), actor="owner")
    store.record(
        log_of(made.vault, _current(made)), event, auditors=[_current(made).auditors],
        signer=Signer.parse_private(load_file(made.key).signer), random=os.urandom,
    )  # fmt: skip
    assert _glass(made, "two")[0] == 77


def test_without_a_break_glass_nothing_is_said(made: Shell) -> None:
    code, out, _ = made("vault", "check", "--format", "json")
    assert code == 0 and json.loads(out)["break_glass"] is None
    state = {c["check"]: c["state"] for c in made.json("doctor")["checks"]}
    assert state["break-glass"] == "none waits for its end"
