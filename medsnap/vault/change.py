"""One change of the directory: rings beside, log, directory, old rings away; in this order.

The order is what makes a kill harmless. A new ring has a new name that nothing speaks of, so until
the directory is replaced (one rename) the vault is as before; after it the vault is as wanted. What
is left over is a ring that no directory names: the next change sets it aside. The log is told before
the directory changes: a change that nobody logged cannot be.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import KeyRefused, Locked
from medsnap.model.event import Due
from medsnap.model.seal import Suite
from medsnap.platform import kernel_lock, write_durably
from medsnap.vault import history, rings
from medsnap.vault.directory import (
    FILE,
    HISTORY,
    CompartmentKey,
    Directory,
    digest_of,
    load,
    serialise,
    verify,
)
from medsnap.vault.files import io_errors, make_folder, names, place_new, remove, write_new
from medsnap.vault.ids import Random, random_id

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

LOCK = "lock"  # the one that ingest holds: nothing is sealed to a key while it is replaced


def _nothing_logged(_after: Directory) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Authority:
    """Who may change the directory: the root's key, identities that open the rings touched.

    `announce` is told the next directory before it takes effect, logs it, and returns how many
    commits the log then has.
    """

    root_key: str
    identities: tuple[str, ...]
    random: Random
    announce: Callable[[Directory], int] = _nothing_logged
    due: tuple[Due, ...] = ()  # break-glass that this change ends
    new_root: str = ""  # private: the key that is the root from then on, where it changes

    def __repr__(self) -> str:
        return "Authority()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A ring to be written anew: its key, who may open it, and whether a new epoch begins."""

    key: CompartmentKey  # that of the auditors has an empty name
    readers: tuple[str, ...]  # recipients of members; recovery is added
    fresh: bool
    recovery: str = ""  # its recipient, where it is another one than the directory's


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What becomes of a directory: the rings to turn, and the rest."""

    turns: tuple[Turn, ...]
    finish: Callable[[Directory, int], Directory]  # the new keys are in; the number is `announce`'s


def change(
    vault: Path, before: Directory, authority: Authority, edit: Callable[[Directory], Edit]
) -> Directory:
    """Write the next version of the directory and return it.

    `before` is the version that the caller has verified. At most one file and one a turned ring are
    written, and the version of before is kept. Raises KeyRefused (foreign root, a ring that does not
    open), Locked (also where the directory changed meanwhile), Tampered, IoFailed.
    """
    from medsnap.crypto.note import Signer

    root = Signer.parse_private(authority.root_key)
    if root.vkey != before.root:
        raise KeyRefused("this is not the root key of this vault", hint="it stands on the recovery sheet")
    with io_errors(vault), kernel_lock(vault / LOCK, what="the vault"):
        data = load(vault).data
        current = verify(data, root_vkey=root.vkey)
        if current.version != before.version:
            raise Locked("somebody else changed the directory meanwhile", hint="look, and run it again")
        _set_aside(vault, current)
        wanted = edit(current)
        held = [_opened(vault, t.key, authority.identities) for t in wanted.turns]
        turned: dict[str, CompartmentKey] = {}
        try:
            for turn, identities in zip(wanted.turns, held, strict=True):
                turned[turn.key.name] = _turned(vault, current, turn, identities, authority)
            base = _next(_with_keys(current, turned), data)
            new = wanted.finish(base, authority.announce(wanted.finish(base, 0)))
            note = serialise(new, _signers(root, authority.new_root, new))
            history.keep(vault, current, data)
        except BaseException:
            _drop(vault, {key.ring for key in turned.values()})
            raise
        write_durably(vault / FILE, note)
        _drop(vault, named_rings(current) - named_rings(new))
    return new


def _next(current: Directory, data: bytes) -> Directory:
    """Return the start of the next version: it names the one before, which is kept."""
    return dataclasses.replace(
        current,
        version=current.version + 1,
        before=digest_of(data),
        history=current.history or current.version,
        requires=tuple(dict.fromkeys((*current.requires, HISTORY))),
    )


def _signers(root: Signer, new_root: str, new: Directory) -> list[Signer]:
    """Return who signs: the root, and the one that takes its place."""
    from medsnap.crypto.note import Signer

    signers = [root] if new.root == root.vkey else [root, Signer.parse_private(new_root)]
    if signers[-1].vkey != new.root:
        raise KeyRefused("the new root's key is not the one that the directory is to name")
    return signers


def _drop(vault: Path, files: Iterable[str]) -> None:
    """Remove rings that are not named; one that stays is set aside by the next change."""
    for name in files:
        with contextlib.suppress(OSError):
            remove(vault / "keys" / name)


def named_rings(directory: Directory) -> set[str]:
    """Return the files in keys/ that a directory names."""
    return {key.ring for key in directory.compartments} | {directory.auditors_ring}


def _with_keys(directory: Directory, turned: Mapping[str, CompartmentKey]) -> Directory:
    keys = tuple(turned.get(key.name, key) for key in directory.compartments)
    auditors = turned.get("", directory.auditors_key)
    return dataclasses.replace(
        directory,
        compartments=keys,
        auditors=auditors.recipient,
        auditors_ring=auditors.ring,
        auditors_ring_sha256=auditors.ring_sha256,
        auditors_epoch=auditors.epoch,
        auditors_past=auditors.past,
    )


def _set_aside(vault: Path, directory: Directory) -> None:
    """Move rings that no directory names out of keys/: a run that was cut off left them.

    Never deleted: where an old directory was put back they may hold the only key of newer photos.
    """
    aside = vault / "tmp" / "rings"
    for name in names(vault / "keys"):
        if name not in named_rings(directory):
            make_folder(vault / "tmp")
            make_folder(aside)
            place_new(vault / "keys" / name, aside / name)
    for half in (vault / "keys").glob(".*.tmp"):
        remove(half)


def _turned(
    vault: Path, directory: Directory, turn: Turn, held: tuple[str, ...], authority: Authority
) -> CompartmentKey:
    """Write a ring under a new name, read it back, return the key that names it."""
    from medsnap.crypto.age import recipient_of

    key, identities = turn.key, held
    if turn.fresh:
        identity = fresh_identity(authority.random, directory.suite)
        identities = (*held, identity)
        key = dataclasses.replace(
            key, epoch=key.epoch + 1, recipient=recipient_of(identity), past=(*key.past, key.recipient)
        )
    label = f"compartment {key.name}" if key.name else "the auditors"
    text = rings.ring_text(directory.vault, label, identities)
    recovery = turn.recovery or directory.recovery_of(key.name)
    data, digest = rings.wrap(text, [*turn.readers, recovery], random=authority.random)
    file = f"{random_id(authority.random)}.age"
    write_new(vault / "keys" / file, data)
    key = dataclasses.replace(key, ring=file, ring_sha256=digest)
    if rings.compartment_identities(vault, key, authority.identities) != identities:
        _drop(vault, (file,))
        raise KeyRefused(
            f"{_called(key)} would not open any more with the keys at hand, so nothing was changed",
            hint="give the recovery sheet, or the key of a member who stays",
        )
    return key


def _opened(vault: Path, key: CompartmentKey, identities: Sequence[str]) -> tuple[str, ...]:
    held = rings.compartment_identities(vault, key, identities)
    if held is None:
        raise KeyRefused(
            f"this key does not open {_called(key)} and cannot give it to others",
            hint="give the key of a member who opens it, or the recovery sheet",
        )
    return held


def _called(key: CompartmentKey) -> str:
    return f"the locked group '{key.name}'" if key.name else "the auditors' ring"


def fresh_identity(random: Random, suite: Suite) -> str:
    """Make the identity of a new epoch."""
    from medsnap.crypto.age import generate_identity

    return generate_identity(random, suite=suite)
