"""`medsnap device import`: exports of device managers become the inventory (D1, D2)."""

# ruff: noqa: E501 - exports have long lines

from __future__ import annotations

import json
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.errors import ConfigError, InputMissing
from medsnap.intake import days, devices, inventory_import, mapping
from medsnap.intake.days import Order
from medsnap.model.decision import CloudPhotos, DeviceClass, DeviceState, PersonalAccount

INTUNE = """\
Device ID,Device name,Enrollment date,Last check-in,OS version,Manufacturer,Model,Ownership,OS,Primary user UPN,Device state
1,WARD-7,2025-01-05 09:10:11.0000000,2026-11-23 08:00:00.0000000,17.6.1,Apple,iPad,Corporate,iOS/iPadOS,w7@x.org,Managed
2,WARD-8,2025-01-05,11/20/2026 8:00:00 AM,17.6.1,Apple,iPad,Corporate,iOS,,Retire pending
3,LAPTOP,,2026-11-20,10.0,Dell,XPS,Corporate,Windows,,Managed
4,BYOD-3,,0001-01-01T00:00:00Z,14,Google,Pixel 8,Personal,Android (personally-owned work profile),k,Managed
"""
JAMF = """\
Display Name,Asset Tag,Last Inventory Update,OS Version,Model,Managed,Device Ownership Type,Cloud Backup Enabled,iTunes Store Account,Lost Mode,Shared iPad,Last Enrollment
a,J-1,2026-11-22T10:00:00Z,18.1,iPad Air,Managed,Institutional,true,Inactive,Disabled,true,Mar 9 2025
b,J-2,2026-11-22T10:00:00Z,18.1,iPad Air,Managed,Institutional,false,Active,Enabled,false,9 Mar 2025
c,J-3,2026-11-22T10:00:00Z,18.1,iPad Air,Unmanaged,Institutional,false,Active,Enabled,false,2025-03-09
"""
SOTI = """\
Device Name,Manufacturer,Model,OS Name,OS Version,Last Check-In Time,Last Logged On User,Is Enrolled,Device Ownership
S-1,Zebra,TC57,Android Enterprise,13,2026-11-22 07:00,r.lind,True,Corporate
"""
WORKSPACE = """\
Asset Number,Ownership,Platform,OS,Model,Last Seen,Username,Enrollment Status
W-1,Corporate - Shared,Apple iOS,iOS 17.6.1,iPad,2026-11-22,r.lind,Enrolled
W-2,E,Android,14,Pixel,2026-11-22,k.obi,Unenrolled
"""


def imported(folder: Path, text: str, profile: str, order: Order | None = None) -> inventory_import.Imported:
    path = folder / "export.csv"
    path.write_text(text, encoding="utf-8")
    return inventory_import.read(path, mapping.load(profile), order)


def inventory(folder: Path, text: str, profile: str) -> devices.Inventory:
    made = imported(folder, text, profile)
    path = folder / "devices.csv"
    path.write_bytes(inventory_import.write(made.rows, ["exported on 2026-11-23"]))
    return devices.load(path)


def test_intune(tmp_path: Path) -> None:
    found = inventory(tmp_path, INTUNE, "intune")
    assert found.on == date(2026, 11, 23)
    assert sorted(found.devices) == ["byod-3", "ward-7", "ward-8"]
    ward = found.devices["ward-7"]
    assert (ward.device_class, ward.os, ward.os_version) == (DeviceClass.MANAGED, "ios", "17.6.1")
    assert (ward.last_seen, ward.enrolled_from) == (date(2026, 11, 23), date(2025, 1, 5))
    assert found.devices["ward-8"].state is DeviceState.RETIRED
    assert found.devices["ward-8"].last_seen == date(2026, 11, 20)
    byod = found.devices["byod-3"]
    assert (byod.device_class, byod.os, byod.last_seen) == (DeviceClass.PERSONAL, "android", None)
    assert byod.cloud_photos is CloudPhotos.UNKNOWN  # the export does not say it


def test_jamf(tmp_path: Path) -> None:
    found = inventory(tmp_path, JAMF, "jamf")
    assert sorted(found.devices) == ["j-1", "j-2"]  # what it does not manage is left out
    one, two = found.devices["j-1"], found.devices["j-2"]
    assert (one.make, one.os, one.shared, two.shared) == ("Apple", "ios", True, False)
    # no backup is no proof that the photos go to no cloud
    assert (one.cloud_photos, two.cloud_photos) == (CloudPhotos.ON, CloudPhotos.UNKNOWN)
    assert (one.personal_account, two.personal_account) == (PersonalAccount.NONE, PersonalAccount.PRESENT)
    assert (one.state, two.state) == (DeviceState.IN_USE, DeviceState.LOST)
    assert one.enrolled_from == two.enrolled_from == date(2025, 3, 9)


