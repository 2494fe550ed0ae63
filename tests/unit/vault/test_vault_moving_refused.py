"""What is not moved, what does not count as a move, and who learns nothing of one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from medsnap.crypto.note import Signer
from medsnap.errors import InputMissing, KeyRefused, Tampered, UsageError
from medsnap.model.codec import canonical
from medsnap.model.decision import Verb
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.record import CompanionRow, DecisionRow
from medsnap.vault import (
    check,
    commits,
    directory,
    erasure,
    erasures,
    moving,
    objects,
)
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.moved_lines import Moving
from medsnap.vault.rights import subject

from .conftest import Kit, digest
from .moving_kit import MOVE, WHY, catalogue, move, untouched
from .test_vault_erasure import clean, erase, ids, officer, receipt, write


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


@pytest.mark.parametrize("folder", ["objects", "batches"])
def test_what_came_instead_must_lie_there_before_anything_goes(
    kit: Kit, photos: list[bytes], folder: str
) -> None:
    """A move cut off after its note: what is new is lost, so the old one is the only copy."""
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
    there = set((kit.vault / folder).rglob("*"))
    with erasure.alone(kit.vault), pytest.raises(Stop):
        moving.move(work, [wanted], WHY)
    new = next(p for p in (kit.vault / folder).rglob("*") if p.is_file() and p not in there)
    kept = new.read_bytes()
    new.unlink()
    with erasure.alone(kit.vault), pytest.raises((Tampered, InputMissing)):
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


def test_what_was_sealed_is_read_back_before_anything_goes(
    kit: Kit, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that keeps other bytes than it was given: the old object is the only one that is whole."""
    [row] = kit.ingest([(photos[3], "general")])
    before, place = kit.files(), objects.place

    def spoilt(vault: Path, staged: Sequence[objects.Staged]) -> None:
        place(vault, staged)
        path = objects.path_of(vault, staged[0].placed.digests.object)
        path.write_bytes(path.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(objects, "place", spoilt)
    with pytest.raises(Tampered):
        move(kit, row)
    untouched(kit, before)


def test_nothing_is_moved_while_a_part_of_the_catalogue_cannot_be_read(kit: Kit, photos: list[bytes]) -> None:
    """A receipt of the photo, or a hold on it, may stand there."""
    [row] = kit.ingest([(photos[3], "general")])
    reader = kit.reader()
    wanted = Moving(object=row.seal.object, decision=row.decision, decided=(row.decision,))
    receipt(kit, row)
    [_, late] = kit.reader().commits()
    for ref in late.commit.batches:
        path = kit.vault / "batches" / ref.batch
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    before = kit.files()
    reader = kit.reader()
    work = moving.Work(
        vault=kit.vault, directory=kit.host().directory, reader=reader, to="intimate",
        officer=officer(kit, verb=MOVE),
    )  # fmt: skip
    with erasure.alone(kit.vault), pytest.raises(Tampered, match="cannot be read"):
        moving.move(work, [wanted], WHY)
    untouched(kit, before)


def test_of_a_row_that_is_there_twice_one_goes(kit: Kit, photos: list[bytes]) -> None:
    """A host can write a row twice, in one commit or in two: the first one counts, there as here."""
    [row] = kit.ingest([(photos[3], "general")])
    [signed] = kit.reader().commits()
    for _ in range(2):
        twice = commits.Draft(lines={"general": [canonical(row)] * 2}, objects=signed.commit.objects)
        host = Signer.parse_private(kit.new.ingest_key)
        made = commits.write(
            kit.vault, kit.host().directory, twice, signer=host, random=os.urandom
        )  # fmt: skip
        kit.log.append(made.sha256)
    [moved] = move(kit, row)
    there = [e for name, e in lines_of(kit) if name == "intimate" and e["event"] == "photo.add"]
    assert len(there) == 1
    assert ids(kit) == [moved.seal.object]
    assert row.seal.object not in {subject(e) for _, e in lines_of(kit)}
