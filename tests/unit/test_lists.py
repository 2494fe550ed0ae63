"""The administrator's lists in a run: whence they come, how old they are, and what the record keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.intake.limits import Limits
from medsnap.intake.walk import SkippedFile, walk
from medsnap.policy.signatures import of_policy, tally
from tests.builders import signing
from tests.builders.policy import HOSPITAL, NOW
from tests.helpers import stop_clock

TODAY = datetime.now(UTC).date()
Call = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    for name in ("DEVICES", "PEOPLE", "POLICY", "VAULT", "KEY_FILE"):
        monkeypatch.delenv(f"MEDSNAP_{name}", raising=False)
    for name in ("MEDSNAP_STATE", "MEDSNAP_CACHE", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))

    def made(*words: object) -> tuple[int, Any, str]:
        code = run(root(), [*map(str, words), "--format", "json"])
        told = capsys.readouterr()
        return code, json.loads(told.out), told.err

    return made


def inventory(folder: Path, *, days: int = 1, name: str = "devices.csv") -> Path:
    path = folder / name
    day = TODAY - timedelta(days=days)
    path.write_text(
        f"# exported on {day}\nasset,class,os,os_version,last_seen\nT-1,managed,iOS,18.1,{TODAY}\n", "utf-8"
    )
    return path


def people(folder: Path, *rows: str) -> Path:
    path = folder / "people.csv"
    path.write_text("staff_id,roles,from,until\n" + "".join(f"{row}\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump" / "T-1"
    folder.mkdir(parents=True)
    Image.new("RGB", (24, 16), (9, 8, 7)).save(folder / "a.jpg")
    return folder.parent


def test_lists_that_a_dump_brings_are_other_files(dump: Path) -> None:
    inventory(dump)
    inventory(dump / "T-1")
    people(dump, "k.obi,reviewer,,")
    skipped = [f for f in walk([dump], Limits()) if isinstance(f, SkippedFile)]
    assert {f.reason for f in skipped} == {"not a photo or clip"}
    assert len(skipped) == 3


@pytest.mark.parametrize("way", ["option", "setting", "link"])
@pytest.mark.parametrize("which", ["devices", "people"])
def test_a_list_from_within_the_dump_is_refused(
    call: Call, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, which: str, way: str
) -> None:
    path = inventory(dump) if which == "devices" else people(dump, "k.obi,reviewer,,")
    words = ["scan", dump, "--policy", "hospital", "--no-detect"]
    if way == "setting":
        monkeypatch.setenv(f"MEDSNAP_{which.upper()}", str(path))
    elif way == "link":
        (tmp_path / "link.csv").symlink_to(path)
        words += [f"--{which}", tmp_path / "link.csv"]
    else:
        words += [f"--{which}", path]
    code, told, _ = call(*words)
    assert code == 2
    assert "inside the dump" in told["error"]["message"]


def test_the_record_keeps_the_digests_and_explain_shows_them(call: Call, dump: Path, tmp_path: Path) -> None:
    vault, key = tmp_path / "vault", tmp_path / "owner.key"
    call(
        "vault",
        "init",
        "--vault",
        vault,
        "--no-input",
        "--key-file",
        key,
        "--recovery-file",
        tmp_path / "r.key",
    )
    devices, staff = inventory(tmp_path, days=9), people(tmp_path, "r.lind,clinician,,")
    code, told, warned = call(
        "ingest", dump, "--vault", vault, "--policy", "hospital", "--devices", devices, "--people", staff,
        "--no-detect",
    )  # fmt: skip
    assert code == 0, told
    assert "W305 the inventory is 9 days old" in warned
    code, told, _ = call(
        "policy", "explain", told["photos"][0]["object"], "--vault", vault, "--key-file", key
    )
    assert told["lists"] == {
        "manifest": "",
        "inventory": hashlib.sha256(devices.read_bytes()).hexdigest(),
        "inventory_on": str(TODAY - timedelta(days=9)),
        "people": hashlib.sha256(staff.read_bytes()).hexdigest(),
        "consents": "",
    }
    assert told["decision"]["policy"]["policy"] == "northside"


@pytest.mark.parametrize(
    ("days", "broken", "says"), [(1, False, ""), (9, False, "9 days old"), (1, True, "cannot be read")]
)
def test_w305_lint_finds_the_inventory_beside_the_policy(
    call: Call, tmp_path: Path, days: int, broken: bool, says: str
) -> None:
    file = tmp_path / "hospital.yaml"
    file.write_text(policy.packaged("hospital").read_text("utf-8"), "utf-8")
    assert call("policy", "lint", file)[1]["warnings"] == 0  # none lies there, none is named
    listed = inventory(tmp_path, days=days)
    if broken:
        listed.write_text("asset\nA\n", "utf-8")
    code, told, _ = call("policy", "lint", file)
    found = [f for f in told.get("findings", []) if f["code"] == "W305"]
    assert (code, len(found), told["warnings"]) == (0, bool(says), bool(says))
    assert all(says in f["message"] and f["line"] == 37 for f in found)
    fresh = inventory(tmp_path, name="fresh.csv")
    assert call("policy", "lint", file, "--devices", fresh)[1]["warnings"] == 0


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        ("p.wahl,executive,,", True),
        (f"p.wahl,executive,{signing.SIGNED},{signing.SIGNED}", True),
        (f"p.wahl,executive,,{signing.SIGNED - timedelta(days=1)}", False),
        (f"p.wahl,executive,{signing.SIGNED + timedelta(days=1)},", False),
        ("c.ngo,executive,,", False),
    ],
)
def test_a_seat_counts_for_people_of_the_staff_list_on_the_day_of_signing(
    tmp_path: Path, row: str, counts: bool
) -> None:
    from medsnap.intake import people as staff

    known = staff.load(people(tmp_path, row))

    def office(person: str, day: date) -> bool:
        return known.person(person, day) is not None

    signed = [signing.sign("p.wahl", "executive")]
    seats = [seat for seat in HOSPITAL.seats if seat.name == "executive"]
    counted = tally(of_policy(HOSPITAL), seats, signing.ring(), signed, signing.TODAY, in_office=office)
    assert counted.complete is counts
    assert bool(counted.refused) is not counts
    assert tally(of_policy(HOSPITAL), seats, signing.ring(), signed, signing.TODAY).complete


def test_status_and_sign_ask_the_staff_list(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, NOW)  # the keys of the ring begin and end
    file, ring = tmp_path / "hospital.yaml", tmp_path / "keyring.yaml"
    file.write_text(policy.packaged("hospital").read_text("utf-8"), "utf-8")
    ring.write_text(signing.ring_text(), "utf-8")
    loaded = policy.load(file)
    lines = [
        signing.sign(person, seat, of_policy(loaded)).line
        for seat, sit in signing.SEATS.items()
        for person in sit
    ]
    file.with_name("hospital.yaml.sig").write_text("\n".join(lines) + "\n", "utf-8")
    assert call("policy", "status", file, "--keyring", ring)[1]["in_force"] is True
    everybody = [f"{person},board,," for sit in signing.SEATS.values() for person in sit]
    monkeypatch.setenv("MEDSNAP_PEOPLE", str(people(tmp_path, *everybody)))
    assert call("policy", "status", file, "--keyring", ring)[1]["in_force"] is True
    people(tmp_path, *(row for row in everybody if not row.startswith("s.kim")))
    code, told, _ = call("policy", "status", file, "--keyring", ring)
    assert (code, told["in_force"]) == (1, False)
    assert told["refused"] == [f"s.kim for ehr: does not stand in people.csv on {signing.SIGNED}"]
    code, told, _ = call(
        "policy", "sign", file, "--as", "s.kim", "--seat", "ehr", "--to-sign", tmp_path / "x"
    )
    assert (code, "people.csv" in told["error"]["message"]) == (77, True)


def test_doctor_says_how_old_medsnap_is(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hospital.yaml"
    text = policy.packaged("hospital").read_text("utf-8")
    file.write_text(text + "\nsoftware: {not_older_than: 9999 days, at_least: 99.0}\n", "utf-8")
    monkeypatch.setenv("MEDSNAP_POLICY", str(file))
    _, told, _ = call("doctor")
    age = next(check for check in told["checks"] if check["check"] == "medsnap's age")
    assert "days ago" in age["state"]
    assert "software.at_least" in age["hint"]
    assert "not_older_than" not in age["hint"]
