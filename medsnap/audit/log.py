"""The log: append durably, read, and recompute everything (C2SP tlog-tiles)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsnap.audit import checkpoint as heads
from medsnap.audit import merkle, tiles
from medsnap.audit.checkpoint import Checkpoint
from medsnap.audit.files import Folder
from medsnap.crypto.note import Signer, Verifier
from medsnap.errors import KeyRefused, Locked, Malformed, Tampered, TooLarge
from medsnap.platform import kernel_lock

CHECKPOINT = "checkpoint"
PUT_BACK = "an older state was put back; if it was you, on purpose: medsnap vault trust --restored"
_MAX_NOTE = 1 << 20
_TRIES = 100  # of a tenth of a second each: another append takes milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What a verification found; `witnessed` is the size of the outside checkpoint, None without one."""

    size: int
    root: bytes
    signers: tuple[str, ...]
    witnessed: int | None = None


class Log:
    """A log in a folder. One appender at a time (kernel lock); readers need no lock."""

    def __init__(self, root: Path, origin: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        self.root = root
        self.origin = origin
        self._wait = wait
        self._files = Folder(root)

    def size(self) -> int:
        """Return how many entries the checkpoint covers; 0 before the first append."""
        head = self.head()
        return head.size if head else 0

    def head(self) -> Checkpoint | None:
        """Return the current checkpoint, its signature not verified; None before the first append."""
        note = self._files.read(CHECKPOINT, _MAX_NOTE)
        if note is None:
            if (self.root / "tile").exists():
                # The first append writes an empty checkpoint before any tile: somebody removed it.
                raise Tampered("the log has entries but no checkpoint", where="log/checkpoint")
            return None
        try:
            return self._own(heads.parse_unverified(note))
        except Malformed as problem:
            raise Tampered(problem.message, where="log/checkpoint") from None

    def _own(self, head: Checkpoint) -> Checkpoint:
        if head.origin != self.origin:
            raise Tampered("the checkpoint belongs to another log", where="log/checkpoint")
        return head

    def append(self, entries: Sequence[bytes], signer: Signer, *, seen: bytes | None = None) -> Checkpoint:
        """Append entries durably and return the new signed checkpoint.

        Bundles and tiles are synced first, the checkpoint replaces the old one last: after a crash
        the log is as before, and the next append writes over what was left. With `seen`, a
        checkpoint that this host keeps outside the vault, it never signs a log that was put back to
        an older state. Raises Tampered when the log does not match its checkpoint or `seen`,
        Locked, IoFailed, TooLarge.
        """
        if any(len(e) > tiles.MAX_ENTRY for e in entries):
            raise TooLarge(f"a log entry exceeds {tiles.MAX_ENTRY} bytes")
        with self._locked():
            head = self.head() or self._publish(0, merkle.EMPTY_ROOT, signer)
            self._check_root(head, head)
            if seen is not None:
                self._check_root(head, heads.parse_unverified(seen))
            if not entries:
                return head
            full = self._write(head.size, entries)
            size = head.size + len(entries)
            root = merkle.range_root(0, size, lambda level, i: self._files.node(size, level, i))
            new = self._publish(size, root, signer)
            for name in full:
                self._files.drop_partials(name)
            return new

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._files.prepare()
        with contextlib.ExitStack() as held:
            for left in reversed(range(_TRIES)):
                try:
                    held.enter_context(kernel_lock(self.root / "lock", what="the audit log"))
                    break
                except Locked:
                    if not left:
                        raise
                    self._wait(0.1)
            yield

    def _publish(self, size: int, root: bytes, signer: Signer) -> Checkpoint:
        head = heads.sign(self.origin, size, root, [signer])
        self._files.write(CHECKPOINT, head.note)
        return head

    def _check_root(self, head: Checkpoint, earlier: Checkpoint) -> None:
        """Never sign on top of a tree that does not begin with a tree that was signed."""
        if earlier.size > head.size:
            raise Tampered(
                f"the log was cut: it has {head.size} entries, this host has seen {earlier.size}",
                where="log/checkpoint",
                hint=PUT_BACK,
            )
        root = merkle.range_root(0, earlier.size, lambda level, i: self._files.node(head.size, level, i))
        if root != earlier.root:
            raise Tampered(
                f"the tiles do not give the signed root at entry {earlier.size}", where="log/checkpoint"
            )

    def _write(self, size: int, entries: Sequence[bytes]) -> list[str]:
        """Write the bundles and tiles that the new entries touch; return the names of the full ones."""
        index, width = tiles.widths(size)
        bundle = self._files.bundle(index, width) if width else []
        hashes = self._files.tile(0, index, width) if width else []
        if [merkle.leaf_hash(e) for e in bundle] != hashes:
            raise Tampered(
                "entries do not match their hashes", where=f"log/{tiles.bundle_name(index, width)}"
            )
        bundle += entries
        full: list[str] = []
        for at in range(0, len(bundle), tiles.WIDTH):
            part = bundle[at : at + tiles.WIDTH]
            number = index + at // tiles.WIDTH
            self._files.write(tiles.bundle_name(number, len(part)), tiles.encode_bundle(part))
            if len(part) == tiles.WIDTH:
                full.append(tiles.bundle_name(number))
        return full + self._write_level(0, size, [merkle.leaf_hash(e) for e in entries])

    def _write_level(self, level: int, size: int, added: list[bytes]) -> list[str]:
        """Write the tiles of one level and of those above it; `size` is the old tree's."""
        index, width = tiles.widths(size, level)
        hashes = (self._files.tile(level, index, width) if width else []) + added
        full: list[str] = []
        up: list[bytes] = []
        for at in range(0, len(hashes), tiles.WIDTH):
            part = hashes[at : at + tiles.WIDTH]
            number = index + at // tiles.WIDTH
            self._files.write(tiles.tile_name(level, number, len(part)), b"".join(part))
            if len(part) == tiles.WIDTH:
                full.append(tiles.tile_name(level, number))
                up.append(merkle.root_of(part))
        return full + (self._write_level(level + 1, size, up) if up else [])

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """Give the entries that the current checkpoint covers, from index `start`; not verified."""
        size = self.size()
        full, rest = tiles.widths(size)
        for index in range(start // tiles.WIDTH, full + bool(rest)):
            bundle = self._files.bundle(index, tiles.WIDTH if index < full else rest)
            yield from bundle[max(0, start - index * tiles.WIDTH) :]

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Prove that an entry stands in the current tree; raise ValueError outside of it."""
        size = self.size()
        return merkle.inclusion_proof(index, size, lambda level, i: self._files.node(size, level, i))

    def consistency_proof(self, old: int) -> tuple[bytes, ...]:
        """Prove that the tree of `old` entries is the beginning of the current one."""
        size = self.size()
        return merkle.consistency_proof(old, size, lambda level, i: self._files.node(size, level, i))

    def verify(
        self,
        verifiers: Sequence[Verifier],
        *,
        witnessed: bytes | None = None,
        witnesses: Sequence[Verifier] = (),
    ) -> LogReport:
        """Recompute every hash from the entries and compare tiles, root and signature.

        With an earlier checkpoint that was kept elsewhere, check that the log still begins with it;
        `witnesses` are further keys that may have signed that one: those retired since. It can only
        confirm what the log holds, so a thief of such a key gains nothing.
        Raises Tampered with file and entry; KeyRefused when the outside checkpoint has no known
        signature.
        """
        from medsnap.audit.verify import recompute

        note = self._files.read(CHECKPOINT, _MAX_NOTE)
        if note is None:
            raise Tampered("the log has no checkpoint", where="log/checkpoint")
        try:
            head = self._own(heads.parse(note, verifiers))
        except (KeyRefused, Malformed) as problem:
            raise Tampered(problem.message, where="log/checkpoint") from None
        earlier = self._outside(witnessed, [*verifiers, *witnesses]) if witnessed is not None else None
        if earlier and earlier.size > head.size:
            raise Tampered(
                f"the log was cut: it has {head.size} entries, the outside checkpoint covers {earlier.size}",
                where=f"log/checkpoint, entry {head.size}",
            )
        recompute(self._files, head, earlier)
        return LogReport(
            size=head.size, root=head.root, signers=head.signers, witnessed=earlier.size if earlier else None
        )

    def _outside(self, note: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
        """Read the checkpoint that was kept elsewhere."""
        try:
            head = heads.parse(note, verifiers)
        except (KeyRefused, Malformed) as problem:
            raise KeyRefused(f"the outside checkpoint cannot be used: {problem.message}") from None
        if head.origin != self.origin:
            raise KeyRefused("the outside checkpoint belongs to another log")
        return head
