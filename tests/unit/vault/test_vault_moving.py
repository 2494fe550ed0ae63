"""Moving: a photo lies in its new group alone, and all that was said of it goes along."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from medsnap.crypto import age
from medsnap.crypto.note import Signer
from medsnap.errors import KeyRefused, NotFound, Tampered, UsageError
from medsnap.model.codec import canonical
from medsnap.model.decision import Verb
from medsnap.model.photo import MediaType, ObjectId, Sha256
from medsnap.model.record import CompanionRow, DecisionRow, HoldRow, PhotoRow, ReleaseRow
from medsnap.vault import check, commits, directory, erasure, erasures, holds, moving, objects, rings, trial
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.directory import WriterVerb
from medsnap.vault.entries import Filters
from medsnap.vault.keys import Keys
from medsnap.vault.moved_lines import Moving, Why

from .conftest import NOW, Kit, digest
from .test_vault_erasure import clean, erase, ids, officer, receipt, write

WHY = Why(at=NOW.isoformat(), by="owner", reason="a tattoo")
MOVE = WriterVerb.MOVE


def catalogue(kit: Kit, keys: Keys | None = None, folder: Path | None = None) -> Catalogue:
    made = Catalogue(folder, random=os.urandom)
    reader = kit.reader(keys)
    made.refresh(reader)
    assert reader.problems == []
    return made


def move(kit: Kit, *rows: PhotoRow, to: str = "intimate", keys: Keys | None = None) -> list[PhotoRow]:
    """Move photos as the command does, and give their rows as they are now."""
    before = catalogue(kit, keys)
    reader = kit.reader(keys)
    work = moving.Work(
        vault=kit.vault,
        directory=kit.host().directory,
        reader=reader,
        officer=officer(kit, keys, MOVE),
        to=to,
    )
    wanted = [
        Moving(
            object=row.seal.object,
            decision=replace(before.photo(row.seal.object).decision, compartment=to, verb=Verb.RESTRICT),
            decided=before.decided(row.seal.object),
        )
        for row in rows
    ]
    with erasure.alone(kit.vault):
        became = moving.move(work, wanted, WHY)
    after = catalogue(kit, keys)
    return [after.photo(became[row.seal.object]) for row in rows]


def live(kit: Kit, still: bytes, clip: bytes) -> PhotoRow:
    """Seal a photo with a clip beside it."""
    with kit.writer() as writer:
        row = kit.row(writer, still)
        seal = writer.seal(
            [clip], source=digest(clip), compartment="general", media=MediaType.MOV, length=len(clip)
        )
        beside = CompanionRow(kind="live", sha256=digest(clip), size=len(clip), seal=seal)
        row = replace(row, companions=(beside,))
        writer.add("general", row)
        writer.commit()
    return row


def test_a_moved_photo_opens_in_its_new_group_and_is_not_in_the_old(kit: Kit, photos: list[bytes]) -> None:
    low, high = kit.member("low", "general"), kit.member("high", "intimate")
    rows = kit.ingest([(photo, "general") for photo in photos])
    sizes = {p.stat().st_size for p in (kit.vault / "batches").iterdir()}
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
    assert len({p.stat().st_size for p in (kit.vault / "batches").iterdir()} - sizes) <= 1
    assert len(clean(kit).ledger.moved) == 1
    assert list((kit.vault / "tmp").iterdir()) == []


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
    write(kit, [("general", first), ("general", second), ("general", ReleaseRow(id="h1", reason="x", at=at))])
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


def test_what_a_stranger_wrote_of_the_photo_does_not_go_along(kit: Kit, photos: list[bytes]) -> None:
    """Rows and receipts whose signer has no right, or that fit nothing, must not gain it by a move."""
    rows = kit.ingest([(photos[0], "general"), (photos[1], "general")])
    guest = kit.member("guest", "general", "intimate", verbs=("log",))
    forged = {"event": "photo.add", "seal": {"object": rows[0].seal.object}, "moves": 5}
    lines = [canonical(forged), canonical({"event": "hold", "id": "x", "object": rows[0].seal.object}),
             canonical({"event": "photo.receipt", "receipt": {"object": rows[0].seal.object}}),
             canonical({"event": "of-tomorrow", "object": rows[0].seal.object})]  # fmt: skip
    signed = commits.write(
        kit.vault, kit.host().directory, commits.Draft(lines={"general": lines}),
        signer=Signer.parse_private(guest.signer or ""), random=os.urandom,
    )  # fmt: skip
    kit.log.append(signed.sha256)
    before, reader = Catalogue(None, random=os.urandom), kit.reader()
    before.refresh(reader)
    wanted = Moving(
        object=rows[0].seal.object, decision=replace(rows[0].decision, compartment="intimate"),
        decided=before.decided(rows[0].seal.object),
    )  # fmt: skip
    work = moving.Work(
        vault=kit.vault, directory=kit.host().directory, reader=reader, to="intimate",
        officer=officer(kit, verb=MOVE),
    )  # fmt: skip
    with erasure.alone(kit.vault):
        became = moving.move(work, [wanted], WHY)
    new = became[rows[0].seal.object]
    there = [e for c, e in lines_of(kit) if c == "intimate" and new in json.dumps(e)]
    assert sorted(e["event"] for e in there) == ["of-tomorrow", "photo.add"]
    assert kit.reader().open(new) == photos[0]


def lines_of(kit: Kit) -> list[tuple[str, dict[str, object]]]:
    reader = kit.reader()
    return [
        (name, event)
        for signed in reader.commits()
        for name, batch in reader.opened_batches(signed).items()
        for event, _ in batch.lines
    ]


def test_a_row_that_names_another_photo_as_its_clip_is_not_moved(kit: Kit, photos: list[bytes]) -> None:
    """A stolen host could write it: the other photo would vanish from its own row."""
    with kit.writer() as writer:
        one, two = (kit.row(writer, photo) for photo in photos[:2])
        beside = CompanionRow(kind="live", sha256=digest(photos[1]), size=1, seal=two.seal)
        writer.add("general", two)
        writer._sealed[two.seal.object] = writer._objects[-1]
        one = replace(one, companions=(beside,))
        writer.add("general", one)
        writer.commit()
    before = kit.files()
    with pytest.raises(Tampered, match="as its clip"):
        move(kit, one)
    untouched(kit, before)


# ── what is refused ──────────────────────────────────────────────────────────────────────────


def untouched(kit: Kit, before: dict[str, bytes]) -> None:
    """The vault is as it was, but for what a run that was cut off leaves to the next one."""
    with erasure.alone(kit.vault):
        erasure.finish(kit.vault, kit.host().directory, officer(kit, verb=MOVE))
    now = {k: v for k, v in kit.files().items() if not k.endswith("lock")}
    assert now == {k: v for k, v in before.items() if not k.endswith("lock")}


def test_without_right_or_key_nothing_is_moved(kit: Kit, photos: list[bytes]) -> None:
    [row] = kit.ingest([(photos[1], "general")])
    eraser = kit.member("eraser", "general", "intimate", verbs=("erase", "expire", "log"))
    narrow = kit.member("narrow", "general", verbs=("move", "log"))
    before = kit.files()
    for keys in (eraser, narrow):
        with pytest.raises(KeyRefused):
            move(kit, row, keys=keys)
    with pytest.raises(UsageError, match="already"):
        move(kit, row, to="general")
    untouched(kit, before)


@pytest.mark.parametrize("how", ["flipped", "swapped", "cut", "gone"])
def test_a_photo_that_is_not_what_its_row_says_stays(kit: Kit, photos: list[bytes], how: str) -> None:
    one, two = kit.ingest([(photos[3], "general"), (photos[4], "general")])
    path, other = (objects.path_of(kit.vault, r.seal.object) for r in (one, two))
    data = path.read_bytes()
    spoilt = {"flipped": data[:-1] + bytes([data[-1] ^ 1]), "swapped": other.read_bytes(), "cut": data[:-9]}
    path.unlink()
    if how in spoilt:
        path.write_bytes(spoilt[how])
    before = kit.files()
    with pytest.raises(Tampered):
        move(kit, one)
    untouched(kit, before)
    assert ids(kit) == sorted(r.seal.object for r in (one, two))


def test_what_came_instead_must_lie_there_before_anything_goes(kit: Kit, photos: list[bytes]) -> None:
    """A move cut off after its note: the new object is lost, so the old one is the only copy."""
    [row] = kit.ingest([(photos[3], "general")])
    before = catalogue(kit)
    who = officer(kit, verb=MOVE)

    class Stop(Exception):
        pass

    def stop(_note: object) -> None:
        raise Stop

    work = moving.Work(
        vault=kit.vault, directory=kit.host().directory, reader=kit.reader(), to="intimate",
        officer=replace(who, log=stop),
    )  # fmt: skip
    decision = replace(row.decision, compartment="intimate")
    wanted = Moving(object=row.seal.object, decision=decision, decided=before.decided(row.seal.object))
    with erasure.alone(kit.vault), pytest.raises(Stop):
        moving.move(work, [wanted], WHY)
    [new] = [p for p in (kit.vault / "objects").rglob("*") if p.is_file() and p.name != row.seal.object]
    kept = new.read_bytes()
    new.unlink()
    with erasure.alone(kit.vault), pytest.raises(Tampered, match="nothing was removed"):
        erasure.finish(kit.vault, kit.host().directory, who)
    assert objects.path_of(kit.vault, row.seal.object).exists()
    new.write_bytes(kept)
    with erasure.alone(kit.vault):
        erasure.finish(kit.vault, kit.host().directory, who)
    assert not objects.path_of(kit.vault, row.seal.object).exists()
    clean(kit)


def note(kit: Kit, **changes: object) -> erasures.Erasure:
    """A move's note that a person with the right signed, as it would be, but for something."""
    named = kit.host().directory
    said = erasures.Erasure(
        erasure="a" * 26, vault=named.vault, directory=named.version, verb="move", objects=(),
        replaced=(),
    )  # fmt: skip
    return replace(said, **changes)  # type: ignore[arg-type]


