"""Who may open what: members come, members go, epochs begin. Photos are never touched.

At most one file and the compartments touched change (amendment 10). It needs the root key from its
sheet, and somebody who opens those compartments; the recovery sheet is both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import KeyRefused, UsageError
from medsnap.vault.change import Authority, Edit, Turn, change, fresh_identity
from medsnap.vault.create import INGEST_VERBS, RESERVED, UNREMOVABLE, check_name
from medsnap.vault.directory import (
    WRITER_TERMS,
    CompartmentKey,
    Directory,
    Member,
    WriterKey,
    WriterVerb,
    required_by,
)
from medsnap.vault.due import ending, readers_of, retired
from medsnap.vault.ids import Random
from medsnap.vault.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A member to be: the public keys that he sent, and what he may do."""

    name: str
    recipient: str
    vkey: str = ""  # without one he can write nothing, and what he opens cannot be logged
    compartments: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    auditor: bool = False


def add(vault: Path, before: Directory, new: Newcomer, authority: Authority) -> Directory:
    """Add a member: rewrites the rings that he is to open. Raises KeyRefused, UsageError, Locked."""
    _check(before, new)
    member = Member(
        name=new.name,
        recipient=new.recipient,
        vkey=new.vkey,
        compartments=tuple(k.name for k in before.compartments if k.name in new.compartments),
        roles=new.roles,
        auditor=new.auditor,
    )

    def edit(current: Directory) -> Edit:
        members = (*current.members, member)
        writer = WriterKey(name=new.name, vkey=new.vkey, verbs=new.verbs)
        writers = (*current.writers, writer) if new.vkey else current.writers

        def finish(base: Directory, _commits: int) -> Directory:
            requires = tuple(dict.fromkeys((*base.requires, *required_by(new.verbs))))
            return dataclasses.replace(base, members=members, writers=writers, requires=requires)

        return Edit(turns=_turns(members, _opened_by(current, member), fresh=False), finish=finish)

    return change(vault, before, authority, ending(authority.due, edit))


def add_host(vault: Path, before: Directory, name: str, vkey: str, authority: Authority) -> Directory:
    """Let the key of another ingest host add photos. Raises KeyRefused, UsageError, Locked."""
    from medsnap.crypto.note import Verifier

    check_name(name)
    taken = {m.name for m in before.members} | {w.name for w in before.writers}
    if name in UNREMOVABLE or name in taken:
        raise UsageError(f"the name '{name}' is taken", hint="names of former members and hosts stay theirs")
    if before.writer(Verifier.parse(vkey).vkey) is not None:
        raise UsageError("this key is in the directory already", hint="each host has a key of its own")
    writer = WriterKey(name=name, vkey=vkey, verbs=INGEST_VERBS)

    def finish(base: Directory, _commits: int) -> Directory:
        return dataclasses.replace(base, writers=(*base.writers, writer))

    return change(
        vault, before, authority, ending(authority.due, lambda _current: Edit(turns=(), finish=finish))
    )


def remove(vault: Path, before: Directory, name: str, authority: Authority) -> Directory:
    """Take a member out: a new epoch begins in each compartment that he could open.

    What he wrote until now stays good; what his key signs from now on is not taken. A name of an
    ingest host retires its key in the same way. Raises KeyRefused, UsageError, Locked.
    """
    touched = check_removal(before, name)

    def edit(current: Directory) -> Edit:
        members = tuple(m for m in current.members if m.name != name)

        def finish(base: Directory, commits: int) -> Directory:
            writers = tuple(retired(w, commits) if w.name == name else w for w in base.writers)
            terms = (WRITER_TERMS,) if any(w.earlier for w in writers) else ()
            requires = tuple(dict.fromkeys((*base.requires, *terms)))
            return dataclasses.replace(base, members=members, writers=writers, requires=requires)

        return Edit(turns=_turns(members, touched, fresh=True), finish=finish)

    return change(vault, before, authority, ending(authority.due, edit))


def check_removal(directory: Directory, name: str) -> tuple[CompartmentKey, ...]:
    """Return the keys that a removal changes. Raises UsageError for who cannot be taken out."""
    member = directory.member(name)
    writer = next((w for w in directory.writers if w.name == name), None)
    if name in UNREMOVABLE or (member is None and (writer is None or not writer.verbs)):
        raise UsageError(f"there is no member '{name}'", hint="medsnap vault member ls shows them")
    touched = _opened_by(directory, member) if member is not None else ()
    for key in touched:
        if key.name and not any(key.name in m.compartments for m in directory.members if m.name != name):
            raise UsageError(
                f"'{name}' is the last member who opens '{key.name}'", hint="add another one before"
            )
    return touched


