"""Copy a vault to another folder: what is new, each file verified, at any moment a vault or the start of one.

The order is rings, directory, then commit by commit its objects, its batches and itself; the log's
checkpoint comes last. So a copy that was cut off holds the beginning of the vault, and the next run
goes on from what lies there. Nothing in the source is changed and nothing in the copy replaced but
what is replaced in a vault too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from medsnap import disk
from medsnap.errors import InputMissing, KeyRefused, Locked, MedsnapError, Tampered
from medsnap.model.photo import Sha256
from medsnap.platform import NOT_PLAIN, NotPlain, open_plain, write_durably
from medsnap.vault import commits, erasure, erasures, history, objects, policies
from medsnap.vault.change import named_rings
from medsnap.vault.commits import SignedCommit
from medsnap.vault.copy_place import MARK
from medsnap.vault.directory import FILE, SignedDirectory
from medsnap.vault.files import (
    MAX_NOTE,
    io_errors,
    make_folder,
    names,
    place_new,
    read_limited,
    remove,
    write_new,
)
from medsnap.vault.ids import is_id
from medsnap.vault.objects import ObjectDigests
from medsnap.vault.reader import Problem
from medsnap.vault.repair import Move, Plan, carry_out
from medsnap.vault.rings import MAX_RING
from medsnap.vault.turns import Changed

_PIECE = 1 << 20


@dataclass(slots=True, kw_only=True)
class CopyReport:
    """What was copied and what lay there already; problems are faults of the source."""

    commits: int = 0
    batches: int = 0
    objects: int = 0
    bytes: int = 0  # of objects
    present: int = 0  # objects that lay there
    mended: int = 0  # files of the copy that were broken and are whole again
    erased: int = 0  # objects that were erased in the vault, and are now gone from the copy
    unlogged: int = 0  # commits that wait for their entry in the log: the next copy takes them
    problems: list[Problem] = field(default_factory=list)

    def fault(self, where: str, problem: MedsnapError) -> None:
        """Note something of the source that cannot be copied."""
        self.problems.append(Problem(where, problem.message))


def copy(
    vault: Path, to: Path, signed: SignedDirectory, *, logged: Collection[Sha256], reread: bool = False
) -> CopyReport:
    """Copy all but the log, under `copy_place.begun`. `logged` are the commits of the log, in its order.

    With `reread` what lies in the copy is verified too, and mended where it is broken. Raises IoFailed
    when the copy cannot be written, Locked when the directory changed meanwhile, Changed where files went
    because photos were erased or moved since the log was read: then it has to be read again.
    """
    ledger = erasures.counting(vault, signed.directory, logged)
    work = _Copying(vault, to, ledger, reread=reread)
    work.report.problems += (Problem(*ignored) for ignored in ledger.problems)
    work.directory(signed)
    work.policies()
    for found in _commits(vault, signed, frozenset(logged), work.report):
        work.commit(found)
    work.erasures()
    if _overtaken(vault, signed, ledger).intersection(p.where for p in work.report.problems):
        raise Changed
    return work.report


def _overtaken(vault: Path, signed: SignedDirectory, ledger: erasures.Ledger) -> set[str]:
    """Name the files that have gone by notes that the ledger does not have yet."""
    known = {note.sha256 for note in ledger.notes}
    notes = [n for n in erasures.read(vault, signed.directory).notes if n.sha256 not in known]
    gone = {f"objects/{o.object[:2]}/{o.object}" for n in notes for o in n.erasure.objects}
    return gone | {f"batches/{r.batch}" for n in notes for r in n.erasure.replaced}


def _commits(
    vault: Path, signed: SignedDirectory, logged: AbstractSet[Sha256], report: CopyReport
) -> Iterator[SignedCommit]:
    """Give the commits that the log names; what waits for its entry is the next copy's."""
    for name in names(vault / "commits"):
        try:
            if not is_id(name):
                raise Tampered("is no commit's name")
            found = commits.read(vault, name, signed.directory)
        except MedsnapError as problem:
            report.fault(f"commits/{name}", problem)
            continue
        if found.sha256 in logged:
            yield found
        else:
            report.unlogged += 1


