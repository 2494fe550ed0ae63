"""The commits that a log names, in order, verified up to its signed root; read once, then gone on with.

What is remembered is the tree's frontier: with the entries that came since, it gives the root that is
signed now only if the log still begins as it did (RFC 6962, section 2.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medsnap.audit import checkpoint as heads
from medsnap.audit import events, tiles
from medsnap.audit.checkpoint import Checkpoint
from medsnap.audit.files import Folder
from medsnap.audit.log import CHECKPOINT, PUT_BACK, Log
from medsnap.audit.merkle import HASH, Roots, leaf_hash
from medsnap.crypto.note import Verifier
from medsnap.errors import KeyRefused, Malformed, Tampered
from medsnap.model.photo import Sha256

_MAX_NOTE = 1 << 20
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was verified of a log: its frontier (size, subtrees) and the commits it names, in order."""

    size: int = 0
    subtrees: tuple[bytes, ...] = ()
    commits: tuple[Sha256, ...] = ()

    def pack(self) -> bytes:
        """Encode it."""
        parts = b"".join(self.subtrees) + bytes.fromhex("".join(self.commits))
        return b"%d %d %d\n%s" % (_VERSION, self.size, len(self.subtrees), parts)


def unpack(data: bytes) -> Known:
    """Decode what `pack` wrote; nothing is known of bytes that it did not write."""
    head, _, parts = data.partition(b"\n")
    try:
        version, size, subtrees = map(int, head.split())
    except ValueError:
        return Known()
    hashes = [parts[at : at + HASH] for at in range(0, len(parts), HASH)]
    if version != _VERSION or subtrees != size.bit_count() or len(parts) % HASH or subtrees > len(hashes):
        return Known()
    return Known(
        size=size,
        subtrees=tuple(hashes[:subtrees]),
        commits=tuple(Sha256(h.hex()) for h in hashes[subtrees:]),
    )


def read(log: Log, verifiers: Sequence[Verifier], before: Known) -> Known:
    """Verify what came since, and that the log begins with what was known before. Raises Tampered."""
    head = _head(log, verifiers)
    if head is None:
        if before.size:
            raise Tampered("the log has no checkpoint any more", where=f"log/{CHECKPOINT}")
        return before
    if head.size < before.size:
        raise Tampered(
            f"the log was put back: it has {head.size} entries, you have seen {before.size}"
            " (after a restore: medsnap vault reindex)",
            where=f"log/{CHECKPOINT}",
            hint=PUT_BACK,
        )
    roots = Roots(before.size, before.subtrees)
    named = list(before.commits)
    for index, entry in _since(Folder(log.root), before.size, head.size):
        roots.add(leaf_hash(entry))
        commit = _commit(entry, index)
        if commit is not None:
            named.append(commit)
    if roots.root() != head.root:
        raise Tampered(
            "the log is not what its checkpoint signs, or does not begin as it did"
            " (medsnap audit verify names the place)",
            where=f"log/{CHECKPOINT}",
        )
    return Known(size=head.size, subtrees=roots.subtrees, commits=tuple(named))


def _head(log: Log, verifiers: Sequence[Verifier]) -> Checkpoint | None:
    note = Folder(log.root).read(CHECKPOINT, _MAX_NOTE)
    if note is None:
        log.head()  # refuses entries without a checkpoint
        return None
    try:
        head = heads.parse(note, verifiers)
    except (KeyRefused, Malformed) as problem:
        raise Tampered(problem.message, where=f"log/{CHECKPOINT}") from None
    if head.origin != log.origin:
        raise Tampered("the checkpoint belongs to another log", where=f"log/{CHECKPOINT}")
    return head


def _since(files: Folder, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    for bundle in range(start // tiles.WIDTH, -(-stop // tiles.WIDTH)):
        first = bundle * tiles.WIDTH
        found = files.bundle(bundle, min(tiles.WIDTH, stop - first))
        for at in range(max(0, start - first), len(found)):
            yield first + at, found[at]


def _commit(entry: bytes, index: int) -> Sha256 | None:
    try:
        return events.parse_leaf(entry, f"log, entry {index}").commit
    except Malformed as problem:
        raise Tampered(problem.message, where=problem.where) from None
