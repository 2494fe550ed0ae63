"""`vault move` on a real vault: by a person's word, by the policy, and after an older copy came back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap import policy as policies
from medsnap.model.finding import State
from tests.builders.policy import NOW, given, ordinary
from tests.helpers import stop_clock
from tests.unit.test_officer_commands import Office, ids

SCAR = "  scar:            {do: restrict, to: identifiable}"
WHY = ("--reason", "shows more than was thought")
Lines = list[dict[str, Any]]


class Movers(Office):
    """The office, under the hospital's policy as a file, with photos decided by it."""

    @property
    def rules(self) -> Path:
        return self.folder / "hospital.yaml"

    def version(self, number: int, *pairs: tuple[str, str]) -> Path:
        text = policies.packaged("hospital").read_text("utf-8")
        for old, new in (("version: 4", f"version: {number}"), *pairs):
            assert old in text
            text = text.replace(old, new)
        self.rules.write_text(text, "utf-8")
        return self.rules

    def decided_photo(self, n: int, *seen: str, mrn: str = "T1") -> tuple[bytes, dict[str, Any]]:
        evidence = ordinary(**given(dict.fromkeys(seen, State.SEEN)))
        photo, changes = self.photo(n, mrn=mrn, at=f"2026-03-05T10:1{n}:00")
        rules = policies.load(self.rules)
        return photo, changes | {"evidence": evidence, "decision": policies.decide(rules, evidence, NOW)}

    def move(self, *words: str, key: Path | None = None, vault: Path | None = None) -> tuple[int, Lines]:
        return self.do("vault", "move", *words, *WHY, "--policy", str(self.rules), key=key, vault=vault)

    def groups(self, key: Path | None = None) -> dict[str, str]:
        return {p["id"]: p["compartment"] for p in self.do("vault", "ls", key=key)[1] if p["type"] == "photo"}

    def guest(self, name: str, *words: str) -> Path:
        """Add somebody with the groups, roles and verbs that are named; give his key."""
        request, key = self.folder / f"{name}.member", self.folder / f"{name}.key"
        made = (name, "--vault", str(self.vault), "--key-file", str(key), "-o", str(request))
        assert self.run("vault", "member", "key", *made)[0] == 0
        sheet = ("--root-key-file", str(self.folder / "r"))
        assert self.do("vault", "member", "add", name, "--recipient", str(request), *words, *sheet)[0] == 0
        return key

    def clean(self) -> None:
        assert self.run("vault", "check", "--vault", str(self.vault))[0] == 0
        assert self.do("vault", "check", "--open")[0] == 0
        code, lines = self.do("policy", "replay")
        assert (code, lines[-1]["decisions"] - lines[-1]["follow"]) == (0, 0)
        assert self.run("audit", "verify", "--vault", str(self.vault))[0] == 0

    def restored(self, old: Path) -> None:
        """Put an older copy of the vault in its place, on machines that remember nothing."""
        shutil.rmtree(self.vault)
        old.rename(self.vault)
        shutil.rmtree(self.folder / "cache")
        for memory in (self.folder / "state").rglob("checkpoint"):
            memory.unlink()


@pytest.fixture
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Movers]:
    stop_clock(monkeypatch, NOW)
    made = Movers(tmp_path, monkeypatch, capsys)
    made.version(4)
    yield made


def sealed(office: Movers, *seen: tuple[str, ...]) -> list[str]:
    return ids(office.seal(*(office.decided_photo(n, *features) for n, features in enumerate(seen))))


def one(lines: Lines) -> dict[str, Any]:
    [photo] = [line for line in lines if line["type"] == "photo"]
    return photo


def test_a_plan_changes_nothing_and_the_move_does_what_it_said(office: Movers) -> None:
    first, second = sealed(office, (), ())
    groups = office.groups()
    files = {p: p.read_bytes() for p in (office.vault / "objects").rglob("*") if p.is_file()}
    code, lines = office.move(first, "--to", "intimate", "-n")
    assert (code, lines[-1]["moved"], lines[-1]["would_move"]) == (0, 0, 1)
    assert (one(lines)["state"], one(lines)["to"], one(lines)["now"]) == ("would move", "intimate", None)
    assert {p: p.read_bytes() for p in (office.vault / "objects").rglob("*") if p.is_file()} == files
    assert office.groups() == groups

    code, lines = office.move(first, "--to", "intimate")
    now = one(lines)["now"]
    assert (code, lines[-1]["moved"], one(lines)["from"]) == (0, 1, groups[first])
    assert office.groups() == {now: "intimate", second: groups[second]}
    [event] = office.events("move")
    assert event["objects"] == [first, now]
    assert ["to", "intimate"] in event["details"]
    code, lines = office.move(first, now, "--to", "intimate")
    assert (code, lines[-1]["before"], lines[-1]["stay"], lines[-1]["moved"]) == (0, 1, 1, 0)
    assert office.do("vault", "show", first)[0] == 66
    office.clean()


