"""Who waits for whom in one vault, beside the lock that ingest and removals hold all the time they work.

What members write down (receipts, decisions, consents, holds) and what takes photos out take turns: a
removal knows all that was written of a photo, nothing is written of one that is gone, and no check meets
half a commit. Of two exports to one receiver the second ends at once: both would give a photo an identity.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from medsnap.errors import Locked
from medsnap.platform import kernel_lock
from medsnap.vault.files import io_errors, make_folder

LOCK: Final = "holds.lock"  # the name that it had when only holds were written under it
TRIES = 100  # a tenth of a second apart: a member's turn is short, a removal's may be long


class Changed(Locked):
    """Photos were erased or moved while the catalogue was read: what was read so far is half of each."""

    def __init__(self) -> None:
        super().__init__("photos were erased or moved while the vault was read", hint="run it again")


@contextlib.contextmanager
def turn(vault: Path, *, wait: Callable[[float], None] | None = None) -> Iterator[None]:
    """Keep removals out while a member's events are written, and the other way round.

    It waits for the other's turn to end. Raises Locked after ten seconds, IoFailed.
    """
    with contextlib.ExitStack() as held:
        for left in reversed(range(TRIES)):
            try:
                with io_errors(vault):
                    held.enter_context(kernel_lock(vault / LOCK, what="the vault's members' lock"))
                break
            except Locked:
                if not left:
                    raise
                (wait or time.sleep)(0.1)
        yield


@contextlib.contextmanager
def sending(vault: Path, goals: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Be the only one who sends to these goals (receiver, kind of file). Raises Locked at once, IoFailed."""
    with contextlib.ExitStack() as held:
        make_folder(vault / "tmp")
        for target, kind in sorted(set(goals)):
            what = f"exports of {kind} to '{target}'"
            with io_errors(vault):
                held.enter_context(kernel_lock(vault / "tmp" / f"{mark(target, kind)}.lock", what=what))
        yield


def mark(*words: str) -> str:
    """Return a name for a file or folder that hangs on these words alone, whatever stands in them."""
    return "export-" + hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
