"""What has no business in a vault's folder: links, pipes, devices, and names that nobody of ours gives.

A link could lead readers and writers elsewhere, a pipe keeps who opens it waiting: none is ever followed
or opened, and a check names each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from medsnap.platform import MAX_LOCK, NOT_PLAIN
from medsnap.vault.directory import FILE
from medsnap.vault.ids import is_id

FILES: Final = frozenset({FILE, "lock", "holds.lock"})
FOLDERS: Final = frozenset(
    {"keys", "objects", "batches", "commits", "directories", "policies", "log", "erasures", "proofs", "tmp"}
)
_LOCKS: Final = frozenset({"lock", "holds.lock", "log/lock"})
_OF_A_DISK: Final = frozenset({"lost+found"})  # where the vault is the root of a file system


def strangers(vault: Path) -> Iterator[tuple[str, str]]:
    """Give the names in the vault's own folder that are none of a vault's, and why."""
    for entry in _listed(vault):
        if entry.name not in FILES | FOLDERS | _OF_A_DISK:
            yield entry.name, "does not belong into a vault"
        elif entry.name in FOLDERS and entry.is_file(follow_symlinks=False):
            yield entry.name, "is a file where a vault has a folder"


def misplaced(vault: Path) -> Iterator[tuple[str, str]]:
    """Give what lies where nobody looks for it: beside the folders of objects, among the erasures."""
    for entry in _within(vault / "objects"):
        name = f"objects/{entry.name}"
        if entry.is_file(follow_symlinks=False):
            yield name, "is a file where a vault has a folder"
        elif not is_id(entry.name + "a" * 24) and not _within(vault / name):  # else each file in it is named
            yield name, "is no folder of objects"
    for entry in _within(vault / "erasures"):
        if not is_id(entry.name):
            yield f"erasures/{entry.name}", "is no erasure's name"


def misshapen(vault: Path) -> Iterator[tuple[str, str]]:
    """Give what is neither a file nor a folder, and folders that cannot be read, anywhere in a vault."""
    waiting = [("", vault)]
    while waiting:
        place, folder = waiting.pop()
        try:
            entries = _listed(folder)
        except OSError as failure:
            yield place, f"cannot be read: {failure.strerror}"
            continue
        for entry in entries:
            name = f"{place}/{entry.name}" if place else entry.name
            if entry.is_dir(follow_symlinks=False):
                if name not in _OF_A_DISK:
                    waiting.append((name, folder / entry.name))
            elif not entry.is_file(follow_symlinks=False):
                yield name, NOT_PLAIN
            elif name in _LOCKS and entry.stat(follow_symlinks=False).st_size > MAX_LOCK:
                yield name, "is no lock, but another file"


def _within(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder that may be missing, or be none: then there is nothing, and `misshapen` tells why."""
    try:
        return [entry for entry in _listed(folder) if not entry.is_symlink()]
    except OSError:
        return []


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder sorted, without the names of unfinished files, which nobody reads."""
    with os.scandir(folder) as entries:
        return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