def test_a_persons_word_stays_and_only_who_may_open_takes_it_back(office: Movers) -> None:
    [name] = sealed(office, ())
    home = office.groups()[name]
    up = one(office.move(name, "--to", "intimate")[1])["now"]
    code, lines = office.do("policy", "apply", str(office.rules))
    assert (code, lines[-1]["left"], lines[-1]["unchanged"]) == (0, 0, 1)
    newer = office.version(5, ("title: Clinical", "title: All clinical"))
    assert office.do("policy", "diff", str(newer), str(newer))[0] == 0

    code, lines = office.move(up, "--to", home)
    assert (code, one(lines)["state"]) == (3, "refused")
    groups = [w for name in ("general", "identifiable", "intimate") for w in ("--compartment", name)]
    mover = office.guest("mover", *groups, "--role", "*", "--verb", "log", "--verb", "move")
    assert office.move(up, "--to", home, "--open", key=mover)[0] == 77
    code, lines = office.move(up, "--to", home, "--open")
    assert (code, one(lines)["opens"]) == (0, True)
    back = one(lines)["now"]
    assert office.groups() == {back: home}
    office.clean()


def test_the_policy_is_not_overruled(office: Movers) -> None:
    [name] = sealed(office, ("scar",))
    assert office.groups() == {name: "identifiable"}
    code, lines = office.move(name, "--to", "general", "--open")
    assert (code, one(lines)["state"]) == (3, "refused")
    assert "features.scar" in one(lines)["why"]
    assert office.groups() == {name: "identifiable"}


def test_what_a_new_policy_puts_elsewhere_goes_there(office: Movers) -> None:
    plain, scarred, other = sealed(office, (), ("scar",), ("scar",))
    assert office.do("policy", "apply", str(office.rules))[1][-1]["unchanged"] == 3
    before = office.groups()
    office.version(5, (SCAR, "  scar: {do: restrict, to: intimate}"))
    code, lines = office.do("policy", "apply", str(office.rules))
    assert (code, lines[-1]["left"]) == (3, 2)
    assert office.move(other, "-n")[1][-1]["would_move"] == 1
    code, lines = office.move()
    assert (code, lines[-1]["moved"]) == (0, 2)
    assert sorted(office.groups().values()) == sorted([before[plain], "intimate", "intimate"])
    code, lines = office.do("policy", "apply", str(office.rules))
    assert (code, lines[-1]["left"]) == (0, 0)
    assert office.move()[1][-1]["moved"] == 0
    office.version(6, (SCAR, "  scar: {do: restrict, to: identifiable}"))
    assert [line["state"] for line in office.move()[1][:-1]] == ["refused", "refused"]
    assert office.move("--open")[1][-1]["moved"] == 2
    assert office.groups()[plain] == before[plain]
    office.clean()
    assert scarred not in office.groups()


def test_holds_bind_where_it_went_and_it_can_be_erased_when_they_end(office: Movers) -> None:
    [name] = sealed(office, ())
    hold = office.do("vault", "legal-hold", "add", name, *WHY)[1][0]["hold"]
    now = one(office.move(name, "--to", "intimate")[1])["now"]
    code, lines = office.do("vault", "erase", now, *WHY)
    assert (code, lines[0]["why"]) == (3, "a legal hold is on it")
    assert [h["object"] for h in office.do("vault", "legal-hold", "ls")[1][:-1]] == [now]
    assert office.do("vault", "legal-hold", "release", hold, *WHY)[0] == 0
    assert office.do("vault", "erase", now, *WHY)[0] == 0
    assert office.listed() == set()
    assert office.do("vault", "erase", name, *WHY)[0] == 66, "what was moved was not erased"
    office.clean()


def test_a_second_sending_is_the_same_picture(office: Movers) -> None:
    [name] = sealed(office, ("scar",))
    identifiers = ("study_uid", "sop_uid", "document")
    code, lines = office.export(name, as_="fhir")
    assert (code, one(lines)["target"]) == (0, "ehr")
    sent = [one(lines)[key] for key in identifiers]
    now = one(office.move(name, "--to", "intimate")[1])["now"]
    code, lines = office.export(now, as_="fhir")
    assert code == 0
    assert [one(lines)[key] for key in identifiers] == sent


def test_who_may_not_is_told_before_anything_is_looked_up(office: Movers) -> None:
    [name] = sealed(office, ())
    lower = ("--compartment", "general", "--compartment", "identifiable", "--role", "*")
    plain = office.guest("plain", *lower, "--verb", "log", "--verb", "erase")
    narrow = office.guest("narrow", *lower, "--verb", "log", "--verb", "move")
    for typed in (name, "b" * 26):
        assert office.move(typed, "--to", "intimate", key=plain)[0] == 77
    assert office.move(name, "--to", "intimate", key=narrow)[0] == 77
    assert office.move("b" * 26, "--to", "identifiable", key=narrow)[0] == 66
    assert office.groups()[name]


