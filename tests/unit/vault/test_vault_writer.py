"""The writer: every source once, rows that outlive a kill, commits that say nothing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from medsnap.errors import IoFailed, KeyRefused, Locked
from medsnap.model.photo import MediaType, ObjectId
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import CompanionRow, ReceiptRow
from medsnap.vault import check, commits, objects
from medsnap.vault.ids import is_id, padme, random_id
from medsnap.vault.member_writer import MemberWriter

from .conftest import NOW, Kit, digest


def _receipt(object_id: ObjectId) -> ReceiptRow:
    identifiers = Identifiers(
        study_uid="2.25.1", series_uid="2.25.2", sop_uid="2.25.3", document="urn:uuid:4"
    )
    return ReceiptRow(
        receipt=Receipt(
            object=object_id,
            target="pacs",
            kind="dicom",
            at=NOW.isoformat(),
            identifiers=identifiers,
            digest=digest(b"file"),
        )
    )


def test_a_photo_comes_back_bit_for_bit(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(p, "identifiable") for p in photos])
    reader = kit.reader()
    assert [reader.open(r.seal.object) for r in rows] == photos
    assert not reader.problems
    assert check.check(kit.vault, root_vkey=kit.directory.root, logged=set(kit.log)).good


def test_a_source_is_known_at_once_and_ever_after(kit: Kit, photos: list[bytes]) -> None:
    with kit.writer() as writer:
        assert writer.known(digest(photos[0])) is None
        row = kit.row(writer, photos[0])
        writer.add("general", row)
        known = writer.known(digest(photos[0]))
        assert known is not None and known.object == row.seal.object and not known.committed
        writer.commit()
    with kit.writer() as writer:
        known = writer.known(digest(photos[0]))
        assert known is not None and known.committed and known.state == "done" and known.verb == "accept"
        assert writer.commit() is None


def test_a_source_whose_object_is_gone_is_unknown(kit: Kit, photos: list[bytes]) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    objects.path_of(kit.vault, row.seal.object).unlink()
    with kit.writer() as writer:
        assert writer.known(digest(photos[0])) is None


def test_dumps_taken_in_by_turns_do_not_make_the_host_forget(kit: Kit, photos: list[bytes]) -> None:
    first, second = digest(photos[0]), digest(photos[1])
    kit.ingest([(photos[0], "general")], dump="a")
    kit.ingest([(photos[1], "general")], dump="b")
    with kit.writer(dump="b") as writer:
        assert writer.forget_unseen({second}) == 0
        assert writer.known(first) is not None
    with kit.writer(dump="a") as writer:
        assert writer.forget_unseen({second}) == 1  # the first is gone, the second lies here too
        assert writer.known(first) is None
    with kit.writer(dump="b") as writer:
        assert writer.forget_unseen(set()) == 0
        assert writer.known(second) is not None


def test_the_journal_forgets_what_left_the_dump(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(p, "general") for p in photos])
    with kit.writer() as writer:
        assert writer.forget_unseen({digest(photos[1])}) == len(photos) - 1
        assert writer.known(digest(photos[1])) is not None
        assert writer.known(digest(photos[0])) is None
    gone = digest(photos[0]).encode()
    assert all(gone not in p.read_bytes() for p in kit.state.rglob("*") if p.is_file())


def test_256_rows_make_a_commit(kit: Kit) -> None:
    with kit.writer() as writer:
        made = [writer.add("general", _receipt(ObjectId("a" * 26))) for _ in range(256)]
    assert [m is not None for m in made] == [False] * 255 + [True]


def test_a_commit_has_one_equal_batch_for_every_compartment(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(p, "intimate") for p in photos])
    (name,) = (p.name for p in (kit.vault / "commits").iterdir())
    commit = commits.read(kit.vault, name, kit.directory).commit
    assert len(commit.batches) == len(kit.directory.compartments)
    assert len({(kit.vault / "batches" / b.batch).stat().st_size for b in commit.batches}) == 1
    assert [o.object for o in commit.objects] == sorted(o.object for o in commit.objects)


def test_no_name_stands_anywhere_in_clear(kit: Kit, photos: list[bytes]) -> None:
    with kit.writer() as writer:
        row = kit.row(writer, photos[4], name="Müller_Hans_19670412.jpg")
        writer.add("general", row)
        journal = b"".join(p.read_bytes() for p in kit.state.iterdir())
        writer.commit()
    for data in (journal, *kit.files().values(), "\n".join(kit.files()).encode()):
        assert b"ller_Hans" not in data and b"4711" not in data


def test_objects_are_padded_and_named_at_random(kit: Kit) -> None:
    rows = kit.ingest([(b"x" * 70_001, "general"), (b"x" * 70_002, "general")])
    sizes = {objects.path_of(kit.vault, r.seal.object).stat().st_size for r in rows}
    assert len(sizes) == 1
    assert all(is_id(r.seal.object) for r in rows)


def test_a_source_that_changed_meanwhile_is_not_sealed(kit: Kit) -> None:
    with kit.writer() as writer:
        with pytest.raises(IoFailed, match="changed"):
            writer.seal(
                [b"short"], source=digest(b"x"), compartment="general", media=MediaType.JPEG, length=10
            )
        assert not list((kit.vault / "objects").rglob("*/*"))


def test_a_compartment_that_is_not_there_is_refused(kit: Kit) -> None:
    with kit.writer() as writer, pytest.raises(KeyRefused, match="no compartment 'teaching'"):
        kit.row(writer, b"x", "teaching")


def test_one_writer_at_a_time(kit: Kit) -> None:
    with kit.writer(), pytest.raises(Locked), kit.writer():
        pass


def test_an_object_without_a_row_is_set_aside_not_deleted(kit: Kit, photos: list[bytes]) -> None:
    with kit.writer() as writer:
        orphan = kit.row(writer, photos[0]).seal.object
        writer._place()  # as it comes with the next photos
    assert objects.path_of(kit.vault, orphan).exists()
    with kit.writer() as writer:
        assert writer.known(digest(photos[0])) is None
        assert writer.commit() is None
    assert not objects.path_of(kit.vault, orphan).exists()
    assert (kit.vault / "tmp" / "orphans" / orphan).exists()
    assert check.check(kit.vault).good


def test_rows_of_a_killed_run_are_committed_by_the_next(kit: Kit, photos: list[bytes]) -> None:
    with kit.writer() as writer:
        first = kit.row(writer, photos[2], "intimate")
        writer.add("intimate", first)
    with kit.writer() as writer:
        assert writer.known(digest(photos[2])) is not None
        second = kit.row(writer, photos[3], "intimate")
        writer.add("intimate", second)
        writer.commit()
    reader = kit.reader()
    assert [e["seal"]["object"] for _, e in reader.rows()] == [first.seal.object, second.seal.object]
    assert reader.open(first.seal.object) == photos[2]
    assert not reader.problems


@pytest.mark.parametrize("placed", [True, False], ids=["under its name", "in tmp"])
def test_a_row_whose_object_was_damaged_before_its_commit_is_dropped(
    kit: Kit, photos: list[bytes], placed: bool
) -> None:
    with kit.writer() as writer:
        row = kit.row(writer, photos[3])
        writer.add("general", row)
        if placed:
            writer._place()
    path = (objects.path_of if placed else objects.staging)(kit.vault, row.seal.object)
    path.write_bytes(path.read_bytes()[:-1])
    with kit.writer() as writer:
        assert writer.known(digest(photos[3])) is None
        assert writer.commit() is None


def test_a_commit_that_was_not_logged_is_offered_again_once(kit: Kit, photos: list[bytes]) -> None:
    class Killed(BaseException):
        pass

    def die(commit: object, ids: object) -> None:
        raise Killed

    writer = kit.writer()
    writer._log = die
    with pytest.raises(Killed), writer:
        writer.add("general", kit.row(writer, photos[0]))
        writer.commit()
    assert kit.log == []
    with kit.writer():
        assert len(kit.log) == 1
    with kit.writer():
        assert len(kit.log) == 1
    assert check.check(kit.vault, logged=set(kit.log)).good
    assert len(list(kit.reader().rows())) == 1


def test_a_live_clip_is_sealed_with_its_still(kit: Kit, photos: list[bytes]) -> None:
    import dataclasses

    with kit.writer() as writer:
        row = kit.row(writer, photos[3], "identifiable")
        clip = writer.seal(
            [photos[4]],
            source=digest(photos[4]),
            compartment="identifiable",
            media=MediaType.MOV,
            length=len(photos[4]),
        )
        companion = CompanionRow(kind="live-clip", sha256=digest(photos[4]), size=len(photos[4]), seal=clip)
        writer.add("identifiable", dataclasses.replace(row, companions=(companion,)))
        writer.commit()
    assert kit.reader().open(clip.object) == photos[4]
    assert check.check(kit.vault).good


def test_a_member_may_write_receipts_and_nothing_else(kit: Kit, photos: list[bytes]) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    exporter = kit.member("exporter", "general", verbs=("receipt",))
    mine = MemberWriter(
        kit.vault, kit.host().directory, exporter, random=os.urandom, log=lambda c, i: kit.log.append(c)
    )
    with pytest.raises(KeyRefused):
        mine.add("general", row)
    mine.add("general", _receipt(row.seal.object))
    assert mine.commit() is not None and mine.commit() is None
    assert [e["event"] for _, e in kit.reader().rows()] == ["photo.add", "photo.receipt"]
    looker = kit.member("looker", "general", verbs=("look",))
    with pytest.raises(KeyRefused):
        MemberWriter(kit.vault, kit.host().directory, looker, random=os.urandom, log=lambda c, i: None).add(
            "general", _receipt(row.seal.object)
        )


@pytest.mark.parametrize(
    ("length", "padded"), [(0, 0), (1, 1), (9, 10), (100, 104), (1000, 1024), (3_000_000, 3_014_656)]
)
def test_padme_golden(length: int, padded: int) -> None:
    assert padme(length) == padded


def test_padme_never_shrinks_and_never_costs_an_eighth() -> None:
    for length in range(1, 5000):
        assert length <= padme(length) <= length * 1.12 + 1
        assert padme(padme(length)) == padme(length)


def test_ids_are_what_they_should_be(tmp_path: Path) -> None:
    made = {random_id(os.urandom) for _ in range(100)}
    assert len(made) == 100 and all(is_id(i) for i in made)
    assert not any(
        is_id(t) for t in ("", "A" * 26, "a" * 25, "../../../../../../etc/passwd", "a" * 25 + "\n")
    )


def test_only_sources_of_a_known_size_have_to_be_hashed(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(photos[2], "general")])
    with kit.writer() as writer:
        assert writer.may_know(len(photos[2])) and not writer.may_know(len(photos[2]) + 1)
    with sqlite3.connect(kit.state / "journal") as db:
        db.execute("DROP INDEX known_size")
        db.execute("ALTER TABLE known DROP COLUMN size")  # a journal of an earlier version
    db.close()
    with kit.writer() as writer:
        assert writer.may_know(1) and writer.known(digest(photos[2])) is not None


def test_one_source_twice_in_a_dump_is_known_before_its_object_has_a_name(
    kit: Kit, photos: list[bytes]
) -> None:
    with kit.writer() as writer:
        row = kit.row(writer, photos[2])
        writer.add("general", row)
        assert not objects.path_of(kit.vault, row.seal.object).exists()
        known = writer.known(digest(photos[2]))
        assert known is not None and known.object == row.seal.object
        writer.commit()
        assert objects.path_of(kit.vault, row.seal.object).exists()
    assert not list((kit.vault / "tmp").glob("*.part"))


def test_a_large_photo_hashed_in_threads_is_the_same_photo(kit: Kit) -> None:
    photo = os.urandom(3_000_001)
    (row,) = kit.ingest([(photo, "general")])
    assert row.seal.plaintext == digest(photo)
    assert kit.reader().open(row.seal.object) == photo
    assert check.check(kit.vault).good
