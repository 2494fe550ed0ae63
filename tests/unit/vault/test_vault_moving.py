"""Moving: a photo lies in its new group alone, and all that was said of it goes along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medsnap.crypto import age
from medsnap.errors import KeyRefused, NotFound
from medsnap.model.decision import Verb
from medsnap.model.record import DecisionRow, HoldRow, ReleaseRow
from medsnap.vault import (
    copy,
    copy_place,
    directory,
    erasure,
    holds,
    moving,
    objects,
    rings,
    trial,
)
from medsnap.vault.entries import Filters
from medsnap.vault.keys import Keys

from .conftest import NOW, Kit, digest
from .moving_kit import MOVE, WHY, catalogue, live, move
from .test_vault_erasure import clean, erase, ids, officer, receipt, write


def test_a_moved_photo_opens_in_its_new_group_and_is_not_in_the_old(kit: Kit, photos: list[bytes]) -> None:
    low, high = kit.member("low", "general"), kit.member("high", "intimate")
    rows = kit.ingest([(photo, "general") for photo in photos])
    [row] = move(kit, rows[1])

    assert row.seal.object != rows[1].seal.object
    assert (row.seal.compartment, row.seal.plaintext) == ("intimate", rows[1].seal.plaintext)
    assert kit.reader(high).open(row.seal.object) == photos[1]
    assert ids(kit, high) == [row.seal.object]
    assert ids(kit, low) == sorted(r.seal.object for r in rows if r is not rows[1])
    for name in (row.seal.object, rows[1].seal.object):
        with pytest.raises(NotFound):
            kit.reader(low).open(name)
    assert not objects.path_of(kit.vault, rows[1].seal.object).exists()
    assert len(clean(kit).ledger.moved) == 1
    assert list((kit.vault / "tmp").iterdir()) == []


def test_the_storage_does_not_tell_which_batch_the_photo_went_into(kit: Kit, photos: list[bytes]) -> None:
    """Whatever was in them before, the batches that a move writes for one commit are alike."""
    rows = kit.ingest([(photo, "general") for photo in photos * 3])
    kit.ingest([(photos[0], "intimate")])
    moved = move(kit, *rows[:9])
    move(kit, moved[0], to="identifiable")
    for note in kit.reader().ledger.notes:
        commits_of = {r.commit for r in note.erasure.replaced}
        assert len(note.erasure.replaced) == 2 * len(commits_of)
        paths = [kit.vault / "batches" / r.by for r in note.erasure.replaced]
        assert len({path.stat().st_size for path in paths if path.exists()}) == 1
    assert clean(kit).batches == 6


def test_a_copy_keeps_the_old_object_while_the_new_one_is_lost(kit: Kit, photos: list[bytes]) -> None:
    """The vault's new object is damaged: what the copy has of the photo is all there is."""
    [row] = kit.ingest([(photos[3], "general")])
    to, signed = kit.root / "copy", directory.load(kit.vault)

    def copied() -> copy.CopyReport:
        with copy_place.begun(kit.vault, to, signed):
            return copy.copy(kit.vault, to, signed, logged=set(kit.log))

    assert copied().problems == []
    [moved] = move(kit, row)
    path = objects.path_of(kit.vault, moved.seal.object)
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + b"?")
    assert [p.where for p in copied().problems] == [f"objects/{path.name[:2]}/{path.name}"]
    assert objects.path_of(to, row.seal.object).exists()
    path.write_bytes(kept)
    assert copied().problems == []
    assert not objects.path_of(to, row.seal.object).exists()
    assert objects.path_of(to, moved.seal.object).read_bytes() == kept


def test_the_new_object_has_another_file_key(kit: Kit, photos: list[bytes]) -> None:
    """A header wrapped anew would open with what an old member may have kept."""
    [old] = kit.ingest([(photos[3], "general")])
    before = objects.path_of(kit.vault, old.seal.object).read_bytes()
    [new] = move(kit, old)
    after = objects.path_of(kit.vault, new.seal.object).read_bytes()
    assert new.seal.payload != old.seal.payload
    assert len(after) == len(before)
    head = before.index(b"\n", before.index(b"\n--- ") + 1) + 1
    assert before[head + 16 : head + 4096] not in after
    general = rings.compartment_identities(
        kit.vault, kit.directory.compartment("general"), kit.owner.identities
    )
    with pytest.raises(KeyRefused):
        age.decrypt_bytes(after, general or ())


def test_clips_receipts_and_holds_go_along_and_decisions_are_kept_in_order(
    kit: Kit, photos: list[bytes]
) -> None:
    row, [other] = live(kit, photos[3], photos[2]), kit.ingest([(photos[1], "general")])
    receipt(kit, row)
    receipt(kit, other)
    tighter = replace(row.decision, verb=Verb.QUARANTINE)
    write(kit, [("general", DecisionRow(object=row.seal.object, decision=tighter))])
    at = NOW.isoformat()
    first = HoldRow(id="h1", reason="court", at=at, object=row.seal.object)
    second = HoldRow(id="h2", reason="inquiry", at=at, object=row.seal.object)
    write(kit, [("general", first), ("general", second)])
    write(kit, [("general", ReleaseRow(id="h1", reason="x", at=at))])
    high, low = kit.member("high", "intimate"), kit.member("low", "general")

    [moved] = move(kit, row)

    seen = catalogue(kit, high)
    found = seen.photo(moved.seal.object)
    [clip] = [c.seal for c in found.companions if c.seal is not None]
    assert kit.reader(high).open(clip.object) == photos[2]
    assert [r.object for r in seen.receipts(moved.seal.object)] == [moved.seal.object]
    assert [d.verb for d in seen.decided(moved.seal.object)] == [Verb.ACCEPT, Verb.QUARANTINE, Verb.RESTRICT]
    assert [(m.was, m.source, m.reason) for m in found.moves] == [(row.seal.object, "general", "a tattoo")]
    assert [(h.row.id, h.release is None) for h in seen.holds()] == [("h1", False), ("h2", True)]
    assert [h.row.id for h in holds.binding(seen.holds(), found)] == ["h2"]
    theirs = catalogue(kit, low)
    assert (theirs.holds(), theirs.count()) == ((), 1)
    assert len(theirs.receipts(other.seal.object)) == 1
    assert [d.verb for d in catalogue(kit).decided(moved.seal.object)][-1] is Verb.RESTRICT
    clean(kit)


