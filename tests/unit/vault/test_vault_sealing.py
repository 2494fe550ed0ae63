"""Photos that are sealed beside one another: the same photos, and what is cut off is nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from medsnap.errors import IoFailed
from medsnap.model.outcome import Done
from medsnap.model.photo import MediaType
from medsnap.vault import check
from medsnap.vault.sealing import WORTH_A_THREAD, Sealing
from medsnap.vault.writer import Writer

from .conftest import Kit, digest
from .world import make_world

PHOTOS = [os.urandom(WORTH_A_THREAD + n) for n in range(5)]


def begin(writer: Writer, photo: bytes) -> Sealing:
    return writer.begin(
        [photo],
        source=digest(photo),
        compartment="general",
        media=MediaType.JPEG,
        length=len(photo),
        aside=True,
    )


def parts(kit: Kit) -> list[Path]:
    return list((kit.vault / "tmp").glob("*.part"))


def test_photos_sealed_beside_one_another_are_the_same_photos(kit: Kit) -> None:
    rows = []
    with kit.writer() as writer:
        begun = [begin(writer, photo) for photo in PHOTOS]
        for sealing, photo in zip(begun, PHOTOS, strict=True):
            seal = writer.finish(sealing)
            assert (seal.object, seal.plaintext, seal.length) == (sealing.object, digest(photo), len(photo))
            rows.append(kit.row_of(seal, photo))
            writer.add("general", rows[-1])
        writer.commit()
    reader = kit.reader()
    assert [reader.open(row.seal.object) for row in rows] == PHOTOS
    assert check.check(kit.vault).good


def test_one_that_fails_costs_the_others_nothing(kit: Kit) -> None:
    def broken() -> Iterator[bytes]:
        yield PHOTOS[0][:1000]
        raise IoFailed("the card was pulled out")

    with kit.writer() as writer:
        bad = writer.begin(
            broken(),
            source=digest(b"x"),
            compartment="general",
            media=MediaType.JPEG,
            length=len(PHOTOS[0]),
            aside=True,
        )
        good = begin(writer, PHOTOS[1])
        with pytest.raises(IoFailed, match="pulled out"):
            writer.finish(bad)
        row = kit.row_of(writer.finish(good), PHOTOS[1])
        writer.add("general", row)
        writer.commit()
    assert kit.reader().open(row.seal.object) == PHOTOS[1]
    assert check.check(kit.vault).good
    assert parts(kit) == []


def test_what_is_begun_when_the_run_ends_is_nothing(kit: Kit) -> None:
    with kit.writer() as writer:
        begin(writer, PHOTOS[0])
        begin(writer, PHOTOS[1])
    with kit.writer() as writer:
        assert parts(kit) == []
        assert writer.known(digest(PHOTOS[0])) is None
        assert writer.commit() is None
    assert check.check(kit.vault).good


def test_an_end_waits_for_the_thread_that_is_still_at_work(kit: Kit) -> None:
    held, let = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        yield PHOTOS[0][:-1]
        held.set()
        let.wait(10)
        yield PHOTOS[0][-1:]

    with kit.writer() as writer:
        writer.begin(
            slow(),
            source=digest(PHOTOS[0]),
            compartment="general",
            media=MediaType.JPEG,
            length=len(PHOTOS[0]),
            aside=True,
        )
        assert held.wait(10)
        threading.Timer(0.05, let.set).start()
    assert let.is_set()
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_mending_leaves_alone_what_is_being_sealed(kit: Kit) -> None:
    with kit.writer() as writer:
        first, second = begin(writer, PHOTOS[0]), begin(writer, PHOTOS[1])
        writer.recover()  # as after an interrupt
        rows = [kit.row_of(writer.finish(s), p) for s, p in zip((first, second), PHOTOS, strict=False)]
        for row in rows:
            writer.add("general", row)
        writer.commit()
    reader = kit.reader()
    assert [reader.open(row.seal.object) for row in rows] == PHOTOS[:2]
    assert check.check(kit.vault).good


def test_the_same_bytes_twice_in_one_dump_are_sealed_once(tmp_path: Path) -> None:
    world = make_world(tmp_path / "w")
    world.shoot(1, 2, 3)
    (world.dump / "IMG_1b.jpg").write_bytes((world.dump / "IMG_1.jpg").read_bytes())
    told = [o for o in world.ingest() if isinstance(o, Done)]
    assert [(o.source.reveal(), o.already) for o in told] == [
        ("IMG_1.jpg", False),
        ("IMG_1b.jpg", True),
        ("IMG_2.jpg", False),
        ("IMG_3.jpg", False),
    ]
    assert told[0].object == told[1].object
    assert len([p for p in (world.vault / "objects").rglob("*") if p.is_file()]) == 3
