"""What a catalogue has taken in: the commits, and how far the log was met."""

from __future__ import annotations

from typing import Final

from medsnap.errors import Tampered
from medsnap.vault.catalogue_store import Store
from medsnap.vault.reader import Reader

LOG: Final = "log"  # what is remembered of it
_WORTH: Final = 256  # entries of the log that are rather read again than remembered


def remember(store: Store, reader: Reader) -> None:
    """Keep how far the log was met, where that saves reading it again."""
    now = reader.account()
    if now is not None and (now.accounted < len(now.commits) or now.fresh >= _WORTH):
        with store.transaction():
            store.write_head(LOG, now.memory)


def seen_in(store: Store) -> set[str]:
    """Return the commits taken in. Raises Tampered for one that we did not write: it would hide photos."""
    found = set()
    for commit, mark in store.db.execute("SELECT id, mark FROM seen"):
        if mark != store.tag("seen", str(commit)):
            raise Tampered("a commit is marked that was never taken in")
        found.add(str(commit))
    return found
