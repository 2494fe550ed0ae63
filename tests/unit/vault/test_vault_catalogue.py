"""The catalogue's file: sealed, incremental, found by blind tags, made anew whenever it is not ours."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.crypto.note import Signer
from medsnap.errors import IoFailed, NotFound, UsageError
from medsnap.model.codec import canonical, to_json
from medsnap.model.finding import FeatureState, State
from medsnap.model.photo import CaptureFacts, ObjectId
from medsnap.model.record import PhotoRow
from medsnap.model.study import Description, Match, MatchState, Patient, Visit
from medsnap.vault import catalogue_order, commits
from medsnap.vault.catalogue import Catalogue, Entry, Filters
from medsnap.vault.catalogue_store import in_memory
from medsnap.vault.entries import entry_of, folded, words
from medsnap.vault.ids import random_id
from medsnap.vault.objects import ObjectDigests

from .conftest import Kit, make


def _catalogue(kit: Kit, folder: Path | None, keys: object = None) -> Catalogue:
    made = Catalogue(folder, random=os.urandom)
    made.refresh(kit.reader(keys))  # type: ignore[arg-type]
    return made


def _commit(kit: Kit, *rows: PhotoRow) -> None:
    lines: dict[str, list[bytes]] = {}
    for row in rows:
        lines.setdefault(row.seal.compartment, []).append(canonical(row))
    digests = [
        ObjectDigests(object=r.seal.object, payload=r.seal.payload, header=r.seal.payload) for r in rows
    ]
    draft = commits.Draft(lines=lines, objects=digests)
    signer = Signer.parse_private(kit.new.ingest_key)
    kit.log.append(commits.write(kit.vault, kit.directory, draft, signer=signer, random=os.urandom).sha256)


def _all(catalogue: Catalogue) -> tuple[object, ...]:
    rows = catalogue.photos()
    return rows, catalogue.entries(), catalogue.sightings(), [catalogue.find(r.seal.object) for r in rows]


def _file(folder: Path) -> Path:
    (found,) = folder.glob("catalogue-*.db")
    return found


@pytest.fixture
def day(kit: Kit) -> list[PhotoRow]:
    """Eight photos in two locked groups with all that a search can ask for."""
    (row,) = kit.ingest([(b"a photo", "general")])
    rows = [
        _made(row, n, compartment)
        for n, compartment in enumerate(
            ("general", "general", "intimate", "general", "identifiable") + ("general",) * 3
        )
    ]
    _commit(kit, *rows[:5])
    _commit(kit, *rows[5:])
    return [row, *rows]


def _made(row: PhotoRow, n: int, compartment: str) -> PhotoRow:
    name = random_id(os.urandom)
    site, seen = ("Forearm", "Chest")[n % 2], ("face", "tattoo")[n % 2]
    return dataclasses.replace(
        row,
        seal=dataclasses.replace(row.seal, object=name, compartment=compartment),
        source_name=f"DCIM/IMG_{7 - n}.jpg",
        source_sha256=f"{n:064x}",
        decision=dataclasses.replace(
            row.decision,
            compartment=compartment,
            features=(
                FeatureState(feature=seen, state=State.SEEN),
                FeatureState(feature="ear", state=State.NOT_CHECKED),
            ),
        ),
        capture=CaptureFacts(captured_at=f"2026-05-{n + 1:02}T10:00:00", model="iPad Ä"),
        match=Match(
            state=MatchState.MATCHED,
            patient=Patient(mrn=f"MRN-{n // 2}", issuer="2.999.1"),
            visit=Visit(encounter=f"E{n // 4}", department="Dermatology"),
            description=Description(body_site=site, reason=f"follow_up of wound {n}", laterality="left"),
            asset=f"TAB-{n % 3}",
        ),
    )


def _names(entries: list[Entry]) -> list[str]:
    return [e.source[-5:-4] for e in entries]


def test_the_file_is_sealed_incremental_and_equal_to_a_new_one(
    kit: Kit, day: list[PhotoRow], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    first = _catalogue(kit, folder)
    first.close()
    raw = _file(folder).read_bytes()
    for word in (b"IMG_", b"MRN-", b"Forearm", b"TAB-", b"general", day[1].seal.object.encode(), b"face"):
        assert word not in raw
    assert _file(folder).stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    kit.ingest([(b"one more", "intimate")])
    second = Catalogue(folder, random=os.urandom)
    assert second.refresh(kit.reader()) == 1
    fresh = Catalogue(None, random=os.urandom)
    assert fresh.refresh(kit.reader()) == 4
    assert _all(second) == _all(fresh) and len(second.photos()) == 10 == second.count()
    assert second.rebuild(kit.reader()) == 4 and _all(second) == _all(fresh)
    assert list(folder.iterdir()) == [_file(folder)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"mrn": "MRN-0"}, "76"),
        ({"mrn": "mrn-0"}, ""),
        ({"mrn": "MRN-0", "issuer": "other"}, ""),
        ({"encounter": "E1"}, "03210"),
        ({"department": "DERMATOLOGY "}, "76543210"),
        ({"body_site": "forearm"}, "7531"),
        ({"feature": "tattoo", "since": "2026-05-04"}, "420"),
        ({"feature": "ear"}, ""),
        ({"device": "tab-0"}, "741"),
        ({"device": "IPAD ä"}, "76543210"),
        ({"since": "2026-05-03", "until": "2026-05-04"}, "54"),
        ({"until": "2026-05-01"}, "7"),
        ({"text": "LEFT Wound 3"}, "4"),
        ({"text": "follow-up"}, "76543210"),
        ({"text": "right"}, ""),
        ({"compartment": "intimate"}, "5"),
        ({"state": "held"}, ""),
        ({"verb": "accept", "mrn": "MRN-3", "text": "wound"}, "10"),
        ({"mrn": "'; DROP TABLE photo; --"}, ""),
    ],
)
def test_search(kit: Kit, day: list[PhotoRow], wanted: dict[str, str], found: str) -> None:
    catalogue = _catalogue(kit, None)
    entries = catalogue.entries(Filters(**wanted))
    assert "".join(_names(entries)) == found
    assert catalogue.entries(Filters(**wanted), limit=1) == entries[:1]
    assert {e.object for e in entries} == {r.seal.object for r in catalogue.photos(Filters(**wanted))}


def test_many_candidates_are_met_in_the_order_of_lists(
    kit: Kit, day: list[PhotoRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = _catalogue(kit, None)
    wanted = [Filters(), Filters(body_site="chest"), Filters(since="2026-05-02", verb="accept")]
    few = [catalogue.entries(f) for f in wanted]
    monkeypatch.setattr("medsnap.vault.catalogue_search._FEW", 0)
    assert [catalogue.entries(f) for f in wanted] == few
    assert [catalogue.entries(f, limit=2) for f in wanted] == [f[:2] for f in few]


def test_a_member_finds_only_what_he_may_know_of(kit: Kit, day: list[PhotoRow], tmp_path: Path) -> None:
    nurse = kit.member("nurse", "general")
    catalogue = _catalogue(kit, tmp_path, nurse)
    assert {e.compartment for e in catalogue.entries()} == {"general"}
    assert catalogue.entries(Filters(compartment="intimate")) == []
    hidden = next(r for r in day if r.seal.compartment == "intimate")
    with pytest.raises(NotFound):
        catalogue.photo(hidden.seal.object)


def test_what_a_member_lost_is_gone_from_his_file(kit: Kit, day: list[PhotoRow], tmp_path: Path) -> None:
    catalogue = _catalogue(kit, tmp_path)
    before = _file(tmp_path)
    assert catalogue.count() == 9
    nurse = kit.member("nurse", "general")
    catalogue.refresh(kit.reader(nurse))  # the same folder, fewer compartments
    assert catalogue.count() == 7 and _file(tmp_path) != before
    catalogue.refresh(kit.reader())
    assert catalogue.count() == 9


def test_the_beginning_of_an_id_is_enough_when_it_is_one(kit: Kit, day: list[PhotoRow]) -> None:
    nurse = kit.member("nurse", "general")
    catalogue = _catalogue(kit, None, nurse)
    seen = day[1].seal.object
    hidden = next(r for r in day if r.seal.compartment == "intimate").seal.object
    assert catalogue.photo(seen[:8]).seal.object == seen
    assert catalogue.receipts(ObjectId(seen[:8])) == []
    for text in (hidden[:8], hidden, "", "%", "a%", seen[:5], seen + "a", "{" * 8):
        with pytest.raises(NotFound):
            catalogue.photo(text)
    _commit(kit, _made(day[0], 1, "general"))
    twin = dataclasses.replace(
        day[1], seal=dataclasses.replace(day[1].seal, object=ObjectId(seen[:10] + "7" * 16))
    )
    _commit(kit, twin)
    catalogue.refresh(kit.reader(nurse))
    with pytest.raises(UsageError):
        catalogue.photo(seen[:10])
    assert catalogue.photo(seen).seal.object == seen


def test_a_file_of_somebody_else_or_a_broken_one_is_made_anew(
    kit: Kit, day: list[PhotoRow], tmp_path: Path
) -> None:
    other = make(tmp_path / "other")
    other.ingest([(b"foreign", "general")])
    _catalogue(other, tmp_path / "theirs").close()
    truth = _all(_catalogue(kit, None))
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    (folder / "catalogue-00000000.db").write_bytes(_file(tmp_path / "theirs").read_bytes())
    (folder / "catalogue.age").write_bytes(b"of an earlier version")
    assert _all(_catalogue(kit, folder)) == truth
    for data in (b"", b"SQLite format 3\0" + bytes(100), os.urandom(5000), _file(folder).read_bytes()[:9000]):
        _file(folder).write_bytes(data)
        assert _all(_catalogue(kit, folder)) == truth


_TABLES = {
    "a photo's cell": "UPDATE photo SET cell = zeroblob(200) WHERE n = 3",
    "cells swapped": "UPDATE photo SET cell = (SELECT cell FROM photo WHERE n = 2) WHERE n = 3",
    "a photo left out": "DELETE FROM photo WHERE n = 9",
    "a block": "UPDATE block SET cell = substr(cell, 1, 100)",
    "blocks left out": "DELETE FROM block",
    "an old leaf": "UPDATE leaf SET n = n + 1",
    "the order": "UPDATE head SET cell = x'00' WHERE name = 'order'",
    "the counts": "DELETE FROM head WHERE name = 'counts'",
    "a posting": "UPDATE posting SET cell = x'00112233'",
    "a commit marked": "INSERT INTO seen VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaa', x'00')",
    "a commit left out": "DELETE FROM seen WHERE id = (SELECT min(id) FROM seen)",
    "names": "UPDATE name SET n = 10 - n",
    "a table": "DROP TABLE posting",
}


@pytest.mark.parametrize("damage", _TABLES)
def test_damage_within_is_never_believed(kit: Kit, day: list[PhotoRow], tmp_path: Path, damage: str) -> None:
    truth = _catalogue(kit, None)
    _catalogue(kit, tmp_path).close()
    with sqlite3.connect(_file(tmp_path)) as db:
        db.execute(_TABLES[damage])
    db.close()
    hurt = _catalogue(kit, tmp_path)
    assert hurt.entries(Filters(text="wound")) == truth.entries(Filters(text="wound"))
    assert _all(hurt) == _all(truth)


def test_a_new_commit_that_somebody_marked_as_taken_in_is_taken_in(
    kit: Kit, day: list[PhotoRow], tmp_path: Path
) -> None:
    _catalogue(kit, tmp_path).close()
    before = {p.name for p in (kit.vault / "commits").iterdir()}
    kit.ingest([(b"to be hidden", "general")])
    (new,) = {p.name for p in (kit.vault / "commits").iterdir()} - before
    with sqlite3.connect(_file(tmp_path)) as db:
        db.execute("UPDATE seen SET id = ? WHERE id = (SELECT min(id) FROM seen)", (new,))
    db.close()
    assert _catalogue(kit, tmp_path).count() == 10


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_byte_never_shows_something_else(world: tuple[Kit, Path], data: st.DataObject) -> None:
    kit, folder = world
    path = _file(folder)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(damaged)
        hurt = _catalogue(kit, folder)
        rows = hurt.photos()
        assert len(rows) == 3 and all(row.source_name.startswith("IMG_") for row in rows)
        assert len(hurt.entries()) == 3
        hurt.close()
    finally:
        for left in folder.iterdir():
            left.unlink()
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kit, Path]]:
    root = tmp_path_factory.mktemp("world")
    kit = make(root / "kit")
    kit.ingest([(b"1", "general"), (b"2", "intimate"), (b"3", "general")])
    _catalogue(kit, root / "cache").close()
    yield kit, root / "cache"


def test_a_walk_goes_on_from_a_new_file_where_the_old_one_is_damaged(
    kit: Kit, day: list[PhotoRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = _catalogue(kit, None).entries()
    _catalogue(kit, tmp_path).close()
    with sqlite3.connect(_file(tmp_path)) as db:
        db.execute("UPDATE photo SET cell = zeroblob(200) WHERE n = 6")
    db.close()
    monkeypatch.setattr("medsnap.vault.catalogue_search._FEW", 0)
    hurt = _catalogue(kit, tmp_path)
    assert [entry for entry, _ in hurt.listed(Filters())] == truth == hurt.entries()


def test_two_runs_of_one_member_use_one_file(kit: Kit, day: list[PhotoRow], tmp_path: Path) -> None:
    one, two = _catalogue(kit, tmp_path), _catalogue(kit, tmp_path)
    kit.ingest([(b"more", "general")])
    assert one.refresh(kit.reader()) == 1
    assert two.count() == 10 and two.refresh(kit.reader()) == 0
    assert _all(one) == _all(two)


def test_a_folder_that_cannot_be_written_is_said(kit: Kit, day: list[PhotoRow], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IoFailed, match="cache"):
        _catalogue(kit, tmp_path / "file" / "cache")


def test_a_run_cut_off_leaves_nothing_that_counts(kit: Kit, day: list[PhotoRow], tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    reader = kit.reader()
    each = reader.each

    def cut(signed: object, pick: object) -> object:
        yield from each(signed, pick)  # type: ignore[arg-type]
        raise Killed

    reader.each = cut  # type: ignore[method-assign, assignment]
    catalogue = Catalogue(tmp_path, random=os.urandom)
    with pytest.raises(Killed):
        catalogue.refresh(reader)
    assert not list(tmp_path.glob("catalogue-*"))
    assert _all(_catalogue(kit, tmp_path)) == _all(_catalogue(kit, None))
    assert not list(tmp_path.glob(".building*")) and len(list(tmp_path.glob("catalogue-*"))) == 1


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.text(max_size=2))), st.integers(2, 6))
def test_the_order_is_that_of_sorted(keys: list[tuple[str, str, str]], full: int) -> None:
    numbered = [(*key, n) for n, key in enumerate(keys)]
    store = in_memory(b"secret", os.urandom)
    before = catalogue_order._FULL
    catalogue_order._FULL = full  # type: ignore[misc]
    try:
        for start in range(0, len(numbered), 5):
            catalogue_order.Order(store).insert(numbered[start : start + 5])
    finally:
        catalogue_order._FULL = before  # type: ignore[misc]
    order = catalogue_order.Order(store)
    assert list(order.numbers()) == [key[3] for key in sorted(numbered)]
    for since, until in (("a", None), ("", "b"), ("A", "z")):
        wanted = [k[3] for k in sorted(numbered) if k[0] >= since and (until is None or k[0] < until)]
        assert list(order.numbers(since, until)) == wanted


def test_words_and_names_compare_as_people_mean_them() -> None:
    assert words("Left fore-arm, LEFT; Straße follow_up") == (
        "left",
        "fore",
        "arm",
        "strasse",
        "follow",
        "up",
    )
    assert folded(" Ärm ") == folded("ärm") and words("") == ()


def test_an_entry_is_taken_from_any_row_that_the_codec_reads(day: list[PhotoRow]) -> None:
    entry = entry_of(to_json(day[2]), "general")
    assert (entry.body_site, entry.device, entry.model) == ("Chest", "TAB-1", "iPad Ä")
    assert entry.features == ("tattoo",) and entry.captured == "2026-05-02T10:00:00"
