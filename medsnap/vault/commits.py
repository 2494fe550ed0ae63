"""Commits: one clear, signed note per step of the vault; its hash is the log's leaf.

A commit names objects of all compartments mixed and sorted, and its batches by digest. `check`
needs no keys for it: an orphan is an object in no commit (amendment 3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import KeyRefused, Malformed, Tampered
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.model.photo import Sha256
from medsnap.vault import batches
from medsnap.vault.directory import Directory, WriterKey
from medsnap.vault.files import MAX_NOTE, io_errors, read_limited, write_new
from medsnap.vault.ids import Random, is_id, random_id
from medsnap.vault.objects import ObjectDigests

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

FORMAT = 1
_HEAD = "medsnap commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRef:
    """A batch by name and digest of the whole file."""

    batch: str
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What was added in one step. Says nothing of names, compartments, sizes or times."""

    commit: str
    vault: str
    directory: int  # version of the directory it was sealed under
    objects: tuple[ObjectDigests, ...]
    batches: tuple[BatchRef, ...]
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCommit:
    """A commit with the writer who signed it and the hash that stands in the log."""

    commit: Commit
    writer: WriterKey
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Encoded events per compartment and the objects they speak of, ready to be committed."""

    lines: Mapping[str, Sequence[bytes]]
    objects: Sequence[ObjectDigests] = ()


def write(
    vault: Path,
    directory: Directory,
    draft: Draft,
    *,
    signer: Signer,
    random: Random,
    announce: Callable[[str, tuple[str, ...]], None] | None = None,
) -> SignedCommit:
    """Write batches and the signed commit, durably, in this order. Raises IoFailed, KeyRefused.

    `announce(commit id, batch ids)` is called before the first byte is written, so that a
    journal can clear away what a crash leaves half done.
    """
    from medsnap.crypto.note import sign_note

    writer = directory.writer(signer.vkey)
    if writer is None:
        raise KeyRefused("this signing key does not stand in the vault's directory")
    commit_id = random_id(random)
    files = _seal_batches(directory, draft, commit_id, random)
    if announce is not None:
        announce(commit_id, tuple(files))
    with io_errors(vault):
        for batch_id, data in files.items():
            write_new(vault / "batches" / batch_id, data)
    refs = [BatchRef(batch=b, sha256=sha256_of(data)) for b, data in files.items()]
    commit = Commit(
        commit=commit_id,
        vault=directory.vault,
        directory=directory.version,
        objects=tuple(sorted(draft.objects, key=lambda o: o.object)),
        batches=tuple(sorted(refs, key=lambda r: r.batch)),
    )
    note = sign_note(f"{_HEAD}\n{canonical(commit).decode()}\n", [signer])
    write_new(vault / "commits" / commit_id, note)
    return SignedCommit(commit=commit, writer=writer, sha256=sha256_of(note))


def _seal_batches(directory: Directory, draft: Draft, commit_id: str, random: Random) -> dict[str, bytes]:
    bodies = {
        key: batches.text(
            [batches.head(directory.vault, commit_id, key.name), *draft.lines.get(key.name, ())]
        )
        for key in directory.compartments
    }
    size = batches.common_size(list(bodies.values()))
    return {
        random_id(random): batches.seal(body, size, key.recipient, random=random)
        for key, body in bodies.items()
    }


def sha256_of(data: bytes) -> Sha256:
    """Hash a file of the vault."""
    return Sha256(hashlib.sha256(data).hexdigest())


def read(vault: Path, commit_id: str, directory: Directory) -> SignedCommit:
    """Read one commit and check its signature against the directory's writers.

    Raises Tampered (broken, other vault, wrong name, younger than the directory) or KeyRefused (no known
    writer signed it).
    """
    path = vault / "commits" / commit_id
    data = read_limited(path, MAX_NOTE)
    signer, text = opened(data, directory, str(path))
    commit = _parsed(text, str(path))
    if commit.commit != commit_id or commit.vault != directory.vault:
        raise Tampered("a commit of another name or vault lies here", where=str(path))
    not_younger(commit.directory, directory, str(path))
    return SignedCommit(commit=commit, writer=signer, sha256=sha256_of(data))


def not_younger(version: int, directory: Directory, where: str) -> None:
    """Refuse what was written under a directory newer than the one that lies here. Raises Tampered.

    Nobody needs a memory for that: who puts an old directory back, to have a member again who was taken
    out, would have to take out all that came since, and the log misses it.
    """
    if version > directory.version:
        raise Tampered(
            f"was written under version {version} of the directory, and version {directory.version} lies"
            " here: an old one was put back, or it changes at this moment",
            where=where,
        )


def digest(vault: Path, commit_id: str) -> Sha256:
    """Hash a commit as it lies in the vault: what the log names it by. Raises InputMissing, Tampered."""
    return sha256_of(read_limited(vault / "commits" / commit_id, MAX_NOTE))


def opened(data: bytes, directory: Directory, where: str) -> tuple[WriterKey, str]:
    """Open a note that one of the directory's writers signed. Raises Tampered, KeyRefused."""
    from medsnap.crypto.note import Verifier, open_note

    for writer in directory.writers:
        try:
            note = open_note(data, [Verifier.parse(writer.vkey)])
        except KeyRefused:
            continue
        except Malformed as broken:
            raise Tampered("is no signed note any more", where=where) from broken
        return writer, note.text
    raise KeyRefused("no writer of the directory signed this note", where=where)


def _parsed(text: str, where: str) -> Commit:
    head, _, body = text.partition("\n")
    try:
        if head != _HEAD:
            raise ValueError(head)
        commit = from_json(Commit, json.loads(body))
    except (ValueError, RecursionError, CodecError) as misfit:
        raise Tampered("a commit cannot be read", where=where) from misfit
    if commit.format != FORMAT:
        raise KeyRefused("a commit is of a newer format", where=where, hint="update medsnap on this machine")
    if not all(is_id(o.object) for o in commit.objects) or not all(is_id(b.batch) for b in commit.batches):
        raise Tampered("a commit names something that is no id", where=where)
    return commit


def read_batch(vault: Path, ref: BatchRef) -> bytes:
    """Read a batch file and check its digest. Raises Tampered, InputMissing."""
    from medsnap.vault.files import MAX_BATCH

    path = vault / "batches" / ref.batch
    data = read_limited(path, MAX_BATCH)
    if sha256_of(data) != ref.sha256:
        raise Tampered("a batch was changed", where=str(path))
    return data
