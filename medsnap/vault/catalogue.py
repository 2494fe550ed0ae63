"""A member's catalogue: a cache made from the batches, one per member, sealed at rest, rebuildable.

The batches stay the truth. A file that is damaged, foreign or of another view is made anew from
them, never trusted; a commit is taken in once, a vault of a million photos is never read twice.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from medsnap.errors import IoFailed, Locked, Tampered
from medsnap.model.codec import from_json
from medsnap.model.consent import Consent
from medsnap.model.decision import Decision
from medsnap.model.photo import ObjectId
from medsnap.model.receipt import Receipt
from medsnap.model.record import RECEIPT, PhotoRow, ReceiptRow
from medsnap.model.repeat import Repeat
from medsnap.model.study import Patient, Study, Visit
from medsnap.vault import catalogue_faults, consents, decisions, holds
from medsnap.vault import catalogue_kin as kin
from medsnap.vault import catalogue_rows as single
from medsnap.vault import catalogue_search as searching
from medsnap.vault import catalogue_sights as sights
from medsnap.vault.catalogue_cells import whole
from medsnap.vault.catalogue_intake import COUNTS, SEGMENT, Intake
from medsnap.vault.catalogue_kin import Only
from medsnap.vault.catalogue_order import Order
from medsnap.vault.catalogue_seen import LOG, remember, seen_in
from medsnap.vault.catalogue_store import Store, building, in_memory, stored
from medsnap.vault.catalogue_taken import taken
from medsnap.vault.commits import SignedCommit
from medsnap.vault.directory import WriterVerb
from medsnap.vault.entries import Entry, Filters
from medsnap.vault.ids import Random
from medsnap.vault.reader import Reader
from medsnap.vault.turns import Changed

_PATIENCE: Final = 4  # times that a catalogue is begun again while photos are taken out
LAYOUT: Final = 5  # of the cells; another one is another key, so older files are made anew
_BROKEN: Final = (sqlite3.Error, Tampered, UnicodeError)  # what SQLite makes of a damaged file
T = TypeVar("T")


class Catalogue:
    """What one member may know. `folder` is his own cache folder; None keeps all of it in memory.

    `refresh` brings it up to date with a reader's view and has to come first.
    """

    def __init__(self, folder: Path | None, *, random: Random) -> None:
        self._folder, self._random = folder, random
        self._held: Store | None = None
        self._secret = b""
        self._reader: Reader | None = None

    def close(self) -> None:
        """Close the file and forget what is in memory."""
        if self._held is not None:
            self._held.close()
        self._held = None

    # ── taking in ────────────────────────────────────────────────────────────────────────────

    def refresh(self, reader: Reader) -> int:
        """Take in commits not seen yet; returns how many. Raises IoFailed, Locked."""
        return _settled(lambda: self._refresh(reader))

    def _refresh(self, reader: Reader) -> int:
        self._reader = reader
        secret = reader.derive(f"medsnap catalogue {LAYOUT}")
        if secret != self._secret:
            self.close()
        self._secret = secret
        if self._held is None:
            self._held = self._found()
        try:
            reader.recall(self._store.head(LOG) or b"")
            if reader.unordered:
                return self._loose(reader)
            if _holds_erased(self._store, reader):
                return self.rebuild(reader)  # so that nothing of them is left in a file either
            return self._take_new(self._store, reader)
        except _BROKEN as damage:
            _not_ours(damage)
            return self.rebuild(reader)

    def _loose(self, reader: Reader) -> int:
        """Do without the log: what is known stays; else all is taken in, and none of it kept.

        Who broke the log must not have chosen an order that lasts.
        """
        if seen_in(self._store):
            return 0
        self.close()
        self._held = in_memory(self._secret, self._random)
        return self._take_new(self._held, reader)

    def rebuild(self, reader: Reader) -> int:
        """Make the file anew from the batches alone; returns the number of commits."""
        return _settled(lambda: self._rebuild(reader))

    def _rebuild(self, reader: Reader) -> int:
        self._reader = reader
        self._secret = reader.derive(f"medsnap catalogue {LAYOUT}")
        self.close()
        reader.recall(b"")
        self._held = self._empty(reader)
        try:
            return self._take_new(self._held, reader)
        except _BROKEN as failure:
            raise IoFailed("the catalogue's cache cannot be written", where=str(self._folder)) from failure

    def _found(self) -> Store:
        """Take the file of the folder whose cells open; else begin an empty one."""
        for store in stored(self._folder, self._secret, self._random) if self._folder else ():
            try:
                if store.head(COUNTS) is not None:  # a cell that opens: ours, of this view
                    return store
            except _BROKEN:
                pass
            store.close()
        return self._empty(self._reader)

    def _empty(self, reader: Reader | None) -> Store:
        if self._folder is None or reader is None or not reader.compartments or reader.unordered:
            return in_memory(self._secret, self._random)
        return building(self._folder, self._secret, self._random)

    def _take_new(self, store: Store, reader: Reader) -> int:
        taken = 0
        seen = seen_in(store)
        fresh = iter(reader.commits(seen))
        signed = next(fresh, None)
        marks = any(n.erasure.erasure not in seen for n in reader.ledger.notes)
        while signed is not None or marks:
            marks = False
            with store.transaction():
                intake = Intake(store)
                while signed is not None and intake.waiting < SEGMENT:
                    _take(intake, reader, signed)
                    taken += 1
                    signed = next(fresh, None)
                if signed is None:
                    _take_notes(intake, reader)
                if intake.changed:
                    intake.flush(more=signed is not None and not store.published)
        if not store.published:
            with store.transaction():
                Order(store).merge()
        remember(store, reader)
        store.publish()
        return taken

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    @property
    def _store(self) -> Store:
        if self._held is None:
            raise RuntimeError("refresh comes first")
        return self._held

    def _ask(self, question: Callable[[Store], T]) -> T:
        """Answer from one state of the file; where it turns out to be damaged, make it anew first."""
        try:
            with _one_state(self._store):
                return question(self._store)
        except _BROKEN as damage:
            _not_ours(damage)
            if self._reader is None:
                raise
            self.rebuild(self._reader)
            return question(self._store)

    def prove(self) -> None:
        """Raise Tampered when the file hides something that it holds; `rebuild` makes it anew then."""
        try:
            catalogue_faults.prove(self._store)
        except _BROKEN as damage:
            _not_ours(damage)
            raise Tampered("the file of your catalogue was changed") from damage

    def count(self) -> int:
        """Say how many photos the caller may know of."""
        return self._ask(lambda store: Intake(store).photos)

    def entries(self, filters: Filters | None = None, limit: int | None = None) -> list[Entry]:
        """List what lists show, ordered by the photos alone, not by ids or times of sealing."""
        wanted = filters or Filters()
        return [entry for _, entry in self._ask(lambda store: searching.search(store, wanted, limit))]

    def listed(self, filters: Filters, only: Only = Only.ALL) -> Iterator[tuple[Entry, Repeat | None]]:
        """Yield what `entries` lists, one at a time, each with the earlier photo that it repeats.

        Where the file is damaged midway, the rest comes from a new one.
        """
        given = 0
        try:
            with _one_state(self._store):
                for found in kin.listed(self._store, filters, only):
                    given += 1
                    yield found
            return
        except _BROKEN as damage:
            _not_ours(damage)
        if self._reader is not None:
            self.rebuild(self._reader)
        yield from self._ask(lambda store: list(kin.listed(store, filters, only)))[given:]

    def repeats(self, object_id: str, *roles: frozenset[str] | None) -> tuple[Repeat, ...]:
        """List what is, or may be, the same shot as a photo, the surest and earliest first.

        Only photos exist that one of each set of roles may open; None is no bound. Raises NotFound,
        UsageError like `photo`.
        """

        def found(store: Store) -> tuple[Repeat, ...]:
            known = [Filters(roles=bound) for bound in roles]
            named = single.named(store, object_id)
            number, entry, _, _ = single.only([f for f in named if all(k.admit(f[1]) for k in known)])
            return kin.repeats(store, number, entry, known, by_picture=True)

        return self._ask(found)

    def shots(self) -> dict[str, tuple[str, ...]]:
        """Give, for each photo that is surely one shot with others, the ids of those."""
        return self._ask(lambda store: dict(kin.shots(store)))

    def photos(self, filters: Filters | None = None) -> list[PhotoRow]:
        """List photos in the order in which they were sealed."""
        wanted = filters or Filters()

        def rows(store: Store) -> list[PhotoRow]:
            found = [p for p in searching.everything(store) if wanted.admit(p[1])]
            found.sort(key=lambda p: (p[1].at, p[1].object))
            return [single.photo_row(store, p) for p in found]

        return self._ask(rows)

    def find(self, object_id: str) -> Entry:
        """Return what lists show of one photo, by its id or a beginning of it. Errors as `photo`."""
        return self._ask(lambda store: single.only(single.named(store, object_id))[1])

    def photo(self, object_id: str, *roles: frozenset[str] | None) -> PhotoRow:
        """Return one photo's row by its id, or by a beginning of it that only one of ours has.

        Only photos exist that one of each set of roles may open; None is no bound. Raises NotFound, the
        same for hidden and absent, UsageError when several of the caller's own photos begin so.
        """

        def row(store: Store) -> PhotoRow:
            wanted = [Filters(roles=bound) for bound in roles]
            named = single.named(store, object_id)
            return single.photo_row(
                store, single.only([f for f in named if all(w.admit(f[1]) for w in wanted)])
            )

        return self._ask(row)

    def sightings(self, filters: Filters | None = None) -> list[decisions.Sighting]:
        """List what a policy needs to decide each photo again, in the order of their ids."""
        wanted = filters or Filters()

        def rows(store: Store) -> list[decisions.Sighting]:
            found, opened = [], 0
            seen: list[tuple[str, tuple[str, ...]]] = []
            for _, entry, block, slot in searching.everything(store):
                if block != opened:
                    opened, seen = block, sights.of_block(store, block)
                digest, paths = seen[slot]
                if not wanted.admit(entry):
                    continue
                found.append(decisions.Sighting(entry.object, entry.compartment, entry.verb, digest, paths))
            return sorted(found, key=lambda s: s.object)

        return self._ask(rows)

    def evidences(self) -> Iterator[tuple[str, str]]:
        """Go through the evidence that sightings name: digest and canonical JSON, each once."""
        yield from self._ask(lambda store: list(sights.texts(store)))

    def decided(self, object_id: str) -> tuple[Decision, ...]:
        """Return all decisions of a photo of the caller's, in order: that of its sealing first."""

        def found(store: Store) -> tuple[Decision, ...]:
            for _, entry, block, slot in single.named(store, object_id):
                row = json.loads(whole(store, block, slot))
                return decisions.of_photo(row, decisions.beside(store, entry.object))
            return ()

        return self._ask(found)

    def receipts(self, object_id: ObjectId) -> list[Receipt]:
        """List where a photo went, in order; empty for a photo that the caller may not know of."""
        name = self.find(object_id).object
        events = self._ask(lambda store: decisions.beside(store, name))
        return [from_json(ReceiptRow, e.event).receipt for e in events if e.event["event"] == RECEIPT]

    def consents(self) -> tuple[Consent, ...]:
        """List what patients agreed to, as far as any of the caller's compartments tells of it."""
        events = self._ask(lambda store: decisions.beside(store, consents.NAME))
        return consents.statements(e.event for e in events)

    def holds(self) -> tuple[holds.Hold, ...]:
        """List the legal holds that any of the caller's compartments tells of, ended ones too."""
        return holds.standing(e.event for e in self._ask(lambda store: decisions.beside(store, holds.NAME)))

    def studies(self) -> list[Study]:
        """Group the photos by patient and visit; a study holds only what the caller may see."""
        groups: dict[tuple[Patient, Visit], list[str]] = {}
        for row in self.photos():
            if row.match.patient is not None:
                groups.setdefault((row.match.patient, row.match.visit), []).append(row.seal.object)
        return [Study(patient=p, visit=v, objects=tuple(o)) for (p, v), o in groups.items()]


