"""What was taken out of a vault for good, and which batch stands in for which: one signed note an erasure.

A move is a note too: what it takes out of one locked group it adds to another, under other names.
All notes together are the ledger. In clear it holds random ids and digests only, so it can be kept
anywhere; and who has it can tell, after an older copy was restored, what must not have come back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medsnap.errors import KeyRefused, MedsnapError, Tampered
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.model.photo import ObjectId, Sha256
from medsnap.vault import commits
from medsnap.vault.commits import BatchRef, Commit
from medsnap.vault.directory import REWRITING, Directory, WriterKey, WriterVerb
from medsnap.vault.files import MAX_NOTE, make_folder, names, read_limited, write_new
from medsnap.vault.ids import is_id
from medsnap.vault.objects import ObjectDigests
from medsnap.vault.order import places

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

FOLDER: Final = "erasures"
FORMAT: Final = 1
_HEAD: Final = "medsnap erasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A batch of a commit and the one that has been read in its place since."""

    commit: str
    batch: str
    sha256: Sha256
    by: str
    by_sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An object that a move brought, and the commit in whose replaced batch its row stands."""

    commit: str
    object: ObjectId
    payload: Sha256
    header: Sha256

    @property
    def digests(self) -> ObjectDigests:
        """Return it as a commit names its own."""
        return ObjectDigests(object=self.object, payload=self.payload, header=self.header)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What one erasure took out. `verb` is the right that it was done by: expire, erase or move.

    Only a move has `added`, as many as `objects`; its `sealed` is an age file (base64) for the group that it
    went to, and says which object became which.
    """

    erasure: str
    vault: str
    directory: int  # version
    verb: str
    objects: tuple[ObjectDigests, ...]
    replaced: tuple[Replaced, ...]
    format: int = FORMAT
    added: tuple[Added, ...] = ()
    sealed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedErasure:
    """An erasure, who signed it, the hash that stands in the log as its leaf, and its bytes."""

    erasure: Erasure
    writer: WriterKey
    sha256: Sha256
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All erasures of a vault that count; `problems` are (place, what is wrong) of those that do not.

    Neither the objects `gone` nor the batches that `by` has another one for may lie in the vault. `moved`
    are those of them that lie in another locked group now, under names of `added`, which stand by commit.
    """

    notes: tuple[SignedErasure, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    gone: frozenset[ObjectId] = frozenset()
    by: Mapping[str, BatchRef] = field(default_factory=dict)
    moved: frozenset[ObjectId] = frozenset()
    added: Mapping[str, tuple[ObjectDigests, ...]] = field(default_factory=dict)

    @property
    def erased(self) -> frozenset[ObjectId]:
        """What is gone for good."""
        return self.gone - self.moved

    def objects(self, commit: Commit) -> tuple[ObjectDigests, ...]:
        """Return what a commit names, and what moves have added to it; some of it may be gone since."""
        return (*commit.objects, *self.added.get(commit.commit, ()))

    def current(self, ref: BatchRef) -> BatchRef:
        """Return the batch that is read in place of one that a commit names: itself, most often."""
        for _ in range(len(self.by) + 1):
            if ref.batch not in self.by:
                return ref
            ref = self.by[ref.batch]
        raise Tampered("batches stand in for each other in a ring", where=FOLDER)

    def only(self, logged: Iterable[Sha256]) -> Ledger:
        """Leave out what the log does not name: by that alone nothing is ever deleted."""
        known = set(logged)
        return of([n for n in self.notes if n.sha256 in known], self.problems)

    @property
    def digest(self) -> Sha256:
        """SHA-256 of the notes' hashes, sorted, each with a line feed: a line for the outside."""
        text = "".join(f"{n}\n" for n in sorted(note.sha256 for note in self.notes))
        return Sha256(hashlib.sha256(text.encode()).hexdigest())


NOTHING: Final = Ledger()


def of(notes: Iterable[SignedErasure], problems: tuple[tuple[str, str], ...] = ()) -> Ledger:
    """Make a ledger of notes in the log's order."""
    kept = tuple(notes)
    by: dict[str, BatchRef] = {}
    for note in kept:
        for r in note.erasure.replaced:
            by.setdefault(r.batch, BatchRef(batch=r.by, sha256=r.by_sha256))
    added: dict[str, tuple[ObjectDigests, ...]] = {}
    gone: dict[bool, set[ObjectId]] = {True: set(), False: set()}
    for said in (note.erasure for note in kept):
        gone[said.verb == WriterVerb.MOVE].update(o.object for o in said.objects)
        for one in said.added:
            added[one.commit] = (*added.get(one.commit, ()), one.digests)
    moved = frozenset(gone[True])
    everything = moved | gone[False]
    return Ledger(notes=kept, problems=problems, gone=everything, by=by, moved=moved, added=added)


