"""Which photos of a catalogue are one shot: found by blind tags when they are taken in, judged once.

Two photos are compared when they share a tag: the camera and second, or the file, or what is sealed. So a
million photos cost two small keys each and no search. Copies without any date are found by their
picture among the photos of one patient, only when somebody asks for one photo.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from medsnap.errors import Tampered
from medsnap.model.decision import Verb
from medsnap.model.photo import ObjectId
from medsnap.model.repeat import Comparison, Repeat, Sameness, Shot
from medsnap.vault import catalogue_search as searching
from medsnap.vault.catalogue_cells import unpack
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry, Filters
from medsnap.vault.repeats import Facts, compare, keys, shot_of

MOST: Final = 64  # photos of one tag that are compared: a clock that stands still tells no shots apart
MOST_OF_PATIENT: Final = 2_000
_TAG: Final = 8  # bytes
_SURE: Final = list(Sameness)
WAITS: Final = (str(Verb.QUARANTINE), str(Verb.SAFEGUARD))  # a person has to look
Link: TypeAlias = tuple[int, Comparison]


def write(store: Store, block: int, facts: Sequence[Facts]) -> None:
    """Keep what the photos of a block are known by."""
    store.write("shot", [(block, json.dumps(facts, separators=(",", ":")).encode())])


def tags(store: Store, n: int, facts: Facts) -> Iterator[tuple[bytes, int]]:
    """Give the tags under which a photo meets those that it may repeat, with its number."""
    return ((store.tag(*key)[:_TAG], n) for key in keys(facts))


def relate(store: Store, fresh: Iterable[tuple[bytes, int]]) -> None:
    """Find what new photos, already written, repeat of those before and of each other, by their `tags`."""
    found_by = sorted(fresh)
    before = store.db.total_changes
    store.db.executemany("INSERT OR IGNORE INTO kin VALUES (?, ?, NULL)", found_by)
    if store.db.total_changes - before == len(found_by):
        return  # nothing is shared: the ordinary night
    known: dict[int, Shot] = {}
    for n, m in sorted({pair for tag, k in found_by for pair in _joined(store, tag, k)}):
        for k in (n, m):
            if k not in known:
                known[k] = _shot(store, k)
        found = compare(known[n], known[m])
        if found.sameness is not Sameness.DIFFERENT:
            _add(store, n, (m, found))
            _add(store, m, (n, found))


def _joined(store: Store, tag: bytes, n: int) -> list[tuple[int, int]]:
    """Put a photo to those of its tag; return whom it has to be compared with."""
    found = store.db.execute("SELECT n, cell FROM kin WHERE tag = ?", (tag,)).fetchone()
    if found is None:
        raise Tampered("a tag that was just written is missing")
    first, cell = found
    if first == n:
        return []
    others = [first, *(json.loads(store.open(cell, "kin", tag)) if cell is not None else ())]
    if len(others) >= MOST:
        return []
    after = store.seal(json.dumps([*others[1:], n]).encode(), "kin", tag)
    store.db.execute("UPDATE kin SET cell = ? WHERE tag = ?", (after, tag))
    return [(n, other) for other in others]


def _add(store: Store, n: int, new: Link) -> None:
    links = [*_links(store, n), new]
    cell = json.dumps([(m, c.sameness, c.because) for m, c in links], separators=(",", ":")).encode()
    store.write("repeat", [(n, cell)])


def _links(store: Store, n: int) -> list[Link]:
    row = store.db.execute("SELECT cell FROM repeat WHERE n = ?", (n,)).fetchone()
    kept = json.loads(store.open(row[0], "repeat", n)) if row is not None else ()
    return [(m, Comparison(Sameness(sameness), tuple(because))) for m, sameness, because in kept]


class Only(StrEnum):
    """Which photos a list is cut down to."""

    ALL = "all"
    REPEATS = "repeats"  # those that are, or may be, the same shot as an earlier one
    WAITING = "waiting"  # those that a person has to look at: what repeats an earlier one is no second task


def listed(store: Store, filters: Filters, only: Only = Only.ALL) -> Iterator[tuple[Entry, Repeat | None]]:
    """Yield the photos wanted in the order of lists, each with the earlier photo that it repeats.

    Nothing tells of a photo that does not exist for the caller's roles.
    """
    linked = {n for (n,) in store.db.execute("SELECT n FROM repeat")}
    known = [Filters(roles=filters.roles)]
    for n, entry in searching.walk(store, filters, _among(store, only, linked)):
        found = repeats(store, n, entry, known) if n in linked else ()
        first = next((r for r in found if r.earlier), None)
        if only is Only.REPEATS and first is None:
            continue
        if only is Only.WAITING and (entry.verb not in WAITS or (first and first.sameness.sure)):
            continue
        yield entry, first


def _among(store: Store, only: Only, linked: set[int]) -> set[int] | None:
    if only is Only.ALL:
        return None
    if only is Only.REPEATS:
        return linked
    return {n for verb in WAITS for n in searching.posted(store, store.tag("verb", verb))}


def repeats(
    store: Store, n: int, entry: Entry, known: Sequence[Filters], *, by_picture: bool = False
) -> tuple[Repeat, ...]:
    """Return what repeats a photo, of those that exist for the caller, the surest and earliest first."""
    links = _links(store, n)
    if by_picture:
        links += _pictured(store, n, entry, {m for m, _ in links})
    found = []
    for m, comparison in links:
        other = unpack(store.read("photo", m))[0]
        if all(k.admit(other) for k in known):
            found.append((_SURE.index(comparison.sameness), m, _repeat(other, comparison, earlier=m < n)))
    return tuple(repeat for _, _, repeat in sorted(found, key=lambda f: f[:2]))


def shots(store: Store) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each photo that is surely one shot with others, and those."""
    for (n,) in store.db.execute("SELECT n FROM repeat ORDER BY n").fetchall():
        entry = unpack(store.read("photo", n))[0]
        sure = tuple(r.object for r in repeats(store, n, entry, ()) if r.sameness.sure)
        if sure:
            yield entry.object, sure


def _repeat(other: Entry, comparison: Comparison, *, earlier: bool) -> Repeat:
    return Repeat(
        object=ObjectId(other.object),
        sameness=comparison.sameness,
        because=comparison.because,
        earlier=earlier,
        verb=other.verb,
    )


def _pictured(store: Store, n: int, entry: Entry, known: set[int]) -> Iterator[Link]:
    """Compare a photo with all of its patient: a messenger's copy has no date that could be looked up."""
    mine = _shot(store, n)
    if entry.mrn is None or not mine.likeness:
        return
    of_patient = searching.posted(store, store.tag("mrn", entry.mrn)) - known - {n}
    for m in sorted(of_patient)[:MOST_OF_PATIENT]:
        found = compare(mine, _shot(store, m))
        if found.sameness is not Sameness.DIFFERENT:
            yield m, found


def _shot(store: Store, n: int) -> Shot:
    _, block, slot = unpack(store.read("photo", n))
    return shot_of(json.loads(store.read("shot", block))[slot])
