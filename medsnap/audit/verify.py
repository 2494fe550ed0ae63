"""Recompute a whole log from its entries, in constant memory."""

from __future__ import annotations

from medsnap.audit import merkle, tiles
from medsnap.audit.checkpoint import Checkpoint
from medsnap.audit.files import Folder
from medsnap.errors import Tampered


class _Levels:
    """Rebuild the tiles level by level and compare each with its file."""

    def __init__(self, files: Folder, head: Checkpoint) -> None:
        self._files, self._head = files, head
        self._pending: list[list[bytes]] = []
        self._done: list[int] = []

    def add(self, found: bytes, level: int = 0) -> None:
        if level == len(self._pending):
            self._pending.append([])
            self._done.append(0)
        self._pending[level].append(found)
        if len(self._pending[level]) == tiles.WIDTH:
            self._compare(level)

    def _compare(self, level: int) -> None:
        hashes, index = self._pending[level], self._done[level]
        stored = self._files.tile(level, index, len(hashes))
        if stored != hashes:
            at = next(i for i, (a, b) in enumerate(zip(stored, hashes, strict=True)) if a != b)
            first = (index * tiles.WIDTH + at) << 8 * level
            name = tiles.tile_name(level, index, len(hashes))
            if level == 0 and self._is_signed(index, stored):
                name = tiles.bundle_name(index, len(hashes))
            raise Tampered(
                f"entry {first} and its hash do not match"
                if level == 0
                else f"a hash above entry {first} is wrong",
                where=f"log/{name}, entry {first}",
            )
        self._pending[level] = []
        self._done[level] += 1
        if len(hashes) == tiles.WIDTH:
            self.add(merkle.root_of(hashes), level + 1)

    def _is_signed(self, index: int, stored: list[bytes]) -> bool:
        """Say whether a lowest tile leads to the signed root: then it is the entries that were changed."""
        size, node = self._head.size, self._files.node
        try:
            if len(stored) == tiles.WIDTH and merkle.root_of(stored) != node(size, 8, index):
                return False
            return merkle.range_root(0, size, lambda level, i: node(size, level, i)) == self._head.root
        except Tampered:
            return False

    def finish(self) -> None:
        for level in range(len(self._pending)):
            if self._pending[level]:
                self._compare(level)


def recompute(files: Folder, head: Checkpoint, earlier: Checkpoint | None) -> None:
    """Compare entries, tiles and roots; raise Tampered with file and entry."""
    roots, levels = merkle.Roots(), _Levels(files, head)
    if earlier:
        _compare_earlier(roots, earlier)
    full, rest = tiles.widths(head.size)
    for index in range(full + bool(rest)):
        for entry in files.bundle(index, tiles.WIDTH if index < full else rest):
            leaf = merkle.leaf_hash(entry)
            roots.add(leaf)
            levels.add(leaf)
            if earlier:
                _compare_earlier(roots, earlier)
    levels.finish()
    if roots.root() != head.root:
        raise Tampered("the entries do not give the signed root", where=f"log/checkpoint, entry {head.size}")


def _compare_earlier(roots: merkle.Roots, earlier: Checkpoint) -> None:
    if roots.size == earlier.size and roots.root() != earlier.root:
        raise Tampered(
            "the log was rewritten: its beginning is not what the checkpoint kept outside says",
            where=f"log/tile/entries, entries before {earlier.size}",
        )