def test_what_is_decided_later_counts_in_the_new_group(kit: Kit, photos: list[bytes]) -> None:
    [row] = kit.ingest([(photos[1], "general")])
    [moved] = move(kit, row)
    later = replace(moved.decision, verb=Verb.QUARANTINE)
    write(kit, [("intimate", DecisionRow(object=moved.seal.object, decision=later))])
    receipt(kit, moved)
    seen = catalogue(kit)
    assert seen.photo(moved.seal.object).decision.verb is Verb.QUARANTINE
    assert len(seen.receipts(moved.seal.object)) == 1


def test_it_goes_up_and_comes_back_and_can_be_erased(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos[:3]])
    [up] = move(kit, rows[0])
    [back] = move(kit, up, to="general")
    low = kit.member("low", "general")
    assert kit.reader(low).open(back.seal.object) == photos[0]
    assert [m.source for m in back.moves] == ["general", "intimate"]
    assert len(catalogue(kit).decided(back.seal.object)) == 3
    clean(kit)
    erase(kit, back)
    assert ids(kit) == sorted(r.seal.object for r in rows[1:])
    report = clean(kit)
    assert (len(report.ledger.moved), len(report.ledger.erased)) == (2, 1)


def test_catalogues_on_disk_learn_of_it(kit: Kit, photos: list[bytes], tmp_path: Path) -> None:
    """Who opens the new group only has read the commit before; who opens the old one only had the photo."""
    people = {name: kit.member(name, *groups) for name, *groups in (
        ("high", "intimate"), ("low", "general"), ("both", "general", "intimate"), ("none", "identifiable"),
    )}  # fmt: skip
    rows = kit.ingest([(photo, "general") for photo in photos])
    for name, keys in people.items():
        catalogue(kit, keys, tmp_path / name).close()
    [files] = [list((tmp_path / "none").glob("catalogue-*"))]
    receipt(kit, rows[1])
    [moved] = move(kit, rows[1])
    counts = {}
    for name, keys in people.items():
        seen = catalogue(kit, keys, tmp_path / name)
        counts[name] = seen.count()
        assert [e.object for e in seen.entries()].count(moved.seal.object) == (name in ("high", "both"))
        assert rows[1].seal.object not in [e.object for e in seen.entries()]
        if name in ("high", "both"):
            assert len(seen.receipts(moved.seal.object)) == 1
            assert seen.entries(Filters(verb="restrict"))[0].object == moved.seal.object
        seen.refresh(kit.reader(keys))
        assert seen.count() == counts[name]
        seen.close()
    assert counts == {"high": 1, "low": 4, "both": 5, "none": 0}
    assert list((tmp_path / "none").glob("catalogue-*")) == files, "nothing of his changed"


def test_every_kind_of_reader_agrees_after_a_move(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos])
    move(kit, rows[0], rows[4])
    found = trial.trial(kit.vault, kit.host().directory, (kit.new.recovery_identity,), order=kit.log)
    assert (found.problems, found.opened.photos, found.committed) == ([], len(photos), len(photos))
    assert sorted(digest(kit.reader().open(o)) for o in ids(kit)) == sorted(map(digest, photos))


def plain_of(kit: Kit, keys: Keys) -> bytes:
    """All that these keys open of the batches that are read now."""
    reader = kit.reader(keys)
    opened = (batch for signed in reader.commits() for batch in reader.opened_batches(signed).values())
    return b"\n".join(line for batch in opened for _, line in batch.lines)


def move_nothing(kit: Kit, to: str) -> None:
    work = moving.Work(
        vault=kit.vault, directory=kit.host().directory, reader=kit.reader(), to=to,
        officer=officer(kit, verb=MOVE),
    )  # fmt: skip
    with erasure.alone(kit.vault):
        assert moving.move(work, [], WHY) == {}


def test_a_receipt_written_in_the_moment_of_the_move_goes_after_it(kit: Kit, photos: list[bytes]) -> None:
    """An exporter who looked before the move writes of the old name, into the old group."""
    rows = kit.ingest([(photo, "general") for photo in photos[:2]])
    low, high = kit.member("low", "general"), kit.member("high", "intimate")
    catalogue(kit, high, folder := kit.root / "cache").close()
    [moved] = move(kit, rows[0])
    receipt(kit, rows[0])
    receipt(kit, rows[1])
    [again] = move(kit, moved, to="identifiable")
    [back] = move(kit, again)
    assert catalogue(kit, high).receipts(back.seal.object) == []
    files = kit.files()
    move_nothing(kit, "general")
    assert {k for k in kit.files() if not k.endswith("lock")} == {k for k in files if not k.endswith("lock")}
    move_nothing(kit, "intimate")
    seen = catalogue(kit, high, folder)
    assert [r.object for r in seen.receipts(back.seal.object)] == [back.seal.object]
    assert len(catalogue(kit, low).receipts(rows[1].seal.object)) == 1
    assert rows[0].seal.object.encode() not in plain_of(kit, low)
    clean(kit)
