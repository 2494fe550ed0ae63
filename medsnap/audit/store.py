"""Sealed events beside the log: written before their leaf, read by those who hold an auditor's key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from medsnap.audit import events
from medsnap.audit.checkpoint import Checkpoint
from medsnap.audit.files import Folder
from medsnap.audit.log import Log
from medsnap.crypto.note import Signer
from medsnap.errors import KeyRefused, Malformed, MedsnapError, Tampered
from medsnap.model.event import AuditEvent, Due
from medsnap.model.photo import Sha256

MAX_SEALED = 16 << 20  # bytes of one sealed event


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """An event that these keys do not open, or that is missing or altered."""

    at: str
    sealed: Sha256
    because: str


def name_of(digest: Sha256) -> str:
    """Return where a sealed event lies below the log."""
    return f"sealed/{digest[:2]}/{digest}"


def put(log: Log, sealed: bytes) -> Sha256:
    """Keep a sealed event durably under its digest; writing it twice changes nothing."""
    digest = Sha256(hashlib.sha256(sealed).hexdigest())
    folder = Folder(log.root)
    if folder.read(name_of(digest), MAX_SEALED) != sealed:
        folder.write(name_of(digest), sealed)
    return digest


def record(
    log: Log,
    event: AuditEvent,
    *,
    auditors: Sequence[str],
    signer: Signer,
    random: Callable[[int], bytes],
    commit: Sha256 | None = None,
    seen: bytes | None = None,
    due: Due | None = None,
) -> Checkpoint:
    """Seal one event and append its leaf, durably: when this returns, the event is in the log.

    `due` stands in the clear leaf: epochs that have to end, and whose key got about. `seen` is
    the last checkpoint that this host keeps outside the vault, as in `Log.append`.
    """
    entry, sealed = events.leaf(event, auditors, random, commit, due)
    put(log, sealed)
    return log.append([entry], signer, seen=seen)


def leaves(log: Log) -> Iterator[events.Leaf]:
    """Give the clear leaves in order; raise Tampered for an entry that is no leaf."""
    for index, entry in enumerate(log.entries()):
        try:
            yield events.parse_leaf(entry, f"log, entry {index}")
        except Malformed as problem:
            raise Tampered(problem.message, where=problem.where) from None


def commits(log: Log) -> Iterator[Sha256]:
    """Give the digests of the vault's commits that stand in the log, in order."""
    for leaf in leaves(log):
        if leaf.commit is not None:
            yield leaf.commit


def due(log: Log) -> tuple[Due, ...]:
    """Return what the log says has to end, oldest first; what has ended since is in it too."""
    found: list[Due] = []
    for leaf in leaves(log):
        found = [replace(one, seen=max(one.seen, leaf.at, key=_moment)) for one in found]
        if leaf.due:
            found.append(Due(epochs=leaf.due, used=leaf.used, until=leaf.until, seen=leaf.at))
    return tuple(found)


def _moment(text: str) -> datetime:
    """Read a time of a leaf; what is none comes before every other."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _sealed(folder: Folder, leaf: events.Leaf, index: int) -> bytes:
    name = name_of(leaf.sealed)
    data = folder.read(name, MAX_SEALED)
    if data is None or hashlib.sha256(data).hexdigest() != leaf.sealed:
        what = "is missing" if data is None else "was altered"
        raise Tampered(f"the sealed event of entry {index} {what}", where=f"log/{name}, entry {index}")
    return data


def check(log: Log) -> int:
    """Compare every sealed event with the digest in its leaf; return how many. Raises Tampered."""
    folder = Folder(log.root)
    count = 0
    for index, leaf in enumerate(leaves(log)):
        _sealed(folder, leaf, index)
        count += 1
    return count


def read_events(log: Log, identities: Sequence[str]) -> Iterator[AuditEvent | Opaque]:
    """Give the events in order, Opaque where these identities (maybe none) do not open one."""
    from medsnap.crypto.age import decrypt_bytes

    folder = Folder(log.root)
    for index, leaf in enumerate(leaves(log)):
        try:
            plaintext = decrypt_bytes(_sealed(folder, leaf, index), identities)
            yield events.parse_event(plaintext, f"log, entry {index}")
        except KeyRefused:
            yield Opaque(at=leaf.at, sealed=leaf.sealed, because="sealed to the auditors")
        except MedsnapError as problem:
            yield Opaque(at=leaf.at, sealed=leaf.sealed, because=problem.message)