def test_soti_and_workspace_one(tmp_path: Path) -> None:
    soti = inventory(tmp_path, SOTI, "soti").devices["s-1"]
    assert (soti.device_class, soti.os, soti.last_user) == (DeviceClass.MANAGED, "android", "r.lind")
    found = inventory(tmp_path, WORKSPACE, "workspace-one").devices
    assert (found["w-1"].shared, found["w-1"].os, found["w-1"].os_version) == (True, "ios", "17.6.1")
    assert (found["w-2"].device_class, found["w-2"].state) == (DeviceClass.PERSONAL, DeviceState.RETIRED)


def test_every_packaged_mapping_names_its_source() -> None:
    assert mapping.packaged_names() == ("intune", "jamf", "soti", "workspace-one")
    for name in mapping.packaged_names():
        made = mapping.load(name)
        assert made.source.startswith("https://")
        assert {"asset", "class", "last_seen", "os_version"} <= set(made.columns)


def rows(*lines: str) -> str:
    return "\n".join(("tag,whose,seen", *lines)) + "\n"


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text('[columns]\nasset = "Tag"\nclass = "Whose"\nlast_seen = "Seen"\n', encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("lines", "kept", "left_out"),
    [
        (("A,managed,2026-03-01", "a,managed,2026-03-02"), ["a"], [(2, False)]),
        (("A,managed,2026-03-02", "a,managed,2026-03-02"), [], [(2, True), (3, True)]),
        (("A,managed,", "a,managed,"), [], [(2, True), (3, True)]),
        (("A,managed,soon", "B,managed,"), ["B"], [(2, True)]),
        (
            ("=A,managed,", "B,rented,", ",managed,", "D,managed,never"),
            ["D"],
            [(2, True), (3, True), (4, True)],
        ),
        (("A" * 121 + ",managed,", "B,personal,30.2.2026"), [], [(2, True), (3, True)]),
    ],
)
def test_what_is_left_out_has_its_line(
    tmp_path: Path, own: str, lines: tuple[str, ...], kept: list[str], left_out: list[tuple[int, bool]]
) -> None:
    made = imported(tmp_path, rows(*lines), own)
    assert [row["asset"] for row in made.rows] == kept
    assert [(out.line, out.mistake) for out in made.left_out] == left_out


def test_a_day_that_could_be_two_stops_the_import(tmp_path: Path, own: str) -> None:
    text = rows("B,managed,13/9/2026", "A,managed,3/9/2026")
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, text, own)
    assert caught.value.where == "export.csv:3:11"
    assert "--dates" in caught.value.hint
    said = imported(tmp_path, text, own, Order.DMY)
    assert [row["last_seen"] for row in said.rows] == ["2026-09-13", "2026-09-03"]
    us = imported(tmp_path, text, own, Order.MDY)
    assert ([row["asset"] for row in us.rows], us.left_out[0].line) == (["A"], 2)


@settings(max_examples=200, deadline=None)
@given(st.dates(date(1971, 1, 1), date(2100, 12, 31)), st.sampled_from(["/", ".", "-"]))
def test_days_round_trip_in_every_form(day: date, sign: str) -> None:
    mdy = f"{day.month}{sign}{day.day}{sign}{day.year}"
    dmy = f"{day.day:02}{sign}{day.month:02}{sign}{day.year} 10:00"
    assert days.read(mdy, Order.MDY) == days.read(dmy, Order.DMY) == day
    assert (
        days.read(f"{day:%b} {day.day}, {day.year}", None)
        == days.read(f"{day.day}-{day:%b}-{day.year}", None)
        == day
    )
    if day.day > 12:
        assert days.read(mdy, None) == days.read(dmy, None) == day
    elif day.day != day.month:
        with pytest.raises(days.TwoDays):
            days.read(mdy, None)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"\d{1,4}[/.-]\d{1,4}[/.-]\d{1,4}", fullmatch=True))
def test_no_text_breaks_the_reading_of_days(text: str) -> None:
    try:
        found = days.read(text, None)
    except days.NoDay:
        return
    assert found is None or found.year >= 1971


CELL = st.text(max_size=12) | st.sampled_from(["A", "managed", "3/9/2026", "iOS 17", '"', "=1", "2026-03-01"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=6), st.sampled_from([",", ";"]))
def test_no_export_breaks_the_import(cells: list[list[str]], sign: str) -> None:
    """It is refused with a place, or gives an inventory that can be read again."""
    text = sign.join(("tag", "whose", "seen", "os")) + "\n" + "\n".join(sign.join(row) for row in cells)
    made = mapping.parse(b'[columns]\nasset="tag"\nclass="whose"\nlast_seen="seen"\nos="os"\n', "own.toml")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e.csv"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            found = inventory_import.read(path, made)
        except ConfigError as refused:
            assert refused.where
            return
        path.write_bytes(inventory_import.write(found.rows, ()))
        again = devices.load(path)
        assert set(again.devices) == {row["asset"].casefold() for row in found.rows}


