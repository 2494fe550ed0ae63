"""Photos moved in the kit's vault, as the command does it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from medsnap.model.decision import Verb
from medsnap.model.photo import MediaType
from medsnap.model.record import CompanionRow, PhotoRow
from medsnap.vault import (
    erasure,
    moving,
)
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.directory import WriterVerb
from medsnap.vault.keys import Keys
from medsnap.vault.moved_lines import Moving, Why

from .conftest import NOW, Kit, digest
from .test_vault_erasure import officer

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


def untouched(kit: Kit, before: dict[str, bytes]) -> None:
    """The vault is as it was, but for what a run that was cut off leaves to the next one."""
    with erasure.alone(kit.vault):
        erasure.finish(kit.vault, kit.host().directory, officer(kit, verb=MOVE))
    now = {k: v for k, v in kit.files().items() if not k.endswith("lock")}
    assert now == {k: v for k, v in before.items() if not k.endswith("lock")}
