"""Versions of the directory that are no more, kept as they were signed: `directories/<version>`.

Each version names the digest of the one before it. Whoever remembers one of them can so tell whether the
newest comes from it, even when the root key was stolen, or was replaced meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medsnap.errors import InputMissing, KeyRefused, MedsnapError, Tampered
from medsnap.platform import write_durably
from medsnap.vault.directory import FILE, Directory, digest_of, parse, verify
from medsnap.vault.files import MAX_NOTE, io_errors, make_folder, names, read_limited

FOLDER: Final = "directories"


def place(version: int) -> str:
    """Return where a former version lies, as a path in the vault."""
    return f"{FOLDER}/{version}"


def keep(vault: Path, current: Directory, data: bytes) -> None:
    """Keep the version that is about to be replaced. Raises Tampered when another one lies in its place."""
    path = vault / place(current.version)
    make_folder(path.parent)
    with io_errors(path):
        try:
            write_durably(path, data, exclusive=True)
        except FileExistsError:  # a change that was cut off kept it already
            if read_limited(path, MAX_NOTE) != data:
                raise Tampered(
                    "another directory of this version lies there", where=place(current.version)
                ) from None


def recall(vault: Path, version: int) -> bytes:
    """Read a former version, unjudged. Raises InputMissing, Tampered, IoFailed."""
    return read_limited(vault / place(version), MAX_NOTE)


def below(vault: Path, upper: Directory, note: bytes) -> tuple[Directory, bytes]:
    """Return the version under `upper`, whose note is `note`; both belong together.

    Where the root changed between them, the root before signed the change too. Raises InputMissing,
    Tampered (another version than the one that `upper` names), KeyRefused (the root before did not sign).
    """
    where = place(upper.version - 1)
    data = recall(vault, upper.version - 1)
    if digest_of(data) != upper.before:
        raise Tampered("a former directory is not the one that its successor names", where=where)
    try:
        lower = parse(data)
    except MedsnapError as broken:
        raise Tampered("a former directory cannot be read", where=where) from broken
    if (lower.vault, lower.version) != (upper.vault, upper.version - 1):
        raise Tampered("a former directory is of another vault or version", where=where)
    if lower.root != upper.root:
        signed_by(note, lower.root)
    return lower, data


def signed_by(note: bytes, root: str) -> None:
    """Demand a root's signature under a directory, whatever root it names. Raises KeyRefused."""
    from medsnap.crypto.note import Verifier, open_note

    try:
        open_note(note, [Verifier.parse(root)])
    except MedsnapError as refused:
        raise KeyRefused(
            "the directory names another root, and the root before it did not sign that",
            hint="somebody else made it: seal and open nothing, ask the root's keeper",
        ) from refused


def roots(vault: Path, newest: Directory, note: bytes) -> tuple[str, ...]:
    """Return the root and all that were replaced by it, newest first, as far as the chain holds."""
    found = [newest.root]
    here, data = newest, note
    while 0 < here.history < here.version:
        try:
            here, data = below(vault, here, data)
        except MedsnapError:
            break  # `vault check` tells it; what lies behind proves nothing
        if here.root not in found:
            found.append(here.root)
    return tuple(found)


def faults(vault: Path, newest: Directory, note: bytes) -> list[tuple[str, str]]:
    """Judge every version that is kept: place and what is wrong with it."""
    found: list[tuple[str, str]] = []
    wanted = set(range(newest.history, newest.version)) if newest.history else set()
    here, data = newest, note
    while wanted and here.version > newest.history:
        upper, where = here, place(here.version - 1)
        try:
            here, data = below(vault, here, data)
        except InputMissing:
            found.append((where, "a former directory is missing"))
            break
        except KeyRefused as unsigned:  # the root before did not sign the step away from it
            found.append((FILE if upper is newest else place(upper.version), unsigned.message))
            break
        except MedsnapError as broken:
            found.append((where, broken.message))
            break
        try:
            verify(data, root_vkey=here.root)
        except MedsnapError as broken:
            found.append((where, broken.message))
    for name in names(vault / FOLDER):
        version = int(name) if name.isascii() and name.isdecimal() and str(int(name)) == name else -1
        if version == newest.version and _same(vault, version, note):
            continue  # a change that was cut off
        if version not in wanted:
            found.append((f"{FOLDER}/{name}", "is no former version of this directory"))
    return found


def _same(vault: Path, version: int, note: bytes) -> bool:
    try:
        return recall(vault, version) == note
    except MedsnapError:
        return False
