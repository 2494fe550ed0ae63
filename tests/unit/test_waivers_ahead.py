"""Waivers in a look ahead: scan, its forecast, classify and a dry run decide as ingest will (M12)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.policy.waiver import PREFIX
from tests.builders import export as make

RULE = "vocabulary.body_site"
TEXT = """\
medsnap: 1
waiver: W-1
policy: northside
rule: RULE
for: {device: DESK-1}
do: accept
until: UNTIL
because: The scanner of the archive knows no body sites.
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("VAULT", "KEY_FILE", "POLICY", "PEOPLE", "DEVICES", "CONSENT"):
        monkeypatch.delenv(f"MEDSNAP_{name}", raising=False)
    for name in ("MEDSNAP_STATE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "IMG_0001.JPG").write_bytes(make.jpeg())
    (tmp_path / "northside.yaml").write_text(policy.packaged("hospital").read_text("utf-8"), "utf-8")
    return tmp_path


def waive(place: Path, *, days: int = 30, asset: str = "DESK-1") -> None:
    until = str(datetime.now(UTC).date() + timedelta(days=days))
    text = TEXT.replace("UNTIL", until).replace("RULE", RULE).replace("DESK-1", asset)
    (place / "waivers").mkdir(exist_ok=True)
    (place / "waivers" / "W-1.yaml").write_text(text, "utf-8")


def look(capsys: pytest.CaptureFixture[str], place: Path, *words: str) -> tuple[set[str], dict[str, object]]:
    """Run a command; the paths of the photo's reasons, and the last record."""
    command, *more = words
    lists = ("--policy", str(place / "northside.yaml"), "--asset", "DESK-1", "--format", "ndjson", "-q")
    run(root(), [command, str(place / "dump"), *lists, *more])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    said = [line["decision"] for line in lines if line.get("decision")]
    return {vote["path"] for one in said for vote in one["votes"]}, lines[-1]


@pytest.mark.parametrize("words", [("scan", "--no-detect"), ("classify",)])
def test_a_waiver_beside_the_policy_lifts_its_one_reason(
    capsys: pytest.CaptureFixture[str], place: Path, words: tuple[str, ...]
) -> None:
    paths, last = look(capsys, place, *words)
    assert RULE in paths
    assert last["waivers"] == []
    waive(place)
    paths, last = look(capsys, place, *words)
    assert PREFIX + "W-1" in paths
    assert RULE not in paths
    assert "sources.not_listed" in paths  # every other reason stands
    assert last["waivers"] == ["W-1"]


@pytest.mark.parametrize(("days", "asset"), [(-1, "DESK-1"), (30, "DESK-2")])
def test_one_that_ended_or_is_for_another_device_lifts_nothing(
    capsys: pytest.CaptureFixture[str], place: Path, days: int, asset: str
) -> None:
    waive(place, days=days, asset=asset)
    assert RULE in look(capsys, place, "scan", "--no-detect")[0]


def test_people_are_told_which_waivers_count(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    waive(place)
    run(root(), ["scan", str(place / "dump"), "--policy", str(place / "northside.yaml"), "--no-detect"])
    assert "with the waivers W-1" in " ".join(capsys.readouterr().out.split())
