"""What lies in a log's folder beside the tree that the checkpoint signs: earlier tiles, and foreign files.

Partial tiles stay until the full one is there, for readers of an older checkpoint; each must be how the
present one begins. What a crash left beyond the checkpoint is never read, and is passed over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from medsnap.audit import store, tiles
from medsnap.audit.files import Folder
from medsnap.audit.log import CHECKPOINT, Log
from medsnap.errors import MedsnapError
from medsnap.model.photo import Sha256

_TILE: Final = re.compile(r"tile/(entries|\d{1,2})/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?", re.ASCII)
_FOLDER: Final = re.compile(
    r"tile(?:/(?:entries|\d{1,2})(?:/x\d{3})*(?:/\d{3}\.p)?)?|sealed(?:/[0-9a-f]{2})?", re.ASCII
)
_SEALED: Final = re.compile(r"sealed/([0-9a-f]{2})/(\1[0-9a-f]{62})", re.ASCII)
_OWN: Final = frozenset({CHECKPOINT, "lock"})
_STRANGER: Final = "does not belong into the log"


def faults(log: Log, size: int, sealed: AbstractSet[Sha256]) -> Iterator[tuple[str, str]]:
    """Give place and fault of each file of a verified log that is not part of its tree of `size` entries.

    `sealed` are the digests of the events that the entries name.
    """
    begun: dict[tuple[str, int], list[bytes]] = {}  # of each tile, as much as the tree has
    for name in _folders(log.root):
        if not _FOLDER.fullmatch(name):  # one in the place of the next tile would stop every entry
            yield f"log/{name}", _STRANGER
    for name in _names(log.root):
        tile, event = _TILE.fullmatch(name), _SEALED.fullmatch(name)
        if tile is not None:
            if not _begins(Folder(log.root), name, tile, size, begun):
                yield f"log/{name}", "is an earlier state of a tile, and not how the tile begins"
        elif event is not None:
            if event[2] not in sealed and not _is(log, name, event[2]):
                yield f"log/{name}", _STRANGER
        elif name not in _OWN:
            yield f"log/{name}", _STRANGER


def _folders(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_dir() and not path.is_symlink() and not any(p.startswith(".") for p in name.parts):
            yield name.as_posix()


def _names(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and not any(p.startswith(".") for p in name.parts):
            yield name.as_posix()


def _begins(
    files: Folder, name: str, tile: re.Match[str], size: int, begun: dict[tuple[str, int], list[bytes]]
) -> bool:
    kind, index = tile[1], int(re.sub(r"[x/]", "", tile[2]))
    level = 0 if kind == "entries" else int(kind)
    full, rest = tiles.widths(size, level)
    there = tiles.WIDTH if index < full else rest if index == full else 0
    width = int(tile[3] or tiles.WIDTH)
    if width >= there:
        return True  # the tree's own, which was verified, or what a crash left
    if (kind, index) not in begun:
        read = files.bundle(index, there) if kind == "entries" else files.tile(level, index, there)
        begun[kind, index] = read
    wanted = begun[kind, index][:width]
    try:
        data = files.read(name, tiles.MAX_BUNDLE)
    except MedsnapError:
        return False
    return data == (tiles.encode_bundle(wanted) if kind == "entries" else b"".join(wanted))


def _is(log: Log, name: str, digest: str) -> bool:
    """Say whether a sealed event without an entry is what its name says: a crash leaves such."""
    try:
        data = Folder(log.root).read(name, store.MAX_SEALED)
    except MedsnapError:
        return False
    return data is not None and hashlib.sha256(data).hexdigest() == digest
