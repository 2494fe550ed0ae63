"""Can everything be read from this copy with these keys alone? Read only, on a bare machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medsnap.model.photo import ObjectId, Sha256
from medsnap.vault.check_open import Opened, open_all
from medsnap.vault.directory import Directory
from medsnap.vault.reader import Problem, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came back. `lost` are committed objects that did not, by id."""

    committed: int
    opened: Opened
    locked: tuple[str, ...]  # groups that these keys should open and do not
    other_set: tuple[str, ...]  # groups that only keys which are not here open
    sheets: bool  # recovery was tried, and no member's key
    unnamed: int  # committed objects without a record that may lie in those
    lost: tuple[ObjectId, ...]

    @property
    def partial(self) -> bool:
        """Say whether not all of the copy was tried; a member is not told whether there is more."""
        return bool(self.unnamed) or (bool(self.other_set) and not self.sheets)

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong, with its place."""
        found = [
            Problem("keys", f"locked group {name} does not open with these keys") for name in self.locked
        ]
        failed = set(self.opened.failed)
        found += [
            Problem(f"objects/{o[:2]}/{o}", "a committed object that no record names")
            for o in self.lost
            if o not in failed
        ]
        return [*found, *self.opened.problems]


def trial(
    vault: Path, directory: Directory, identities: Sequence[str], *, order: Sequence[Sha256] = ()
) -> Trial:
    """Open every committed photo and clip with `identities`, whoever made them; write nothing.

    They are meant to open all locked groups but those of the other set, where they are the sheets of
    one, and those that are not a member's, where they are his: what else does not open is a problem.
    `order` are the commits of the log. Raises nothing for what is in the vault.
    """
    reader = Reader(vault, directory, identities, order=order)
    ledger = reader.ledger
    committed = {o.object for s in reader.commits() for o in ledger.objects(s.commit)} - ledger.gone
    opened = open_all(reader)
    shut = tuple(k.name for k in directory.compartments if k.name not in reader.compartments)
    other = tuple(name for name in shut if name in _of_other_set(directory, identities))
    unnamed = committed - opened.named
    return Trial(
        committed=len(committed),
        opened=opened,
        locked=tuple(name for name in shut if name not in other),
        other_set=other,
        sheets=_recovery(directory, identities),
        unnamed=len(unnamed) if other else 0,
        lost=tuple(sorted((set() if other else unnamed) | set(opened.failed))),
    )


def _recovery(directory: Directory, identities: Sequence[str]) -> bool:
    from medsnap.crypto.age import recipient_of

    return any(recipient_of(identity) in directory.recoveries for identity in identities)


def _of_other_set(directory: Directory, identities: Sequence[str]) -> frozenset[str]:
    """Name the groups of the set that is not here, where the other one is, or that are not a member's."""
    from medsnap.crypto.age import recipient_of

    held = {recipient_of(identity) for identity in identities}
    general, closed = directory.recovery in held, directory.recovery_closed in held
    if general and not closed:
        return frozenset(directory.closed)
    every = frozenset(k.name for k in directory.compartments)
    if closed and not general:
        return every - set(directory.closed)
    if general:
        return frozenset()
    # a member's key: of what is not his nothing is said, no id and no complaint
    return every - {group for m in directory.members if m.recipient in held for group in m.compartments}
