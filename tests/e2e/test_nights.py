"""Thirty nights of one tablet: what it still holds comes again and is stored, asked for and sent once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.in_process import run
from tests.e2e.two_vaults import OWNER, photo_lists
from tests.unit.vault.world import photo

NIGHTS = 30
SIZES = [pytest.param(50, 2, id="50+2"), pytest.param(500, 20, id="500+20", marks=pytest.mark.slow)]


@dataclass
class Ward:
    """One vault, the tablet's landing folder, and what each night said."""

    root: Path
    new: list[str] = field(default_factory=list)  # objects made, in order
    left: list[str] = field(default_factory=list)  # objects sent by the nights' runs
    again: int = 0
    waits: int = 0  # of the last night, by its summary

    @property
    def dump(self) -> Path:
        return self.root / "tablet"

    def do(self, *words: str, seed: str = "") -> str:
        environment = OWNER.environment(self.root)
        return run(words, environment=environment, cwd=self.root / "work", seed=seed).expect(0).out

    def shoot(self, *numbers: int) -> None:
        for number in numbers:
            (self.dump / f"P{number}.jpg").write_bytes(photo(number % 251) + b"%d" % number)

    def night(self, number: int) -> None:
        """Run the night's job: take in, send what may leave in the same run."""
        lists = ("--manifest", "manifest.csv", "--devices", "devices.csv", "--people", "people.csv")
        words = ("ingest", str(self.dump), *lists, "--no-detect", "--export-to", "ehr=../to-ehr")
        for line in self.do(*words, "--format", "ndjson", seed=f"night {number}").splitlines():
            record = json.loads(line)
            if record["type"] == "summary":
                self.waits = record["waits"]
            if record["type"] != "photo":
                continue
            if record["already"]:
                self.again += 1
                assert record["left_to"] == [], "sent a second time"
                continue
            self.new.append(record["object"])
            self.left += [record["object"]] * len(record["left_to"])

    def listed(self) -> list[dict[str, Any]]:
        photos = json.loads(self.do("vault", "ls", "--format", "json"))["photos"]
        assert isinstance(photos, list)
        return photos


def _ward(root: Path, visits: dict[int, int]) -> Ward:
    ward = Ward(root)
    for name in ("work", "home", "keys", "state", "tablet", "to-ehr"):
        (root / name).mkdir()
    photo_lists(root / "work", visits, without_site=range(0, 10_000, 5))
    places = ("--recovery-file", "../keys/recovery.key", "--policy", "policy.yaml")
    ward.do("vault", "init", "--suite", "x25519", "--no-input", *places, seed="init")
    return ward


@pytest.mark.parametrize(("old", "fresh"), SIZES)
def test_thirty_nights_store_ask_and_send_each_photo_once(old: int, fresh: int, tmp_path: Path) -> None:
    total = old + NIGHTS * fresh
    ward = _ward(tmp_path, {n: n // 3 for n in range(total)})
    ward.shoot(*range(old))
    for night in range(NIGHTS):
        first = old + night * fresh
        ward.shoot(*range(first, first + fresh))
        ward.night(night)
        for number in range(first, first + fresh):
            (ward.dump / f"P{number}.jpg").unlink()  # tomorrow they are gone, the old ones are still there
    assert ward.again == (NIGHTS - 1) * old

    objects = {p.name for p in (tmp_path / "vault" / "objects").rglob("*") if p.is_file()}
    assert len(objects) == len(ward.new) == total
    listed = ward.listed()
    assert Counter(p["source"] for p in listed) == Counter(f"P{n}.jpg" for n in range(total))
    assert {p["id"] for p in listed} == set(ward.new) == objects

    # one task for each photo that waits: what waits is a row of the catalogue, and there is one a photo
    waiting = [p["id"] for p in listed if p["verb"] == "quarantine"]
    assert waiting
    last = {f"P{n}.jpg" for n in (*range(old), *range(total - fresh, total))}
    assert ward.waits == sum(p["verb"] == "quarantine" and p["source"] in last for p in listed), (
        "known ones too"
    )
    assert max(Counter(waiting).values()) == 1

    # sent: one file, one receipt for each that left, and the same ones that the runs named
    assert ward.left
    assert max(Counter(ward.left).values()) == 1
    assert not set(ward.left) & set(waiting)
    bundles = [p for p in (tmp_path / "to-ehr").rglob("*") if p.is_file()]
    assert len(bundles) == len(ward.left)
    for one in (ward.left[0], ward.left[-1]):
        assert len(json.loads(ward.do("vault", "show", one, "--format", "json"))["receipts"]) == 1
    assert json.loads(ward.do("vault", "check", "--format", "json"))["ok"] is True