class _Copying:
    """The state of one run."""

    def __init__(self, vault: Path, to: Path, ledger: erasures.Ledger, *, reread: bool) -> None:
        self.report = CopyReport()
        self._ledger = ledger
        self._vault, self._to, self._reread = vault, to, reread
        self._there = {f"{kind}/{name}" for kind in ("batches", "commits") for name in names(to / kind)}
        for folder in names(to / "objects"):
            self._there |= {f"objects/{folder}/{name}" for name in names(to / "objects" / folder)}

    def directory(self, signed: SignedDirectory) -> None:
        """Copy rings and directory; rings that it does not name any more go from the copy as well."""
        directory = signed.directory
        digests = {k.ring: k.ring_sha256 for k in (*directory.compartments, directory.auditors_key)}
        for name, digest in digests.items():
            try:
                data = read_limited(self._vault / "keys" / name, MAX_RING)
            except InputMissing:
                raise Locked("the vault's directory changed meanwhile", hint="run it again") from None
            if hashlib.sha256(data).hexdigest() != digest:
                raise Tampered("a ring is not the file that the directory names", where=f"keys/{name}")
            self._write(f"keys/{name}", data)
        self._history(signed)
        if not _is(self._to / FILE, signed.data):
            with io_errors(self._to):
                write_durably(self._to / FILE, signed.data)
        for name in names(self._to / "keys"):
            if name not in named_rings(directory):
                with io_errors(self._to):
                    remove(self._to / "keys" / name)
        with io_errors(self._to):
            remove(self._to / "tmp" / MARK)

    def _history(self, signed: SignedDirectory) -> None:
        """Copy the former versions, newest first, each the one that its successor names."""
        here, data = signed.directory, signed.data
        while 0 < here.history < here.version:
            where = history.place(here.version - 1)
            try:
                here, data = history.below(self._vault, here, data)
            except (Tampered, InputMissing, KeyRefused) as problem:
                self.report.fault(where, problem)
                return
            make_folder(self._to / history.FOLDER)
            self._write(where, data)

    def policies(self) -> None:
        """Copy policies and keyrings, and the signatures that came since."""
        for name in names(self._vault / policies.FOLDER):
            digest, _, kind = name.partition(".")
            with self._faults(f"{policies.FOLDER}/{name}"):
                if kind == "yaml":
                    policies.keep(self._to, digest, policies.recall(self._vault, digest) or b"")
                elif kind == "sig":
                    policies.keep_signatures(
                        self._to, digest, policies.recall_signatures(self._vault, digest)
                    )

    def commit(self, signed: SignedCommit) -> None:
        """Copy what a commit names, and then the commit: where it lies in the copy, all of it does."""
        commit, report = signed.commit, self.report
        for expected in self._ledger.objects(commit):
            if expected.object in self._ledger.gone:
                continue
            place = f"objects/{expected.object[:2]}/{expected.object}"
            if not self._needed(place, partial(_whole, expected)):
                report.present += 1
                continue
            with self._faults(place):
                report.bytes += self._object(expected)
                report.objects += 1
        for named in commit.batches:
            ref = self._ledger.current(named)
            place = f"batches/{ref.batch}"
            if self._needed(place, partial(_hashed, ref.sha256)):
                with self._faults(place):
                    self._write(place, commits.read_batch(self._vault, ref))
                    report.batches += 1
        place = f"commits/{commit.commit}"
        if self._needed(place, partial(_hashed, signed.sha256)):
            data = read_limited(self._vault / place, MAX_NOTE)
            if Sha256(hashlib.sha256(data).hexdigest()) != signed.sha256:
                raise Locked("the vault changed meanwhile", where=place, hint="run it again")
            self._write(place, data)
            report.commits += 1

    def erasures(self) -> None:
        """Copy what was erased, and only then remove it from the copy: there it is gone as well."""
        if not self._ledger.notes:
            return
        make_folder(self._to / erasures.FOLDER)
        for note in self._ledger.notes:
            self._write(f"{erasures.FOLDER}/{note.erasure.erasure}", note.note)
        self.report.erased = erasure.apply(self._to, self._ledger)

    @contextmanager
    def _faults(self, where: str) -> Iterator[None]:
        """Report what is wrong with the source and go on: the rest is to be saved even so."""
        try:
            yield
        except (Tampered, InputMissing, KeyRefused) as problem:
            self.report.problems.append(Problem(where, problem.message))

    def _needed(self, place: str, whole: Callable[[Path], bool]) -> bool:
        """Say whether a file has to be copied; a broken one of the copy is put aside first."""
        if place not in self._there:
            return True
        if not self._reread or whole(self._to / place):
            return False
        self.report.mended += 1
        carry_out(self._to, Plan(moves=(Move(place, f"tmp/aside/{place.replace('/', '-')}"),)))
        return True

    def _write(self, place: str, data: bytes) -> None:
        if not _is(self._to / place, data):
            with io_errors(self._to):
                write_new(self._to / place, data)

    def _object(self, expected: ObjectDigests) -> int:
        """Copy one object, compare what was written with its commit, give it its name; returns bytes."""
        part = self._to / "tmp" / f"{expected.object}.part"
        final = objects.path_of(self._to, expected.object)
        with io_errors(self._to):
            with disk.writer(part) as handle:
                for piece in _pieces(objects.path_of(self._vault, expected.object)):
                    handle.write(piece)
                handle.flush()
                disk.sync(handle.fileno())
            if not _whole(expected, part):
                remove(part)
                raise Tampered("an object is not the one that its commit names")
            make_folder(final.parent)
            size = part.stat().st_size
            place_new(part, final)
        return size


def _pieces(path: Path) -> Iterator[bytes]:
    """Read a file of the source. Raises Tampered: that it cannot be read is its fault, not the copy's."""
    try:
        with open_plain(path) as source:
            while piece := source.read(_PIECE):
                yield piece
    except FileNotFoundError:
        raise Tampered("an object is missing") from None
    except NotPlain as other:
        raise Tampered(NOT_PLAIN) from other
    except OSError as failure:
        raise Tampered(f"an object cannot be read: {failure.strerror}") from failure


def _whole(expected: ObjectDigests, path: Path) -> bool:
    try:
        return objects.digests_at(path, expected.object) == expected
    except Tampered:
        return False


def _hashed(expected: str, path: Path) -> bool:
    with open_plain(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == expected


def _is(path: Path, data: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes() == data