def _take(intake: Intake, reader: Reader, signed: SignedCommit) -> None:
    if intake.has_seen(signed.commit.commit):  # another process of the same member was faster
        return
    before = len(reader.problems)
    _take_lines(intake, reader, signed)
    # a commit with a broken batch is not "seen": it is looked at again when mended
    if len(reader.problems) == before:
        intake.mark_seen(signed.commit.commit)


def _take_lines(intake: Intake, reader: Reader, signed: SignedCommit) -> None:
    """Take in the events of a commit; those that were taken in before change nothing."""
    for one in reader.each(signed, taken):
        problem = intake.take(one)
        if problem:
            reader.note("a batch", problem)


def _take_notes(intake: Intake, reader: Reader) -> None:
    """Mark erasures as seen; of moves, take in what came into our groups' batches of commits seen before."""
    for note in (n.erasure for n in reader.ledger.notes if not intake.has_seen(n.erasure.erasure)):
        before = len(reader.problems)
        moved = note.verb == WriterVerb.MOVE
        for commit in reader.in_order(sorted({r.commit for r in note.replaced})) if moved else ():
            signed = reader.commit(commit)
            if signed is not None:
                _take_lines(intake, reader, signed)
        if len(reader.problems) == before:
            intake.mark_seen(note.erasure)


