"""The folder of a copy: one vault's, an older state of it, and nobody else at work in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medsnap.errors import CannotCreate, InputMissing, KeyRefused, UsageError
from medsnap.platform import kernel_lock, write_durably
from medsnap.vault import history, pins, policies
from medsnap.vault.change import LOCK
from medsnap.vault.create import FOLDERS
from medsnap.vault.directory import FILE, SignedDirectory, load
from medsnap.vault.files import io_errors, make_folder, read_limited

MARK = "copy-of"  # in tmp/ of a copy: whose it is, before there is a directory


@contextmanager
def begun(vault: Path, to: Path, signed: SignedDirectory) -> Iterator[None]:
    """Make `to` ready to take a copy of this vault, and keep others out of it.

    Raises CannotCreate (another vault's, or not empty), KeyRefused (the copy has seen a newer
    directory: somebody put the vault back), Locked, IoFailed.
    """
    _apart(vault, to)
    _fits(vault, to, signed)
    with io_errors(to):
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_folder(to / "tmp")
        if not (to / FILE).exists():
            write_durably(to / "tmp" / MARK, signed.directory.vault.encode() + b"\n")
    with kernel_lock(to / LOCK, what="the copy"):
        for name in (*FOLDERS, policies.FOLDER):
            make_folder(to / name)
        yield


def _apart(vault: Path, to: Path) -> None:
    one, other = vault.resolve(), to.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise UsageError("vault and copy must not lie in one another", where=str(to))


def _fits(vault: Path, to: Path, signed: SignedDirectory) -> None:
    """Refuse a folder that holds anything but an older state of this very vault."""
    ours = signed.directory
    if to.exists() and not to.is_dir():
        raise CannotCreate("is no folder", where=str(to))
    if not (to / FILE).exists():
        if _blank(to, ours.vault):
            return
        raise CannotCreate(
            "the folder is not empty and holds no copy of this vault",
            where=str(to),
            hint="a copy needs a folder of its own",
        )
    there = load(to)
    if there.directory.vault != ours.vault:
        raise CannotCreate("a copy of another vault lies here", where=str(to), hint="choose another folder")
    if there.directory.root not in history.roots(vault, ours, signed.data):
        raise KeyRefused("the copy's directory names another root than the vault's", where=FILE)
    newer = there.directory.version > ours.version
    if newer or (there.directory.version == ours.version and there.data != signed.data):
        raise KeyRefused(
            "the copy has seen a newer directory than the vault now has"
            if newer
            else "vault and copy differ",
            where=FILE,
            hint="somebody put an old state back, or forked it; the copy was left as it is",
        )
    pins.follow(vault, signed, pins.first(there.data))


def _half_marked(path: Path) -> bool:
    """Say whether this is what a kill leaves of the very first step."""
    return path.parent.name == "tmp" and path.name.startswith(f".{MARK}.")


def _blank(to: Path, vault_id: str) -> bool:
    if not to.exists() or not any(p.is_file() and not _half_marked(p) for p in to.rglob("*")):
        return True
    try:
        return read_limited(to / "tmp" / MARK, 1024).decode("ascii", "replace").strip() == vault_id
    except InputMissing:
        return False
