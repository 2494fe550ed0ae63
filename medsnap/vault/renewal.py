"""New recovery secrets: the sheets of before open nothing that is sealed from then on.

A new root key is one of them. It stands in the next version of the directory, which the old one signs too:
so whoever trusts the old one follows by himself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import UsageError
from medsnap.vault.change import Authority, Edit, Turn, change, fresh_identity
from medsnap.vault.directory import TWO_RECOVERIES, WRITER_TERMS, Directory, WriterKey, WriterVerb
from medsnap.vault.due import ending, readers_of, retired
from medsnap.vault.ids import Random
from medsnap.vault.recovery import CLOSED, GENERAL, ROOT, Recovered, root_of, secret_of, signer_of

SETS = (GENERAL, CLOSED, ROOT)
_SECRET = 32  # bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Renewal:
    """New identities by set, a new root, and the groups that break-glass never opens from then on."""

    identities: tuple[tuple[str, str], ...]
    closed: tuple[str, ...]
    root: bytes = b""  # the seed of a new root key; empty: it stays
    expires: str = ""  # RFC 3339: how long the directory is good then; "" leaves it

    @property
    def secrets(self) -> Recovered:
        """What is to be split into sheets."""
        found = {kind: secret_of(identity) for kind, identity in self.identities}
        return Recovered(secrets=found | ({ROOT: self.root} if self.root else {}))

    def root_key(self, directory: Directory) -> str:
        """Return the new root's private key, "" when it stays."""
        return root_of(self.root, directory.vault).private() if self.root else ""

    def __repr__(self) -> str:
        return f"Renewal({', '.join(self.secrets.kinds)})"


def prepare(
    directory: Directory, sets: Sequence[str], closed: Sequence[str], random: Random, *, expires: str = ""
) -> Renewal:
    """Make new secrets, nothing else. `closed` are groups to be closed as well. Raises UsageError.

    A new root's directory is good until `expires`, where that is given.
    """
    if unknown := [name for name in sets if name not in SETS]:
        raise UsageError(f"there is no set '{unknown[0]}' to renew", hint=f"sets: {', '.join(SETS)}")
    names = [key.name for key in directory.compartments]
    if strange := [name for name in closed if name not in names]:
        raise UsageError(f"the vault has no locked group '{strange[0]}'")
    shut = tuple(name for name in names if name in directory.closed or name in closed)
    wanted = dict.fromkeys(sets)
    if shut != directory.closed:
        wanted[CLOSED] = None
    if CLOSED in wanted and not shut:
        raise UsageError("no locked group is closed to break-glass", hint="name one: --compartment-never")
    kinds = [kind for kind in (GENERAL, CLOSED) if kind in wanted]
    made = tuple((kind, fresh_identity(random, directory.suite)) for kind in kinds)
    if ROOT not in wanted:
        return Renewal(identities=made, closed=shut)
    return Renewal(identities=made, closed=shut, root=random(_SECRET), expires=expires)


def planned(directory: Directory, renewal: Renewal) -> Directory:
    """Return the directory with the new recipients, as sheets and their reading back need it."""
    from medsnap.crypto.age import recipient_of

    new = {kind: recipient_of(identity) for kind, identity in renewal.identities}
    requires = dict.fromkeys((*directory.requires, *((TWO_RECOVERIES,) if renewal.closed else ())))
    return dataclasses.replace(
        directory,
        root=root_of(renewal.root, directory.vault).vkey if renewal.root else directory.root,
        expires=renewal.expires or directory.expires,
        recovery=new.get(GENERAL, directory.recovery),
        recovery_closed=new.get(CLOSED, directory.recovery_closed),
        closed=renewal.closed,
        requires=tuple(requires),
    )


def renew(vault: Path, before: Directory, renewal: Renewal, authority: Authority) -> Directory:
    """Put the new secrets into force: a new epoch of each group whose sheets change.

    Raises KeyRefused, UsageError, Locked.
    """
    target = planned(before, renewal)
    new = {kind for kind, _ in renewal.identities}
    more = dataclasses.replace(
        authority,
        identities=(*authority.identities, *(identity for _, identity in renewal.identities)),
        new_root=renewal.root_key(before),
    )

    def edit(current: Directory) -> Edit:
        keys = (*current.compartments, current.auditors_key)
        turns = tuple(
            Turn(
                key=key,
                readers=readers_of(current.members, key),
                fresh=True,
                recovery=target.recovery_of(key.name),
            )
            for key in keys
            if (CLOSED if key.name in target.closed else GENERAL) in new
        )

        def finish(base: Directory, commits: int) -> Directory:
            writers = tuple(retired(w, commits) if w.name in new else w for w in base.writers)
            terms = dict.fromkeys((*base.requires, *((WRITER_TERMS,) if new else ())))
            renewed = dataclasses.replace(
                base, writers=(*writers, *_writers(base, renewal)), requires=tuple(terms)
            )
            return planned(renewed, renewal)

        return Edit(turns=turns, finish=finish)

    return change(vault, before, more, ending(authority.due, edit))


def _writers(directory: Directory, renewal: Renewal) -> tuple[WriterKey, ...]:
    """Let the new secrets write into the log what they open."""
    return tuple(
        WriterKey(name=kind, vkey=signer_of(identity, directory.vault, kind).vkey, verbs=(WriterVerb.LOG,))
        for kind, identity in renewal.identities
    )
