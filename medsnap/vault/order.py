"""The order of a vault's commits, as its audit log has them, and what a reader remembers of the log.

Rights, decisions and holds hang on it: who could make a reader believe another log, or none, could let a
decision that opens a photo come after the one that closed it, or let a hold not be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from medsnap.errors import MedsnapError
from medsnap.model.photo import Sha256
from medsnap.vault.directory import Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Hashes that the verified log names, in its order; the first `accounted` were met in the vault before.

    `memory` is what to give the next time, once all of them were met; `fresh` entries were read for it.
    """

    commits: Sequence[Sha256]
    accounted: int
    memory: bytes
    fresh: int = 0


class Order(Protocol):
    """Reads the log with the keys of a verified directory, going on from what is remembered (b"": nothing).

    Raises Tampered when it does not verify, was put back or does not begin with what is remembered.
    """

    def __call__(self, directory: Directory, memory: bytes, /) -> Ordered:
        """Return the order."""


def places(hashes: Iterable[Sha256]) -> dict[Sha256, int]:
    """Say at which place of the log each hash stands; where one stands twice, the first counts.

    Else whoever may write to the log could name a commit again, and with it let a decision that opens a
    photo come after the one that closed it, or a hold after its signer's key was retired.
    """
    found: dict[Sha256, int] = {}
    for place, sha256 in enumerate(hashes):
        found.setdefault(sha256, place)
    return found


def fixed(commits: Sequence[Sha256]) -> Order:
    """Give an order that is known already, and of which nothing is remembered or asked for."""
    return lambda _directory, _memory: Ordered(commits=commits, accounted=len(commits), memory=b"")


class Places:
    """Where the log names each commit and erasure, read at the first question.

    `fault` says why the log cannot be used; then nothing has a place.
    """

    def __init__(self, order: Sequence[Sha256] | Order, directory: Directory) -> None:
        self._order = order if callable(order) else fixed(order)
        self._directory = directory
        self.recall(b"")

    def recall(self, memory: bytes) -> None:
        """Begin again, going on from what was remembered."""
        self._memory = memory
        self._ordered: Ordered | None = None
        self._map: dict[Sha256, int] | None = None
        self.fault: MedsnapError | None = None

    @property
    def ordered(self) -> Ordered:
        """What the log says; nothing when there is a `fault`."""
        if self._ordered is None:
            try:
                self._ordered = self._order(self._directory, self._memory)
            except MedsnapError as fault:
                self.fault = fault
                self._ordered = Ordered(commits=(), accounted=0, memory=b"")
        return self._ordered

    @property
    def unmet(self) -> Sequence[Sha256]:
        """What the log names and was not met in the vault before."""
        return self.ordered.commits[self.ordered.accounted :]

    def __call__(self) -> Mapping[Sha256, int]:
        """Give the place of each."""
        if self._map is None:
            self._map = places(self.ordered.commits)
        return self._map
