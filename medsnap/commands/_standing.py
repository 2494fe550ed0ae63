"""What an event says of a version of the directory: its number, and who could open what from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medsnap.model.standing import Can, details

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory

VERSION = "version"


def members(directory: Directory) -> tuple[Can, ...]:
    """Return who may open what."""
    return tuple(
        Can(name=m.name, groups=m.compartments, roles=m.roles, auditor=m.auditor) for m in directory.members
    )


def standing(directory: Directory) -> tuple[tuple[str, str], ...]:
    """Return the details that an event of a change carries: the log alone tells who could on a day."""
    return ((VERSION, str(directory.version)), *details(members(directory)))
