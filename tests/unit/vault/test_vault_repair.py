"""Repair moves, and never deletes; a sample is a share; `--open` compares every photo."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from medsnap.errors import UsageError
from medsnap.model.photo import Sha256
from medsnap.vault import check, repair, sample
from medsnap.vault.check_open import open_all
from medsnap.vault.ids import random_id
from medsnap.vault.objects import path_of

from .conftest import Kit


@pytest.fixture
def full(kit: Kit, photos: list[bytes]) -> Kit:
    kit.ingest([(p, c) for p, c in zip(photos, ("general", "intimate") * 3, strict=False)])
    kit.ingest([(b"another" * 100, "identifiable")])
    return kit


def _check(kit: Kit) -> check.CheckReport:
    return check.check(kit.vault, root_vkey=kit.directory.root, logged=list(kit.log))


def _everything(kit: Kit) -> Counter[bytes]:
    return Counter(kit.files().values())


def _strays(vault: Path) -> dict[str, str]:
    """Put something into every folder that belongs to nothing; return where it has to go."""
    orphan, batch, ring = (random_id(os.urandom) for _ in range(3))
    made = {
        f"objects/{orphan[:2]}/{orphan}": f"tmp/orphans/{orphan}",
        "objects/ab/Thumbs.db": "tmp/aside/objects-ab-Thumbs.db",
        f"batches/{batch}": f"tmp/aside/batches-{batch}",
        f"keys/{ring}.age": f"tmp/rings/{ring}.age",
        f"tmp/{orphan}.part": f"tmp/aside/tmp-{orphan}.part",
        f"batches/.{batch}.77.tmp": f"tmp/aside/batches-.{batch}.77.tmp",
    }
    for name in made:
        (vault / name).write_bytes(name.encode())
    return made


def test_what_belongs_to_nothing_is_moved_and_nothing_is_lost(full: Kit) -> None:
    expected = _strays(full.vault)
    before = _everything(full)
    report = _check(full)
    assert len(report.problems) == 4  # what is unfinished is no damage
    plan = repair.plan(full.vault, report)
    assert {m.source: m.target for m in plan.moves} == expected
    assert repair.carry_out(full.vault, plan) == 6
    assert _check(full).problems == []
    assert _everything(full) == before
    assert all((full.vault / target).is_file() for target in expected.values())


def test_a_name_that_is_taken_is_not_replaced(full: Kit) -> None:
    for _ in range(3):
        _strays_twice = full.vault / "objects" / "ab" / "Thumbs.db"
        _strays_twice.write_bytes(os.urandom(8))
        repair.carry_out(full.vault, repair.plan(full.vault, _check(full)))
    assert len(set((full.vault / "tmp" / "aside").iterdir())) == 3


def test_an_object_of_a_broken_commit_is_no_orphan(full: Kit) -> None:
    commit = next((full.vault / "commits").iterdir())
    commit.write_bytes(commit.read_bytes()[:-9])
    before = full.files()
    plan = repair.plan(full.vault, _check(full))
    assert plan.moves == () and len(plan.left) >= 4
    repair.carry_out(full.vault, plan)
    assert full.files() == before


def test_an_object_of_a_commit_that_was_taken_away_is_no_orphan(full: Kit) -> None:
    next((full.vault / "commits").iterdir()).unlink()
    plan = repair.plan(full.vault, _check(full))
    assert plan.moves == () and plan.left


def test_what_waits_in_the_journal_is_not_moved(full: Kit) -> None:
    ours = random_id(os.urandom)
    for place in (f"objects/{ours[:2]}/{ours}", f"tmp/{ours}.part", f"commits/.{ours}.9.tmp"):
        (full.vault / place).write_bytes(b"mine")
    waiting = frozenset({ours})
    report = check.check(full.vault, logged=list(full.log), waiting=waiting)
    assert repair.plan(full.vault, report, waiting).moves == ()


def test_an_object_that_was_put_aside_by_mistake_comes_back(full: Kit) -> None:
    rows = [e for _, e in full.reader().rows()]
    first, second = (path_of(full.vault, r["seal"]["object"]) for r in rows[:2])
    orphans = full.vault / "tmp" / "orphans"
    orphans.mkdir()
    first.rename(orphans / first.name)
    second.unlink()
    (orphans / second.name).write_bytes(first.name.encode())  # not what it was
    plan = repair.plan(full.vault, _check(full))
    assert [(m.source, m.target) for m in plan.moves] == [
        (f"tmp/orphans/{first.name}", f"objects/{first.name[:2]}/{first.name}")
    ]
    repair.carry_out(full.vault, plan)
    assert [p.what for p in _check(full).problems] == ["an object is missing"]


def test_every_photo_is_opened(full: Kit) -> None:
    opened = open_all(full.reader())
    assert (opened.photos, opened.clips, opened.failed, opened.problems) == (6, 0, [], [])
    assert len(opened.named) == 6


def test_a_photo_that_is_sound_for_a_stranger_and_wrong_for_its_owner_is_found(full: Kit) -> None:
    """Digests fit the commit and the object opens: only the record tells that it is another photo."""
    found = list(full.reader().rows())
    event = found[0][1]
    event["seal"]["plaintext"] = Sha256("0" * 64)
    reader = full.reader()
    reader.rows = lambda: iter(found)  # type: ignore[method-assign]
    opened = open_all(reader)
    assert opened.failed == [event["seal"]["object"]]
    assert opened.photos == 5
    assert [p.where[-26:] for p in opened.problems] == opened.failed


def test_a_member_opens_his_own_and_hears_of_nothing_else(full: Kit) -> None:
    guest = full.member("guest", "identifiable")
    opened = open_all(full.reader(guest))
    assert (opened.photos, opened.problems, len(opened.named)) == (1, [], 1)


def test_a_sample_is_a_share_and_the_same_seed_the_same_one() -> None:
    ids = [random_id(os.urandom) for _ in range(4000)]
    share = sample.parse("25%", today=date(2026, 5, 1))
    taken = {i for i in ids if share.takes(i)}
    assert 850 < len(taken) < 1150
    assert taken == {i for i in ids if sample.parse("25", today=date(2026, 9, 9), seed="2026-05-01").takes(i)}
    assert taken != {i for i in ids if sample.parse("25%", today=date(2026, 5, 2)).takes(i)}
    assert taken < {i for i in ids if sample.parse("50%", today=date(2026, 5, 1)).takes(i)}
    assert all(sample.parse("100%", today=date(2026, 5, 1)).takes(i) for i in ids)


@pytest.mark.parametrize("text", ["", "%", "0", "-1%", "101", "nan", "inf", "five"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        sample.parse(text, today=date(2026, 5, 1))


def test_a_sample_hashes_its_share_and_still_misses_what_is_missing(full: Kit) -> None:
    rows = [e for _, e in full.reader().rows()]
    share = sample.Sample(percent=50, seed="x")
    chosen = [r["seal"]["object"] for r in rows if share.takes(r["seal"]["object"])]
    report = check.check(full.vault, logged=list(full.log), sample=share)
    assert report.good and report.objects == len(chosen)
    path_of(full.vault, next(r["seal"]["object"] for r in rows)).unlink()
    assert not check.check(full.vault, logged=list(full.log), sample=share).good
