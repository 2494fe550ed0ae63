"""Photos taken out of a small world, in steps that a fault may stop: for the table of cut-off operations."""

from __future__ import annotations

import os

from medsnap.audit import store
from medsnap.crypto.note import Signer
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.record import ADD
from medsnap.vault import erasure, objects
from medsnap.vault.directory import WriterVerb
from medsnap.vault.erasure import Officer
from medsnap.vault.erasures import SignedErasure

from .conftest import NOW, digest
from .world import World, photo


def named(world: World, *numbers: int) -> dict[ObjectId, Sha256]:
    """Return the ids of these photos that the owner still sees, with the digests of their sources."""
    wanted = {digest(photo(n)) for n in numbers}
    rows = (event for _, event in world.reader(world.owner).rows() if event["event"] == ADD)
    return {
        ObjectId(row["seal"]["object"]): Sha256(row["source_sha256"])
        for row in rows
        if row["source_sha256"] in wanted
    }


def officer(world: World, verb: WriterVerb = WriterVerb.ERASE) -> Officer:
    """The owner as an officer, whose every removal goes into the audit log."""
    signer = Signer.parse_private(world.owner.signer or "")

    def log(note: SignedErasure) -> None:
        ids = tuple(o.object for o in note.erasure.objects)
        event = AuditEvent(action=Action.ERASE, at=NOW.isoformat(), actor="owner", objects=ids)
        auditors = [world.host_directory().auditors]
        store.record(
            world.log(), event, auditors=auditors, signer=signer, random=os.urandom, commit=note.sha256
        )

    return Officer(
        signer=signer, verb=verb, random=os.urandom, log=log, logged=lambda: set(store.commits(world.log()))
    )


def erased(world: World, verb: WriterVerb = WriterVerb.ERASE) -> bool:
    """Take out photo 2 as the command does: finish what was cut off, look again, and go on."""
    directory, who = world.host_directory(), officer(world, verb)
    with erasure.alone(world.vault):
        erasure.finish(world.vault, directory, who)
        wanted = named(world, 2).keys()
        if wanted:
            erasure.erase(world.vault, directory, world.reader(world.owner), wanted, who)
    return True


def expired(world: World) -> bool:
    """The same by the right to expire."""
    return erased(world, WriterVerb.EXPIRE)


def is_gone(world: World) -> None:
    """Photos 1 and 3 are all there is; of photo 2 and of the work itself nothing lies there."""
    assert world.stored() == world.expected(1, 3)
    ledger = world.reader(world.owner).ledger
    assert len(ledger.gone) == len(ledger.notes) == 1, "erased once, by one note"
    [name] = ledger.gone
    assert not objects.path_of(world.vault, name).exists()
    assert len(list((world.vault / "batches").iterdir())) == sum(1 for _ in _batches(world))
    assert [p.name for p in (world.vault / "tmp").iterdir()] == []


def _batches(world: World) -> set[str]:
    reader = world.reader(world.owner)
    return {reader.ledger.current(ref).batch for signed in reader.commits() for ref in signed.commit.batches}
