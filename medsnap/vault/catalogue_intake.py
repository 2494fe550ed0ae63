"""Take committed events into a catalogue's store, a segment of many photos at a time."""

from __future__ import annotations

import array
import json
import sys
import zlib
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from medsnap.model.codec import CodecError, from_json
from medsnap.model.record import ADD, CONSENT, HOLD, RELEASE, ReceiptRow
from medsnap.vault import catalogue_sights as sights
from medsnap.vault import consents, decisions, holds
from medsnap.vault.catalogue_order import Key, Order, key_of
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry, entry_of, labels
from medsnap.vault.repeats import Facts, facts_of

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
        self._fresh: list[tuple[int, Entry, bytes, Facts]] = []
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
        return bool(self._fresh) or self._state() != self._before

    @property
    def waiting(self) -> int:
        """How many photos wait to be written."""
        return len(self._fresh)

    def take(self, compartment: str, event: dict[str, Any], raw: bytes) -> str:
        """Take in one event; `raw` is its line. Returns why it does not count, "" when it does."""
        try:
            if event["event"] == ADD:
                return self._photo(compartment, event, raw)
            if event["event"] == CONSENT:
                return self._beside(consents.NAME, consents.checked(event), "")
            if event["event"] in (HOLD, RELEASE):  # one of a patient lies in every compartment
                return self._beside(holds.NAME, holds.checked(event), "")
            if event["event"] in decisions.KINDS:
                name = str(decisions.read(event).object)
                return self._beside(name, event, compartment) or self._settle(name)
            return self._beside(str(from_json(ReceiptRow, event).receipt.object), event, compartment)
        except CodecError as misfit:
            return f"a row cannot be read by this medsnap ({misfit.where})"

    def has_seen(self, commit: str) -> bool:
        """Say whether all of a commit was taken in."""
        row = self._store.db.execute("SELECT 1 FROM seen WHERE id = ?", (commit,)).fetchone()
        return row is not None

    def mark_seen(self, commit: str) -> None:
        """Remember that all of a commit was taken in."""
        self._store.db.execute("INSERT INTO seen VALUES (?, ?)", (commit, self._store.tag("seen", commit)))
        self.seen += 1

    def flush(self) -> None:
        """Write all that waits, and the counts; the transaction may end after it."""
        from medsnap.vault import catalogue_kin as kin

        fresh, self._fresh = self._fresh, []
        cells: list[tuple[int, bytes]] = []
        for start in range(0, len(fresh), BLOCK):
            part = fresh[start : start + BLOCK]
            self._blocks += 1
            self._store.write(
                "block", [(self._blocks, zlib.compress(b"\n".join(r for _, _, r, _ in part), 1))]
            )
            sights.write(self._store, self._blocks, (raw for _, _, raw, _ in part))
            kin.write(self._store, self._blocks, [facts for _, _, _, facts in part])
            cells += [(n, pack(e, self._blocks, slot)) for slot, (n, e, _, _) in enumerate(part)]
        self._store.write("photo", cells)
        if fresh:
            self._post(fresh)
            self._order.insert([key_of(entry, n) for n, entry, _, _ in fresh])
            kin.relate(self._store, [(n, facts) for n, _, _, facts in fresh])
        self._store.write_head(COUNTS, json.dumps(self._state()).encode())

    def _photo(self, compartment: str, event: dict[str, Any], raw: bytes) -> str:
        entry = entry_of(event, compartment)
        tag = self._store.name_tag(entry.object)
        number = self.photos + 1
        # the first row of an object counts
        if not self._store.db.execute("INSERT OR IGNORE INTO name VALUES (?, ?)", (tag, number)).rowcount:
            return ""
        self.photos = number
        self._fresh.append((number, entry, raw, facts_of(event)))
        if self._later and self._waits(tag):
            return self._settle(entry.object)
        return ""

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
            self._write_posting(self._store.tag("verb", settled.entry.verb), [settled.number])
        return settled.problem

    def _post(self, fresh: list[tuple[int, Entry, bytes, Facts]]) -> None:
        """Write which photos bear a label, for each label of this segment."""
        lists: dict[tuple[str, str], list[int]] = {}
        for n, entry, _, _ in fresh:
            for label in labels(entry):
                lists.setdefault(label, []).append(n)
        self._segments += 1
        by_tag = {self._store.tag(*label): numbers for label, numbers in lists.items()}
        for tag in sorted(by_tag):
            self._write_posting(tag, by_tag[tag])

    def _write_posting(self, tag: bytes, numbers: list[int]) -> None:
        # one label may stand twice at a photo (asset and model alike)
        packed = array.array("I", dict.fromkeys(numbers))
        if sys.byteorder != "little":
            packed.byteswap()
        cell = self._store.seal(packed.tobytes(), "posting", tag, self._segments)
        self._store.db.execute("INSERT INTO posting VALUES (?, ?, ?)", (tag, self._segments, cell))


_values: Final = attrgetter(*Entry.__slots__)
_LISTS: Final = tuple(Entry.__slots__.index(name) for name in ("features", "opened_by"))


def pack(entry: Entry, block: int, slot: int) -> bytes:
    """Encode what lists show of a photo, and where its whole row lies."""
    return json.dumps((*_values(entry), block, slot), separators=(",", ":")).encode()


def unpack(cell: bytes) -> tuple[Entry, int, int]:
    """Decode what `pack` wrote."""
    *values, block, slot = json.loads(cell)
    for place in _LISTS:
        values[place] = tuple(values[place])
    given: Mapping[str, Any] = dict(zip(Entry.__slots__, values, strict=True))
    return Entry(**given), block, slot


def whole(store: Store, block: int, slot: int) -> bytes:
    """Return a photo's row as it stands in its batch."""
    return lines(store, block)[slot]


def lines(store: Store, block: int) -> list[bytes]:
    """Return all rows of a block."""
    return zlib.decompress(store.read("block", block)).split(b"\n")


__all__ = ["BLOCK", "SEGMENT", "Intake", "Key", "lines", "pack", "unpack", "whole"]
