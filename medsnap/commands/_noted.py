"""Events of what was looked at or refused, written with whatever key at hand may write to the log.

Who has no such key leaves no trace: only a signature makes an entry, and nobody lends his.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap import __version__
from medsnap.commands._shared import Io
from medsnap.commands._vault import key_places, log_of
from medsnap.errors import KeyRefused, MedsnapError, NotFound, PolicyError, Tampered
from medsnap.model.event import Action, AuditEvent

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys
    from medsnap.vault.session import Session

REFUSALS = (KeyRefused, NotFound, PolicyError, Tampered)


def write(
    io: Io,
    vault: Path,
    directory: Directory,
    signer: Signer,
    action: Action,
    *,
    outcome: str = "success",
    objects: tuple[str, ...] = (),
    details: tuple[tuple[str, str], ...] = (),
) -> None:
    """Write an event, upon what this host remembers of the log; raises what hinders it."""
    from medsnap.audit import store
    from medsnap.platform import write_durably
    from medsnap.vault.host import CHECKPOINT

    writer = directory.writer(signer.vkey)
    event = AuditEvent(
        action=action,
        at=io.now.isoformat(timespec="seconds"),
        actor=writer.name if writer else "unknown",
        outcome=outcome,
        objects=objects,
        details=details,
        software=f"medsnap {__version__}",
    )
    memory = io.settings.state / directory.vault / CHECKPOINT
    seen = memory.read_bytes() if memory.is_file() else None
    log, auditors = log_of(vault, directory), [directory.auditors]
    head = store.record(log, event, auditors=auditors, signer=signer, random=io.random, seen=seen)
    if seen is not None:
        write_durably(memory, head.note)


def note(
    io: Io,
    vault: Path,
    directory: Directory,
    keys: Sequence[Keys | None],
    action: Action,
    *,
    outcome: str = "success",
    objects: tuple[str, ...] = (),
    details: tuple[tuple[str, str], ...] = (),
) -> None:
    """Write an event with the first key that may, the ingest host's own last; without one there is none.

    What hinders it is warned of and stops nothing: it speaks of what has been done or refused.
    """
    signer = signer_of(directory, keys) or _host_signer(io, directory)
    if signer is None or is_copy(vault):
        return
    try:
        write(io, vault, directory, signer, action, outcome=outcome, objects=objects, details=details)
    except (MedsnapError, OSError) as hindered:
        io.warn(f"this could not be written into the audit log: {_why(hindered)}")


def vouched(io: Io, vault: Path, own: Keys | None) -> Directory | None:
    """Return the directory where this host's pin or the caller's key vouches for it; None where none does."""
    from medsnap.vault import directory, pins

    try:
        signed = directory.load(vault)
        folder = io.settings.state / signed.directory.vault
        if (folder / pins.PIN).is_file():
            return pins.follow(vault, signed, pins.read_pin(folder))[0]
        return pins.by_root(vault, signed, own.root_vkey) if own is not None and own.root_vkey else None
    except MedsnapError:
        return None


def silent_keys(io: Io, vault: Path, given: Path | None) -> Keys | None:
    """Return the caller's keys where they can be had without asking anybody."""
    from medsnap.vault import key_sources

    with contextlib.suppress(MedsnapError):
        return key_sources.find(dataclasses.replace(key_places(io, vault, given), ask=None, alone=True))
    return None


def is_copy(vault: Path) -> bool:
    """Say whether nobody has ever appended to this log here: then it is a copy's.

    An entry of its own would part it from the vault's for good, so it gets none.
    """
    return not (vault / "log" / "lock").exists()


def _why(hindered: MedsnapError | OSError) -> str:
    return hindered.message if isinstance(hindered, MedsnapError) else str(hindered.strerror)


def signer_of(directory: Directory, keys: Sequence[Keys | None]) -> Signer | None:
    """Return the first signing key that may write to the log."""
    return _may([one.signer for one in keys if one is not None and one.signer], directory)


def _host_signer(io: Io, directory: Directory) -> Signer | None:
    from medsnap.platform import too_open
    from medsnap.vault.host import INGEST_KEY

    path = io.settings.state / directory.vault / INGEST_KEY
    with contextlib.suppress(OSError):
        if path.is_file() and not too_open(path):
            return _may([path.read_text("ascii", "replace").strip()], directory)
    return None


def _may(texts: Sequence[str], directory: Directory) -> Signer | None:
    from medsnap.crypto.note import Signer

    for text in texts:
        with contextlib.suppress(MedsnapError):
            signer = Signer.parse_private(text)
            if signer.vkey in directory.log_vkeys:
                return signer
    return None


@contextlib.contextmanager
def refused(
    io: Io,
    vault: Path,
    directory: Directory,
    keys: Sequence[Keys | None],
    action: Action,
    *,
    objects: tuple[str, ...] = (),
    details: tuple[tuple[str, str], ...] = (),
) -> Iterator[None]:
    """Write into the log that somebody was refused, and let the refusal pass on as it is."""
    try:
        yield
    except REFUSALS as why:
        note(io, vault, directory, keys, action, outcome=why.id, objects=objects, details=details)
        raise


def refusals(
    io: Io,
    session: Session,
    action: Action,
    *,
    objects: tuple[str, ...] = (),
    details: tuple[tuple[str, str], ...] = (),
) -> contextlib.AbstractContextManager[None]:
    """Do the same for a member at work."""
    return refused(
        io,
        session.vault,
        session.directory,
        [session.keys],
        action,
        objects=objects,
        details=details,
    )


def typed_ids(typed: Sequence[str]) -> tuple[str, ...]:
    """Return what was typed where it is an id: anything else could be a name, and stays out of the log."""
    from medsnap.vault.ids import is_id

    return tuple(text for text in typed if is_id(text))
