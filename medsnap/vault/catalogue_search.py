"""Find photos in a catalogue's store: by blind tags, then in the order of lists, a page at a time."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Final

from medsnap.errors import Tampered
from medsnap.vault.catalogue_cells import unpack
from medsnap.vault.catalogue_order import Order, key_of
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry, Filters

_FEW: Final = 4_000  # so many are read and sorted at once; more are met in the order of lists


def search(store: Store, filters: Filters, limit: int | None = None) -> list[tuple[int, Entry]]:
    """Return the photos wanted, with their numbers, in the order of lists, `limit` of them at most."""
    return list(islice(walk(store, filters), limit))


def walk(store: Store, filters: Filters, among: set[int] | None = None) -> Iterator[tuple[int, Entry]]:
    """Yield the photos wanted, with their numbers, in the order of lists; only of those numbers, if given."""
    return ((n, entry) for n, entry in _ordered(store, filters, among) if filters.admit(entry))


def _ordered(store: Store, filters: Filters, among: set[int] | None) -> Iterator[tuple[int, Entry]]:
    candidates = _labelled(store, filters)
    if among is not None:
        candidates = among if candidates is None else candidates & among
    if candidates is not None and len(candidates) <= _FEW:
        entries = [(n, unpack(store.read("photo", n))[0]) for n in candidates]
        yield from sorted(entries, key=lambda found: key_of(found[1], found[0]))
        return
    dated = filters.since is not None or filters.until is not None
    since = filters.since or ("\x01" if dated else "")
    until = None if filters.until is None else filters.until + "\U0010ffff"
    for n in Order(store).numbers(since, until):
        if candidates is None or n in candidates:
            yield n, unpack(store.read("photo", n))[0]


def _labelled(store: Store, filters: Filters) -> set[int] | None:
    """Return the numbers of the photos that bear all labels asked for; None when none is."""
    found: set[int] | None = None
    for label in filters.labels():
        these = posted(store, store.tag(*label))
        found = these if found is None else found & these
        if not found:
            break
    return found


def posted(store: Store, tag: bytes) -> set[int]:
    """Return the numbers of the photos under a label's tag."""
    numbers: set[int] = set()
    for segment, cell in store.db.execute("SELECT n, cell FROM posting WHERE tag = ?", (tag,)):
        packed = array.array("I")
        packed.frombytes(store.open(cell, "posting", tag, segment))
        if sys.byteorder != "little":
            packed.byteswap()
        numbers.update(packed)
    return numbers


def named(store: Store, prefix: str) -> Iterator[tuple[int, Entry, int, int]]:
    """Yield the photos whose ids begin so: number, entry, and where the whole row lies."""
    low, high = store.name_tags(prefix)
    whole = store.name_tag(prefix)
    query = "SELECT tag, n FROM name WHERE tag >= ? AND tag < ?"
    for tag, n in store.db.execute(query, (low, high)).fetchall():
        if len(prefix) == 26 and tag != whole:
            continue
        entry, block, slot = unpack(store.read("photo", n))
        if store.name_tag(entry.object) != tag:
            raise Tampered("a cell stands at another photo's name")
        if entry.object.startswith(prefix):
            yield n, entry, block, slot


def everything(store: Store) -> Iterator[tuple[int, Entry, int, int]]:
    """Yield all photos by number."""
    for n, cell in store.db.execute("SELECT n, cell FROM photo ORDER BY n"):
        entry, block, slot = unpack(store.open(cell, "photo", n))
        yield n, entry, block, slot