@pytest.mark.parametrize("words", [
    ("aaaaaaaa", "--to", "nowhere"), ("--to", "intimate"), ("x", "--patient", "T1", "--to", "intimate"),
])  # fmt: skip
def test_what_is_typed_wrong_is_a_usage_error(office: Movers, words: tuple[str, ...]) -> None:
    assert office.move(*words)[0] == 2
    assert office.do("vault", "move", "aaaaaaaa", "--policy", "hospital")[0] == 2, "no reason"


# ── an older copy comes back ─────────────────────────────────────────────────────────────────


def saved(office: Movers) -> Path:
    ledger = office.folder / "ledger.json"
    assert office.run("vault", "ledger", "--vault", str(office.vault), "--save", str(ledger))[0] == 0
    return ledger


def test_what_had_been_moved_is_moved_again_and_what_was_erased_since_is_erased(office: Movers) -> None:
    up, gone, stays = sealed(office, (), (), ())
    old = office.folder / "old"
    shutil.copytree(office.vault, old)
    moved = {line["object"]: line["now"] for line in office.move(up, gone, "--to", "intimate")[1][:-1]}
    assert office.do("vault", "erase", moved[gone], *WHY)[0] == 0
    ledger = saved(office)
    assert json.loads(ledger.read_text())["type"] == "medsnap ledger"
    assert "intimate" not in ledger.read_text()
    low = office.guest("low", "--compartment", "general", "--compartment", "identifiable", "--role", "*",
                       *["--verb", "log", "--verb", "erase", "--verb", "move"])  # fmt: skip
    shutil.copy(office.vault / "directory", old / "directory")
    shutil.rmtree(old / "keys")
    shutil.copytree(office.vault / "keys", old / "keys")
    shutil.copytree(office.vault / "directories", old / "directories", dirs_exist_ok=True)
    office.restored(old)
    assert office.listed() == {up, gone, stays}

    found = ("vault", "check", "--vault", str(office.vault), "--ledger", str(ledger), "--format", "ndjson")
    code, lines = office.run(*found)
    where = {line["where"] for line in lines if line.get("type") == "problem"}
    assert (code, {w for w in where if w.startswith("objects/")}) == (
        4,
        {f"objects/{n[:2]}/{n}" for n in (up, gone)},
    )
    again = ("vault", "erase", "--reapply", "--ledger", str(ledger))
    code, lines = office.do(*again, key=low)
    assert (code, lines[-1]["locked"], lines[-1]["moved"]) == (3, 2, 0)
    assert office.do(*again)[0] == 2, "a policy is needed"
    assert office.listed() == {up, gone, stays}
    code, lines = office.do(*again, "--policy", str(office.rules), "-n")
    assert (code, lines[-1]["returned"], lines[-1]["moved"]) == (0, 1, 1)
    code, lines = office.do(*again, "--policy", str(office.rules))
    assert (code, lines[-1]["returned"], lines[-1]["moved"], lines[-1]["locked"]) == (0, 1, 1, 0)
    groups = office.groups()
    assert sorted(groups.values()) == sorted(["intimate", groups[stays]])
    assert not {up, gone} & groups.keys()
    assert office.run(*found)[0] == 0
    assert office.do(*again, "--policy", str(office.rules))[1][-1]["moved"] == 0
    office.clean()


def test_a_copy_follows(office: Movers) -> None:
    name, other = sealed(office, (), ())
    copy = office.folder / "copy"
    take = ("vault", "copy", str(copy), "--vault", str(office.vault))
    assert office.run(*take)[0] == 0
    office.move(name, "--to", "intimate")
    assert (copy / "objects" / name[:2] / name).exists()
    assert office.run(*take)[0] == 0
    assert not (copy / "objects" / name[:2] / name).exists()
    assert office.run("vault", "check", "--vault", str(copy))[0] == 0
    sheet = ("--recovery-file", str(office.folder / "r"))
    assert office.run("vault", "restore-test", str(copy), *sheet)[0] == 0
    assert office.do("vault", "reindex")[0] == 0
    assert len(office.groups()) == 2
    assert other in office.groups()


def test_rows_without_their_evidence_stay(office: Movers) -> None:
    photo, changes = office.decided_photo(0)
    [row] = office.seal((photo, changes | {"evidence": None}))
    code, lines = office.move(row.seal.object, "--to", "intimate")
    assert (code, one(lines)["state"]) == (3, "refused")


def test_who_saw_it_before_is_still_told(office: Movers) -> None:
    """The log names the old id, and members of the old group could see it."""
    [name] = sealed(office, ("scar",))
    office.guest("desk", "--compartment", "identifiable", "--role", "*", "--verb", "log")
    assert office.do("vault", "open", name, "-o", str(office.folder / "seen.jpg"))[0] == 0
    assert office.export(name, as_="fhir")[0] == 0
    now = one(office.move(name, "--to", "intimate")[1])["now"]
    code, lines = office.do("audit", "report", "--patient", "T1")
    assert code == 0
    told = [(line["type"], line["who"], line.get("object")) for line in lines[:-1]]
    assert told == [
        ("seen", "owner", name), ("could", "desk", None), ("could", "owner", None), ("left", "owner", now)
    ]  # fmt: skip
