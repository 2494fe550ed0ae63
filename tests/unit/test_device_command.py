"""`medsnap device ls` and `device check`: the inventory, and what a policy makes of one device."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap.cli import root
from medsnap.commands._main import run


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MEDSNAP_DEVICES", "MEDSNAP_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    today = datetime.now(UTC).date()
    rows = [
        f"GOOD,managed,iPadOS,18.1,{today - timedelta(days=1)}",
        f"OLD,managed,iPadOS,15.0,{today - timedelta(days=1)}",
        f"GONE,managed,iPadOS,18.1,{today - timedelta(days=90)}",
        f"MINE,personal,Android,15,{today}",
    ]
    path = tmp_path / "devices.csv"
    path.write_text("asset,class,os,os_version,last_seen\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("asset", "code", "path"),
    [
        ("GOOD", 0, "devices.managed"),
        ("OLD", 1, "devices.managed.os_at_least"),
        ("GONE", 1, "devices.managed.seen_within"),
        ("MINE", 1, "devices.personal"),
        ("NOBODYS", 1, "devices.unknown"),
    ],
)
def test_check_names_the_line_that_holds_a_device(
    inventory: Path, capsys: pytest.CaptureFixture[str], asset: str, code: int, path: str
) -> None:
    words = [
        "device",
        "check",
        asset,
        "--devices",
        str(inventory),
        "--policy",
        "hospital",
        "--format",
        "json",
    ]
    assert run(root(), words) == code
    told = json.loads(capsys.readouterr().out)
    assert told["waits"] is (code == 1)
    assert path in {vote["path"] for vote in told["votes"]}


def test_check_says_what_a_shared_device_asks_of_its_photos(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    today = datetime.now(UTC).date()
    text = f"asset,class,os,os_version,last_seen,shared\nWARD,managed,iPadOS,18.1,{today},yes\n"
    inventory.write_text(text, encoding="utf-8")
    words = [
        "device",
        "check",
        "WARD",
        "--devices",
        str(inventory),
        "--policy",
        "hospital",
        "--format",
        "json",
    ]
    assert run(root(), words) == 0  # the device is well; each photo has to name somebody
    assert json.loads(capsys.readouterr().out)["needs_operator"] is True


def test_ls_lists_each_device(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root(), ["device", "ls", "--devices", str(inventory), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [d["asset"] for d in told["devices"]] == ["GOOD", "OLD", "GONE", "MINE"]
    assert run(root(), ["device", "ls", "--devices", str(inventory.with_name("none.csv"))]) == 66
