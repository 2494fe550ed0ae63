"""Take photos out of a vault for good: object, clips, rows; stopped at any moment, the next run goes on.

The order is what makes that safe: intent in tmp/, the batches without the rows under new names, the
signed note, its entry in the log, and only then anything is removed. Until the note lies there the
vault is as before; from its log entry on the photos are gone for every reader, whatever still lies there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medsnap import disk
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.codec import CodecError, canonical
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.record import ADD
from medsnap.platform import kernel_lock, write_durably
from medsnap.vault import batches, commits, erasures
from medsnap.vault.change import LOCK
from medsnap.vault.commits import BatchRef
from medsnap.vault.directory import Directory, WriterKey
from medsnap.vault.erasures import FOLDER, Erasure, Ledger, Replaced, SignedErasure
from medsnap.vault.files import MAX_NOTE, io_errors, make_folder, names, read_limited, remove, write_new
from medsnap.vault.ids import Random, is_id, random_id
from medsnap.vault.objects import PART, ObjectDigests, digests_at, path_of, staging
from medsnap.vault.order import places
from medsnap.vault.reader import OpenBatch, Reader, seals_in
from medsnap.vault.rights import subject
from medsnap.vault.turns import turn

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

_INTENT: Final = ".erasing"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Officer:
    """Who removes photos, and by which right. `log` enters a note into the log, `logged` gives all hashes
    that stand there, in its order."""

    signer: Signer
    verb: str
    random: Random
    log: Callable[[SignedErasure], None]
    logged: Callable[[], Collection[Sha256]]

    def __repr__(self) -> str:
        return "Officer()"


@contextlib.contextmanager
def alone(vault: Path) -> Iterator[None]:
    """Keep ingest, repair, membership changes and what members write out. Raises Locked."""
    with io_errors(vault), kernel_lock(vault / LOCK, what="the vault"), turn(vault):
        yield


def erase(
    vault: Path, directory: Directory, reader: Reader, wanted: AbstractSet[ObjectId], officer: Officer
) -> SignedErasure:
    """Take objects out, with all events that speak of them, under `alone`.

    `wanted` names photos and their clips, all of them in compartments that the reader opens. Raises
    KeyRefused without the right, Tampered where a batch that may hold a row cannot be read, IoFailed.
    """
    writer = right(directory, officer)
    touched, digests = _touched(reader, wanted)
    erasure = Erasure(
        erasure=random_id(officer.random),
        vault=directory.vault,
        directory=directory.version,
        verb=officer.verb,
        objects=digests,
        replaced=(),
    )
    fresh = {place: random_id(officer.random) for place in touched}
    intend(vault, erasure.erasure, tuple(fresh.values()))
    rewriting = _Rewriting(
        vault=vault, directory=directory, reader=reader, wanted=wanted, fresh=fresh, random=officer.random
    )
    replaced = tuple(sorted(rewriting.written(), key=lambda r: r.batch))
    ready = dataclasses.replace(erasure, replaced=replaced)
    signed = erasures.write(vault, ready, officer.signer, writer)
    officer.log(signed)
    finish(vault, directory, officer)
    return signed


def right(directory: Directory, officer: Officer) -> WriterKey:
    """Return the officer's key as the directory has it. Raises KeyRefused without the right."""
    writer = directory.writer(officer.signer.vkey)
    if writer is None or officer.verb not in writer.verbs:
        raise KeyRefused(f"the vault's directory does not let this key '{officer.verb}' photos")
    return writer


_Place = tuple[str, str]  # commit, compartment


def _touched(reader: Reader, wanted: AbstractSet[ObjectId]) -> tuple[list[_Place], tuple[ObjectDigests, ...]]:
    """Find the batches that speak of the objects, and what their commits say of these."""
    found: list[_Place] = []
    digests: dict[ObjectId, ObjectDigests] = {}
    ours: set[ObjectId] = set()
    for signed in reader.commits():
        fresh = {
            o.object: o for o in reader.ledger.objects(signed.commit) if o.object in wanted - digests.keys()
        }
        digests |= fresh
        for compartment, opened in reader.opened_batches(signed).items():
            if any(subject(event) in wanted for event, _ in opened.lines):
                found.append((signed.commit.commit, compartment))
                ours |= fresh.keys() & _recorded(opened)
    complete(reader)
    if missing := wanted - digests.keys():
        raise Tampered("no commit names an object that is to go", where=f"objects/{min(missing)[:2]}")
    _need_ours(wanted - ours)
    return found, tuple(digests[o] for o in sorted(digests))


