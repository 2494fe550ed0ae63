"""Officers at work on a real vault: holds, expiry by a plan, erasure, and what an old copy brings back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from medsnap.model.decision import Verb
from medsnap.model.record import PhotoRow
from medsnap.model.study import MatchState, Patient
from tests.builders import export as make
from tests.unit.test_export_command import Clinic

OLD = "2010-03-01T09:00:00"
Ran: TypeAlias = tuple[int, list[dict[str, Any]]]
ADULT, CHILD = date(1970, 1, 1), date(2009, 1, 1)


class Office(Clinic):
    """The clinic, with commands on its vault."""

    def do(
        self, *words: str, vault: Path | None = None, key: Path | None = None
    ) -> tuple[int, list[dict[str, Any]]]:
        where = ("--vault", str(vault or self.vault), "--key-file", str(key or self.key))
        return self.run(*words, *where, "--format", "ndjson")

    def photo(
        self, n: int = 0, *, mrn: str = "T1", born: date | None = ADULT, at: str = OLD, **how: Any
    ) -> tuple[bytes, dict[str, Any]]:
        patient = Patient(mrn=mrn, issuer="2.999.1", birth_date=born)
        changes = {"match": make.match(patient=patient, captured_at=at), "decision": self.decided(**how)}
        return make.jpeg(quality=60 + n), changes

    def listed(self) -> set[str]:
        code, lines = self.do("vault", "ls")
        assert code == 0
        return {line["id"] for line in lines if line["type"] == "photo"}

    def clean(self) -> None:
        assert self.run("vault", "check", "--vault", str(self.vault))[0] == 0

    def events(self, action: str) -> list[dict[str, Any]]:
        return [e for e in self.do("audit", "ls")[1] if e.get("action") == action]


@pytest.fixture
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Office]:
    yield Office(tmp_path, monkeypatch, capsys)


def ids(rows: list[PhotoRow]) -> list[str]:
    return [row.seal.object for row in rows]


def test_a_held_photo_is_refused_until_the_hold_is_released(office: Office) -> None:
    one, two = ids(office.seal(office.photo(0), office.photo(1, mrn="T2")))
    code, lines = office.do("vault", "legal-hold", "add", one, "--reason", "court order 12")
    assert (code, lines[-1]["recorded"]) == (0, 1)
    hold = lines[0]["hold"]
    assert office.do("vault", "legal-hold", "add", one, "--reason", "again")[1][-1]["recorded"] == 0

    code, lines = office.do("vault", "erase", one, two, "--reason", "asked")
    assert code == 3
    assert [(r["object"], r["state"]) for r in lines[:-1]] == [(two, "erased"), (one, "refused")]
    assert office.listed() == {one}
    assert [e["objects"] for e in office.events("erase-refused")] == [[one]]

    assert office.do("vault", "legal-hold", "release", hold[:8], "--reason", "closed")[0] == 0
    assert office.do("vault", "legal-hold", "ls")[1][-1]["standing"] == 0
    assert office.do("vault", "erase", one, "--reason", "asked")[0] == 0
    assert office.listed() == set()
    assert [e["objects"] for e in office.events("erase")] == [[two], [one]]
    code, lines = office.do("vault", "erase", one, "--reason", "asked")
    assert (code, lines[-1]["before"], lines[-1]["erased"]) == (0, 1, 0)
    office.clean()


def test_a_hold_on_a_patient_binds_photos_that_come_later_and_goes_with_a_copy(office: Office) -> None:
    assert office.do("vault", "legal-hold", "add", "--patient", "T1", "--reason", "a court asks")[0] == 0
    [row, other] = office.seal(office.photo(0), office.photo(1, mrn="T2"))
    copy = office.folder / "copy"
    assert office.run("vault", "copy", str(copy), "--vault", str(office.vault))[0] == 0
    for vault in (office.vault, copy):
        code, lines = office.do("vault", "erase", row.seal.object, "--reason", "asked", "-n", vault=vault)
        assert (code, lines[0]["why"]) == (3, "a legal hold is on it")
        code, lines = office.do("vault", "erase", other.seal.object, "--reason", "asked", "-n", vault=vault)
        assert (code, lines[0]["state"]) == (0, "would be erased")


def test_a_safeguarded_photo_refuses_to_be_erased_and_to_expire(office: Office) -> None:
    photo = office.photo(0, verb=Verb.SAFEGUARD, compartment="safeguarding", may_leave_to=())
    [one] = ids(office.seal(photo))
    code, lines = office.do("vault", "erase", one, "--reason", "asked")
    assert (code, lines[0]["why"]) == (3, "it is safeguarded")
    code, lines = office.do("vault", "expire", "--policy", "hospital")
    assert (code, lines[0]["state"], lines[0]["why"]) == (0, "kept", "safeguarded: never")
    assert office.listed() == {one}


def test_erasing_by_patient_takes_all_of_his_and_says_where_they_had_gone(office: Office) -> None:
    rows = ids(office.seal(office.photo(0), office.photo(1), office.photo(2, mrn="T2")))
    assert office.export(rows[0], as_="fhir")[0] == 0
    code, lines = office.do("vault", "erase", "--patient", "T1", "--issuer", "2.999.1", "--reason", "art. 17")
    assert (code, lines[-1]["erased"], lines[-1]["left"]) == (0, 2, 1)
    assert office.listed() == {rows[2]}
    assert office.do("vault", "erase", "--patient", "T1", "--reason", "art. 17")[0] == 66, "none is left"
    office.clean()


def test_a_plan_is_read_before_anything_goes_and_only_what_is_due_goes(office: Office) -> None:
    rows = ids(office.seal(
        office.photo(0), office.photo(1, at="2026-01-01T09:00:00"), office.photo(2, born=CHILD),
        office.photo(3, born=None), office.photo(4, mrn="T2"),
    ))  # fmt: skip
    assert office.do("vault", "legal-hold", "add", rows[4], "--reason", "inquiry")[0] == 0
    plan = office.folder / "plan.json"
    code, lines = office.do("vault", "expire", "--policy", "hospital", "--plan", str(plan))
    assert (code, lines[-1]["due"], lines[-1]["expired"]) == (0, 1, 0)
    said = {r["object"]: r.get("why", "") for r in lines[:-1]}
    assert [said[one] for one in rows] == [
        "",
        "the policy's time is not over",
        "kept until the patient's birthday",
        "the patient's birthday is not known, and the policy keeps minors' photos longer",
        "a legal hold is on it",
    ]
    assert plan.stat().st_mode & 0o777 == 0o600
    assert "T1" not in plan.read_text()
    assert office.listed() == set(rows)

    code, lines = office.do("vault", "expire", "--policy", "hospital", "--apply", str(plan))
    assert (code, lines[-1]["expired"]) == (0, 1)
    assert office.listed() == set(rows[1:])
    assert [e["objects"] for e in office.events("expire")] == [[rows[0]]]
    code, lines = office.do("vault", "expire", "--policy", "hospital", "--apply", str(plan))
    assert (code, lines[-1]["expired"]) == (0, 0), "a second run finds all of it done"
    office.clean()


def test_a_stale_plan_is_refused(office: Office) -> None:
    rows = ids(office.seal(office.photo(0), office.photo(1, mrn="T2")))
    plan = office.folder / "plan.json"
    assert office.do("vault", "expire", "--policy", "hospital", "--plan", str(plan))[1][-1]["due"] == 2
    for policy in ("little-clinic", "dermatology"):
        assert office.do("vault", "expire", "--policy", policy, "--apply", str(plan))[0] == 78
    assert office.do("vault", "legal-hold", "add", rows[0], "--reason", "inquiry")[0] == 0
    assert office.do("vault", "expire", "--policy", "hospital", "--apply", str(plan))[0] == 77
    said = json.loads(plan.read_text())
    said["due"] = said["due"][:1] * 2
    said["due"][0] = {**said["due"][0], "object": "a" * 26}
    plan.write_text(json.dumps(said))
    assert office.do("vault", "expire", "--policy", "hospital", "--apply", str(plan))[0] == 77
    plan.write_text("[]")
    assert office.do("vault", "expire", "--policy", "hospital", "--apply", str(plan))[0] == 3
    assert office.listed() == set(rows)


def test_whose_photo_it_is_must_be_known_for_it_to_expire(office: Office) -> None:
    photo, changes = office.photo(0)
    changes["match"] = make.match(state=MatchState.UNMATCHED, patient=None, captured_at=OLD)
    policy = office.folder / "northside.yaml"
    from medsnap import policy as policies

    text = policies.packaged("hospital").read_text("utf-8").replace("minors_until_age: 25, ", "")
    policy.write_text(text, "utf-8")
    office.seal((photo, changes))
    _, lines = office.do("vault", "expire", "--policy", str(policy))
    assert (lines[0]["state"], lines[0]["why"]) == ("kept", "whose photo it is is not known")


def test_an_older_state_put_back_is_told_by_the_ledger_and_loses_the_photo_again(office: Office) -> None:
    rows = ids(office.seal(office.photo(0), office.photo(1, mrn="T2")))
    old = office.folder / "old"
    shutil.copytree(office.vault, old)
    assert office.do("vault", "erase", rows[0], "--reason", "asked")[0] == 0
    ledger = office.folder / "ledger.json"
    code, lines = office.run(
        "vault", "ledger", "--vault", str(office.vault), "--save", str(ledger), "--format", "ndjson"
    )
    assert (code, lines[-1]["gone"]) == (0, 1)
    assert "T1" not in ledger.read_text()
    code, [checkpoint] = office.run("audit", "checkpoint", "--vault", str(office.vault), "--format", "ndjson")
    assert checkpoint["ledger"] == lines[-1]["digest"]

    shutil.rmtree(office.vault)
    old.rename(office.vault)
    shutil.rmtree(office.folder / "cache")
    (office.folder / "state" / next((office.folder / "state").iterdir()).name / "checkpoint").unlink(
        missing_ok=True
    )
    assert office.listed() == set(rows)
    found = ("vault", "check", "--vault", str(office.vault), "--ledger", str(ledger), "--format", "ndjson")
    code, lines = office.run(*found)
    assert code == 4
    assert [line["where"] for line in lines if line.get("type") == "problem"] == [
        f"objects/{rows[0][:2]}/{rows[0]}"
    ]
    code, lines = office.do("vault", "erase", "--reapply", "--ledger", str(ledger))
    assert (code, lines[-1]["returned"]) == (0, 1)
    assert office.listed() == {rows[1]}
    assert office.do("vault", "erase", "--reapply", "--ledger", str(ledger))[1][-1]["returned"] == 0
    assert office.run(*found)[0] == 0


def test_a_forged_ledger_is_refused(office: Office) -> None:
    rows = ids(office.seal(office.photo(0)))
    ledger = office.folder / "ledger.json"
    said = {
        "type": "medsnap ledger",
        "vault": "x",
        "digest": "",
        "erasures": ["medsnap erasure\n{}\n\n— x y\n"],
    }
    ledger.write_text(json.dumps(said))
    assert office.do("vault", "erase", "--reapply", "--ledger", str(ledger))[0] in (4, 77)
    assert office.listed() == set(rows)


def test_who_lacks_the_right_is_told_so_before_anything_is_looked_up(office: Office) -> None:
    rows = ids(office.seal(office.photo(0)))
    request, key = office.folder / "guest.member", office.folder / "guest.key"
    made = ("guest", "--vault", str(office.vault), "--key-file", str(key), "-o", str(request))
    assert office.run("vault", "member", "key", *made)[0] == 0
    added = ("--compartment", "general", "--role", "clinical-staff", "--verb", "log", "--verb", "receipt")
    sheet = ("--root-key-file", str(office.folder / "r"))
    assert office.do("vault", "member", "add", "guest", "--recipient", str(request), *added, *sheet)[0] == 0
    for one in (rows[0], "b" * 26):
        for words in (("erase", one), ("legal-hold", "add", one)):
            assert office.do("vault", *words, "--reason", "asked", key=key)[0] == 77
    assert office.do("vault", "legal-hold", "ls", key=key)[0] == 77
    assert office.do("vault", "expire", "--policy", "hospital", key=key)[0] == 77
    assert office.listed() == set(rows)


@pytest.mark.parametrize("words", [
    ("erase", "--reason", "asked"), ("erase", "x", "--patient", "T1", "--reason", "asked"),
    ("erase", "--patient", "T1", "--reason", "T1 asked"), ("erase", "aaaaaaaa"), ("erase", "--ledger", "f"),
    ("erase", "--reapply", "aaaaaaaa"), ("legal-hold", "add", "--reason", "x"),
])  # fmt: skip
def test_what_is_typed_wrong_is_refused(office: Office, words: tuple[str, ...]) -> None:
    assert office.do("vault", *words)[0] == 2
