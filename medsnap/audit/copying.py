"""Copy a log: what is new since the last time, verified on its way; the checkpoint comes last."""

from __future__ import annotations

import hashlib

from medsnap.audit import checkpoint as heads
from medsnap.audit import events, merkle, store, tiles
from medsnap.audit.checkpoint import Checkpoint
from medsnap.audit.files import Folder
from medsnap.audit.log import CHECKPOINT, Log
from medsnap.crypto.note import Verifier
from medsnap.errors import KeyRefused, Malformed, Tampered

_MAX_NOTE = 1 << 20
_TRIES = 3  # somebody may append meanwhile, and a full tile takes the place of a partial one


def snapshot(log: Log, verifiers: list[Verifier]) -> Checkpoint:
    """Return the log's checkpoint, its signature verified. Raises Tampered, also when there is none."""
    note = Folder(log.root).read(CHECKPOINT, _MAX_NOTE)
    if note is None:
        raise Tampered("the log has no checkpoint", where="log/checkpoint")
    try:
        head = heads.parse(note, verifiers)
    except (KeyRefused, Malformed) as problem:
        raise Tampered(problem.message, where="log/checkpoint") from None
    if head.origin != log.origin:
        raise Tampered("the checkpoint belongs to another log", where="log/checkpoint")
    return head


def copy(source: Log, target: Log, head: Checkpoint) -> int:
    """Bring a copy up to `head`, a snapshot of the source; returns how many entries are new.

    Cut off at any moment the copy is as it was, and the next run goes on. Raises Tampered when the
    copy is longer than the source or is not its beginning: then one of them was put back or forked,
    and the copy is left as it is. Raises IoFailed.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _copy(source, target, head)
        except Tampered:
            now = source.head()
            if not left or now is None or now.size == head.size:
                raise
    raise AssertionError


def _copy(source: Log, target: Log, head: Checkpoint) -> int:
    old, new = Folder(source.root), Folder(target.root)
    new.prepare()
    start = _begun(old, new, head)
    if start == head.size:
        return 0
    full = []
    for index in range(start // tiles.WIDTH, -(-head.size // tiles.WIDTH)):
        width = min(tiles.WIDTH, head.size - index * tiles.WIDTH)
        entries = old.bundle(index, width)
        if [merkle.leaf_hash(e) for e in entries] != old.tile(0, index, width):
            raise Tampered(
                "entries do not match their hashes", where=f"log/{tiles.bundle_name(index, width)}"
            )
        _events(old, new, entries)
        new.write(tiles.bundle_name(index, width), tiles.encode_bundle(entries))
        full += [tiles.bundle_name(index)] if width == tiles.WIDTH else []
    full += _tiles(old, new, start, head.size)
    if merkle.range_root(0, head.size, lambda level, i: new.node(head.size, level, i)) != head.root:
        raise Tampered("the tiles do not give the signed root", where="log/checkpoint")
    new.write(CHECKPOINT, head.note)
    for name in full:
        new.drop_partials(name)
    return head.size - start


def _begun(old: Folder, new: Folder, head: Checkpoint) -> int:
    """Return how many entries the copy has; the source must begin with them. Raises Tampered."""
    note = new.read(CHECKPOINT, _MAX_NOTE)
    if note is None:
        return 0
    try:
        there = heads.parse_unverified(note)
    except Malformed as broken:
        raise Tampered(f"of the copy: {broken.message}", where="log/checkpoint") from None
    if there.size > head.size:
        raise Tampered(
            f"the vault's log has {head.size} entries, its copy {there.size}: the vault was put back",
            where="log/checkpoint",
        )
    if merkle.range_root(0, there.size, lambda level, i: old.node(head.size, level, i)) != there.root:
        raise Tampered(
            f"the vault's log is not the one whose first {there.size} entries the copy holds",
            where="log/checkpoint",
        )
    return there.size


def _events(old: Folder, new: Folder, entries: list[bytes]) -> None:
    for entry in entries:
        try:
            name = store.name_of(events.parse_leaf(entry, "log").sealed)
        except Malformed as problem:
            raise Tampered(problem.message, where=problem.where) from None
        data = old.read(name, store.MAX_SEALED)
        if data is None or hashlib.sha256(data).hexdigest() != name.rpartition("/")[2]:
            raise Tampered("a sealed event is missing or was altered", where=f"log/{name}")
        if new.read(name, store.MAX_SEALED) != data:
            new.write(name, data)


def _tiles(old: Folder, new: Folder, start: int, size: int) -> list[str]:
    full: list[str] = []
    level = 0
    while size >> 8 * level:
        whole, rest = tiles.widths(size, level)
        first, _ = tiles.widths(start, level)
        for index in range(first, whole + bool(rest)):
            width = tiles.WIDTH if index < whole else rest
            new.write(tiles.tile_name(level, index, width), b"".join(old.tile(level, index, width)))
            full += [tiles.tile_name(level, index)] if width == tiles.WIDTH else []
        level += 1
    return full
