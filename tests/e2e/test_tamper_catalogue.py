"""A catalogue's file that was changed so that it hides something is found out, and made anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.tampering import Run
from tests.unit.vault.world import World


def _file(folder: Path) -> Path:
    [path] = folder.rglob("catalogue-*.db")
    return path


Change = Callable[[sqlite3.Connection], object]


def _flipped(table: str, row: int = 0) -> Change:
    def change(database: sqlite3.Connection) -> None:
        place, tag = database.execute(f"SELECT rowid, tag FROM {table}").fetchall()[row]
        bad = tag[:-1] + bytes([tag[-1] ^ 1])
        database.execute(f"UPDATE {table} SET tag = ? WHERE rowid = ?", (bad, place))

    return change


def _keyed(table: str, what: str) -> Change:
    """Of a table without numbers of its own: flip each tag, or take a row out."""

    def change(database: sqlite3.Connection) -> None:
        rows = database.execute(f"SELECT tag FROM {table}").fetchall()
        for (tag,) in rows[:1]:
            if what == "gone":
                database.execute(f"DELETE FROM {table} WHERE tag = ?", (tag,))
            else:
                bad = tag[:-1] + bytes([tag[-1] ^ 1])
                database.execute(f"UPDATE {table} SET tag = ? WHERE tag = ?", (bad, tag))

    return change


CHANGES: dict[str, Change] = {
    "a label's tag": _keyed("posting", "flipped"),
    "a label's row": _keyed("posting", "gone"),
    "a name's tag": _keyed("name", "flipped"),
    "a name's row": _keyed("name", "gone"),
    "an event's tag": _flipped("later"),
    "an event": lambda d: d.execute("DELETE FROM later WHERE n = 1"),
    "the last event": lambda d: d.execute("DELETE FROM later WHERE n = (SELECT max(n) FROM later)"),
    "a photo": lambda d: d.execute("DELETE FROM photo WHERE n = 1"),
    "the last photo": lambda d: d.execute("DELETE FROM photo WHERE n = (SELECT max(n) FROM photo)"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_changed_file_hides_is_found_by_a_check(what: str, world: World, medsnap: Run) -> None:
    for purpose in ("teaching", "publication"):
        medsnap("consent", "withdraw", "--patient", "4711", "--purpose", purpose).expect(0)
    whole = medsnap("vault", "ls", "--format", "json").expect(0).out
    register = medsnap("consent", "ls").expect(0).out
    medsnap("vault", "check", "--open").expect(0)
    with sqlite3.connect(_file(world.root / "cache")) as database:
        CHANGES[what](database)
    found = medsnap("vault", "check", "--open").expect(4)
    assert "the file of your catalogue was changed; it was made anew" in " ".join(found.out.split())
    medsnap("vault", "check", "--open").expect(0)
    assert medsnap("vault", "ls", "--format", "json").expect(0).out == whole
    assert medsnap("consent", "ls").expect(0).out == register