def test_a_long_name_of_a_system_is_read_at_once() -> None:
    assert devices.system("a" + " " * 2_000_000 + "1x", "")[1] == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[colums]\n", "unknown key 'colums'"),
        ('[columns]\nasset = "x"\n', "no column 'class'"),
        ('[columns]\nasset = "x"\nclass = "y"\nstaet = "z"\n', "unknown column 'staet'"),
        ('[columns]\nasset = 7\nclass = "y"\n', "needs one or more texts"),
        ('[columns]\nasset = "x"\nclass = "y"\n[values.class]\nleased = "z"\n', "unknown word 'leased'"),
        ('[columns]\nasset="x"\nclass="y"\n[values.class]\nmanaged="C"\npersonal="c"\n', "means two things"),
        ('dates = "ymd"\n[columns]\nasset = "x"\nclass = "y"\n', "'dates' needs"),
        ("[columns\n", "no TOML"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        mapping.parse(text.encode(), "own.toml")


def test_the_nearest_profile_is_offered() -> None:
    with pytest.raises(InputMissing) as caught:
        mapping.load("intun")
    assert "did you mean 'intune'" in caught.value.hint


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, object], str]:
    code = run(root(), ["device", "import", *map(str, words), "--format", "json"])
    told = capsys.readouterr()
    return code, json.loads(told.out), told.err


def test_the_command_writes_the_inventory_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDSNAP_DEVICE_PROFILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    export, to = tmp_path / "e.csv", tmp_path / "devices.csv"
    export.write_text("# exported on 2026-11-22\n" + INTUNE, encoding="utf-8")
    code, told, _ = call(capsys, export, "--profile", "intune", "--dry-run")
    assert (code, told["output"], to.exists()) == (0, None, False)
    code, told, _ = call(capsys, export, "--profile", "intune", "-o", to)
    assert (code, told["taken"], told["left_out"], told["as_of"]) == (0, 3, 1, "2026-11-22")
    assert devices.load(to).on == date(2026, 11, 22)  # the export's own day, though it is younger than a row
    before = to.read_bytes()
    export.write_text(INTUNE.replace("11/20/2026", "11/2/2026"), encoding="utf-8")
    code, told, _ = call(capsys, export, "--profile", "intune", "-o", to)
    assert (code, to.read_bytes()) == (78, before)
    export.write_text(INTUNE.replace("Corporate,iOS,", "Leased,iOS,"), encoding="utf-8")
    code, told, warned = call(capsys, export, "--profile", "intune", "-o", to, "--exported-on", "2026-11-24")
    assert (code, told["taken"], told["mistakes"]) == (3, 2, 1)
    assert told["left_out_rows"][0]["line"] == 3  # type: ignore[index]
    assert "W305" not in warned
    assert run(root(), ["device", "import", str(export), "--dry-run", "--format", "json"]) == 2  # no profile
    assert "MEDSNAP_DEVICE_PROFILE" in capsys.readouterr().out
    monkeypatch.setenv("MEDSNAP_DEVICE_PROFILE", "intune")
    assert run(root(), ["device", "import", str(export), "--dry-run", "--format", "json"]) == 3
    capsys.readouterr()
    for wrong in (("-o", export), ("-o", to, "--dates", "ymd"), ("-o", to, "--exported-on", "soon"), ()):
        assert call(capsys, export, "--profile", "intune", *wrong)[0] == 2


def test_nothing_that_a_spreadsheet_runs_is_written(tmp_path: Path, own: str) -> None:
    Path(own).write_text('[columns]\nasset = "Tag"\nclass = "Whose"\nowner = "Seen"\n', encoding="utf-8")
    made = imported(tmp_path, rows('A,managed,"=HYPERLINK(""x"")"', "B,managed,a\u202eb"), own)
    text = inventory_import.write(made.rows, ()).decode()
    assert "'=HYPERLINK" in text
    assert "\u202e" not in text


def test_a_day_still_to_come_keeps_nothing_fresh(tmp_path: Path) -> None:
    path = tmp_path / "devices.csv"
    path.write_text(
        "# exported on 2036-01-01\nasset,class,last_seen\nA,managed,2036-01-01\n", encoding="utf-8"
    )
    from medsnap.model.photo import CaptureFacts

    found = devices.load(path).claim("A", "folder", CaptureFacts(), date(2026, 1, 1))
    assert (found.last_seen, found.inventory_date) == (None, None)
    later = devices.load(path).claim("A", "folder", CaptureFacts(), date(2036, 1, 1) + timedelta(days=1))
    assert later.inventory_date == date(2036, 1, 1)
