"""`medsnap export` on a real vault, through the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medsnap import policy as policies
from medsnap.audit import store
from medsnap.audit.log import Log
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.crypto.note import Signer
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import MediaType, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.study import MatchState
from medsnap.vault import directory
from medsnap.vault.host import Host
from medsnap.vault.writer import Writer
from tests.builders import export as make

COMPARTMENTS = ("general", "identifiable", "intimate", "safeguarding")


class Clinic:
    """A vault with one member, an ingest host, and the hospital's policy."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self.vault, self.key, self.out = folder, folder / "V", folder / "k", folder / "out"
        self._capsys = capsys
        monkeypatch.setenv("MEDSNAP_STATE", str(folder / "state"))
        monkeypatch.setenv("MEDSNAP_CACHE", str(folder / "cache"))
        monkeypatch.delenv("MEDSNAP_POLICY", raising=False)
        groups = [a for name in COMPARTMENTS for a in ("--compartment", name)]
        sheet = ("--no-input", "--recovery-file", str(folder / "r"), *groups)
        code, _ = self.run("vault", "init", "--vault", str(self.vault), "--key-file", str(self.key), *sheet)
        assert code == 0
        self.policy = policies.load(policies.packaged("hospital"))

    def run(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        self._capsys.readouterr()
        code = run(root(), list(arguments))
        lines = self._capsys.readouterr().out.splitlines()
        return code, [json.loads(line) for line in lines if line.startswith("{")]

    def export(self, *arguments: str, as_: str = "dicom") -> tuple[int, list[dict[str, Any]]]:
        where = ("--vault", str(self.vault), "--key-file", str(self.key), "-o", str(self.out))
        return self.run("export", *arguments, "--as", as_, *where, "--format", "ndjson")

    def log(self) -> Log:
        return Log(self.vault / "log", directory.load(self.vault).directory.origin)

    def seal(self, *photos: tuple[bytes, dict[str, Any]]) -> list[PhotoRow]:
        now = datetime.now(UTC)
        vault_id = directory.load(self.vault).directory.vault
        host = Host.open(self.folder / "state" / vault_id, self.vault, now)
        random = make.stream(3)

        def log(commit: Sha256, objects: tuple[str, ...]) -> None:
            event = AuditEvent(
                action=Action.INGEST, at="2026-03-05T12:00:00Z", actor="ingest-1", objects=objects
            )
            auditors = [host.directory.auditors]
            store.record(
                self.log(), event, auditors=auditors, signer=host.signer, random=random, commit=commit
            )

        rows = []
        with Writer(host, now=lambda: now, random=random, log=log) as writer:
            for number, (photo, changes) in enumerate(photos):
                plain = make.row(photo, decision=make.decision(policy=self.policy.ref))
                assert plain.capture is not None
                taken = replace(plain.capture, captured_at=f"2026-03-05T10:11:{12 + number}")
                plain = replace(plain, capture=taken)  # one second each: shots of their own
                row = replace(plain, **changes)
                seal = writer.seal(
                    [photo], source=Sha256(hashlib.sha256(photo).hexdigest()),
                    compartment=row.decision.compartment, media=row.media, length=len(photo),
                )  # fmt: skip
                rows.append(replace(row, seal=seal))
                writer.add(row.decision.compartment, rows[-1])
            writer.commit()
        return rows

    def decided(self, **changes: Any) -> Any:
        return make.decision(policy=self.policy.ref, **changes)


@pytest.fixture
def clinic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Clinic]:
    yield Clinic(tmp_path, monkeypatch, capsys)


def _different(count: int) -> list[bytes]:
    return [make.jpeg(quality=80 + n) for n in range(count)]


def test_what_may_leave_is_written_and_the_rest_is_explained(clinic: Clinic) -> None:
    photos = _different(3)
    rows = clinic.seal(
        (photos[0], {}),
        (photos[1], {"match": make.match(state=MatchState.NEEDS_REVIEW)}),
        (photos[2], {"decision": clinic.decided(may_leave_to=(), holds=("ehr: nobody has looked",))}),
    )
    code, lines = clinic.export(as_="fhir")
    assert code == 3
    by_object = {line["object"]: line for line in lines if line["type"] == "photo"}
    assert by_object[rows[0].seal.object]["outcome"] == "done"
    assert "confirmed by a person" in by_object[rows[1].seal.object]["reason"]
    assert by_object[rows[2].seal.object]["reason"] == "ehr: nobody has looked"
    assert (lines[-1]["done"], lines[-1]["held"]) == (1, 2)
    files = list(clinic.out.iterdir())
    assert [f.name for f in files] == [by_object[rows[0].seal.object]["file"]]
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert hashlib.sha256(files[0].read_bytes()).hexdigest() == by_object[rows[0].seal.object]["sha256"]


def test_sending_again_keeps_every_identifier(clinic: Clinic) -> None:
    clinic.seal(*((p, {}) for p in _different(2)))
    code, first = clinic.export()
    assert code == 0
    names = {f.name for f in clinic.out.iterdir()}
    code, second = clinic.export()
    assert code == 0
    uids = [
        {(line["sop_uid"], line["study_uid"]) for line in run if line["type"] == "photo"}
        for run in (first, second)
    ]
    assert uids[0] == uids[1]
    assert {f.name for f in clinic.out.iterdir()} == names
    assert len({study for _, study in uids[0]}) == 1


