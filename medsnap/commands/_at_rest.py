"""A vault at rest, and what is known of it without keys: the pin, this host's journal, the log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._vault import log_of
from medsnap.errors import KeyRefused, MedsnapError, Tampered
from medsnap.model.photo import Sha256

if TYPE_CHECKING:
    from medsnap.vault.directory import SignedDirectory
    from medsnap.vault.pins import Pin
    from medsnap.vault.reader import Problem

_MAX_CHECKPOINT = 1 << 20


def pin_of(folder: Path) -> Pin | None:
    """Return what this host trusts, None when it has pinned nothing."""
    from medsnap.vault import pins

    return pins.read_pin(folder) if (folder / pins.PIN).is_file() else None


@contextlib.contextmanager
def at_rest(vault: Path) -> Iterator[None]:
    """Keep ingest out while looking, else its half-made commit would look like damage. Raises Locked."""
    from medsnap.platform import kernel_lock
    from medsnap.vault.writer import LOCK

    with contextlib.ExitStack() as held:
        # a copy on a read-only medium, or somebody else's vault: nobody to keep out, or no right to;
        # what lies in place of the lock is named by the check
        with contextlib.suppress(OSError, Tampered):
            if (vault / LOCK).exists():  # else nobody has ever added here, and looking changes nothing
                held.enter_context(kernel_lock(vault / LOCK, what="the vault"))
        yield


def waiting_here(folder: Path) -> frozenset[str]:
    """Ids in this host's journal: a run that was cut off left them, the next one deals with them."""
    from medsnap.vault.host import JOURNAL
    from medsnap.vault.journal import Journal

    if not (folder / JOURNAL).is_file():
        return frozenset()
    journal = Journal(folder / JOURNAL)
    try:
        rows = {str(o.object) for row in journal.pending() for o in row.objects}
        opening = journal.opening()
        half = {opening.commit, *opening.batches} if opening else set()
        return frozenset(rows | half | set(journal.intents()))
    finally:
        journal.close()


@dataclass(slots=True, kw_only=True)
class LogFound:
    """What the log says: its commits in order (None: it cannot be read), its size, what is wrong."""

    commits: tuple[Sha256, ...] | None = None
    size: int = 0
    remembered: int | None = None  # entries of the checkpoint that this host saw last
    problems: list[Problem] = field(default_factory=list)


def look_at_log(vault: Path, signed: SignedDirectory, folder: Path | None) -> LogFound:
    """Verify the log's hashes, signature and sealed events, and that it goes on from what this host saw.

    `folder` is this host's own one, None on a bare machine. Raises nothing for what is in the vault.
    """
    from medsnap.audit import leftovers, store
    from medsnap.crypto.note import Verifier
    from medsnap.vault.reader import Problem

    log, found = log_of(vault, signed.directory), LogFound()
    try:
        verifiers = [Verifier.parse(key) for key in signed.log_vkeys]
        report = log.verify(verifiers)
        found.size = report.size
        found.commits = tuple(store.commits(log))
        store.check(log)
        sealed = {leaf.sealed for leaf in store.leaves(log)}
        found.problems += (Problem(*fault) for fault in leftovers.faults(log, report.size, sealed))
    except MedsnapError as fault:
        found.problems.append(Problem(fault.where or "log", fault.message))
        return found
    seen = _remembered(folder) if folder is not None else None
    if seen is not None:
        try:
            found.remembered = log.verify(verifiers, witnessed=seen).witnessed
        except KeyRefused:
            pass  # the key that signed it has left the directory since: it proves nothing any more
        except MedsnapError as fault:
            text = f"compared with what this host saw last: {fault.message}"
            found.problems.append(Problem(fault.where or "log", text))
    return found


def _remembered(folder: Path) -> bytes | None:
    from medsnap.vault.host import CHECKPOINT

    try:
        with (folder / CHECKPOINT).open("rb") as handle:
            return handle.read(_MAX_CHECKPOINT)
    except (FileNotFoundError, NotADirectoryError):
        return None
