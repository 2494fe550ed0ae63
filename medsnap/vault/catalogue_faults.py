"""Whether a catalogue's file still finds all that it holds.

A cell that is altered or stands elsewhere does not open, and the file is made anew. What does not show at a
question is a row taken out, or a tag changed so that nobody asks for it: a photo is not found, a hold or a
stricter decision is not there. Looking for that costs as much as reading everything, so a check does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from medsnap.errors import Tampered
from medsnap.vault import decisions
from medsnap.vault.catalogue_intake import Intake
from medsnap.vault.catalogue_order import Order
from medsnap.vault.catalogue_search import everything, named, posted
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import labels

_AT_ONCE: Final = 200_000  # labels of photos that are compared together


def prove(store: Store) -> None:
    """Compare what is found by tags and orders with the photos themselves. Raises Tampered for the first
    that is not found."""
    counts = Intake(store)
    if _numbers(store, "photo") != counts.photos or len(set(Order(store).numbers())) != counts.photos:
        raise Tampered("a photo is missing from the catalogue")
    if _numbers(store, "later") != counts.beside:
        raise Tampered("an event is missing from the catalogue")
    _later(store)
    for part in _expected(store):
        for (field, value), numbers in part.items():
            if not numbers <= posted(store, store.tag(field, value)):
                raise Tampered("a photo is not found by a label that it bears")


def _numbers(store: Store, table: str) -> int:
    """Count rows that are numbered from 1 on. Raises Tampered for a gap."""
    count, last = store.db.execute(f"SELECT count(*), max(n) FROM {table}").fetchone()  # noqa: S608 - our names
    if (last or 0) != count:
        raise Tampered("a row is missing from the catalogue")
    return int(count)


def _expected(store: Store) -> Iterator[dict[tuple[str, str], set[int]]]:
    """Yield which photos bear which label, of some photos at a time; each is found by its name too."""
    part: dict[tuple[str, str], set[int]] = {}
    held = 0
    for n, entry, _, _ in everything(store):
        if [found[0] for found in named(store, entry.object)] != [n]:
            raise Tampered("a photo is not found by its name")
        for label in labels(entry):
            part.setdefault(label, set()).add(n)
            held += 1
        if held >= _AT_ONCE:
            yield part
            part, held = {}, 0
    yield part


def _later(store: Store) -> None:
    """Look whether each event lies where it is asked for, and whether the last decision is what is shown."""
    decided: set[str] = set()
    for n, tag in store.db.execute("SELECT n, tag FROM later ORDER BY n").fetchall():
        name = decisions.name_at(store, n)
        if tag != store.name_tag(name):
            raise Tampered("an event does not lie where it is asked for")
        decided.add(name)
    for name in sorted(decided):
        made = [e for e in decisions.beside(store, name) if e.event["event"] in decisions.KINDS]
        last = decisions.newest(made)
        if last is None:
            continue
        for _, entry, _, _ in named(store, name):
            if (entry.verb, entry.opened_by) != (str(last.verb), tuple(last.opened_by)):
                raise Tampered("a photo is shown with a decision that holds no more")
