"""`medsnap scan` with a list that has wrong words: who reads it sees the word and the nearest term."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.demo import dump
from medsnap.demo.dump import DemoDay

WRONG: Final = {"IMG_0411.HEIC": ("forarm", "left"), "IMG_0412.HEIC": ("right hand", "left")}
SAID: Final = (
    "site 'forarm' is not in the list; nearest 'forearm'",
    "the site says 'right hand', the laterality 'left'",
)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> DemoDay:
    """A made day whose list has one word misspelt, and one site on the wrong side."""
    made = dump.make(tmp_path_factory.mktemp("words"), seed=1, now=datetime.now(UTC).date())
    comment, *rest = made.manifest.read_text("utf-8").splitlines()
    rows = list(csv.DictReader(rest))
    for row in rows:
        name = Path(row["file"]).name
        if name in WRONG:
            row["body_site"], row["laterality"] = WRONG[name]
    with made.manifest.open("w", encoding="utf-8", newline="") as file:
        file.write(comment + "\n")
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return made


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEDSNAP_VAULT", "MEDSNAP_KEY_FILE", "MEDSNAP_POLICY", "MEDSNAP_PEOPLE", "MEDSNAP_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MEDSNAP_STATE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def scan(capsys: pytest.CaptureFixture[str], day: DemoDay, *words: str) -> str:
    lists = ("--devices", day.devices, "--people", day.people, "--manifest", day.manifest)
    more = ("--no-detect", "--jobs", 1, "--policy", "hospital")
    run(root(), list(map(str, ("scan", day.dump, *lists, *more, *words))))
    return capsys.readouterr().out


def test_the_list_of_files_names_the_word_and_the_nearest_term(
    capsys: pytest.CaptureFixture[str], day: DemoDay
) -> None:
    told = " ".join(scan(capsys, day, "-v").split())
    assert all(sentence in told for sentence in SAID)


def test_such_photos_wait_and_a_forecast_repeats_no_word_of_a_row(
    capsys: pytest.CaptureFixture[str], day: DemoDay
) -> None:
    told = json.loads(scan(capsys, day, "--forecast", "--format", "json"))
    names = {Path(p["source"]).name: p.get("decision") for p in told["photos"]}
    found = [names[name] for name in sorted(WRONG)]
    assert [decision["verb"] for decision in found] == ["quarantine", "quarantine"]
    assert [decision["may_leave_to"] for decision in found] == [[], []]
    assert [decision["votes"][0]["because"] for decision in found] == list(SAID)
    because = {r["path"]: r["because"] for r in told["forecast"]["waits_because"]}
    assert because["vocabulary.body_site"] == "site … is not in the list"
    assert because["vocabulary.laterality"] == "the site says …, the laterality …"
