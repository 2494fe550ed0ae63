"""Make a vault: keys, rings, the signed directory, the folders."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap import disk
from medsnap.errors import CannotCreate, IoFailed, UsageError
from medsnap.model.seal import Suite
from medsnap.vault import recovery, rings
from medsnap.vault.directory import (
    ERASURES,
    EVERY_ROLE,
    FILE,
    FORMAT,
    HISTORY,
    MOVES,
    TWO_RECOVERIES,
    CompartmentKey,
    Directory,
    Member,
    WriterKey,
    WriterVerb,
    serialise,
)
from medsnap.vault.files import write_new
from medsnap.vault.ids import ALPHABET, Random, random_id

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

FOLDERS = ("keys", "objects", "batches", "commits", "directories", "log", "tmp")
INGEST_VERBS = (WriterVerb.ADD, WriterVerb.RECEIPT, WriterVerb.LOG)
MEMBER_VERBS = (WriterVerb.RECEIPT, WriterVerb.LOG, WriterVerb.LOOK, WriterVerb.DESCRIBE, WriterVerb.DECIDE)
OFFICER_VERBS = (WriterVerb.HOLD, WriterVerb.EXPIRE, WriterVerb.ERASE, WriterVerb.MOVE)
OWNER_VERBS = (*MEMBER_VERBS, WriterVerb.OPEN, WriterVerb.CONSENT, *OFFICER_VERBS)
UNREMOVABLE = (recovery.GENERAL, recovery.CLOSED, recovery.ROOT)
RESERVED = ("ingest-1", *UNREMOVABLE)
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-_."


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewVault:
    """A vault just made, with all of its secrets: each goes to one place and nowhere else."""

    directory: Directory
    root_key: str  # private: sheets of the root, or the one recovery sheet
    member_identity: str  # key file of the first member
    member_signer: str
    recovery_identity: str  # recovery sheets
    recovery_signer: str  # logs what the recovery key opens; made of the identity
    closed_identity: str  # sheets of the groups that break-glass never opens; "" without such groups
    ingest_key: str  # private: the ingest host's folder

    def __repr__(self) -> str:
        return f"NewVault({self.directory.vault})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ring:
    identity: str
    recipient: str
    file: str
    data: bytes
    sha256: str


def create(
    vault: Path,
    *,
    compartments: Sequence[str],
    member: str,
    suite: Suite,
    now: datetime,
    random: Random,
    expires: datetime,
    roles: Sequence[str] = (EVERY_ROLE,),
    closed: Sequence[str] = (),
) -> NewVault:
    """Write a new vault durably; the directory comes last, so a vault without one was never finished.

    `compartments` stand in the policy's order; those in `closed` get a recovery identity of their own;
    `roles` are the first member's. Raises CannotCreate for a folder that is not empty, UsageError for
    names that cannot be used.
    """
    from medsnap.crypto.age import generate_identity, recipient_of
    from medsnap.crypto.note import generate

    _check_names(compartments, member)
    shut = _closed(compartments, closed)
    if expires <= now:
        raise UsageError("the directory would be expired already")
    _empty(vault)
    vault_id = random_id(random)
    root, ingest = generate(f"{vault_id}/{recovery.ROOT}", random), generate(f"{vault_id}/ingest-1", random)
    signer = generate(f"{vault_id}/{member}", random)
    owner, general = generate_identity(random, suite=suite), generate_identity(random, suite=suite)
    last = recovery.signer_of(general, vault_id, recovery.GENERAL)
    own = generate_identity(random, suite=suite) if shut else ""
    readers = [recipient_of(owner), recipient_of(general)]
    others = [readers[0], recipient_of(own)] if own else readers
    made = {
        name: _ring(vault_id, f"compartment {name}", others if name in shut else readers, suite, random)
        for name in compartments
    }
    auditors = _ring(vault_id, "the auditors", readers, suite, random)
    directory = Directory(
        format=FORMAT,
        vault=vault_id,
        version=1,
        expires=expires.astimezone(UTC).isoformat(timespec="seconds"),
        suite=suite,
        origin=f"medsnap/{vault_id}",
        compartments=tuple(
            CompartmentKey(name=n, epoch=1, recipient=r.recipient, ring=r.file, ring_sha256=r.sha256)
            for n, r in made.items()
        ),
        auditors=auditors.recipient,
        auditors_ring=auditors.file,
        auditors_ring_sha256=auditors.sha256,
        members=(
            Member(
                name=member,
                recipient=readers[0],
                vkey=signer.vkey,
                compartments=tuple(compartments),
                roles=tuple(roles),
                auditor=True,
            ),
        ),
        writers=(
            WriterKey(name="ingest-1", vkey=ingest.vkey, verbs=INGEST_VERBS),
            WriterKey(name=member, vkey=signer.vkey, verbs=OWNER_VERBS),
            WriterKey(name=recovery.GENERAL, vkey=last.vkey, verbs=(WriterVerb.LOG,)),
            *_closed_writer(vault_id, own),
        ),
        root=root.vkey,
        recovery=readers[1],
        requires=(ERASURES, MOVES, HISTORY, *((TWO_RECOVERIES,) if shut else ())),
        history=1,
        closed=shut,
        recovery_closed=others[1] if own else "",
    )
    _write(vault, [*made.values(), auditors], directory, root)
    return NewVault(
        directory=directory,
        root_key=root.private(),
        member_identity=owner,
        member_signer=signer.private(),
        recovery_identity=general,
        recovery_signer=last.private(),
        closed_identity=own,
        ingest_key=ingest.private(),
    )


def _closed(compartments: Sequence[str], closed: Sequence[str]) -> tuple[str, ...]:
    """Return the closed compartments in the vault's order. Raises UsageError for unknown ones."""
    if unknown := [name for name in closed if name not in compartments]:
        raise UsageError(f"the locked group '{unknown[0]}' is none of this vault's")
    return tuple(name for name in compartments if name in closed)