def write(vault: Path, erasure: Erasure, signer: Signer, writer: WriterKey) -> SignedErasure:
    """Sign an erasure and write it durably under its id. Raises IoFailed."""
    from medsnap.crypto.note import sign_note

    note = sign_note(f"{_HEAD}\n{canonical(erasure).decode()}\n", [signer])
    make_folder(vault / FOLDER)
    write_new(vault / FOLDER / erasure.erasure, note)
    return SignedErasure(erasure=erasure, writer=writer, sha256=commits.sha256_of(note), note=note)


def read(
    vault: Path, directory: Directory, place: Callable[[], Mapping[Sha256, int]] | None = None
) -> Ledger:
    """Read the ledger of a vault. `place` says where the log names each commit and erasure.

    An erasure counts when its signer had the right for it at its place of the log; others are problems.
    """
    listed = [name for name in names(vault / FOLDER) if is_id(name)]
    if not listed:
        return NOTHING
    where_of = place() if place is not None else {}
    notes: list[tuple[int, SignedErasure]] = []
    problems: list[tuple[str, str]] = []
    for name in listed:
        where = f"{FOLDER}/{name}"
        try:
            found = parse(read_limited(vault / FOLDER / name, MAX_NOTE), directory, where)
            if found.erasure.erasure != name:
                raise Tampered("an erasure of another name lies here", where=where)
            commits.not_younger(found.erasure.directory, directory, where)
            check_right(found, where_of.get(found.sha256), where)
        except MedsnapError as problem:
            problems.append((where, problem.message))
            continue
        notes.append((where_of.get(found.sha256, len(where_of)), found))
    notes.sort(key=lambda pair: pair[0])
    return of([note for _, note in notes], tuple(problems))


def counting(vault: Path, directory: Directory, logged: Iterable[Sha256]) -> Ledger:
    """Read of the ledger what the log names and its signers had the right for where it names it.

    `logged` are the hashes in the log's order. By nothing else anything is ever removed.
    """
    place = places(logged)
    return read(vault, directory, lambda: place).only(place)


def parse(data: bytes, directory: Directory, where: str) -> SignedErasure:
    """Open one note; its signer's right is not looked at. Raises Tampered, KeyRefused."""
    writer, text = commits.opened(data, directory, where)
    head, _, body = text.partition("\n")
    try:
        if head != _HEAD:
            raise ValueError(head)
        erasure = from_json(Erasure, json.loads(body))
    except (ValueError, RecursionError, CodecError) as misfit:
        raise Tampered("an erasure cannot be read", where=where) from misfit
    if erasure.format != FORMAT:
        raise KeyRefused("an erasure is of a newer format", where=where, hint="update medsnap here")
    if erasure.vault != directory.vault or not all(map(is_id, _ids(erasure))):
        raise Tampered("an erasure is of another vault or names what is no id", where=where)
    if len(erasure.added) != (len(erasure.objects) if erasure.verb == WriterVerb.MOVE else 0):
        raise Tampered("an erasure adds other than what it takes out", where=where)
    return SignedErasure(erasure=erasure, writer=writer, sha256=commits.sha256_of(data), note=data)


def _ids(erasure: Erasure) -> Iterator[str]:
    yield erasure.erasure
    yield from (o.object for o in erasure.objects)
    for a in erasure.added:
        yield from (a.commit, a.object)
    for r in erasure.replaced:
        yield from (r.commit, r.batch, r.by)


def check_right(found: SignedErasure, place: int | None, where: str) -> None:
    """Refuse an erasure whose signer had not the verb that it was done by. Raises KeyRefused."""
    verb = found.erasure.verb
    if verb not in REWRITING or verb not in found.writer.verbs_at(place):
        raise KeyRefused("an erasure was ignored: its signer may not remove photos", where=where)


def had_right(found: SignedErasure) -> bool:
    """Say whether the signer has the right or had it once: where the log's order is not at hand."""
    return found.erasure.verb in REWRITING and found.writer.had(found.erasure.verb)


def read_any(vault: Path, directory: Directory) -> list[SignedErasure]:
    """Read the notes whose signers have the right or had it once; those that cannot be read are left out."""
    found = []
    for name in names(vault / FOLDER):
        where = f"{FOLDER}/{name}"
        with contextlib.suppress(MedsnapError):
            note = parse(read_limited(vault / FOLDER / name, MAX_NOTE), directory, where)
            if note.erasure.erasure == name and had_right(note):
                found.append(note)
    return found
