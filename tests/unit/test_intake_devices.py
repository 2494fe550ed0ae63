"""The inventory of devices and the list of people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from medsnap.errors import ConfigError
from medsnap.intake import devices, people
from medsnap.model.decision import DeviceClass, DeviceEvidence
from medsnap.model.photo import CaptureFacts

IOS_18 = {"make": "Apple", "software": "18.0"}
TODAY = date(2026, 3, 10)
INVENTORY = """Asset Tag;Ownership;Manufacturer;Model;OS;OS Version;Last Check-In;Colour
WARD-TAB-07;Corporate;Apple;iPad (10th generation);iPadOS;17.6.1;2026-03-09;grey
ANDROID-1;managed;samsung;SM-S911B|Galaxy S23;Android;14;2026-03-08T06:00;black
BYOD-3;BYOD;Google;Pixel 8;Android;15;;
CODE-1;managed;Apple;iPad13,4;iOS 18.1;;2026-03-01;
"""


@pytest.fixture
def inventory(tmp_path: Path) -> devices.Inventory:
    return devices.load(write(tmp_path, INVENTORY))


def write(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def claim(inventory: devices.Inventory, asset: str | None, **facts: str) -> DeviceEvidence:
    return inventory.claim(asset, "folder", CaptureFacts(**facts), TODAY)  # type: ignore[arg-type]


def test_a_known_device(inventory: devices.Inventory) -> None:
    assert claim(inventory, "ward-tab-07", make="Apple", model="iPad (10th generation)", software="17.5") == (
        DeviceEvidence(
            device_class=DeviceClass.MANAGED,
            asset="WARD-TAB-07",
            claimed_by="folder",
            os="ios",
            os_version="17.6.1",
            last_seen=date(2026, 3, 9),
            inventory_date=date(2026, 3, 9),
        )
    )
    assert claim(inventory, "BYOD-3").device_class is DeviceClass.PERSONAL
    assert (inventory.devices["code-1"].os, inventory.devices["code-1"].os_version) == ("ios", "18.1")


@pytest.mark.parametrize("asset", [None, "NOBODY-1"])
def test_no_claim_or_an_unknown_one(inventory: devices.Inventory, asset: str | None) -> None:
    found = claim(inventory, asset)
    assert (found.device_class, found.asset, found.contradictions) == (DeviceClass.UNKNOWN, asset, ())
    assert found.claimed_by == (asset and "folder")


@pytest.mark.parametrize(
    ("asset", "facts", "says"),
    [
        ("WARD-TAB-07", {}, ""),
        ("WARD-TAB-07", {"make": "APPLE"}, ""),
        ("WARD-TAB-07", {"make": "samsung"}, "make samsung"),
        ("WARD-TAB-07", {"make": "Apple", "model": "iPhone 15"}, "model iPhone 15"),
        ("WARD-TAB-07", {"make": "Apple", "software": "17.6.1"}, ""),
        ("WARD-TAB-07", {"make": "Apple", "software": "16.0"}, ""),
        (
            "WARD-TAB-07",
            {"make": "Apple", "software": "18.0", "captured_at": "2026-03-08T10:00:00"},
            "iOS 18.0",
        ),
        ("WARD-TAB-07", {"make": "Apple", "software": "18.0", "captured_at": "2026-03-10T10:00:00"}, ""),
        ("WARD-TAB-07", {"make": "Apple", "captured_at": "2027-01-01T10:00:00"}, "future"),
        ("ANDROID-1", {"make": "samsung", "model": "SM-S911B"}, ""),
        ("ANDROID-1", {"make": "samsung", "model": "Galaxy S23"}, ""),
        ("ANDROID-1", {"make": "samsung", "model": "Galaxy A54 5G"}, "model"),
        ("ANDROID-1", {"make": "samsung", "model": "SM-A546B"}, "model"),
        ("ANDROID-1", {"make": "SAMSUNG ELECTRONICS"}, ""),
        ("ANDROID-1", {"make": "samsung", "software": "S911BXXU3AWF7"}, ""),
        ("CODE-1", {"make": "Apple", "model": "iPad Pro (11-inch)"}, ""),
        ("CODE-1", {"make": "Apple", "model": "iPhone 15"}, "model iPhone 15"),
        ("NOBODY", {"captured_at": "2027-01-01T10:00:00"}, "future"),
    ],
)
def test_contradictions(inventory: devices.Inventory, asset: str, facts: dict[str, str], says: str) -> None:
    found = claim(inventory, asset, **facts).contradictions
    assert bool(found) == bool(says)
    assert says in " ".join(found)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("asset,make\nA,Apple\n", "list.csv:1:1"),
        ("asset,class\nA,rented\n", "list.csv:2:3"),
        ("asset,class\n,managed\n", "list.csv:2:1"),
        ("asset,class\nA,managed\na,managed\n", "list.csv:3:1"),
        ("asset,class,last_seen\nA,managed,09.03.2026\n", "list.csv:2:11"),
    ],
)
def test_mistakes_have_a_place(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        devices.load(write(tmp_path, text))
    assert caught.value.where == where


def test_people_speak_only_while_their_row_holds(tmp_path: Path) -> None:
    rows = ("R.Lind,clinician; reviewer,2026-01-01,2026-03-01", "R.Lind,lead,2026-04-01,")
    listed = people.load(write(tmp_path, "\n".join(("staff_id,roles,from,until", *rows))))
    person = listed.person("r.lind", date(2026, 3, 1))
    assert person is not None
    assert person.roles == ("clinician", "reviewer")
    assert listed.person("r.lind", date(2025, 12, 31)) is None
    assert listed.person("r.lind", date(2026, 3, 2)) is None
    assert (again := listed.person("R.LIND", date(2030, 1, 1))) is not None
    assert again.roles == ("lead",)
    assert listed.person("nobody", date(2026, 2, 1)) is None


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("name,roles\nx,y\n", "list.csv:1:1"),
        ("staff_id,roles\n,y\n", "list.csv:2:1"),
        ("staff_id,rolle\nx,clinician\n", "list.csv:1:1"),
        ("staff_id,roles,from,until\nx,y,2026-02-01,2026-01-01\n", "list.csv:2:16"),
        ("staff_id,roles,from\nx,y,soon\n", "list.csv:2:5"),
    ],
)
def test_people_mistakes_have_a_place(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        people.load(write(tmp_path, text))
    assert caught.value.where == where


@pytest.mark.parametrize("load", [people.load, devices.load])
def test_a_missing_column_is_told_with_its_spellings(tmp_path: Path, load: Callable[[Path], object]) -> None:
    with pytest.raises(ConfigError, match="there is no column") as caught:
        load(write(tmp_path, "Gerät,Rolle\nx,y\n"))
    assert "its heading may be: " in caught.value.hint
    assert "username" in caught.value.hint or "asset_tag" in caught.value.hint
