"""Objects: age files named by random ids, the same folder for all compartments.

The plaintext is the bare photo with zeros after it (Padmé), so that `age -d | head -c LENGTH`
gives the photo without medsnap.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medsnap import disk
from medsnap.errors import IoFailed, Malformed, MedsnapError, Tampered
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.rewrite import Buffer
from medsnap.platform import NOT_PLAIN, NotPlain, name_new, open_plain
from medsnap.vault.files import DENIED, io_errors, make_folder, remove
from medsnap.vault.ids import Random, is_id, padme

PART = ".part"
_BUFFER = 128 << 10  # less than the sealed groups: each is written at once, without a copy
_ZEROS = bytes(65536)
_MAX_HEADER_LINES = 4096
_MAX_LINE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDigests:
    """What a commit says of one object, in clear.

    `payload` survives a rewrap of the header; `header` makes a flipped bit in the header
    visible without keys, and is replaced by a later commit when the object is rewrapped.
    """

    object: ObjectId
    payload: Sha256
    header: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A sealed object that lies durably in the vault."""

    digests: ObjectDigests
    plaintext: Sha256  # of the photo without padding
    length: int


def path_of(vault: Path, object_id: str) -> Path:
    """Return where an object lies. Raises Malformed for a text that is no id (never a path)."""
    if not is_id(object_id):
        raise Malformed("is no object id")
    return vault / "objects" / object_id[:2] / object_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A sealed object that lies whole in `tmp`, its file still open: it has no name and is not durable."""

    placed: Placed
    temporary: Path
    handle: BinaryIO

    def close(self) -> None:
        """Close the file; it stays where it is."""
        with contextlib.suppress(OSError):
            self.handle.close()


def staging(vault: Path, object_id: str) -> Path:
    """Return where an object lies until it gets its name."""
    return vault / "tmp" / f"{object_id}{PART}"


def stage(
    vault: Path,
    object_id: ObjectId,
    chunks: Iterable[Buffer],
    *,
    length: int,
    recipient: str,
    random: Random,
) -> Staged:
    """Seal `length` bytes to one recipient into `tmp`. Raises IoFailed."""
    from medsnap.crypto.age import encrypt

    temporary = staging(vault, object_id)
    counter = _Counter()
    with io_errors(vault):
        handle = disk.writer(temporary, buffering=_BUFFER)
        try:
            padded = counter.padded(chunks, length)  # hashes the photo on its way
            written = encrypt(padded, [recipient], handle.write, random=random, hash_plaintext=False)
            handle.flush()
            disk.begin_sync(handle.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                handle.close()
            with contextlib.suppress(OSError):
                remove(temporary)
            raise
    digests = ObjectDigests(object=object_id, payload=written.payload, header=written.header)
    placed = Placed(digests=digests, plaintext=counter.digest, length=length)
    return Staged(placed=placed, temporary=temporary, handle=handle)


def place(vault: Path, staged: Sequence[Staged]) -> None:
    """Make objects durable and give them their names: all bytes first, then names, then folders."""
    with io_errors(vault):
        disk.sync_all([one.handle.fileno() for one in staged])
        folders = []
        for one in staged:
            one.handle.close()
            final = path_of(vault, one.placed.digests.object)
            make_folder(final.parent)
            name_new(one.temporary, final)
            folders.append(final.parent)
        disk.sync_folders(folders)


def put(
    vault: Path,
    object_id: ObjectId,
    chunks: Iterable[Buffer],
    *,
    length: int,
    recipient: str,
    random: Random,
) -> Placed:
    """Seal `length` bytes to one recipient, synced, under a name that was free. Raises IoFailed."""
    staged = stage(vault, object_id, chunks, length=length, recipient=recipient, random=random)
    place(vault, [staged])
    return staged.placed


def secure(vault: Path, expected: ObjectDigests) -> bool:
    """Make an object durable that a killed process left whole, under its name or in `tmp`; say if it is."""
    final = path_of(vault, expected.object)
    for path in (final, staging(vault, expected.object)):
        try:
            whole = digests_at(path, expected.object) == expected
        except (FileNotFoundError, Tampered):
            continue
        if whole:
            with io_errors(vault):
                disk.sync_file(path)
                if path != final:
                    make_folder(final.parent)
                    name_new(path, final)
                disk.sync_folder(final.parent)
            return True
    return False


class _Counter:
    """Count and hash the photo on its way in; pad it with zeros to its Padmé size."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> Sha256:
        return Sha256(self._hash.hexdigest())

    def padded(self, chunks: Iterable[Buffer], length: int) -> Iterator[Buffer]:
        seen = 0
        for chunk in chunks:
            seen += len(chunk)
            self._hash.update(chunk)
            yield chunk
        if seen != length:
            raise IoFailed(f"the source changed while it was read: {seen} bytes instead of {length}")
        yield from zeros(padme(length) - length)


class Unpadded:
    """Cut the padding off behind a photo on its way out; hash the rest."""

    def __init__(self, length: int) -> None:
        self.missing = length  # bytes
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> Sha256:
        """Return the digest of what came so far."""
        return Sha256(self._hash.hexdigest())

    def part(self, chunk: Buffer) -> Buffer:
        """Return what of a chunk belongs to the photo."""
        part = memoryview(chunk)[: self.missing]
        self._hash.update(part)
        self.missing -= len(part)
        return part


def zeros(count: int) -> Iterator[bytes]:
    """Yield `count` zero bytes in pieces."""
    while count > 0:
        yield _ZEROS[: min(count, len(_ZEROS))]
        count -= len(_ZEROS)


def header_digest(source: BinaryIO, *, where: str) -> Sha256:
    """Hash an age header, through the MAC line (C2SP age.md, header). Raises Tampered without one."""
    digest = hashlib.sha256()
    for _ in range(_MAX_HEADER_LINES):
        line = source.readline(_MAX_LINE)
        digest.update(line)
        if line.startswith(b"--- ") and line.endswith(b"\n"):
            return Sha256(digest.hexdigest())
        if not line.endswith(b"\n"):
            break
    raise Tampered("has no age header", where=where)


def digests_of(vault: Path, object_id: ObjectId) -> ObjectDigests:
    """Hash an object as it lies in the vault, without keys. Raises Tampered, or FileNotFoundError."""
    return digests_at(path_of(vault, object_id), object_id)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open an object for reading. Raises FileNotFoundError, and Tampered for what cannot be read."""
    try:
        handle = open_plain(path)
    except NotADirectoryError:
        raise FileNotFoundError(str(path)) from None
    except NotPlain as other:
        raise Tampered(NOT_PLAIN, where=str(path)) from other
    except PermissionError as denied:
        raise Tampered(DENIED, where=str(path)) from denied
    with handle:
        yield handle


def digests_at(path: Path, object_id: ObjectId) -> ObjectDigests:
    """Hash an object that lies anywhere. Raises Tampered, or FileNotFoundError."""
    from medsnap.crypto.age import payload_digest

    with opened(path) as handle:
        header = header_digest(handle, where=str(path))
        handle.seek(0)
        try:
            payload = payload_digest(handle)
        except MedsnapError as broken:
            raise Tampered("is no age file any more", where=str(path)) from broken
    return ObjectDigests(object=object_id, payload=payload, header=header)
