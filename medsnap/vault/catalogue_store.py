"""The file of a member's catalogue: SQLite in which every value is a sealed cell and every key is blind.

Keys of the file come from the identities of the compartments that its owner opens, so a file of
another view, or of somebody else, does not open and is made anew. A blind tag is a keyed digest:
without the key it confirms no guess of a patient's number. Only readers ever make one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from medsnap import disk
from medsnap.crypto.kdf import hkdf
from medsnap.errors import IoFailed, Tampered
from medsnap.platform import too_open
from medsnap.vault.ids import Random

PREFIX: Final = "catalogue-"
SUFFIX: Final = ".db"
BUILDING: Final = ".building-"
OLDER: Final = "catalogue.age"  # of earlier versions
SHORT_TAG = 5  # bytes that stand for the first 6 characters of an id
TAG = 12  # bytes
_SHORT = 6  # characters
_SCHEMA: Final = """
CREATE TABLE head (name TEXT PRIMARY KEY, cell BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (id TEXT PRIMARY KEY, mark BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE name (tag BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE photo (n INTEGER PRIMARY KEY, cell BLOB NOT NULL);
CREATE TABLE block (n INTEGER PRIMARY KEY, cell BLOB NOT NULL);
CREATE TABLE sight (n INTEGER PRIMARY KEY, cell BLOB NOT NULL);
CREATE TABLE shot (n INTEGER PRIMARY KEY, cell BLOB NOT NULL);
CREATE TABLE kin (tag BLOB PRIMARY KEY, n INTEGER NOT NULL, cell BLOB) WITHOUT ROWID;
CREATE TABLE repeat (n INTEGER PRIMARY KEY, cell BLOB NOT NULL);
CREATE TABLE evidence (tag BLOB PRIMARY KEY, cell BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE leaf (n INTEGER PRIMARY KEY, cell BLOB NOT NULL);
CREATE TABLE posting (
  tag BLOB NOT NULL, n INTEGER NOT NULL, cell BLOB NOT NULL, PRIMARY KEY (tag, n)) WITHOUT ROWID;
CREATE TABLE later (n INTEGER PRIMARY KEY, tag BLOB NOT NULL, cell BLOB NOT NULL);
CREATE INDEX later_tag ON later (tag);
"""


class Store:
    """Sealed cells and blind tags in one SQLite file, or in memory. `path` is None in memory."""

    def __init__(
        self, database: sqlite3.Connection, secret: bytes, random: Random, path: Path | None
    ) -> None:
        from medsnap.crypto.box import Box

        self.db = database
        self.path = path
        self._box = Box(hkdf(secret, salt=b"", info=b"medsnap catalogue cells"))
        self._tags = hkdf(secret, salt=b"", info=b"medsnap catalogue tags")
        self._random = random

    def seal(self, data: bytes, *place: str | int | bytes) -> bytes:
        """Seal a cell for its place in the file."""
        return self._box.seal(data, repr(place).encode(), self._random)

    def open(self, cell: object, *place: str | int | bytes) -> bytes:
        """Open the cell of a place. Raises Tampered."""
        if not isinstance(cell, bytes):
            raise Tampered("a cell is missing")
        return self._box.open(cell, repr(place).encode())

    def tag(self, field: str, value: str) -> bytes:
        """Return the blind tag of a label."""
        text = f"{field}\0{value}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._tags, digest_size=TAG).digest()

    def name_tags(self, prefix: str) -> tuple[bytes, bytes]:
        """Return the blind range in which ids lie that begin like `prefix`, at least 6 characters of it."""
        short = self.tag("name", prefix[:_SHORT])[:SHORT_TAG]
        return short, short + b"\xff" * (TAG + 1)

    def name_tag(self, object_id: str) -> bytes:
        """Return the blind tag of one id; ids of one beginning lie beside each other."""
        return self.tag("name", object_id[:_SHORT])[:SHORT_TAG] + self.tag("id", object_id)

    def read(self, table: str, n: int) -> bytes:
        """Open the cell of a numbered row. Raises Tampered when it is missing."""
        row = self.db.execute(f"SELECT cell FROM {table} WHERE n = ?", (n,)).fetchone()  # noqa: S608 - our names
        return self.open(row[0] if row else None, table, n)

    def write(self, table: str, cells: Iterable[tuple[int, bytes]]) -> None:
        """Seal and write numbered rows."""
        rows = ((n, self.seal(data, table, n)) for n, data in cells)
        self.db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows)  # noqa: S608

    def head(self, name: str) -> bytes | None:
        """Open one of the few named cells; None when it was never written."""
        row = self.db.execute("SELECT cell FROM head WHERE name = ?", (name,)).fetchone()
        return None if row is None else self.open(row[0], "head", name)

    def write_head(self, name: str, data: bytes) -> None:
        """Seal and write a named cell."""
        self.db.execute("INSERT OR REPLACE INTO head VALUES (?, ?)", (name, self.seal(data, "head", name)))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all or nothing; another process waits."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    @property
    def published(self) -> bool:
        """Say whether others may read the file, and whether it outlives a crash."""
        return self.path is not None and not self.path.name.startswith(BUILDING)

    def publish(self) -> None:
        """Give a file that was built from nothing its name; the ones before it go."""
        if self.path is None or self.published:
            return
        final = self.path.with_name(PREFIX + self._random(4).hex() + SUFFIX)
        with _io(self.path.parent), contextlib.suppress(FileNotFoundError):  # another process cleared up
            with self.path.open("rb") as handle:
                disk.sync(handle.fileno())
            # the connection goes on with the open file; only new ones need the name
            disk.rename(self.path, final)
            disk.sync_folder(final.parent)
            self.path = final
            _remove_others(final.parent, final)

    def close(self) -> None:
        """Close the file; one that was never published goes."""
        self.db.close()
        if self.path is not None and not self.published:
            with contextlib.suppress(OSError):
                self.path.unlink()


def stored(folder: Path, secret: bytes, random: Random) -> Iterator[Store]:
    """Give the files of a folder that open as SQLite; the caller takes the first whose cells open."""
    for path in sorted(folder.glob(PREFIX + "*" + SUFFIX)) if folder.is_dir() else ():
        try:
            database = _connect(str(path))
            database.execute("SELECT count(*) FROM head").fetchone()
        except (sqlite3.Error, UnicodeError):
            continue
        yield Store(database, secret, random, path)


def in_memory(secret: bytes, random: Random) -> Store:
    """Make an empty store that leaves nothing behind."""
    database = _connect(":memory:")
    database.executescript(_SCHEMA)
    return Store(database, secret, random, None)


def building(folder: Path, secret: bytes, random: Random) -> Store:
    """Make an empty file that gets its name when it is whole (`publish`). Raises IoFailed."""
    with _io(folder):
        disk.make_folders(folder)
        if too_open(folder):
            folder.chmod(0o700)
        path = folder / (BUILDING + random(8).hex())
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        database = _connect(str(path))
        # nobody else knows the file and a crash throws it away: no journal, no sync until it is whole
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA cache_size=-131072")
        database.executescript(_SCHEMA)
    return Store(database, secret, random, path)


def _connect(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, isolation_level=None, timeout=30)
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("PRAGMA cell_size_check=ON")
    return database


def _remove_others(folder: Path, keep: Path) -> None:
    for pattern in (PREFIX + "*", BUILDING + "*", OLDER):
        for path in folder.glob(pattern):
            if path.name != keep.name:
                with contextlib.suppress(OSError):
                    path.unlink()


@contextlib.contextmanager
def _io(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else failure
        raise IoFailed(f"the catalogue's cache cannot be written: {reason}", where=str(folder)) from failure


__all__ = ["Store", "building", "in_memory", "stored"]