def _holds_erased(store: Store, reader: Reader) -> bool:
    """Say whether the file still has a photo that was erased since we last looked."""
    if not reader.ledger.notes:
        return False
    seen = seen_in(store)
    fresh = (n.erasure for n in reader.ledger.notes if n.erasure.erasure not in seen)
    tags = (store.name_tag(o.object) for erasure in fresh for o in erasure.objects)
    query = "SELECT 1 FROM name WHERE tag = ?"
    return any(store.db.execute(query, (tag,)).fetchone() for tag in tags)


@contextlib.contextmanager
def _one_state(store: Store) -> Iterator[None]:
    """Read from one state of the file, whatever another process of the same member takes in meanwhile."""
    store.db.execute("BEGIN")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):
            store.db.execute("ROLLBACK")


def _settled(work: Callable[[], int]) -> int:
    """Begin again where photos were taken out meanwhile. Raises Locked where that does not end."""
    for _ in range(_PATIENCE):
        with contextlib.suppress(Changed):
            return work()
    return work()


def _not_ours(damage: Exception) -> None:
    """Pass on what is no damage: the file is in use for long. Raises Locked."""
    # SQLite gives no code for a cell that is no text any more
    if getattr(damage, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        raise Locked("another medsnap run uses your catalogue", hint="wait for it to end") from damage


__all__ = ["Catalogue", "Entry", "Filters", "Only"]
