"""The main job on real photos: one outcome each, nothing stored twice, everything verifies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.helpers import POLICIES, Clinic, digests, manifest_rows


@pytest.fixture(scope="module")
def clinic(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return Clinic(tmp_path_factory.mktemp("corpus")).init()


def test_each_photo_gets_one_outcome_and_a_second_run_stores_nothing(clinic: Clinic, corpus: Path) -> None:
    before = digests(corpus / "photos")
    names = [row["file"] for row in manifest_rows(corpus)]
    assert len(names) == 122
    first = clinic.ingest(corpus / "photos", policy=POLICIES / "hospital.yaml").expect(3)
    told = {p["source"]: p for p in first.photos}
    assert len(first.photos) == len(told) == 123
    assert told.pop("MANIFEST.csv")["outcome"] == "skipped"
    assert sorted(told) == sorted(names)
    counted = Counter(p["outcome"] for p in first.photos)
    totals = first.summary
    for outcome in ("done", "held", "skipped", "failed"):
        assert totals[outcome] == counted[outcome], outcome
    assert totals["total"] == 123
    assert totals["failed"] == 0
    assert sum(totals["reasons"].values()) == counted["held"] + counted["skipped"]
    for photo in told.values():
        assert photo["outcome"] == "done" or photo["reason"], photo
        assert photo["object"] in clinic.objects(), photo
    stored = clinic.objects()
    assert len(stored) == 122
    commits = set((clinic.vault / "commits").iterdir())

    second = clinic.ingest(corpus / "photos", policy=POLICIES / "hospital.yaml").expect(3)
    assert clinic.objects() == stored
    assert set((clinic.vault / "commits").iterdir()) == commits
    assert second.summary["already"] == 122
    again = {p["source"]: (p["outcome"], p["object"]) for p in second.photos}
    assert again == {p["source"]: (p["outcome"], p["object"]) for p in first.photos}
    assert digests(corpus / "photos") == before

    clinic.run("vault", "check").expect(0)
    clinic.run("audit", "verify").expect(0)
    assert len(clinic.listed()) == 122


def test_a_host_without_its_journal_stores_again_rather_than_lose_a_photo(
    clinic: Clinic, corpus: Path
) -> None:
    stored = clinic.objects()
    clinic.ingest(corpus / "photos" / "C.jpg")
    journals = list(clinic.host.glob("journal*"))
    assert journals
    for part in journals:
        part.unlink()
    clinic.ingest(corpus / "photos" / "C.jpg").expect(0)
    assert len(clinic.objects() - stored) == 1
    assert stored <= clinic.objects()
    clinic.run("vault", "check").expect(0)
