"""A member at work: his keys, the verified directory, what he may read, his catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import KeyRefused
from medsnap.model.photo import Sha256
from medsnap.vault import pins
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.directory import EVERY_ROLE, Directory, WriterVerb, load
from medsnap.vault.entries import Filters
from medsnap.vault.ids import Random
from medsnap.vault.keys import Keys
from medsnap.vault.order import Order
from medsnap.vault.pins import Pin
from medsnap.vault.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that a reading command needs. `actor` is the member's name, for the audit log."""

    vault: Path
    directory: Directory
    keys: Keys
    actor: str
    reader: Reader
    catalogue: Catalogue
    new: int = 0  # commits taken into the catalogue by this opening

    @property
    def roles(self) -> frozenset[str] | None:
        """The policy's roles that this member has; None when they do not bind him."""
        return roles_of(self.directory, self.keys)

    @property
    def known(self) -> Filters:
        """Ask for the photos that exist for this member: those that one of his roles may open."""
        return Filters(roles=self.roles)

    @property
    def auditor(self) -> bool:
        """Say whether the directory makes this member an auditor, whom no role binds (amendment 8)."""
        mine = set(self.keys.recipients)
        return any(m.auditor and m.recipient in mine for m in self.directory.members)

    @property
    def may_send(self) -> bool:
        """Say whether this member's key may write receipts: exporters go by `may_leave_to`, not by roles."""
        from medsnap.crypto.note import Signer

        if not self.keys.signer:
            return False
        own = self.directory.writer(Signer.parse_private(self.keys.signer).vkey)
        return own is not None and WriterVerb.RECEIPT in own.verbs

    @property
    def place(self) -> dict[str, int]:
        """Order of the compartments, for lists."""
        return {key.name: n for n, key in enumerate(self.directory.compartments)}


def trusted(vault: Path, keys: Keys, *, state: Path, cache: Path) -> Directory:
    """Verify the directory by the newest pin that this person has. Raises KeyRefused (77).

    The root comes from the key file or this host's folder; the highest version seen and its digest are
    kept in the person's cache folder, so that an older directory is refused, and a fork.
    """
    signed = load(vault)
    pin = _pin(signed.directory.vault, keys, state)
    seen = pins.read_pin(cache) if (cache / pins.PIN).is_file() else None
    if seen is not None and seen.vault == pin.vault and seen.trusts(pin.root) and seen.version >= pin.version:
        pin = seen
    directory, newer = pins.follow(vault, signed, pin)
    if newer != seen:
        pins.write_pin(cache, newer)
    return directory


def _pin(vault_id: str, keys: Keys, state: Path) -> Pin:
    if keys.root_vkey:
        return Pin(vault=keys.vault or vault_id, root=keys.root_vkey, version=0)
    return pins.read_pin(state / vault_id)


def member_cache(cache: Path, vault_id: str, keys: Keys) -> Path:
    """Return the folder of one member's cache: per person, named by a digest of his public keys."""
    from medsnap.crypto.age import recipient_of

    who = hashlib.sha256("".join(map(recipient_of, keys.identities)).encode()).hexdigest()[:16]
    return cache / vault_id / who


@contextmanager
def open_session(
    vault: Path,
    keys: Keys,
    *,
    state: Path,
    cache: Path,
    random: Random,
    order: Sequence[Sha256] | Order = (),
    anew: bool = False,
) -> Iterator[Session]:
    """Open a vault as the owner of `keys`; the catalogue is brought up to date and saved.

    `state` and `cache` are medsnap's folders of this user; `order` are the commits of the audit
    log; `anew` makes the catalogue from the batches alone. Raises KeyRefused when the directory is
    not to be trusted or no compartment opens.
    """
    folder = member_cache(cache, load(vault).directory.vault, keys)
    reader = _reader(vault, keys, order, state=state, cache=folder)
    directory = reader.directory
    if not reader.compartments and not reader.problems:
        audits = any(m.auditor and m.recipient in keys.recipients for m in directory.members)
        raise KeyRefused(
            "this key opens nothing in this vault",
            hint="it is an auditor's: medsnap audit ls, medsnap audit report"
            if audits
            else "is it the key of another vault?",
        )
    catalogue = Catalogue(folder, random=random)
    try:
        new = catalogue.rebuild(reader) if anew else catalogue.refresh(reader)
        yield Session(
            vault=vault,
            directory=directory,
            keys=keys,
            actor=_actor(directory, keys),
            reader=reader,
            catalogue=catalogue,
            new=new,
        )
    finally:
        catalogue.close()


def _reader(vault: Path, keys: Keys, order: Sequence[Sha256] | Order, *, state: Path, cache: Path) -> Reader:
    """Open the rings that the directory names; once more where it was replaced while we did."""
    directory = trusted(vault, keys, state=state, cache=cache)
    while True:
        reader = Reader(vault, directory, keys.identities, order=order)
        if not reader.problems:
            return reader
        again = trusted(vault, keys, state=state, cache=cache)
        if again == directory:
            return reader
        directory = again


def roles_of(directory: Directory, keys: Keys) -> frozenset[str] | None:
    """Return the roles of whoever holds these keys; none of a stranger, None when none binds him.

    Recovery sheets are bound by no role: they are for the day when nobody else is left.
    """
    mine = set(keys.recipients)
    if mine.intersection(directory.recoveries):
        return None
    roles = frozenset(role for m in directory.members if m.recipient in mine for role in m.roles)
    return None if EVERY_ROLE in roles else roles


def _actor(directory: Directory, keys: Keys) -> str:
    from medsnap.crypto.age import recipient_of
    from medsnap.crypto.note import Signer

    if keys.signer:
        writer = directory.writer(Signer.parse_private(keys.signer).vkey)
        if writer is not None:
            return writer.name
    mine = {recipient_of(i) for i in keys.identities}
    return next((m.name for m in directory.members if m.recipient in mine), "unknown")
