"""Take committed events into a catalogue's store, a segment of many photos at a time."""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

from medsnap.model.codec import CodecError, from_json
from medsnap.model.record import CONSENT, HOLD, RELEASE, ReceiptRow
from medsnap.vault import catalogue_kin as kin
from medsnap.vault import catalogue_postings as postings
from medsnap.vault import catalogue_sights as sights
from medsnap.vault import consents, decisions, holds
from medsnap.vault.catalogue_cells import pack
from medsnap.vault.catalogue_order import Key, Order, key_of
from medsnap.vault.catalogue_store import Store
from medsnap.vault.catalogue_taken import Misfit, Photo, Taken, unreadable

BLOCK: Final = 16  # whole rows that are compressed together: they repeat each other
SEGMENT: Final = 20_000  # photos in one transaction
COUNTS: Final = "counts"


class Intake:
    """One writer's view of the store, inside its transactions. Make a new one after a rollback."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._order = Order(store)
        head = store.head(COUNTS)
        counts: dict[str, int] = json.loads(head) if head is not None else {}
        self.photos = counts.get("photos", 0)
        self.seen = counts.get("seen", 0)
        self._blocks = counts.get("blocks", 0)
        self._segments = counts.get("segments", 0)
        self._later = counts.get("later", 0)
        self._rows: list[Photo] = []  # of the block that is not full yet
        self._postings, self._keys = postings.Postings(), list[Key]()
        self._kin: list[tuple[bytes, int]] = []
        self._evidence: set[str] = set()  # kept already
        self._before = self._state()

    def _state(self) -> dict[str, int]:
        return {
            "photos": self.photos,
            "seen": self.seen,
            "blocks": self._blocks,
            "segments": self._segments,
            "later": self._later,
        }

    @property
    def beside(self) -> int:
        """How many events lie beside photos."""
        return self._later

    @property
    def changed(self) -> bool:
        """Say whether anything was taken in."""
        return bool(self._keys) or self._state() != self._before

    @property
    def waiting(self) -> int:
        """How many photos wait to be written."""
        return len(self._keys)

    def take(self, one: Taken) -> str:
        """Take in one event. Returns why it does not count, "" when it does."""
        if isinstance(one, Photo):
            return self._photo(one)
        try:
            return one.why if isinstance(one, Misfit) else self._event(one.compartment, one.event)
        except CodecError as misfit:
            return unreadable(misfit).why

    def _event(self, compartment: str, event: dict[str, Any]) -> str:
        if event["event"] == CONSENT:
            return self._beside(consents.NAME, consents.checked(event), "")
        if event["event"] in (HOLD, RELEASE):  # one of a patient lies in every compartment
            return self._beside(holds.NAME, holds.checked(event), "")
        if event["event"] in decisions.KINDS:
            name = str(decisions.read(event).object)
            return self._beside(name, event, compartment) or self._settle(name)
        return self._beside(str(from_json(ReceiptRow, event).receipt.object), event, compartment)

    def has_seen(self, commit: str) -> bool:
        """Say whether all of a commit was taken in."""
        row = self._store.db.execute("SELECT 1 FROM seen WHERE id = ?", (commit,)).fetchone()
        return row is not None

    def mark_seen(self, commit: str) -> None:
        """Remember that all of a commit was taken in."""
        self._store.db.execute("INSERT INTO seen VALUES (?, ?)", (commit, self._store.tag("seen", commit)))
        self.seen += 1

    def flush(self, *, more: bool = False) -> None:
        """Write all that waits, and the counts; the transaction may end after it.

        With `more` to come lists lack these photos until the order is merged: only where nobody asks yet.
        """
        if self._rows:
            self._write_block()
        if self._keys:
            self._segments += 1
            postings.write(self._store, self._segments, self._postings.labels())
            (self._order.put_by if more else self._order.insert)(self._keys)
            kin.relate(self._store, self._kin)
        self._postings, self._keys, self._kin = postings.Postings(), [], []
        self._store.write_head(COUNTS, json.dumps(self._state()).encode())

    def _photo(self, photo: Photo) -> str:
        entry = photo.entry
        tag = self._store.name_tag(entry.object)
        number = self.photos + 1
        # the first row of an object counts
        if not self._store.db.execute("INSERT OR IGNORE INTO name VALUES (?, ?)", (tag, number)).rowcount:
            return ""
        self.photos = number
        self._postings.add(number, entry)
        self._keys.append(key_of(entry, number))
        self._kin += kin.tags(self._store, number, photo.facts)
        self._rows.append(photo)
        if len(self._rows) == BLOCK:
            self._write_block()
        if self._later and self._waits(tag):
            return self._settle(entry.object)
        return ""

    def _write_block(self) -> None:
        """Write the rows that wait: but for numbers and tags nothing of a photo is held longer."""
        rows, self._rows = self._rows, []
        self._blocks += 1
        raw = zlib.compress(b"\n".join([row.raw for row in rows]), 1)
        self._store.write("block", [(self._blocks, raw)])
        sights.write(self._store, self._blocks, [(row.evidence[0], row.study) for row in rows])
        for digest, text in dict(row.evidence for row in rows).items():
            if digest and digest not in self._evidence:
                sights.keep(self._store, digest, text)
                self._evidence.add(digest)
        kin.write(self._store, self._blocks, [row.facts for row in rows])
        first = self.photos - len(rows) + 1
        cells = [(first + slot, pack(row.entry, self._blocks, slot)) for slot, row in enumerate(rows)]
        self._store.write("photo", cells)

    def _waits(self, tag: bytes) -> bool:
        return self._store.db.execute("SELECT 1 FROM later WHERE tag = ?", (tag,)).fetchone() is not None

    def _beside(self, name: str, event: dict[str, Any], compartment: str) -> str:
        """Keep an event beside what it speaks of, once; its photo may not be there yet."""
        known = decisions.beside(self._store, name)
        if all((k.compartment, k.event) != (compartment, event) for k in known):
            self._later += 1
            new = decisions.Later(number=self._later, compartment=compartment, event=event)
            decisions.write(self._store, name, new)
        return ""

    def _settle(self, name: str) -> str:
        """Judge the decisions that wait for this photo; it is found by its new verb from then on."""
        self.flush()
        settled = decisions.settle(self._store, name)
        if settled.entry is not None:
            self._store.write("photo", [(settled.number, settled.cell)])
            self._segments += 1
            label = ("verb", settled.entry.verb)
            postings.write(self._store, self._segments, {label: [settled.number]})
        return settled.problem
