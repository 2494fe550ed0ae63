"""Let a photo out of the vault into a file: verified, then logged, then written, however large it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._shared import Io
from medsnap.commands._vault import record
from medsnap.errors import CannotCreate, Tampered
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.model.rewrite import Buffer
    from medsnap.model.seal import Seal
    from medsnap.vault.session import Session


def release(io: Io, session: Session, seal: Seal, into: Path) -> None:
    """Write a photo to a new file, mode 0600. The opening stands in the log before its first byte.

    It is opened twice, so that nothing which does not verify is ever written, and a clip of
    gigabytes needs no memory. Raises NotFound, Tampered, CannotCreate, KeyRefused.
    """
    try:
        session.reader.open_to(seal, nowhere)
    except Tampered as broken:
        record(io, session, Action.OPEN_REFUSED, objects=(seal.object,), outcome=broken.id)
        raise
    record(io, session, Action.OPEN, objects=(seal.object,))
    try:
        write_beside(into, lambda write: session.reader.open_to(seal, write))
    except FileExistsError:
        raise CannotCreate("the file exists already", where=str(into)) from None
    except OSError as failure:
        raise CannotCreate(f"cannot be written: {failure.strerror}", where=str(into)) from failure


def nowhere(chunk: Buffer) -> None:
    """Keep nothing of a photo that is opened to see whether it does."""
    del chunk


def write_beside(path: Path, fill: Callable[[Callable[[Buffer], object]], None]) -> None:
    """Fill a file beside and give it its name when it is whole and durable."""
    from medsnap import disk
    from medsnap.platform import name_new

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with disk.writer(temporary) as handle:
            fill(handle.write)
            handle.flush()
            disk.sync(handle.fileno())
        name_new(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(temporary)
        raise
    disk.sync_folder(path.parent)