def test_a_move_that_brings_less_than_it_takes_is_no_erasure(kit: Kit, photos: list[bytes]) -> None:
    """The verb lets nobody make a photo vanish, and an erasure adds nothing."""
    [row] = kit.ingest([(photos[1], "general")])
    mover = kit.member("mover", "general", "intimate", verbs=("move", "log"))
    who = officer(kit, mover, MOVE)
    [signed] = kit.reader().commits()
    takes = note(kit, objects=tuple(signed.commit.objects))
    adds = erasures.Added(commit=signed.commit.commit, object=ObjectId("b" * 26), payload=Sha256("0" * 64),
                          header=Sha256("0" * 64))  # fmt: skip
    for said in (takes, replace(takes, verb="erase", added=(adds,)), replace(takes, verb="erase")):
        writer = kit.host().directory.writer(who.signer.vkey)
        assert writer is not None
        made = erasures.write(kit.vault, said, who.signer, writer)
        kit.log.append(made.sha256)
        reader = kit.reader()
        assert reader.ledger.gone == frozenset()
        assert len(reader.problems) == 1
        report = check.check(kit.vault, root_vkey=kit.directory.root, logged=kit.log)
        assert [p.where for p in report.problems if p.where.startswith("erasures")]
        (kit.vault / "erasures" / said.erasure).unlink()
        kit.log.pop()
    assert ids(kit) == [row.seal.object]


