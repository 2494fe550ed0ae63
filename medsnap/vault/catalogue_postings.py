"""Which photos of a segment bear which label, gathered by field and written as sealed lists of numbers."""

from __future__ import annotations

import array
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, Final

from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import SEARCHED, Entry, labels_of

_values: Final = attrgetter(*SEARCHED)


class Postings:
    """The photos of one segment by what a field of theirs says; what is said alike is folded once."""

    def __init__(self) -> None:
        self._fields: tuple[defaultdict[Any, list[int]], ...] = tuple(defaultdict(list) for _ in SEARCHED)

    def add(self, n: int, entry: Entry) -> None:
        """Note a photo, by ascending numbers."""
        for by_value, value in zip(self._fields, _values(entry), strict=True):
            by_value[value].append(n)

    def labels(self) -> dict[tuple[str, str], list[int]]:
        """Give the numbers of the photos that bear each label, ascending and each once."""
        found: dict[tuple[str, str], list[int]] = {}
        for name, by_value in zip(SEARCHED, self._fields, strict=True):
            for value, numbers in by_value.items():
                for label in labels_of(name, value):
                    before = found.get(label)
                    found[label] = numbers if before is None else sorted({*before, *numbers})
        return found


def write(store: Store, segment: int, labels: Mapping[tuple[str, str], list[int]]) -> None:
    """Write the lists of a segment, in the order in which their tags lie in the file."""
    store.db.executemany("INSERT INTO posting VALUES (?, ?, ?)", _cells(store, segment, labels))


def _cells(
    store: Store, segment: int, labels: Mapping[tuple[str, str], list[int]]
) -> Iterator[tuple[bytes, int, bytes]]:
    for tag, numbers in sorted((store.tag(*label), numbers) for label, numbers in labels.items()):
        packed = array.array("I", numbers)
        if sys.byteorder != "little":
            packed.byteswap()
        yield tag, segment, store.seal(packed.tobytes(), "posting", tag, segment)
