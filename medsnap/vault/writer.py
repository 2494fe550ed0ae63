"""The ingest writer: sealed object, row, name, commit, log; each step repeatable, synced a few at a time.

Killed at any moment and run again it ends where an uninterrupted run ends: an object gets its name
only when its row, or an intent, is durable in the journal; what has a row is finished and committed
and never stored twice, what has none is set aside and its source sealed anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from medsnap import disk
from medsnap.model.codec import canonical
from medsnap.model.photo import MediaType, ObjectId, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.rewrite import Buffer
from medsnap.model.seal import Seal
from medsnap.platform import kernel_lock
from medsnap.vault import batches, commits, erasures, objects
from medsnap.vault.commits import SignedCommit
from medsnap.vault.files import io_errors, make_folder, place_new, remove
from medsnap.vault.host import Host
from medsnap.vault.ids import Random
from medsnap.vault.journal import ERASED, Journal, Known
from medsnap.vault.objects import PART, ObjectDigests, Staged
from medsnap.vault.sealing import Sealers, Sealing

COMMIT_EVERY = 256  # rows
COMMIT_AFTER = timedelta(seconds=60)
PLACE_EVERY = 8  # objects that are made durable together: one wait for the disk serves them all
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class _Group:
    """Objects that are being made durable and named, beside the sealing of the next ones."""

    done: Future[None]
    staged: dict[ObjectId, Staged]


class Writer:
    """Add photos and receipts to a vault, under its kernel lock, as one host.

    Use it as a context manager. `log` appends a commit's hash (and the ids in it) to the audit
    log; `logged` gives the hashes that already stand there, so that a commit whose log entry a
    crash cut off is offered again and only once. `dump` says which dump is taken in, as a digest:
    what other dumps hold is not forgotten for it. Raises Locked (75) on entry.
    """

    def __init__(
        self,
        host: Host,
        *,
        now: Callable[[], datetime],
        random: Random,
        log: Callable[[Sha256, tuple[str, ...]], None],
        logged: Callable[[], Collection[Sha256]] = tuple,
        dump: str = "",
    ) -> None:
        self._host, self._now, self._random, self._dump = host, now, random, dump
        self._log, self._logged = log, logged
        self._vault, self._directory = host.vault, host.directory
        self._lines: dict[str, batches.Lines] = {}
        self._sealed: dict[ObjectId, ObjectDigests] = {}  # of this run, until their row is added
        self._objects: list[ObjectDigests] = []  # of the rows that wait
        self._staged: dict[ObjectId, tuple[Sha256, Staged]] = {}  # whole, without a name; by source
        self._rowless: set[ObjectId] = set()  # of those: no row was added yet
        self._group: _Group | None = None
        self._since = now()
        self._waiting = 0
        self._torn = False  # memory may be behind the journal: an interrupt or error cut a step off
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Writer:
        with contextlib.ExitStack() as stack:
            stack.enter_context(kernel_lock(self._vault / LOCK, what="the vault"))
            self._journal = Journal(self._host.journal)
            stack.callback(self._journal.close)
            self._sealers = stack.enter_context(Sealers(self._vault, self._random))
            self.recover()
            self._gone = self._ledger()
            self._placer = stack.enter_context(disk.aside())
            self._stack = stack.pop_all()
        return self

    def _ledger(self) -> erasures.Ledger:
        """Say what was erased or moved, by all notes in the log whose signers had the right."""
        return erasures.counting(self._vault, self._directory, self._logged())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_staged()
        self._stack.close()

    def may_know(self, size: int) -> bool:
        """Say whether this host may have sealed a source of so many bytes: then its digest is looked up."""
        return self._journal.may_know(size)

    def known(self, source: Sha256) -> Known | None:
        """Say what a source with this digest became in an earlier run, or in this one.

        None also when its object is gone from the vault (an older copy was restored): then the
        source may be the only copy and is sealed anew. What was erased stays out: its state is `erased`.
        What was moved is in the vault under a name that this host does not know: it is `moved`.
        """
        found = self._journal.known(source)
        if found is None or found.object in self._staged:
            return found
        if self._group is not None and found.object in self._group.staged:
            return found  # it gets its name at this moment
        if found.object in self._gone.erased:
            return dataclasses.replace(found, state=ERASED)
        if found.object in self._gone.moved:
            return dataclasses.replace(found, moved=True)
        return found if objects.path_of(self._vault, found.object).exists() else None

    def seal(
        self, chunks: Iterable[Buffer], *, source: Sha256, compartment: str, media: MediaType, length: int
    ) -> Seal:
        """Seal `length` bytes into a new object of a compartment. Raises IoFailed, KeyRefused.

        The object is nothing yet: `add` its row, or the next start sets it aside.
        """
        return self.finish(
            self.begin(
                chunks, source=source, compartment=compartment, media=media, length=length, aside=False
            )
        )

    def begin(
        self,
        chunks: Iterable[Buffer],
        *,
        source: Sha256,
        compartment: str,
        media: MediaType,
        length: int,
        aside: bool,
    ) -> Sealing:
        """Begin to seal a photo, `aside` where its chunks are in memory; errors as `seal`."""
        key = self._directory.compartment(compartment)
        return self._sealers.begin(chunks, source=source, key=key, media=media, length=length, aside=aside)

    def finish(self, sealing: Sealing) -> Seal:
        """Wait for the end of a sealing. Errors as `seal`."""
        if self._torn:
            self.recover()
        staged = self._sealers.finish(sealing)
        self._staged[sealing.object] = (sealing.source, staged)
        self._rowless.add(sealing.object)
        self._sealed[sealing.object] = staged.placed.digests
        return sealing.seal(staged)

    def add(self, compartment: str, row: object) -> SignedCommit | None:
        """Add an event to a compartment: no kill loses it from here on; committed with others.

        A PhotoRow takes its object and its companions' objects with it. Returns the commit when
        256 rows or 60 seconds made one due.
        """
        key = self._directory.compartment(compartment)
        seals = [s for s in seals_of(row) if s.compartment == compartment]
        digests = tuple(self._sealed.pop(s.object) for s in seals)
        line = canonical(row)
        sealed = batches.seal_row(line, key.recipient, random=self._random)
        with self._step():
            # what leaves in this run is written down before it leaves; else the next sync will do
            self._journal.add(compartment, sealed, digests, _sources(row), dump=self._dump, sync=_leaves(row))
            self._lines.setdefault(compartment, batches.Lines()).add(line)
            self._objects += digests
            self._waiting += 1
            self._rowless.difference_update(o.object for o in digests)
            if _leaves(row) or len(self._staged) >= PLACE_EVERY:
                self._place()
            if _leaves(row):
                self._placed()
        due = self._waiting >= COMMIT_EVERY or self._now() - self._since >= COMMIT_AFTER
        return self.commit() if due else None

    def _place(self) -> None:
        """Hand the staged objects over, to get their names durably, once it is written down what they become.

        One group at a time: the disk works on it while the next is sealed.
        """
        self._placed()
        if not self._staged:
            return
        self._journal.intend(
            (source, name) for name, (source, _) in self._staged.items() if name in self._rowless
        )
        staged = {name: one for name, (_, one) in self._staged.items()}
        self._group = _Group(self._placer.submit(objects.place, self._vault, list(staged.values())), staged)
        self._staged, self._rowless = {}, set()

    def _placed(self) -> None:
        """Wait until the objects that were handed over have their names, durably. Raises IoFailed."""
        if self._group is not None:
            self._group.done.result()
            self._group = None

    def _close_staged(self) -> None:
        """Let go of the files; the journal says which of them count."""
        if self._group is not None:
            if not self._group.done.cancel():
                self._group.done.exception()  # nobody else may be at work on the files from here on
            for one in self._group.staged.values():
                one.close()
        for _, one in self._staged.values():
            one.close()
        self._group, self._staged, self._rowless = None, {}, set()

    def commit(self) -> SignedCommit | None:
        """Write batches, commit and log entry for all rows that wait; None when none does.

        It may be called after an interrupt at any moment: what was cut off is mended first.
        """
        if self._torn:
            self.recover()
        if not self._waiting:
            self._since = self._now()
            return None
        draft = commits.Draft(lines={k: v.encoded for k, v in self._lines.items()}, objects=self._objects)
        with self._step():
            self._place()
            self._placed()
            signed = commits.write(
                self._vault,
                self._directory,
                draft,
                signer=self._host.signer,
                random=self._random,
                announce=self._journal.begin,
            )
            self._log(signed.sha256, tuple(o.object for o in signed.commit.objects))
            self._journal.settle()
            self._forget()
        return signed

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """Remember when memory and journal may have come apart: a signal can strike between two lines."""
        self._torn = True
        yield
        self._torn = False

    def _forget(self) -> None:
        self._lines, self._objects, self._waiting, self._since = {}, [], 0, self._now()

    def forget_unseen(self, seen: Iterable[Sha256]) -> int:
        """Drop from the journal what is no longer in the dump: a stolen journal confirms no guess."""
        return self._journal.forget_unseen(seen, self._dump)

    def recover(self) -> None:
        """Finish or clear away what was cut off, by the journal alone; called on entry."""
        self._torn = True
        self._journal.roll_back()
        self._forget()
        self._sealed = {}
        self._close_staged()
        for name in ("tmp", "objects", "batches", "commits"):
            make_folder(self._vault / name)
        self._recover_commit()
        for object_id in self._journal.intents():
            self._set_aside(object_id)
            self._journal.drop_intent(object_id)
        for row in self._journal.pending():
            if all(objects.secure(self._vault, o) for o in row.objects):
                self._lines.setdefault(row.compartment, batches.Lines()).add_sealed(row.sealed)
                self._objects += row.objects
                self._waiting += 1
                continue
            for digests in row.objects:
                self._set_aside(digests.object)
            self._journal.drop_pending(row)
        with io_errors(self._vault):
            for part in (self._vault / "tmp").glob(f"*{PART}"):
                if part.name.removesuffix(PART) not in self._sealers.begun:
                    remove(part)  # of no row: its source is still where it was
        self._torn = False

    def _recover_commit(self) -> None:
        opening = self._journal.opening()
        if opening is None:
            return
        with io_errors(self._vault):
            for folder, names in (("batches", opening.batches), ("commits", (opening.commit,))):
                for name in names:
                    for half in (self._vault / folder).glob(f".{name}.*.tmp"):
                        disk.unlink(half)
            if not (self._vault / "commits" / opening.commit).exists():
                for name in opening.batches:
                    remove(self._vault / "batches" / name)
                self._journal.abandon()
                return
        signed = commits.read(self._vault, opening.commit, self._directory)
        if signed.sha256 not in self._logged():
            self._log(signed.sha256, tuple(o.object for o in signed.commit.objects))
        self._journal.settle()

    def _set_aside(self, object_id: ObjectId) -> None:
        """Move an object without a row out of `objects`; never delete it: it may be the only copy."""
        path = objects.path_of(self._vault, object_id)
        with io_errors(self._vault):
            remove(self._vault / "tmp" / f"{object_id}.part")
            if path.exists():
                orphans = self._vault / "tmp" / "orphans"
                make_folder(orphans)
                with contextlib.suppress(FileExistsError):
                    place_new(path, orphans / object_id)
                remove(path)


def seals_of(row: object) -> tuple[Seal, ...]:
    """Return the seals that a row brings: the photo's and its companions'."""
    if not isinstance(row, PhotoRow):
        return ()
    return (row.seal, *(c.seal for c in row.companions if c.seal is not None))


def _leaves(row: object) -> bool:
    return not isinstance(row, PhotoRow) or bool(row.intents)


def _sources(row: object) -> tuple[tuple[Sha256, Known], ...]:
    if not isinstance(row, PhotoRow):
        return ()
    known = Known(
        object=row.seal.object,
        state=row.state,
        verb=str(row.decision.verb),
        reason=row.reason,
        waits=row.decision.waits,
        size=row.source_size,
    )
    return ((row.source_sha256, known),)


__all__ = ["Known", "Writer", "seals_of"]
