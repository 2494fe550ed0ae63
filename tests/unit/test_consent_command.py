"""`medsnap consent` on a real vault: recorded, stopping exports, listing what left, telling nobody who."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medsnap import policy as policies
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.model.decision import Evidence
from medsnap.model.record import PhotoRow
from medsnap.model.study import Patient
from tests.builders import export as make
from tests.unit.test_export_command import Clinic

SLIDES = (
    "  teaching-library:",
    "  slides: {as: dicom, purpose: teaching, may_carry: [general], dates: keep}\n  teaching-library:",
)
HEAD = "mrn,issuer,purpose,given,on\n"
SECRET = "MRN-SECRET-77"


class Consents(Clinic):
    """The clinic under a policy that sends to a slide library for teaching."""

    def govern(self) -> Path:
        text = policies.packaged("hospital").read_text("utf-8").replace(*SLIDES)
        path = self.folder / "northside.yaml"
        path.write_text(text, "utf-8")
        self.policy = policies.load(path)
        return path

    def photos(self, *numbers: str, given: str = "written") -> list[PhotoRow]:
        consent = (("teaching", given),)
        decision = self.decided(may_leave_to=("ehr", "pacs", "slides"))
        return self.seal(
            *(
                (
                    make.jpeg(quality=80 + n),
                    {
                        "decision": decision,
                        "match": make.match(patient=Patient(mrn=mrn, issuer="2.999.1"), consent=consent),
                        "evidence": Evidence(consent=consent, patient_age=40),
                    },
                )
                for n, mrn in enumerate(numbers)
            )
        )

    def photo(self, *, given: str = "written") -> PhotoRow:
        return self.photos(SECRET, given=given)[0]

    def consent(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        where = ("--vault", str(self.vault), "--key-file", str(self.key), "--format", "ndjson")
        return self.run("consent", *arguments, *where)

    def teach(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        return self.export("--target", "slides", "--policy", str(self.folder / "northside.yaml"), *arguments)

    def care(self) -> tuple[int, list[dict[str, Any]]]:
        return self.export("--policy", str(self.folder / "northside.yaml"), as_="fhir")

    def register(self, *lines: str, name: str = "consent.csv") -> Path:
        path = self.folder / name
        path.write_text(HEAD + "".join(f"{line}\n" for line in lines), "utf-8")
        return path


@pytest.fixture
def clinic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Consents]:
    monkeypatch.delenv("MEDSNAP_CONSENT", raising=False)
    made = Consents(tmp_path, monkeypatch, capsys)
    made.govern()
    yield made


def day(days: int = 0) -> str:
    return str(datetime.now(UTC).date() + timedelta(days=days))


def test_a_withdrawal_lists_what_left_and_stops_what_would_leave(clinic: Consents) -> None:
    first, other = clinic.photos(SECRET, "T2")
    code, lines = clinic.teach()
    assert (code, lines[-1]["done"]) == (0, 2)
    assert clinic.care()[1][-1]["done"] == 2  # care: not what is taken back

    code, lines = clinic.consent("withdraw", "--patient", SECRET, "--purpose", "teaching", "-n")
    assert (code, lines[-1]["recorded"], lines[-1]["left"]) == (0, 0, 1)
    code, lines = clinic.consent("withdraw", "--patient", SECRET, "--purpose", "teaching")
    left, summary = lines
    assert (code, summary["recorded"], summary["left"]) == (0, 1, 1)
    assert (left["object"], left["target"], left["purpose"]) == (first.seal.object, "slides", "teaching")
    assert left["day"] == day()
    assert left["sop_uid"].startswith("2.25.")

    code, lines = clinic.teach()
    told = {line["object"]: line for line in lines if line["type"] == "photo"}
    assert code == 3
    assert told[first.seal.object]["reason"] == "slides: consent for teaching was withdrawn"
    assert told[other.seal.object]["outcome"] == "done"
    assert clinic.care()[1][-1]["done"] == 2  # care goes on
    clinic.teach(other.seal.object)  # once more, under its old identifiers
    again = clinic.consent("withdraw", "--patient", "T2", "--purpose", "teaching")[1]
    assert [line["object"] for line in again[:-1]] == [other.seal.object]
    assert clinic.consent("withdraw", "--patient", SECRET, "--purpose", "teaching")[1][-1]["recorded"] == 0


def test_no_number_of_a_patient_in_the_log_the_errors_or_the_files(
    clinic: Consents, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic.photo()
    clinic.consent("withdraw", "--patient", SECRET, "--purpose", "care")
    where = ("--vault", str(clinic.vault), "--key-file", str(clinic.key))
    _, events = clinic.run("audit", "ls", *where, "--format", "ndjson")
    mine = [event for event in events if event.get("action") == "consent"]
    assert len(mine) == 2  # before, and with the commit
    assert SECRET not in str(events)
    for path in clinic.vault.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    capsys.readouterr()
    code, lines = clinic.consent("withdraw", "--patient", SECRET, "--purpose", "a-film")
    assert code == 2
    assert SECRET not in str(lines)
    assert "teaching" in lines[-1]["error"]["hint"]


def test_a_register_is_recorded_once_and_a_lagging_one_undoes_nothing(clinic: Consents) -> None:
    photo = clinic.photo(given="none")
    code, lines = clinic.teach()
    assert "written consent for teaching is not recorded" in lines[0]["reason"]
    file = clinic.register(f"{SECRET},2.999.1,teaching,written,{day(-9)}", "T2,2.999.1,teaching,refused,")
    code, lines = clinic.consent("import", str(file))
    assert (code, lines[-1]["recorded"], lines[-1]["stops"]) == (0, 2, 1)
    assert clinic.consent("import", str(file))[1][-1]["recorded"] == 0
    assert clinic.teach(photo.seal.object)[0] == 0  # the decision let it go as soon as consent is there

    clinic.consent("withdraw", "--patient", SECRET, "--purpose", "teaching")
    later = clinic.register(f"{SECRET},2.999.1,teaching,written,{day(-1)}", name="nightly.csv")
    clinic.consent("import", str(later))
    assert clinic.teach(photo.seal.object)[0] == 3  # older than the withdrawal

    _, lines = clinic.consent("ls", "--patient", SECRET)
    assert [line["given"] for line in lines[:-1]] == ["written", "written", "withdrawn"]
    assert clinic.consent("ls", "--purpose", "publication")[1][-1]["consents"] == 0


def test_an_import_lists_what_left_before_each_new_withdrawal(clinic: Consents) -> None:
    photo = clinic.photo()
    clinic.teach()
    _, lines = clinic.consent("import", str(clinic.register(f"{SECRET},,teaching,withdrawn,")))
    assert [line["object"] for line in lines[:-1]] == [photo.seal.object]
    code, lines = clinic.consent("import", str(clinic.register(f"{SECRET},,teaching,written,{day()}")))
    assert code == 78
    assert "issuer" in lines[-1]["error"]["message"]


def test_a_file_given_to_an_export_counts_beside_the_vaults_register(clinic: Consents) -> None:
    clinic.photo()
    file = clinic.register(f"{SECRET},2.999.1,teaching,withdrawn,")
    code, lines = clinic.teach("--consent", str(file), "-n")
    assert code == 3
    assert "was withdrawn" in lines[0]["reason"]
    assert clinic.teach("-n")[0] == 0


def test_a_key_without_the_right_records_nothing(clinic: Consents, tmp_path: Path) -> None:
    sheet = str(tmp_path / "r")  # the recovery sheet signs the log, and nothing else
    where = ("--vault", str(clinic.vault), "--key-file", sheet, "--format", "ndjson")
    code, lines = clinic.run("consent", "withdraw", "--patient", SECRET, "--purpose", "teaching", *where)
    assert code == 77
    assert "consent" in lines[-1]["error"]["message"]
    assert clinic.consent("ls")[1][-1]["consents"] == 0


def test_what_is_hidden_answers_as_what_is_absent(clinic: Consents) -> None:
    clinic.photo()
    known = clinic.consent("withdraw", "--patient", SECRET, "--purpose", "publication")
    absent = clinic.consent("withdraw", "--patient", "NOBODY", "--purpose", "publication")
    assert known == absent


def test_ingest_decides_by_the_register_that_it_is_given_and_keeps_its_digest(
    clinic: Consents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "IMG_0001.JPG").write_bytes(make.jpeg())
    (tmp_path / "today.csv").write_text(
        f"file,mrn,issuer,birth_date\nIMG_0001.JPG,{SECRET},urn:oid:2.999.1,1970-01-01\n", "utf-8"
    )
    file = clinic.register(f"{SECRET},2.999.1,care,withdrawn,")
    code, lines = clinic.run(
        "ingest", str(tmp_path / "dump"), "--vault", str(clinic.vault), "--key-file", str(clinic.key),
        "--policy", str(tmp_path / "northside.yaml"), "--manifest", str(tmp_path / "today.csv"),
        "--consent", str(file), "--no-detect", "--jobs", "1", "--format", "ndjson",
    )  # fmt: skip
    votes = {vote["path"]: vote["because"] for vote in lines[0]["decision"]["votes"]}
    assert votes["consent.treatment"] == "consent for treatment was withdrawn"
    where = ["--vault", str(clinic.vault), "--key-file", str(clinic.key)]
    capsys.readouterr()
    assert (code, run(root(), ["policy", "explain", lines[0]["object"], *where])) == (0, 0)
    assert f"consents {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}" in capsys.readouterr().out


def test_a_number_that_the_register_does_not_know_is_asked_about(
    clinic: Consents, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--vault", str(clinic.vault), "--key-file", str(clinic.key), "--purpose", "teaching"]
    capsys.readouterr()
    assert run(root(), ["consent", "withdraw", "--patient", "0815", *where]) == 0
    assert "is it typed right" in " ".join(capsys.readouterr().err.split())
    assert run(root(), ["consent", "withdraw", "--patient", "0815", *where]) == 0
    assert "is it typed right" not in capsys.readouterr().err


def test_purposes_are_named_as_the_documents_name_them(clinic: Consents) -> None:
    code, lines = clinic.consent("ls", "--purpose", "teeching")
    assert code == 2
    assert lines[-1]["error"]["hint"] == "one of: care, teaching, publication"
