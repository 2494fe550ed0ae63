"""A made day of a clinic under each shipped policy: most photos reach the record in the run.

60 photos, 12 patients, two tablets, one row of the manifest for each patient's folder. A policy
under which a person had to look at every photo before any of them left would not be followed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from PIL import Image

from medsnap.demo import phones
from tests.helpers import POLICIES, Clinic, Ran, write_csv

DEPARTMENT = {"hospital": "wound-care", "dermatology": "dermatology", "little-clinic": "clinic"}
TABLETS = ("CLINIC-TAB-1", "CLINIC-TAB-2")
NOT_YET = {  # these may not leave before a person has looked or said something
    "groin": "a groin",
    "child": "a child, and no clinician said that nothing intimate shows",
    "no-site": "no body site",
    "messenger": "came back from a messenger",
    "unlisted": "no row names its folder",
}
SITES = (
    ("forearm", "left"),
    ("lower leg", "right"),
    ("hand", "left"),
    ("abdomen", ""),
    ("shoulder", "right"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The photos of one folder: whose, of what, and how many. Patients 10 and 11 are children."""

    name: str
    patient: int
    photos: int
    site: str = "forearm"
    side: str = "left"
    said: str = ""  # the clinician's word on features
    listed: bool = True

    @property
    def years(self) -> int:
        """How old the patient is."""
        return 9 if self.patient >= 10 else 20 + 6 * self.patient


def groups() -> Iterator[Group]:
    """Give the twelve patients of the day; the last ones bring what must not leave."""
    for patient in range(10):
        site, side = SITES[patient % len(SITES)]
        yield Group(name=f"p{patient:02}", patient=patient, photos=5, site=site, side=side)
    yield Group(name="p10", patient=10, photos=5, site="knee", said="intimate_region=no")
    yield Group(name="child", patient=11, photos=1, site="knee")
    yield Group(name="groin", patient=1, photos=1, site="groin")
    yield Group(name="no-site", patient=2, photos=1, site="", side="")
    yield Group(name="messenger", patient=3, photos=1)
    yield Group(name="unlisted", patient=4, photos=1, listed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Where the day lies; the manifest speaks of one department."""

    dump: Path
    devices: Path
    people: Path
    folder: Path

    def manifest(self, department: str) -> Path:
        """Write one row for each folder."""
        today = datetime.now(UTC).date()
        rows = [
            {
                "folder": _folder(group),
                "mrn": f"00{group.patient:05}",
                "issuer": "2.999.1.7",
                "birth_date": f"{today.year - group.years - 1}-06-15",
                "encounter": f"E-{group.patient}",
                "department": department,
                "body_site": group.site,
                "laterality": group.side,
                "view": "regional",
                "reason": "assessment",
                "operator": "r.lind",
                "features": group.said,
            }
            for group in groups()
            if group.listed
        ]
        return write_csv(self.folder / f"{department}.csv", rows)


def _folder(group: Group) -> str:
    beside = "WhatsApp/Media/WhatsApp Images" if group.name == "messenger" else f"DCIM/{group.name}"
    return f"{TABLETS[group.patient % 2]}/{beside}"


def _photo(asset: str, number: int, taken: datetime) -> bytes:
    phone = replace(phones.TABLET, asset=asset, software="18.1")
    picture = Image.new("RGB", (64, 48), (200, 150 + number, 120))
    exif = phones.exif(phone, picture, taken, orientation=1)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, icc_profile=phones.profile())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("day")
    now = datetime.now(UTC)
    taken = datetime.combine(now.date(), time(0, 5), UTC)
    number = 0
    for group in groups():
        place = folder / "dump" / _folder(group)
        place.mkdir(parents=True)
        for _ in range(group.photos):
            number += 1
            asset = TABLETS[group.patient % 2]
            data = _photo(asset, number, taken + timedelta(seconds=number))
            (place / f"IMG_{number:04}.JPG").write_bytes(data)
    assert number == 60
    yesterday = (now - timedelta(days=1)).date().isoformat()
    devices = [
        {"asset": asset, "class": "managed", "make": "Apple", "model": "iPad (10th generation)",
         "os": "iPadOS", "os_version": "18.1", "last_seen": yesterday}
        for asset in TABLETS
    ]  # fmt: skip
    people = [{"staff_id": "r.lind", "roles": "clinician", "from": "2020-01-01", "until": "2090-01-01"}]
    return Day(
        dump=folder / "dump",
        devices=write_csv(folder / "devices.csv", devices),
        people=write_csv(folder / "people.csv", people),
        folder=folder,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What one policy did with the day, and what was forecast."""

    ingest: Ran
    forecast: Ran
    bundles: int


@pytest.fixture(scope="module", params=sorted(DEPARTMENT))
def night(request: pytest.FixtureRequest, day: Day, tmp_path_factory: pytest.TempPathFactory) -> Night:
    name = str(request.param)
    policy = POLICIES / f"{name}.yaml"
    clinic = Clinic(tmp_path_factory.mktemp(name)).init("--policy", str(policy))
    lists: list[str | Path] = ["--devices", day.devices, "--people", day.people]
    lists += ["--manifest", day.manifest(DEPARTMENT[name])]
    ahead = clinic.run(
        "scan", day.dump, "--policy", policy, *lists, "--no-detect", "--forecast", "--format", "json"
    )
    out = clinic.root / "to-ehr"
    ran = clinic.ingest(day.dump, *lists, "--export-to", f"ehr={out}", policy=policy).expect(0)
    return Night(ingest=ran, forecast=ahead, bundles=len(list(out.iterdir())))


def _left(night: Night) -> dict[str, list[bool]]:
    """Say for each folder which photos reached the record."""
    found: dict[str, list[bool]] = {}
    for photo in night.ingest.photos:
        folder = Path(photo["source"]).parent.name
        name = "messenger" if folder.startswith("WhatsApp") else folder
        found.setdefault(name, []).append("ehr" in photo["left_to"])
    return found


def test_most_photos_reach_the_record_in_the_run(night: Night) -> None:
    summary = night.ingest.summary
    assert summary["done"] == 60
    assert summary["left"] >= 0.85 * 60, night.ingest.out
    assert summary["waits"] <= 9
    assert night.bundles >= summary["left"]


def test_what_a_person_must_look_at_first_does_not_leave(night: Night) -> None:
    left = _left(night)
    assert {name: left[name] for name in NOT_YET} == {name: [False] for name in NOT_YET}


def test_a_child_leaves_with_the_clinicians_word(night: Night) -> None:
    assert _left(night)["p10"] == [True] * 5


def test_the_forecast_was_right(night: Night) -> None:
    ahead, summary = night.forecast.json["forecast"], night.ingest.summary
    assert (ahead["photos"], ahead["leaves"]) == (60, summary["left"])
