"""`audit report` over a made vault: what it reads beside the catalogue, and what of it is noticed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medsnap.demo import phones
from tests.helpers import POLICIES, Clinic, Ran, write_csv
from tests.reports import valid_junit, valid_sarif

ASSET = "CLINIC-TAB-1"
COUNT = 4


def picture(number: int, taken: datetime) -> bytes:
    phone = replace(phones.TABLET, asset=ASSET, software="18.1")
    image = Image.radial_gradient("L").resize((160, 120)).convert("RGB").rotate(number * 40)
    exif = phones.exif(phone, image, taken, orientation=6 if number == 1 else 1)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif, icc_profile=phones.profile())
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Place:
    """A vault with photos that went to the record and to the archive."""

    clinic: Clinic
    dump: Path
    ehr: Path
    pacs: Path

    def report(self, *words: str | Path) -> Ran:
        return self.clinic.run("audit", "report", "--policy", POLICIES / "little-clinic.yaml", *words)

    def rules(self, *words: str | Path, code: int = 0) -> dict[str, Any]:
        told = self.report(*words, "--format", "json").expect(code).json
        return {entry["rule"]: entry for entry in told["rules"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("audited")
    clinic = Clinic(folder / "clinic").init("--policy", str(POLICIES / "little-clinic.yaml"))
    now = datetime.now(UTC)
    dump = folder / "dump"
    photos = dump / ASSET / "DCIM"
    photos.mkdir(parents=True)
    for number in range(COUNT):
        data = picture(number, now - timedelta(minutes=number))
        (photos / f"IMG_Miller_{number}.JPG").write_bytes(data)
    row = {
        "folder": f"{ASSET}/DCIM", "mrn": "0012345", "issuer": "2.999.1.7", "birth_date": "1970-01-01",
        "encounter": "E-1", "department": "clinic", "body_site": "forearm", "laterality": "left",
        "view": "regional", "reason": "assessment", "operator": "r.lind",
    }  # fmt: skip
    device = {
        "asset": ASSET, "class": "managed", "make": "Apple", "model": "iPad (10th generation)",
        "os": "iPadOS", "os_version": "18.1", "last_seen": now.date().isoformat(),
    }  # fmt: skip
    place = Place(clinic, dump, folder / "to-ehr", folder / "to-pacs")
    clinic.ingest(
        dump, "--verify-pixels", "--manifest", write_csv(folder / "manifest.csv", [row]),
        "--devices", write_csv(folder / "devices.csv", [device]),
        "--export-to", f"ehr={place.ehr}", "--export-to", f"pacs={place.pacs}",
        policy=POLICIES / "little-clinic.yaml",
    ).expect(0)  # fmt: skip
    assert len(list(place.ehr.iterdir())) == len(list(place.pacs.iterdir())) == COUNT
    return place


def test_with_everything_named_nothing_is_left_open(place: Place) -> None:
    words = ["--sample", "9", "--dump", place.dump, "--sent", place.ehr, "--sent", place.pacs]
    rules = place.rules(*words)
    states = {name: entry["state"] for name, entry in rules.items()}
    assert set(states.values()) <= {"ok", "warn"}, states
    assert states["S1"] == states["S2"] == states["E3"] == states["R1"] == "ok"
    assert f"{COUNT} with the very pixels of the source" in rules["S2"]["found"]
    assert f"{2 * COUNT} files read again" in rules["E3"]["found"]
    assert (states["L6"], len(rules["L6"]["objects"])) == ("warn", COUNT)  # the dump still lies there


def test_an_empty_device_holds_nothing_that_is_filed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "new.jpg").write_bytes(picture(7, datetime.now(UTC)))
    assert place.rules("--dump", tmp_path)["L6"]["state"] == "ok"


def test_what_was_not_named_is_not_yet(place: Place) -> None:
    rules = place.rules()
    open_ = {name: entry["todo"] for name, entry in rules.items() if entry["state"] == "not yet"}
    assert set(open_) == {"S2", "L6", "E3"}
    assert all("--" in todo for todo in open_.values())


def test_each_opening_stands_in_the_log_before_it_happens(place: Place) -> None:
    before = place.clinic.run("audit", "verify", "--format", "json").expect(0).json["size"]
    place.rules()
    same = place.clinic.run("audit", "verify", "--format", "json").expect(0).json["size"]
    place.rules("--sample", "1")
    after = place.clinic.run("audit", "verify", "--format", "json").expect(0).json["size"]
    # a verification is an entry too: the one before stands in each size
    assert (same - before, after - same) == (1, 1 + 1)


def altered(place: Place, suffix: str, folder: Path, change: Callable[[bytes], bytes], to: Path) -> None:
    for path in folder.glob(f"*{suffix}"):
        (to / path.name).write_bytes(change(path.read_bytes()))


def test_a_file_that_is_not_the_one_of_its_receipt_is_noticed(place: Place, tmp_path: Path) -> None:
    altered(place, ".json", place.ehr, lambda data: data.replace(b'"R"', b'"N"'), tmp_path)
    found = place.rules("--sent", tmp_path, code=1)["E3"]
    assert (found["state"], len(found["objects"])) == ("violation", COUNT)


def test_a_missing_object_is_noticed_as_destroyed(place: Place) -> None:
    victim = next(p for p in (place.clinic.vault / "objects").rglob("*") if p.is_file())
    data = victim.read_bytes()
    victim.unlink()
    try:
        rules = place.rules("--sample", "9", code=1)
    finally:
        victim.write_bytes(data)
    assert (rules["R1"]["state"], rules["R1"]["objects"]) == ("violation", [victim.name])
    assert (rules["S2"]["state"], rules["S2"]["objects"]) == ("violation", [victim.name])


def test_sarif_and_junit_fit_their_schemas_and_hold_no_file_name(place: Place) -> None:
    log = valid_sarif(place.report("--format", "sarif").expect(0).out)
    results = log["runs"][0]["results"]
    assert {r["ruleId"] for r in results if r["kind"] == "open"} == {"S2", "L6", "E3"}
    document = place.report("--format", "junit").expect(0).out
    assert len(list(valid_junit(document).iter("skipped"))) == 3
    for text in (json.dumps(log), document):
        assert "IMG_" not in text
        assert "0012345" not in text


def test_a_key_without_the_log_may_not_open(place: Place, tmp_path: Path) -> None:
    bare = tmp_path / "bare.key"
    lines = place.clinic.key.read_text("utf-8").splitlines(keepends=True)
    bare.write_text("".join(line for line in lines if "PRIVATE+KEY" not in line), "utf-8")
    bare.chmod(0o600)
    place.report("--key-file", bare, "--sample", "1").expect(77)


def test_a_folder_that_is_not_there(place: Place, tmp_path: Path) -> None:
    ran = place.report("--sent", tmp_path / "nowhere")
    assert ran.code == 66, ran.err
    assert "there is no such folder" in ran.err