def test_a_decision_out_of_the_group_that_it_left_counts_nowhere(kit: Kit, photos: list[bytes]) -> None:
    [row] = kit.ingest([(photos[1], "general")])
    [moved] = move(kit, row)
    worse = replace(moved.decision, verb=Verb.REJECT)
    write(kit, [("general", DecisionRow(object=moved.seal.object, decision=worse))])
    made, reader = Catalogue(None, random=os.urandom), kit.reader()
    made.refresh(reader)
    assert made.photo(moved.seal.object).decision.verb is Verb.RESTRICT
    assert len(reader.problems) == 1


def test_only_who_opens_the_new_group_reads_what_became_of_it(kit: Kit, photos: list[bytes]) -> None:
    [row] = kit.ingest([(photos[1], "general")])
    low, high = kit.member("low", "general"), kit.member("high", "intimate")
    [moved] = move(kit, row)
    [signed] = kit.reader().ledger.notes
    assert kit.reader(low).fate(signed) is None
    fate = kit.reader(high).fate(signed)
    assert fate is not None
    assert (fate.to, fate.became, fate.reason) == (
        "intimate",
        {row.seal.object: moved.seal.object},
        "a tattoo",
    )
    text = signed.note.decode()
    assert "intimate" not in text
    assert "tattoo" not in text
    reader = kit.reader(high)
    for sealed in ("AAAA", "no base64", signed.erasure.sealed[:-8]):
        broken = replace(signed, erasure=replace(signed.erasure, sealed=sealed))
        assert reader.fate(broken) is None
    assert len(reader.problems) == 1


def test_the_host_knows_it_again_and_seals_it_no_second_time(kit: Kit, photos: list[bytes]) -> None:
    [row, other] = kit.ingest([(photos[1], "general"), (photos[2], "general")], dump="d")
    move(kit, row)
    erase(kit, other)
    with kit.writer("d") as writer:
        one, two = (writer.known(digest(photos[n])) for n in (1, 2))
    assert one is not None
    assert (one.moved, one.state, one.object) == (True, "done", row.seal.object)
    assert two is not None
    assert (two.moved, two.state) == (False, "erased")


def test_a_vault_with_the_verb_requires_that_readers_know_it(kit: Kit) -> None:
    assert directory.required_by(("log", "move")) == (directory.ERASURES, directory.MOVES)
    assert directory.required_by(("log", "erase")) == (directory.ERASURES,)
    assert directory.required_by(("log",)) == ()
    assert directory.MOVES in kit.directory.requires
