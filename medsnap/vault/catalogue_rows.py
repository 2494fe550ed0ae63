"""One photo of a catalogue: found by its id or a beginning of it, and its whole row as it holds now."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TypeAlias, TypeVar

from medsnap.errors import Tampered, Unsupported, UsageError
from medsnap.model.codec import CodecError, from_json
from medsnap.model.record import PhotoRow
from medsnap.vault import catalogue_search as searching
from medsnap.vault import decisions
from medsnap.vault.catalogue_cells import whole
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry
from medsnap.vault.ids import is_prefix
from medsnap.vault.reader import not_found

Found: TypeAlias = tuple[int, Entry, int, int]  # number, entry, block, slot
T = TypeVar("T")


def named(store: Store, text: str) -> list[Found]:
    """Return the photos whose ids begin so. Raises NotFound, for what no id begins like too."""
    found = list(searching.named(store, text)) if is_prefix(text) else []
    if not found:
        raise not_found()
    return found


def only(found: list[T]) -> T:
    """Return the one that was found. Raises NotFound, UsageError when there are several."""
    if not found:
        raise not_found()
    if len(found) > 1:
        raise UsageError("several of your photos begin so", hint="give more of the id: vault ls shows it")
    return found[0]


def photo_row(store: Store, found: Found) -> PhotoRow:
    """Return a photo's row with the decision that holds now. Raises Unsupported, Tampered."""
    _, entry, block, slot = found
    try:
        row = from_json(PhotoRow, json.loads(whole(store, block, slot)))
        decided = decisions.newest(decisions.beside(store, entry.object))
    except CodecError as misfit:
        raise Unsupported(
            f"the row of a photo cannot be read by this medsnap ({misfit.where})", hint="update medsnap"
        ) from misfit
    if row.seal.object != entry.object:
        raise Tampered("a row stands at another photo's place")
    return row if decided is None else replace(row, decision=decided)
