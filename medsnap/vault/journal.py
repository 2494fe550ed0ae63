"""The ingest host's journal: what was begun, what waits for a commit, what is known by its source.

SQLite in WAL mode, so each step is one write, synced where a power cut matters, and a kill at any moment
leaves the step done or not done. It holds digests, random ids and sealed rows, never a name, and
forgets a source as soon as it is gone from the dump (vault.md, amendment 4).
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import IoFailed, KeyRefused
from medsnap.model.codec import from_json, to_json
from medsnap.model.photo import ObjectId, Sha256
from medsnap.platform import too_open
from medsnap.vault.objects import ObjectDigests

ERASED = "erased"  # the state of a source whose photo was taken out of the vault for good
_SCHEMA = """
CREATE TABLE IF NOT EXISTS intent (object TEXT PRIMARY KEY, source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pending (
  n INTEGER PRIMARY KEY, compartment TEXT NOT NULL, objects TEXT NOT NULL, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS known (
  source TEXT PRIMARY KEY, object TEXT NOT NULL, state TEXT NOT NULL, verb TEXT NOT NULL,
  reason TEXT NOT NULL, waits INTEGER NOT NULL, committed INTEGER NOT NULL, size INTEGER);
CREATE INDEX IF NOT EXISTS known_waits ON known (committed) WHERE committed = 0;
CREATE TABLE IF NOT EXISTS lies (source TEXT NOT NULL, dump TEXT NOT NULL, PRIMARY KEY (source, dump));
CREATE TABLE IF NOT EXISTS beat (n INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS opening (committed TEXT PRIMARY KEY, batches TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A source that lies in the vault already, or waits there for its commit."""

    object: ObjectId
    state: str  # "done", "held"; ERASED is never written down
    verb: str = ""
    reason: str = ""
    waits: bool = False
    committed: bool = False
    size: int | None = None  # of the source, bytes; None in rows of earlier versions
    moved: bool = False  # it lies in another locked group, under another name; never written down


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A sealed row that waits for its commit, with the objects it speaks of."""

    number: int
    compartment: str
    objects: tuple[ObjectDigests, ...]
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCommit:
    """A commit that was announced and not settled: a crash may have cut it off."""

    commit: str
    batches: tuple[str, ...]


class Journal:
    """Durable steps of one ingest host. Raises IoFailed when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._where = str(path)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as failure:
            raise IoFailed(f"the journal cannot be opened: {failure.strerror}", where=str(path)) from failure
        if too_open(path):
            raise KeyRefused("others may read the journal", where=str(path), hint=f"chmod 600 {path}")
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA secure_delete=ON")  # a forgotten digest must not linger in free pages
            self._db.executescript(_SCHEMA)
            if all(name != "size" for _, name, *_ in self._db.execute("PRAGMA table_info(known)")):
                self._db.execute("ALTER TABLE known ADD COLUMN size INTEGER")  # of an earlier version
            self._db.execute("CREATE INDEX IF NOT EXISTS known_size ON known (size)")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as failure:
            raise IoFailed(
                "the journal cannot be read or written",
                where=self._where,
                hint="if it is broken, move it away: photos still in the dump would be stored a second time",
            ) from failure

    @contextlib.contextmanager
    def _step(self, *, sync: bool = True) -> Iterator[sqlite3.Connection]:
        self.roll_back()
        with self._errors():
            try:
                self._db.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self.roll_back()
                raise

    def roll_back(self) -> None:
        """Drop a step that a signal cut off between its first and its last line."""
        with self._errors():
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def intend(self, objects: Iterable[tuple[Sha256, ObjectId]]) -> None:
        """Write down which objects sources are about to become, before one of them gets its name.

        Synced, and with it every row that was added before: one sync for all of them.
        """
        with self._step() as db:
            db.executemany("INSERT INTO intent VALUES (?, ?)", [(o, source) for source, o in objects])
            db.execute("INSERT OR REPLACE INTO beat VALUES (1)")  # a step that writes nothing syncs nothing

    def intents(self) -> tuple[ObjectId, ...]:
        """Objects that were begun and whose row is not written down."""
        with self._errors():
            return tuple(
                ObjectId(o) for (o,) in self._db.execute("SELECT object FROM intent ORDER BY object")
            )

    def drop_intent(self, object_id: ObjectId) -> None:
        """Forget an intent."""
        with self._step() as db:
            db.execute("DELETE FROM intent WHERE object = ?", (object_id,))

    def add(
        self,
        compartment: str,
        sealed: bytes,
        objects: tuple[ObjectDigests, ...],
        sources: Iterable[tuple[Sha256, Known]] = (),
        *,
        dump: str = "",
        sync: bool = True,
    ) -> None:
        """Write a sealed row down: from here on a kill loses nothing of it. Its sources lie in `dump`.

        Without `sync` it outlives a power cut only from the next synced step on; until then its
        intent stands, and its source would be sealed anew.
        """
        with self._step(sync=sync) as db:
            text = json.dumps(to_json(objects))
            db.execute(
                "INSERT INTO pending (compartment, objects, sealed) VALUES (?, ?, ?)",
                (compartment, text, sealed),
            )
            sources = tuple(sources)
            db.executemany("DELETE FROM intent WHERE object = ?", [(o.object,) for o in objects])
            db.executemany(
                "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
                [(s, k.object, k.state, k.verb, k.reason, k.waits, k.size) for s, k in sources],
            )
            db.executemany("INSERT OR IGNORE INTO lies VALUES (?, ?)", [(s, dump) for s, _ in sources])

    def may_know(self, size: int) -> bool:
        """Say whether a source of so many bytes may be known; False means that it need not be hashed."""
        with self._errors():
            query = "SELECT 1 FROM known WHERE size = ? OR size IS NULL LIMIT 1"
            return self._db.execute(query, (size,)).fetchone() is not None

    def known(self, source: Sha256) -> Known | None:
        """Find what became of a source, by the digest of its bytes."""
        with self._errors():
            row = self._db.execute(
                "SELECT object, state, verb, reason, waits, committed FROM known WHERE source = ?", (source,)
            ).fetchone()
        if row is None:
            return None
        return Known(
            object=ObjectId(row[0]),
            state=row[1],
            verb=row[2],
            reason=row[3],
            waits=bool(row[4]),
            committed=bool(row[5]),
        )

    def pending(self) -> tuple[Pending, ...]:
        """Rows that wait for a commit, in order."""
        with self._errors():
            rows = self._db.execute(
                "SELECT n, compartment, objects, sealed FROM pending ORDER BY n"
            ).fetchall()
        return tuple(
            Pending(
                number=n,
                compartment=compartment,
                objects=from_json(tuple[ObjectDigests, ...], json.loads(objects)),
                sealed=bytes(sealed),
            )
            for n, compartment, objects, sealed in rows
        )

    def drop_pending(self, row: Pending) -> None:
        """Forget a row whose object is not whole; its source will be sealed anew."""
        with self._step() as db:
            db.execute("DELETE FROM pending WHERE n = ?", (row.number,))
            db.executemany("DELETE FROM known WHERE object = ?", [(o.object,) for o in row.objects])

    def begin(self, commit: str, batches: tuple[str, ...]) -> None:
        """Write down that a commit is about to be written."""
        with self._step() as db:
            db.execute("INSERT INTO opening VALUES (?, ?)", (commit, json.dumps(batches)))

    def opening(self) -> OpenCommit | None:
        """The commit that a crash may have cut off."""
        with self._errors():
            row = self._db.execute("SELECT committed, batches FROM opening").fetchone()
        return None if row is None else OpenCommit(commit=row[0], batches=tuple(json.loads(row[1])))

    def settle(self) -> None:
        """The announced commit and its log entry are durable: nothing waits any more."""
        with self._step() as db:
            db.execute("DELETE FROM opening")
            db.execute("DELETE FROM pending")
            db.execute("UPDATE known SET committed = 1 WHERE committed = 0")

    def abandon(self) -> None:
        """The announced commit never came to be; its rows wait on."""
        with self._step() as db:
            db.execute("DELETE FROM opening")

    def forget_unseen(self, seen: Iterable[Sha256], dump: str = "") -> int:
        """Drop every committed source that lies in no dump any more; returns how many were dropped.

        `seen` is all that lies in `dump` now. What lies in another dump stays: two tablets are taken
        in by turns, and neither makes the host forget the other.
        """
        with self._step() as db:
            db.execute("DELETE FROM lies WHERE dump = ?", (dump,))
            db.executemany("INSERT OR IGNORE INTO lies VALUES (?, ?)", ((s, dump) for s in seen))
            dropped = db.execute(
                "DELETE FROM known WHERE committed = 1 AND source NOT IN (SELECT source FROM lies)"
            ).rowcount
        with self._errors():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return dropped
