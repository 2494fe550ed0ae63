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
    locked: tuple[str, ...]  # groups that these keys do not open
    lost: tuple[ObjectId, ...]

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

    They are meant to open all locked groups: what does not open is a problem. `order` are the
    commits of the log. Raises nothing for what is in the vault.
    """
    reader = Reader(vault, directory, identities, order=order)
    committed = {o.object for signed in reader.commits() for o in signed.commit.objects} - reader.ledger.gone
    opened = open_all(reader)
    return Trial(
        committed=len(committed),
        opened=opened,
        locked=tuple(k.name for k in directory.compartments if k.name not in reader.compartments),
        lost=tuple(sorted((committed - opened.named) | set(opened.failed))),
    )