def _recorded(opened: OpenBatch) -> set[ObjectId]:
    """Name the photos and clips that a batch has records of."""
    found: set[ObjectId] = set()
    for event, _ in opened.lines:
        if event.get("event") == ADD:
            with contextlib.suppress(CodecError):
                found.update(seal.object for seal in seals_in(event))
    return found


def _need_ours(foreign: AbstractSet[ObjectId]) -> None:
    """Refuse to remove what the first commit that names it records elsewhere. Raises Tampered.

    Who has a key that adds can name an object of a locked group again, with a record of his own where an
    officer sees it: the officer would remove what he does not see.
    """
    if foreign:
        name = min(foreign)
        raise Tampered(
            "another commit had named an object that is to go: it may be another group's",
            where=f"objects/{name[:2]}/{name}",
            hint="medsnap vault check names both; nothing was removed",
        )


def complete(reader: Reader) -> None:
    """Refuse a catalogue of which a part could not be read. Raises Tampered."""
    if reader.incomplete:
        raise Tampered(
            "a part of the catalogue cannot be read and may hold rows of these photos",
            hint="medsnap vault check names it; put it back from a copy, then run this again",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rewriting:
    """Batches without some rows. `fresh` are the ids of the new ones, by commit and compartment."""

    vault: Path
    directory: Directory
    reader: Reader
    wanted: AbstractSet[ObjectId]
    fresh: dict[_Place, ObjectId]
    random: Random

    def written(self) -> Iterator[Replaced]:
        """Write them all, one after the other."""
        for commit in dict.fromkeys(commit for commit, _ in self.fresh):
            signed = commits.read(self.vault, commit, self.directory)
            for compartment, opened in self.reader.opened_batches(signed).items():
                name = self.fresh.get((commit, compartment))
                if name is not None:
                    yield self._one(commit, compartment, opened, name)

    def _one(self, commit: str, compartment: str, opened: OpenBatch, name: ObjectId) -> Replaced:
        """Write one, of the size that the old one had and bound to the same commit by its first line."""
        kept = [line for event, line in opened.lines if subject(event) not in self.wanted]
        body = batches.text(kept)
        recipient = self.directory.compartment(compartment).recipient
        data = batches.seal(body, max(opened.size, len(body)), recipient, random=self.random)
        with io_errors(self.vault):
            write_new(self.vault / "batches" / name, data)
        return Replaced(
            commit=commit,
            batch=opened.ref.batch,
            sha256=opened.ref.sha256,
            by=name,
            by_sha256=commits.sha256_of(data),
        )


# ── what a crash leaves ──────────────────────────────────────────────────────────────────────


def intend(vault: Path, erasure: str, fresh: Sequence[str]) -> None:
    """Write down, before anything is written, the ids of new batches, and of new objects of a move."""
    with io_errors(vault):
        make_folder(vault / "tmp")
        write_durably(vault / "tmp" / f"{erasure}{_INTENT}", canonical({"names": fresh}))


def unfinished(vault: Path) -> dict[str, tuple[str, ...]]:
    """Say which erasures were cut off, or are at work: their ids with those of what they write."""
    found = {}
    for name in names(vault / "tmp"):
        erasure = name.removesuffix(_INTENT)
        if name != erasure and is_id(erasure):
            found[erasure] = _intended(vault, name)
    return found


def _intended(vault: Path, name: str) -> tuple[str, ...]:
    where = vault / "tmp" / name
    try:
        said = json.loads(read_limited(where, MAX_NOTE))["names"]
        if isinstance(said, list) and all(isinstance(b, str) and is_id(b) for b in said):
            return tuple(said)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise Tampered("what an erasure was about to do cannot be read", where=str(where))


def finish(vault: Path, directory: Directory, officer: Officer) -> tuple[SignedErasure, ...]:
    """Finish what was cut off after its note, undo what was cut off before; returns what was finished.

    Who has the storage can write such a beginning too: a note by a key without the right is not finished,
    and nothing that was ever committed is undone. Raises KeyRefused, Tampered.
    """
    done = []
    with io_errors(vault):
        for erasure, fresh in unfinished(vault).items():
            _clear_halves(vault, erasure, fresh)
            path = vault / FOLDER / erasure
            if path.exists():
                note = erasures.parse(read_limited(path, MAX_NOTE), directory, f"{FOLDER}/{erasure}")
                place = places(officer.logged()).get(note.sha256)
                _still_right(note, place)
                _whole(vault, note)
                if place is None:
                    officer.log(note)
                apply(vault, erasures.of([note]))
                done.append(note)
            else:
                if not set(fresh).isdisjoint(_committed(vault, directory)):
                    where = f"tmp/{erasure}{_INTENT}"
                    raise Tampered("an erasure was about to write what was there before", where=where)
                _undo(vault, fresh)
            remove(vault / "tmp" / f"{erasure}{_INTENT}")
        for half in (vault / "tmp").glob(f".*{_INTENT}.*.tmp"):
            remove(half)
    return tuple(done)


def _still_right(note: SignedErasure, place: int | None) -> None:
    """Refuse a note whose signer had not the right where the log names it, or has it no more and it does not.

    Somebody who was taken out keeps his key: what he signs now must not be done by another officer's hand.
    """
    where = f"{FOLDER}/{note.erasure.erasure}"
    try:
        erasures.check_right(note, place, where)
    except KeyRefused as refused:
        raise KeyRefused(
            "the signer of an erasure that was begun may not remove photos",
            where=where,
            hint=f"take it and tmp/{note.erasure.erasure}{_INTENT} out of the vault, keep both, and ask who"
            " did it; vault check --repair then puts aside what it has written",
        ) from refused


def _committed(vault: Path, directory: Directory) -> Iterator[str]:
    """Name what commits and notes speak of; raise where one cannot be read, for it may speak of anything."""
    for name in names(vault / "commits"):
        if is_id(name):
            commit = commits.read(vault, name, directory).commit
            yield from (o.object for o in commit.objects)
            yield from (b.batch for b in commit.batches)
    for note in erasures.read_any(vault, directory):
        yield from (o.object for o in note.erasure.added)
        yield from (r.by for r in note.erasure.replaced)


def _undo(vault: Path, fresh: Sequence[str]) -> None:
    """Remove what no note speaks of: batches, and second copies of objects that lie where they lay."""
    places = [p for n in fresh for p in (vault / "batches" / n, path_of(vault, n), staging(vault, n))]
    disk.sync_folders(_removed(places))


def _whole(vault: Path, note: SignedErasure) -> None:
    """Refuse to remove anything before all that comes instead lies there whole. Raises Tampered."""
    for one in note.erasure.added:
        where = f"objects/{one.object[:2]}/{one.object}"
        try:
            whole = digests_at(path_of(vault, one.object), one.object) == one.digests
        except FileNotFoundError:
            whole = False
        if not whole:
            raise Tampered("a moved photo does not lie where it went, so nothing was removed", where=where)
    for r in note.erasure.replaced:
        commits.read_batch(vault, BatchRef(batch=r.by, sha256=r.by_sha256))


def _clear_halves(vault: Path, erasure: str, fresh: Sequence[str]) -> None:
    for folder, wanted in (("batches", fresh), (FOLDER, (erasure,))):
        for name in wanted:
            for half in (vault / folder).glob(f".{name}.*.tmp"):
                remove(half)


def apply(vault: Path, ledger: Ledger) -> int:
    """Remove what a ledger says is gone, wherever in the vault it lies; returns how many objects there were.

    Only for erasures that the log names. Doing it again changes nothing. What was moved stays as long as
    what it became does not lie there.
    """
    moves = (n.erasure for n in ledger.notes if n.erasure.added)
    stays = {o.object for said in moves if not _arrived(vault, said, ledger) for o in said.objects}
    folders: set[Path] = set()
    count = 0
    with io_errors(vault):
        tmp = vault / "tmp"
        for name in sorted(ledger.gone - stays):
            gone = _removed([path_of(vault, name), tmp / "orphans" / name, tmp / f"{name}{PART}"])
            count += bool(gone)
            folders |= gone
        for batch in sorted(ledger.by):
            folders |= _removed([vault / "batches" / batch, tmp / "aside" / f"batches-{batch}"])
        disk.sync_folders(folders)
    return count


def _arrived(vault: Path, said: Erasure, ledger: Ledger) -> bool:
    return all(a.object in ledger.gone or path_of(vault, a.object).exists() for a in said.added)


def _removed(paths: Sequence[Path]) -> set[Path]:
    there = [path for path in paths if path.exists()]
    for path in there:
        remove(path)
    return {path.parent for path in there}