def test_the_log_knows_what_left_and_the_vault_stays_whole(clinic: Clinic) -> None:
    row = clinic.seal((make.jpeg(), {}))[0]
    assert clinic.export()[0] == 0
    log = clinic.log()
    assert log.size() == 4  # init, ingest, the export's begin, its receipts
    signer = Signer.parse_private(_secret(clinic.key, "medsnap-signing-key"))
    assert signer.vkey in directory.load(clinic.vault).directory.log_vkeys
    assert clinic.run("vault", "check", "--vault", str(clinic.vault))[0] == 0
    assert clinic.run("audit", "verify", "--vault", str(clinic.vault))[0] == 0
    code, shown = clinic.run(
        "vault", "show", row.seal.object, "--vault", str(clinic.vault), "--key-file", str(clinic.key),
        "--format", "ndjson",
    )  # fmt: skip
    assert code == 0
    assert [r["kind"] for r in shown[-1]["receipts"]] == ["dicom"]


def _secret(path: Path, label: str) -> str:
    line = next(text for text in path.read_text().splitlines() if label in text)
    return line.partition(": ")[2]


def test_dry_run_writes_nothing(clinic: Clinic) -> None:
    clinic.seal((make.jpeg(), {}))
    before = clinic.log().size()
    code, lines = clinic.export("--dry-run")
    assert code == 0
    assert lines[0]["outcome"] == "would leave"
    assert not clinic.out.exists()
    assert clinic.log().size() == before


def test_an_unknown_policy_opens_nothing(clinic: Clinic) -> None:
    foreign = replace(clinic.policy.ref, digest="f" * 64)
    clinic.seal((make.jpeg(), {"decision": make.decision(policy=foreign)}))
    code, lines = clinic.export()
    assert code == 3
    assert "--policy" in lines[0]["reason"]
    assert not clinic.out.exists()


def test_a_target_takes_only_its_own_forms_and_names(clinic: Clinic) -> None:
    clinic.seal((make.jpeg(), {}))
    code, lines = clinic.export("--target", "nowhere")
    assert (code, lines[0]["outcome"]) == (3, "held")
    assert "nowhere" in lines[0]["reason"]
    code, lines = clinic.export("--target", "pacs", as_="fhir")
    assert code == 3
    assert "not fhir" in lines[0]["reason"]


def test_a_compartment_that_the_target_may_not_carry_stays(clinic: Clinic) -> None:
    clinic.seal((make.jpeg(), {"decision": clinic.decided(compartment="safeguarding")}))
    code, lines = clinic.export()
    assert code == 3
    assert "safeguarding" in lines[0]["reason"]


def test_an_unknown_id_is_not_found_and_nothing_leaves(clinic: Clinic) -> None:
    clinic.seal((make.jpeg(), {}))
    code, lines = clinic.export("z" * 26)
    assert code == 66
    assert not clinic.out.exists()
    assert "z" * 26 not in json.dumps(lines)


def test_a_tampered_photo_is_integrity_and_the_others_leave(clinic: Clinic) -> None:
    rows = clinic.seal(*((p, {}) for p in _different(2)))
    name = rows[0].seal.object
    path = next(p for p in (clinic.vault / "objects").rglob(name) if p.is_file())
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    code, lines = clinic.export()
    assert code == 4
    outcomes = {line["object"]: line["outcome"] for line in lines if line["type"] == "photo"}
    assert outcomes == {name: "failed", rows[1].seal.object: "done"}
    assert len(list(clinic.out.iterdir())) == 1


def test_photos_never_go_into_the_vault(clinic: Clinic) -> None:
    clinic.seal((make.jpeg(), {}))
    clinic.out = clinic.vault / "objects"
    code, lines = clinic.export()
    assert code == 2
    assert "into the vault itself" in json.dumps(lines)
    assert not list(clinic.out.rglob("*.dcm"))


def test_a_photo_held_at_the_last_moment_leaves_no_gap(clinic: Clinic) -> None:
    import pydicom

    photos = _different(3)
    cmyk = make.encode(make.picture().convert("CMYK"), "JPEG")
    clinic.seal(
        (photos[0], {"source_name": "1"}), (cmyk, {"source_name": "2"}), (photos[2], {"source_name": "3"})
    )
    code, lines = clinic.export()
    assert code == 3
    assert [line["reason"] for line in lines if line.get("outcome") == "held"] == ["a JPEG in CMYK colours"]
    numbers = sorted(int(pydicom.dcmread(f).InstanceNumber) for f in clinic.out.iterdir())
    assert numbers == [1, 2]


def test_heic_leaves_through_the_child_process(clinic: Clinic) -> None:
    heic = make.encode(make.picture(), "HEIF")
    row = make.row(heic, MediaType.HEIC)
    clinic.seal((heic, {"media": row.media}))
    code, lines = clinic.export(as_="fhir")
    assert code == 0
    assert lines[0]["derived"] is True
