"""Begin again from an older state of a vault that its people put back on purpose, after a loss.

This machine remembers newer ones, so that nobody else puts an older one back unseen. What it remembers
is moved aside, not deleted: it is what shows later how far the vault had been.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsnap import disk
from medsnap.errors import KeyRefused
from medsnap.vault.catalogue_store import PREFIX
from medsnap.vault.host import CHECKPOINT, compared
from medsnap.vault.pins import PIN, Pin, first, read_pin, write_pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is trusted now, and what was seen before: 0 where nothing was."""

    pin: Pin
    version: int
    entries: int
    aside: tuple[str, ...]  # files of this machine's folder


def begin(folder: Path, caches: Path, vault: Path, root_fingerprint: str, *, stamp: str) -> Begun:
    """Trust the directory and the log as they lie there, by the fingerprint that a person compared.

    `folder` is this machine's for the vault, `caches` that of its members' caches, `stamp` ends the
    names of what is moved aside. Raises KeyRefused for another fingerprint or another pinned root.
    """
    signed = compared(vault, root_fingerprint)
    named = signed.directory
    old = read_pin(folder) if (folder / PIN).exists() else None
    if old is not None and not (old.vault == named.vault and old.trusts(named.root)):
        raise KeyRefused("another root is pinned here already", where=str(folder / PIN))
    before = [old, *(read_pin(cache) for cache in _folders(caches) if (cache / PIN).is_file())]
    entries, aside = _log_seen(folder), []
    new = first(signed.data)
    for name in (CHECKPOINT, PIN):
        if (folder / name).exists():
            aside.append(f"{name}.before-{stamp}")
            disk.rename(folder / name, folder / aside[-1])
    write_pin(folder, new)
    for cache in _folders(caches):
        for path in (cache / PIN, *cache.glob(PREFIX + "*")):
            if path.is_file():
                disk.unlink(path)
    version = max((pin.version for pin in before if pin is not None and pin.vault == named.vault), default=0)
    return Begun(pin=new, version=version, entries=entries, aside=tuple(aside))


def _folders(caches: Path) -> list[Path]:
    return sorted(p for p in caches.iterdir() if p.is_dir()) if caches.is_dir() else []


def _log_seen(folder: Path) -> int:
    """Return how many entries this machine saw last: the second line of the checkpoint."""
    try:
        lines = (folder / CHECKPOINT).read_bytes().splitlines()
    except OSError:
        return 0
    return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() and len(lines[1]) < 19 else 0
