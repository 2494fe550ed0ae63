"""The ledger of erasures as of an entry of the log: its digest leaves the host with a checkpoint."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import Tampered

if TYPE_CHECKING:
    from medsnap.audit.log import Log
    from medsnap.vault.directory import Directory


def ledger_digest(vault: Path, directory: Directory, log: Log, size: int) -> str:
    """Return the digest of all erasures that the first `size` entries name; "" when there is none."""
    from medsnap.audit import store
    from medsnap.vault import erasures
    from medsnap.vault.order import places

    if not (vault / erasures.FOLDER).is_dir():
        return ""
    place = places(store.commits(log))
    named = {leaf.commit for leaf in islice(store.leaves(log), size)} - {None}
    ledger = erasures.read(vault, directory, lambda: place).only(d for d in named if d is not None)
    return ledger.digest if ledger.notes else ""


def compare(vault: Path, directory: Directory, log: Log, left: str, size: int) -> None:
    """Refuse a vault whose ledger lacks an erasure that it had when the checkpoint left. Raises Tampered."""
    if left and ledger_digest(vault, directory, log, size) != left:
        raise Tampered(
            "the ledger of erasures is not the one that left with this checkpoint",
            where="erasures/",
            hint="an older copy came back, and what was erased with it: medsnap vault check --ledger FILE",
        )
