"""Repeats in a member's catalogue: the same night by night and made anew, and only of what he may know of."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from medsnap.errors import NotFound
from medsnap.model.decision import Verb
from medsnap.model.photo import CaptureFacts, ObjectId
from medsnap.model.record import PhotoRow
from medsnap.model.repeat import Sameness
from medsnap.model.study import Match
from medsnap.vault import catalogue_kin
from medsnap.vault.catalogue import Catalogue, Filters, Only
from medsnap.vault.ids import random_id
from tests.unit.test_repeats import PICTURE, near

from .conftest import Kit, digest
from .test_vault_catalogue import _catalogue, _commit, _file


def _row(plain: PhotoRow, n: int, compartment: str = "general", **changes: Any) -> PhotoRow:
    """A photo of its own: each number another second, picture and file."""
    seal = dataclasses.replace(
        plain.seal,
        object=ObjectId(random_id(os.urandom)),
        compartment=compartment,
        plaintext=digest(b"sealed %d" % n),
    )
    taken = CaptureFacts(make="Apple", model="iPad", captured_at=f"2026-05-01T10:{n:02}:00", subsecond="123")
    given = {
        "seal": seal,
        "source_sha256": digest(b"file %d" % n),
        "decision": dataclasses.replace(plain.decision, compartment=compartment, opened_by=("nurse",)),
        "capture": taken,
        "likeness": PICTURE,
        "width": 4000,
        "height": 3000,
    }
    return dataclasses.replace(plain, **(given | changes))


def _copy(row: PhotoRow, n: int, **changes: Any) -> PhotoRow:
    """Other bytes of the same shot."""
    return _row(row, n, capture=row.capture, **changes)


@pytest.fixture
def plain(kit: Kit) -> PhotoRow:
    (row,) = kit.ingest([(b"a photo", "general")])
    return row


def _told(catalogue: Catalogue, *roles: frozenset[str] | None) -> dict[str, list[tuple[str, Sameness, bool]]]:
    entries = catalogue.entries(Filters(roles=roles[0]) if roles else None)
    return {
        e.object: [(r.object, r.sameness, r.earlier) for r in catalogue.repeats(e.object, *roles)]
        for e in entries
    }


def test_night_by_night_and_made_anew_say_the_same(kit: Kit, plain: PhotoRow, tmp_path: Path) -> None:
    first = [_row(plain, n) for n in range(1, 6)]
    copies = [_copy(first[0], 11), _copy(first[1], 12, likeness=None), _row(plain, 3)]
    nightly = _catalogue(kit, tmp_path / "nightly")
    for night in (first, copies, [_copy(first[0], 13)]):
        _commit(kit, *night)
        nightly.refresh(kit.reader())
    told = _told(nightly)
    assert told == _told(_catalogue(kit, None)) == _told(_catalogue(kit, tmp_path / "anew"))
    nightly.rebuild(kit.reader())
    assert _told(nightly) == told
    assert told[copies[0].seal.object][0] == (first[0].seal.object, Sameness.SHOT, True)
    assert told[first[1].seal.object] == [(copies[1].seal.object, Sameness.MAYBE, False)]
    assert told[copies[2].seal.object] == [(first[2].seal.object, Sameness.BYTES, True)]
    assert told[first[4].seal.object] == told[plain.seal.object] == []
    assert len(told[first[0].seal.object]) == 2
    sure = {name for name, others in told.items() if any(kind.sure for _, kind, _ in others)}
    assert set(nightly.shots()) == sure
    assert len(sure) == 5


def test_what_waits_is_one_task(kit: Kit, plain: PhotoRow) -> None:
    waits = dataclasses.replace(plain.decision, verb=Verb.QUARANTINE)
    one, two = _row(plain, 1, decision=waits), _row(plain, 2, decision=waits)
    _commit(kit, one, two, _copy(one, 11, decision=waits), _copy(two, 12, decision=waits, likeness=None))
    catalogue = _catalogue(kit, None)
    assert len(catalogue.entries(Filters(verb="quarantine"))) == 4
    tasks = {e.object: r.sameness if r else None for e, r in catalogue.listed(Filters(), Only.WAITING)}
    assert list(tasks.values()).count(None) == 2
    assert {one.seal.object, two.seal.object} < set(tasks)
    assert sorted(map(str, tasks.values())) == ["None", "None", "may-be-same-shot"], "a doubt is a task"
    assert len(list(catalogue.listed(Filters(), Only.REPEATS))) == 2
    assert list(catalogue.listed(Filters(mrn="nobody"), Only.WAITING)) == []


def test_a_repeat_that_one_may_not_know_of_does_not_exist(kit: Kit, plain: PhotoRow) -> None:
    seen = _row(plain, 1)
    seniors = dataclasses.replace(seen.decision, opened_by=("senior",))
    locked, closed = _copy(seen, 11, compartment="intimate"), _copy(seen, 12, decision=seniors)
    _commit(kit, locked, closed)
    _commit(kit, seen)
    nurse = frozenset({"nurse"})
    everything = _catalogue(kit, None)
    assert {r.object for r in everything.repeats(seen.seal.object)} == {
        locked.seal.object,
        closed.seal.object,
    }
    assert [r.object for r in everything.repeats(seen.seal.object, nurse)] == [locked.seal.object]
    own = _catalogue(kit, None, kit.member("nurse", "general"))
    assert own.repeats(seen.seal.object, nurse) == ()
    listed = {e.object: r for e, r in own.listed(Filters(roles=nurse))}
    assert listed == {seen.seal.object: None}
    assert list(own.listed(Filters(roles=nurse), Only.REPEATS)) == []
    with pytest.raises(NotFound):
        own.repeats(closed.seal.object, nurse)


def test_a_clock_that_stands_still_costs_little_and_hides_no_copy(
    kit: Kit, plain: PhotoRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_kin, "MOST", 5)
    stopped = CaptureFacts(make="Apple", model="iPad", captured_at="2000-01-01T00:00:00")
    rows = [_row(plain, n, capture=stopped, likeness=near(0)) for n in range(12)]
    twice = _row(plain, 3, capture=stopped)  # the same file again: found however many share its second
    _commit(kit, *rows, twice)
    catalogue = _catalogue(kit, None)
    found = {e.object: r for e, r in catalogue.listed(Filters(), Only.REPEATS)}
    assert set(found) == {r.seal.object for r in (*rows[1:5], twice)}, "five of a tag, each with each before"
    assert catalogue.repeats(twice.seal.object)[0].sameness is Sameness.BYTES


def test_copies_without_a_date_are_found_among_the_photos_of_a_patient(kit: Kit, plain: PhotoRow) -> None:
    def of(mrn: str) -> Match:
        assert plain.match.patient is not None
        return dataclasses.replace(plain.match, patient=dataclasses.replace(plain.match.patient, mrn=mrn))

    bare = CaptureFacts()
    first = _row(plain, 1, match=of("A"))
    copy, other = (
        _row(plain, n, capture=bare, likeness=near(3), match=of(m)) for n, m in ((11, "A"), (12, "B"))
    )
    _commit(kit, first, copy, other)
    catalogue = _catalogue(kit, None)
    assert [(r.object, r.sameness) for r in catalogue.repeats(copy.seal.object)] == [
        (first.seal.object, Sameness.MAYBE)
    ]
    assert [r.object for r in catalogue.repeats(first.seal.object)] == [copy.seal.object]
    assert catalogue.repeats(other.seal.object) == ()


def test_the_file_of_a_cache_shows_none_of_it(kit: Kit, plain: PhotoRow, tmp_path: Path) -> None:
    first = _row(plain, 1)
    _commit(kit, first, _copy(first, 11))
    catalogue = _catalogue(kit, tmp_path)
    assert len(catalogue.repeats(first.seal.object)) == 1
    catalogue.close()
    data = _file(tmp_path).read_bytes()
    for word in (PICTURE, PICTURE[3:], "2026-05-01T10:01", "iPad", first.source_sha256[:32], "same-shot"):
        assert word.encode() not in data


def test_a_damaged_link_is_made_anew(kit: Kit, plain: PhotoRow, tmp_path: Path) -> None:
    first = _row(plain, 1)
    _commit(kit, first, _copy(first, 11))
    _catalogue(kit, tmp_path).close()
    database = sqlite3.connect(_file(tmp_path))
    database.execute("UPDATE repeat SET cell = zeroblob(60)")
    database.commit()
    database.close()
    hurt = _catalogue(kit, tmp_path)
    assert sum(repeat is not None for _, repeat in hurt.listed(Filters())) == 1
    assert len(hurt.repeats(first.seal.object)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE head SET name = 'other' WHERE name = 'order'",
        "UPDATE head SET cell = CAST(x'80ff80' AS TEXT) WHERE name = 'order'",
        "UPDATE shot SET cell = zeroblob(60)",
    ],
)
def test_a_damaged_head_hides_no_photo(kit: Kit, plain: PhotoRow, tmp_path: Path, damage: str) -> None:
    first = _row(plain, 1)
    _commit(kit, first, _copy(first, 11))
    _catalogue(kit, tmp_path).close()
    database = sqlite3.connect(_file(tmp_path))
    database.execute(damage)
    database.commit()
    database.close()
    hurt = _catalogue(kit, tmp_path)
    assert len(hurt.entries()) == 3
    assert len(hurt.repeats(first.seal.object)) == 1
