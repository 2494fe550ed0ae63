"""A member's catalogue: a SQLite cache made from the batches, one per member, rebuildable.

It holds names of patients, so between runs it lies sealed to the member himself, as one age
file in his own 0700 folder; it is opened in memory. The batches stay the truth.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsnap.errors import InputMissing, IoFailed, KeyRefused, MedsnapError, Tampered, Unsupported, UsageError
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.model.consent import Consent
from medsnap.model.decision import Decision
from medsnap.model.photo import ObjectId
from medsnap.model.receipt import Receipt
from medsnap.model.record import ADD, CONSENT, PhotoRow, ReceiptRow
from medsnap.model.study import Patient, Study, Visit
from medsnap.platform import too_open, write_durably
from medsnap.vault import consents, decisions
from medsnap.vault.entries import ENTRY_FIELDS, Entry, entry_of
from medsnap.vault.files import read_limited
from medsnap.vault.ids import Random, is_prefix
from medsnap.vault.reader import Reader, not_found

FILE = "catalogue.age"
MAX_FILE = 4 << 30
_SCHEMA = """
CREATE TABLE IF NOT EXISTS scope (scope TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS photo (
  n INTEGER PRIMARY KEY, object TEXT UNIQUE NOT NULL, compartment TEXT NOT NULL, at TEXT NOT NULL,
  source TEXT NOT NULL, source_sha256 TEXT NOT NULL, captured TEXT NOT NULL, media TEXT NOT NULL,
  length INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, verb TEXT NOT NULL,
  matched TEXT NOT NULL, mrn TEXT, issuer TEXT, encounter TEXT, accession TEXT, department TEXT,
  evidence TEXT NOT NULL, study TEXT NOT NULL, row BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS photo_patient ON photo (mrn, issuer);
CREATE TABLE IF NOT EXISTS receipt (
  n INTEGER PRIMARY KEY, object TEXT NOT NULL, target TEXT NOT NULL, row BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS receipt_object ON receipt (object);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which photos to list; None means all."""

    state: str | None = None
    verb: str | None = None
    compartment: str | None = None
    matched: str | None = None
    mrn: str | None = None
    issuer: str | None = None
    encounter: str | None = None

    def clause(self) -> tuple[str, list[str]]:
        """Return the WHERE clause and its values."""
        names = ("state", "verb", "compartment", "matched", "mrn", "issuer", "encounter")
        given = [(n, v) for n in names if (v := getattr(self, n)) is not None]
        return " AND ".join(f"{n} = ?" for n, _ in given) or "1", [v for _, v in given]


class Catalogue:
    """What one member may know, as rows. Open it with `open`, bring it up to date with `refresh`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database
        self._changed = False

    @classmethod
    def open(cls, folder: Path, identities: Sequence[str]) -> Catalogue:
        """Open the cache of a member, or an empty one when there is none, or none that he can open."""
        database = sqlite3.connect(":memory:", isolation_level=None)
        stored = _stored(folder, identities)
        if stored is not None:
            try:
                database.deserialize(stored)
                columns = ", ".join((*ENTRY_FIELDS, "evidence", "study"))
                database.execute(f"SELECT {columns} FROM photo LIMIT 0")  # noqa: S608
            except sqlite3.Error:  # an older layout or a broken cache: made anew from the batches
                database.close()
                database = sqlite3.connect(":memory:", isolation_level=None)
        database.executescript(_SCHEMA + decisions.SCHEMA + consents.SCHEMA)
        return cls(database)

    def save(self, folder: Path, recipient: str, *, random: Random) -> None:
        """Seal the cache to the member, in his folder; nothing when nothing changed."""
        from medsnap.crypto.age import encrypt_bytes

        if not self._changed:
            return
        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            if too_open(folder):
                folder.chmod(0o700)
            write_durably(folder / FILE, encrypt_bytes(self._db.serialize(), [recipient], random=random))
        except OSError as failure:
            raise IoFailed(
                f"the catalogue's cache cannot be written: {failure.strerror}", where=str(folder)
            ) from failure
        self._changed = False

    def close(self) -> None:
        """Forget everything in memory."""
        self._db.close()

    def refresh(self, reader: Reader) -> int:
        """Take in commits not seen yet; returns how many. Rebuilds when the reader's view changed."""
        scope = hashlib.sha256(
            canonical([reader.directory.vault, reader.directory.root, *reader.compartments])
        ).hexdigest()
        if [row for (row,) in self._db.execute("SELECT scope FROM scope")] != [scope]:
            for table in ("scope", "seen", "photo", "receipt", "evidence", "decision", consents.TABLE):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names
            self._db.execute("INSERT INTO scope VALUES (?)", (scope,))
            self._changed = True
        seen = {row for (row,) in self._db.execute("SELECT id FROM seen")}
        fresh = reader.commits(seen)
        for signed in fresh:
            before = len(reader.problems)
            with self._transaction():
                for compartment, event in reader.events(signed):
                    self._take(compartment, event, reader)
                # a commit with a broken batch is not "seen": it is looked at again when mended
                if len(reader.problems) == before:
                    self._db.execute("INSERT INTO seen VALUES (?)", (signed.commit.commit,))
            self._changed = True
        return len(fresh)

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _take(self, compartment: str, event: dict[str, Any], reader: Reader) -> None:
        try:
            if event["event"] == ADD:
                self._take_photo(compartment, event)
            elif event["event"] in decisions.KINDS:
                problem = decisions.take(self._db, compartment, event)
                if problem:
                    reader.note("a batch", problem)
            elif event["event"] == CONSENT:
                consents.take(self._db, event)
            else:
                self._take_receipt(from_json(ReceiptRow, event), event)
        except CodecError as misfit:
            reader.note("a batch", f"a row cannot be read by this medsnap ({misfit.where})")

    def _take_photo(self, compartment: str, event: dict[str, Any]) -> None:
        entry = entry_of(event, compartment)
        values = [getattr(entry, name) for name in ENTRY_FIELDS]
        values += [decisions.keep_evidence(self._db, event), decisions.study_paths(event), _packed(event)]
        self._db.execute(
            f"INSERT OR IGNORE INTO photo ({', '.join(ENTRY_FIELDS)}, evidence, study, row)"  # noqa: S608
            f" VALUES ({', '.join('?' * len(values))})",
            values,
        )
        decisions.settle(self._db, entry.object)

    def _take_receipt(self, row: ReceiptRow, event: dict[str, Any]) -> None:
        values = (row.receipt.object, row.receipt.target, _packed(event))
        known = self._db.execute("SELECT row FROM receipt WHERE object = ?", values[:1]).fetchall()
        if (values[2],) not in known:
            self._db.execute("INSERT INTO receipt (object, target, row) VALUES (?, ?, ?)", values)

    def photos(self, filters: Filters | None = None) -> list[PhotoRow]:
        """List photos in the order in which they were committed."""
        where, values = (filters or Filters()).clause()
        rows = self._db.execute(
            f"SELECT row, {decisions.NEWEST} FROM photo WHERE {where} ORDER BY at, object",  # noqa: S608
            values,
        )
        return [_photo(data, decided) for data, decided in rows]

    def entries(self, filters: Filters | None = None) -> list[Entry]:
        """List what lists show, ordered by the photos alone, not by ids or times of sealing."""
        where, values = (filters or Filters()).clause()
        rows = self._db.execute(
            f"SELECT {', '.join(ENTRY_FIELDS)} FROM photo WHERE {where}"  # noqa: S608 - our own names
            " ORDER BY captured, source, source_sha256",
            values,
        )
        return [Entry(**dict(zip(ENTRY_FIELDS, row, strict=True))) for row in rows]

    def photo(self, object_id: str, *, role: str | None = None) -> PhotoRow:
        """Return one photo's row by its id, or by a beginning of it that only one of ours has.

        With `role` only photos that this role may open exist. Raises NotFound, the same for hidden
        and absent, UsageError when several of the caller's own photos begin so.
        """
        if not is_prefix(object_id):
            raise not_found()
        # ids are of a-z2-7, so every id that begins with the prefix sorts before prefix + "{"
        rows = self._db.execute(
            f"SELECT row, {decisions.NEWEST} FROM photo WHERE object >= ? AND object < ?"  # noqa: S608
            + (" LIMIT 2" if role is None else ""),
            (object_id, object_id + "{"),
        )
        photos = (_photo(data, decided) for data, decided in rows)
        found = [row for row in photos if role is None or role in row.decision.opened_by]
        if not found:
            raise not_found()
        if len(found) > 1:
            raise UsageError("several of your photos begin so", hint="give more of the id: vault ls shows it")
        return found[0]

    def sightings(self) -> list[decisions.Sighting]:
        """List what a policy needs to decide each photo again, without decoding the rows."""
        return decisions.sightings(self._db)

    def evidences(self) -> Iterator[tuple[str, str]]:
        """Go through the evidence that sightings name: digest and canonical JSON, each once."""
        return decisions.evidences(self._db)

    def decided(self, object_id: str) -> tuple[Decision, ...]:
        """Return all decisions of a photo of the caller's, in order: that of its sealing first."""
        return decisions.of_photo(self._db, object_id)

    def receipts(self, object_id: ObjectId) -> list[Receipt]:
        """List where a photo went, in order; empty for a photo that the caller may not know of."""
        known = self.photo(object_id).seal.object
        rows = self._db.execute("SELECT row FROM receipt WHERE object = ? ORDER BY n", (known,))
        return [from_json(ReceiptRow, json.loads(zlib.decompress(data))).receipt for (data,) in rows]

    def consents(self) -> tuple[Consent, ...]:
        """List what patients agreed to, as far as any of the caller's compartments tells of it."""
        return consents.statements(self._db)

    def studies(self) -> list[Study]:
        """Group the photos by patient and visit; a study holds only what the caller may see."""
        groups: dict[tuple[Patient, Visit], list[str]] = {}
        for row in self.photos():
            if row.match.patient is not None:
                groups.setdefault((row.match.patient, row.match.visit), []).append(row.seal.object)
        return [Study(patient=p, visit=v, objects=tuple(o)) for (p, v), o in groups.items()]


def _packed(event: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def _photo(data: bytes, decided: bytes | None = None) -> PhotoRow:
    try:
        row = from_json(PhotoRow, json.loads(zlib.decompress(data)))
        return row if decided is None else replace(row, decision=decisions.unpacked(decided))
    except CodecError as misfit:
        raise Unsupported(
            f"the row of a photo cannot be read by this medsnap ({misfit.where})", hint="update medsnap"
        ) from misfit


def _stored(folder: Path, identities: Sequence[str]) -> bytes | None:
    from medsnap.crypto.age import decrypt_bytes

    try:
        return decrypt_bytes(read_limited(folder / FILE, MAX_FILE), identities)
    except (InputMissing, KeyRefused, Tampered):
        return None
    except IoFailed:
        raise
    except MedsnapError:  # a cache that is no age file: made anew
        return None
