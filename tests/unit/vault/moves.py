"""Photos moved in a small world, in steps that a fault may stop: for the table of cut-off operations."""

from __future__ import annotations

from typing import Any

from medsnap.model.codec import from_json
from medsnap.model.decision import Decision
from medsnap.model.photo import ObjectId
from medsnap.model.record import ADD
from medsnap.vault import erasure, moving, objects
from medsnap.vault.directory import WriterVerb
from medsnap.vault.moved_lines import Moving, Why

from .conftest import NOW, digest
from .removals import officer
from .world import World, photo

TO = "intimate"
WHY = Why(at=NOW.isoformat(), by="owner", reason="a tattoo")


def row(world: World, number: int) -> tuple[str, dict[str, Any]]:
    """Give the one row of a photo, and the group that it stands in."""
    rows = world.reader(world.owner).rows()
    [found] = [(c, e) for c, e in rows if e["event"] == ADD and e["source_sha256"] == digest(photo(number))]
    return found


def moved(world: World) -> bool:
    """Take photo 2 to another group as the command does: finish what was cut off, look again, and go on."""
    directory, who = world.host_directory(), officer(world, WriterVerb.MOVE)
    with erasure.alone(world.vault):
        erasure.finish(world.vault, directory, who)
        group, event = row(world, 2)
        if group != TO:
            before = from_json(Decision, event["decision"])
            wanted = Moving(object=ObjectId(event["seal"]["object"]), decision=before, decided=(before,))
            reader = world.reader(world.owner)
            work = moving.Work(vault=world.vault, directory=directory, reader=reader, officer=who, to=TO)
            moving.move(work, [wanted], WHY)
    return True


def has_moved(world: World) -> None:
    """All photos are there once, photo 2 in its new group alone; of the work itself nothing lies there."""
    assert world.stored() == world.expected(1, 2)
    assert [row(world, n)[0] == TO for n in (1, 2)] == [False, True]
    [move] = row(world, 2)[1]["moves"]
    ledger = world.reader(world.owner).ledger
    assert (ledger.moved, ledger.erased) == ({move["was"]}, frozenset())
    assert len(ledger.notes) == 1, "moved once, by one note"
    assert not objects.path_of(world.vault, move["was"]).exists()
    assert sum(p.is_file() for p in (world.vault / "objects").rglob("*")) == 2
    commits = len(list((world.vault / "commits").iterdir()))
    assert len(list((world.vault / "batches").iterdir())) == commits * len(world.new.directory.compartments)
    assert [p.name for p in (world.vault / "tmp").iterdir()] == []
