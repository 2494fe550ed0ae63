"""Put aside what belongs to nothing, put back what was put aside by mistake; delete nothing.

Everything is a rename below the vault: `tmp/orphans` for objects, `tmp/rings` for rings, `tmp/aside`
for the rest. Whoever misses a photo finds it there.
"""

from __future__ import annotations

import errno
import filecmp
import itertools
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from medsnap import disk
from medsnap.errors import MedsnapError
from medsnap.vault import objects
from medsnap.vault.check import CheckReport
from medsnap.vault.files import io_errors, make_folder, names
from medsnap.vault.ids import is_id

NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # exFAT, some network shares
PLACES = {"objects": "orphans", "keys": "rings"}


@dataclass(frozen=True, slots=True)
class Move:
    """One file and where it goes, both as paths in the vault."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a repair would do. `left` are strays that stay, because a commit is missing or broken."""

    moves: tuple[Move, ...]
    left: tuple[str, ...] = ()


def plan(vault: Path, report: CheckReport, waiting: AbstractSet[str] = frozenset()) -> Plan:
    """Say what belongs elsewhere, by the report of a check that was made under the vault's lock.

    While a commit cannot be read, objects and batches that seem to belong to nothing may be its own:
    they stay. Rings stay unless the directory verified.
    """
    certain = {s for s in report.strays if report.whole or s.startswith("keys/")}
    back = tuple(_found(vault, report))
    moves = [Move(s, _aside(s)) for s in sorted(certain)]
    moves += [Move(s, f"tmp/aside/{s.replace('/', '-')}") for s in _unfinished(vault, waiting)]
    return Plan(moves=(*back, *moves), left=tuple(sorted(set(report.strays) - certain)))


def _aside(stray: str) -> str:
    folder = stray.partition("/")[0]
    name = stray.rpartition("/")[2]
    if folder == "keys" or (folder == "objects" and is_id(name)):
        return f"tmp/{PLACES[folder]}/{name}"
    return f"tmp/aside/{stray.replace('/', '-')}"


def _found(vault: Path, report: CheckReport) -> Iterator[Move]:
    """Missing objects that lie in the orphans' folder, whole."""
    for name, expected in report.missing.items():
        path = vault / "tmp" / "orphans" / name
        if path.is_file() and _same(path, expected):
            yield Move(f"tmp/orphans/{name}", f"objects/{name[:2]}/{name}")


def _same(path: Path, expected: objects.ObjectDigests) -> bool:
    try:
        return objects.digests_at(path, expected.object) == expected
    except (MedsnapError, OSError):
        return False


def _unfinished(vault: Path, waiting: AbstractSet[str]) -> Iterator[str]:
    """Files that a run which was cut off left half written, and that no journal here knows."""
    for name in names(vault / "tmp"):
        if name.endswith(".part") and name.removesuffix(".part") not in waiting:
            yield f"tmp/{name}"
    for folder in ("keys", "batches", "commits", "policies"):
        for path in sorted((vault / folder).glob(".*.tmp")):
            if path.name.split(".")[1] not in waiting:
                yield f"{folder}/{path.name}"


def carry_out(vault: Path, wanted: Plan) -> int:
    """Move what the plan says, durably; returns how many files. It is called under the vault's lock.

    Cut off at any moment it is simply planned and run again. Raises IoFailed.
    """
    for move in wanted.moves:
        target = vault / move.target
        for folder in reversed(target.relative_to(vault).parents[:-1]):
            make_folder(vault / folder)
        with io_errors(vault):
            _move(vault / move.source, target)
            disk.sync_folder((vault / move.source).parent)
    return len(wanted.moves)


def _move(source: Path, target: Path) -> None:
    """Give a file its new name durably before the old one goes: not every disk keeps both or neither."""
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):  # else a cut-off move
        target = _free(target)
        try:
            disk.link(source, target)
        except OSError as failure:
            if failure.errno not in NO_LINKS:
                raise
            disk.rename(source, target)
            disk.sync_folder(target.parent)
            return
    disk.sync_folder(target.parent)
    disk.unlink(source)


def _free(path: Path) -> Path:
    if not path.exists():
        return path
    return next(p for n in itertools.count(2) if not (p := path.with_name(f"{path.name}.{n}")).exists())