def new_epoch(
    vault: Path,
    before: Directory,
    compartments: Sequence[str],
    authority: Authority,
    *,
    auditors: bool = False,
) -> Directory:
    """Begin a new epoch: photos from now on are sealed to a new key, for the same members.

    For a key that may be known to others: after break-glass, or after a member's machine was lost.
    Raises KeyRefused, Locked.
    """
    keys = [before.compartment(name) for name in dict.fromkeys(compartments)]
    keys += [before.auditors_key] if auditors else []

    def edit(current: Directory) -> Edit:
        return Edit(turns=_turns(current.members, keys, fresh=True), finish=lambda base, _commits: base)

    return change(vault, before, authority, ending(authority.due, edit))


def end_dues(vault: Path, before: Directory, authority: Authority, *, keep: bool = False) -> Directory:
    """End what a break-glass left, and nothing else; with `keep` the custodian stays a member.

    Raises KeyRefused, UsageError, Locked.
    """
    dues = tuple(dataclasses.replace(d, used="") for d in authority.due) if keep else authority.due

    def edit(_current: Directory) -> Edit:
        return Edit(turns=(), finish=lambda base, _commits: base)

    return change(vault, before, authority, ending(dues, edit))


def add_member(
    vault: Path,
    directory: Directory,
    *,
    opener: Sequence[str],
    root_key: str,
    name: str,
    compartments: Sequence[str],
    verbs: Sequence[str],
    random: Random,
    roles: Sequence[str] = (),
    auditor: bool = False,
) -> tuple[Directory, Keys]:
    """Add a member with keys made here; returns the new directory and the member's keys."""
    held = new_keys(directory, name, random)
    newcomer = Newcomer(
        name=name,
        recipient=held.recipients[0],
        vkey=held.vkey,
        compartments=tuple(compartments),
        roles=tuple(roles),
        verbs=tuple(verbs),
        auditor=auditor,
    )
    authority = Authority(root_key=root_key, identities=tuple(opener), random=random)
    return add(vault, directory, newcomer, authority), held


def new_keys(directory: Directory, name: str, random: Random) -> Keys:
    """Make the keys of a member to be: an identity of the vault's suite, and a signing key."""
    from medsnap.crypto.note import generate

    return Keys(
        identities=(fresh_identity(random, directory.suite),),
        signer=generate(f"{directory.vault}/{name}", random).private(),
        root_vkey=directory.root,
        vault=directory.vault,
        member=name,
    )


def _check(directory: Directory, new: Newcomer) -> None:
    """Refuse what would make a directory that nobody means. Raises UsageError, KeyRefused."""
    from medsnap.crypto.age import suite_of
    from medsnap.crypto.note import Verifier

    check_name(new.name)
    taken = {m.name for m in directory.members} | {w.name for w in directory.writers}
    if new.name in RESERVED or new.name in taken:
        raise UsageError(f"the name '{new.name}' is taken", hint="names of former members stay theirs")
    suite = suite_of(new.recipient)
    if suite is not directory.suite:
        raise KeyRefused(
            f"the member's key is of suite {suite}, the vault's is {directory.suite}",
            hint="the member makes one that fits: medsnap vault member key NAME --vault V --key-file F",
        )
    used = {m.recipient for m in directory.members} | set(directory.recoveries)
    if new.recipient in used or (new.vkey and directory.writer(new.vkey) is not None):
        raise UsageError("this key is in the directory already", hint="each member has keys of his own")
    if new.vkey:
        Verifier.parse(new.vkey)
    elif new.verbs:
        raise UsageError("verbs need the member's signing key", hint="give --vkey")
    for name in new.compartments:
        directory.compartment(name)
    allowed = [v for v in WriterVerb if v is not WriterVerb.ADD]
    if wrong := [v for v in new.verbs if v not in allowed]:
        raise UsageError(f"a member cannot have the verb '{wrong[0]}'", hint=f"verbs: {', '.join(allowed)}")


def _opened_by(directory: Directory, member: Member) -> tuple[CompartmentKey, ...]:
    keys = tuple(k for k in directory.compartments if k.name in member.compartments)
    return (*keys, directory.auditors_key) if member.auditor else keys


def _turns(members: Sequence[Member], keys: Iterable[CompartmentKey], *, fresh: bool) -> tuple[Turn, ...]:
    return tuple(Turn(key=k, readers=readers_of(members, k), fresh=fresh) for k in keys)