def _closed_writer(vault_id: str, identity: str) -> tuple[WriterKey, ...]:
    """Let the closed groups' recovery write into the log what it opens."""
    if not identity:
        return ()
    signer = recovery.signer_of(identity, vault_id, recovery.CLOSED)
    return (WriterKey(name=recovery.CLOSED, vkey=signer.vkey, verbs=(WriterVerb.LOG,)),)


def _check_names(compartments: Sequence[str], member: str) -> None:
    if not compartments or len(set(compartments)) != len(compartments):
        raise UsageError("a vault needs compartments, each named once")
    for name in (*compartments, member):
        check_name(name)
    if member in RESERVED:
        raise UsageError(f"the name '{member}' belongs to the vault itself")


def check_name(name: str) -> None:
    """Refuse what is no name of a compartment, member or role. Raises UsageError."""
    if not name or len(name) > 64 or any(c not in _NAME for c in name):
        raise UsageError(
            f"the name {name!r:.70} cannot be used",
            hint="use a-z, 0-9, '-', '_', '.', at most 64 characters",
        )


def refuse_occupied(vault: Path) -> None:
    """Refuse a folder that holds something, and say what lies there. Raises CannotCreate, IoFailed."""
    try:
        here = {entry.name for entry in vault.iterdir()} if vault.is_dir() else set()
    except OSError as failure:
        raise IoFailed(f"the folder cannot be read: {failure.strerror}", where=str(vault)) from failure
    if not here:
        return
    if FILE in here and (vault / "log" / "checkpoint").exists():  # the log is told last
        raise CannotCreate(
            "there is a vault here already",
            where=str(vault),
            hint="choose another folder; to use this one on another machine: medsnap vault trust",
        )
    if here <= {FILE, *FOLDERS} and not any((vault / "commits").glob("*")):
        raise CannotCreate(
            "an earlier 'vault init' was cut off here",
            where=str(vault),
            hint="nothing is sealed in it: remove this folder, and the recovery sheets and key file that it"
            " has written, and run it again",
        )
    raise CannotCreate("the folder is not empty", where=str(vault), hint="a vault needs a folder of its own")


def _empty(vault: Path) -> None:
    refuse_occupied(vault)
    try:
        vault.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):
            vault.chmod(0o700)
    except (NotADirectoryError, FileExistsError):
        raise CannotCreate("is no folder", where=str(vault)) from None
    except OSError as failure:
        raise IoFailed(f"the folder cannot be made: {failure.strerror}", where=str(vault)) from failure


def _ring(vault_id: str, label: str, readers: Sequence[str], suite: Suite, random: Random) -> _Ring:
    from medsnap.crypto.age import generate_identity, recipient_of

    identity = generate_identity(random, suite=suite)
    data, sha256 = rings.wrap(rings.ring_text(vault_id, label, [identity]), readers, random=random)
    return _Ring(
        identity=identity,
        recipient=recipient_of(identity),
        file=f"{random_id(random)}.age",
        data=data,
        sha256=sha256,
    )


def _write(vault: Path, made: Sequence[_Ring], directory: Directory, root: Signer) -> None:
    for name in FOLDERS:
        disk.make_folder(vault / name)
    for pair in itertools.product(ALPHABET, repeat=2):
        disk.make_folder(vault / "objects" / "".join(pair))  # now, so that no photo waits for a folder
    disk.sync_folder(vault / "objects")
    for ring in made:
        write_new(vault / "keys" / ring.file, ring.data)
    disk.sync_folder(vault)
    write_new(vault / FILE, serialise(directory, [root]))
