"""The order of lists, sealed: a tree two levels high of sorted keys, so that a page is found among millions.

A key is (captured, source, start of the source's digest, number): lists are ordered by the photos
alone, never by ids or times of sealing, which hidden photos would shift.
"""

from __future__ import annotations

import heapq
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from medsnap.errors import Tampered
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry

Key: TypeAlias = tuple[str, str, str, int]
_HEAD: Final = "order"
_FULL: Final = 1024  # keys in a leaf; a full one is split in halves


def key_of(entry: Entry, n: int) -> Key:
    """Return where a photo stands in lists."""
    return entry.captured, entry.source, entry.source_sha256[:16], n


class Order:
    """The sorted keys of all photos. Changes are written by `insert`, inside the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        head = store.head(_HEAD)
        if head is None and store.db.execute("SELECT 1 FROM leaf LIMIT 1").fetchone():
            raise Tampered("the head of the order is missing")  # and lists would be empty without a word
        found: dict[str, Any] = json.loads(head) if head is not None else {"next": 1, "leaves": []}
        self._next: int = found["next"]
        self._leaves: list[tuple[Key, int]] = [(_key(first), n) for first, n in found["leaves"]]
        self._runs: list[list[int]] = found.get("runs", [])  # leaves by number, each run sorted in itself

    def insert(self, keys: Sequence[Key]) -> None:
        """Add keys that are not there yet."""
        fresh = sorted(keys)
        if not fresh:
            return
        kept = dict(enumerate(self._leaves))
        leaves: list[tuple[Key, int]] = []
        for at, part in self._shares(fresh):
            gone = kept.pop(at, None)
            old = self._read(gone[1]) if gone is not None else []
            leaves += self._rewritten(sorted(old + part))
            if gone is not None:
                self._store.db.execute("DELETE FROM leaf WHERE n = ?", (gone[1],))
        self._leaves = sorted((*kept.values(), *leaves))
        self._write()

    def put_by(self, keys: Sequence[Key]) -> None:
        """Write many keys beside the order, which lacks them until `merge`.

        Each `insert` of a segment rewrites nearly every leaf: at a million photos that was a sixth of all
        work. Only for a file that nobody asks yet.
        """
        if keys:
            self._runs.append([n for _, n in self._rewritten(sorted(keys))])
            self._write()

    def merge(self) -> None:
        """Take in what was put by, a leaf of each run at a time."""
        if not self._runs:
            return
        runs = [[n for _, n in self._leaves], *self._runs]
        merged = heapq.merge(*map(self._consumed, runs))
        leaves: list[tuple[Key, int]] = []
        while part := list(islice(merged, _FULL // 2)):
            leaves += self._rewritten(part)
        self._leaves, self._runs = leaves, []
        self._write()

    def _consumed(self, run: Sequence[int]) -> Iterator[Key]:
        """Give the keys of leaves that go as they are read; the file does not grow by them."""
        for n in run:
            keys = self._read(n)
            self._store.db.execute("DELETE FROM leaf WHERE n = ?", (n,))
            yield from keys

    def _write(self) -> None:
        head: dict[str, Any] = {"next": self._next, "leaves": self._leaves}
        if self._runs:
            head["runs"] = self._runs
        self._store.write_head(_HEAD, json.dumps(head, separators=(",", ":")).encode())

    def _shares(self, fresh: list[Key]) -> Iterator[tuple[int, list[Key]]]:
        """Split sorted keys by the leaf that they belong into."""
        firsts = [first for first, _ in self._leaves]
        start = 0
        while start < len(fresh):
            at = max(bisect_right(firsts, fresh[start]) - 1, 0)
            stop = len(fresh) if at + 1 >= len(firsts) else bisect_right(fresh, firsts[at + 1])
            yield at, fresh[start:stop]
            start = stop

    def _rewritten(self, keys: list[Key]) -> Iterator[tuple[Key, int]]:
        """Write leaves under numbers that were never used: an old leaf put back opens nowhere."""
        size = len(keys) if len(keys) <= _FULL else _FULL // 2
        for start in range(0, len(keys), size):
            part = keys[start : start + size]
            n, self._next = self._next, self._next + 1
            self._store.write("leaf", [(n, json.dumps(part, separators=(",", ":")).encode())])
            yield part[0], n

    def _read(self, n: int) -> list[Key]:
        return [_key(key) for key in json.loads(self._store.read("leaf", n))]

    def numbers(self, since: str = "", until: str | None = None) -> Iterator[int]:
        """Give the photos' numbers in order, of those captured from `since` up to before `until` (texts)."""
        if self._runs:
            raise Tampered("the order is not whole")
        start = (since,)
        firsts = [first for first, _ in self._leaves]
        for first, n in self._leaves[max(bisect_right(firsts, start) - 1, 0) :]:
            if until is not None and first[0] >= until:
                return
            for key in self._read(n):
                if key[0] >= since and (until is None or key[0] < until):
                    yield key[3]


def _key(value: list[object]) -> Key:
    captured, source, digest, n = value
    if not (isinstance(captured, str) and isinstance(source, str) and isinstance(digest, str)):
        raise TypeError("a key of the order")
    return captured, source, digest, int(str(n))
