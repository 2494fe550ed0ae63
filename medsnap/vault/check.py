"""Check a vault without keys: signatures, digests, rights, what is missing, what belongs to nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from medsnap.errors import MedsnapError, Tampered
from medsnap.model.photo import ObjectId, Sha256
from medsnap.vault import commits, erasures, foreign, history, objects, pins, policies, proofs
from medsnap.vault.commits import SignedCommit
from medsnap.vault.directory import FILE, Directory, WriterVerb, load, verify
from medsnap.vault.erasure import unfinished
from medsnap.vault.erasures import Ledger
from medsnap.vault.files import names, read_limited
from medsnap.vault.ids import is_id
from medsnap.vault.objects import ObjectDigests
from medsnap.vault.order import places
from medsnap.vault.pins import Pin
from medsnap.vault.reader import Problem
from medsnap.vault.rings import MAX_RING
from medsnap.vault.sample import Sample


@dataclass(slots=True, kw_only=True)
class CheckReport:
    """What was checked, how much, and every problem with its place.

    `strays` are files that belong to nothing, by their path in the vault. `whole` says that every
    commit could be read and none of the log is missing: only then is an object in no commit an
    orphan for certain.
    """

    commits: int = 0
    batches: int = 0
    objects: int = 0  # that were hashed
    waiting: int = 0  # objects of a run that was cut off
    problems: list[Problem] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    missing: dict[ObjectId, ObjectDigests] = field(default_factory=dict)
    unlogged: list[SignedCommit] = field(default_factory=list)
    returned: list[ObjectId] = field(default_factory=list)  # erased, and there again
    ledger: Ledger = erasures.NOTHING
    whole: bool = True

    @property
    def good(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.problems

    def add(self, where: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(where, what))

    def stray(self, where: str, what: str) -> None:
        """Note a file that belongs to nothing."""
        self.strays.append(where)
        self.add(where, what)


def check(
    vault: Path,
    *,
    root_vkey: str | None = None,
    pin: Pin | None = None,
    logged: Iterable[Sha256] | None = None,
    waiting: AbstractSet[str] = frozenset(),
    sample: Sample | None = None,
) -> CheckReport:
    """Check everything that can be checked without keys; raises nothing for what is in the vault.

    The directory is judged by the `pin`, else by `root_vkey`, else by the root that it names itself; each
    former version that the vault keeps by its successor. `logged` are the commit hashes of the audit log,
    in its order: each must have its commit and each commit its entry. `waiting` are ids in this host's
    journal (objects, batches, a commit): an interrupted run left them and the next one deals with them.
    With a `sample` only its objects are hashed; that the others are there is looked at even so.
    """
    report = CheckReport()
    directory = _directory(vault, root_vkey, pin, report)
    if directory is None:
        report.whole = False
        return report
    for where, what in (*foreign.strangers(vault), *foreign.misplaced(vault)):
        report.stray(where, what)
    for where, what in foreign.misshapen(vault):
        report.add(where, what)
    _rings(vault, directory, report)
    found = _commits(vault, directory, report)
    hashes = tuple(logged or ())
    place = places(hashes)
    for twice in sorted({sha256 for n, sha256 in enumerate(hashes) if place[sha256] != n}):
        report.add("log", f"the log names a commit twice; only the first place counts: {twice}")
    found.sort(key=lambda signed: place.get(signed.sha256, len(hashes)))
    report.ledger = erasures.read(vault, directory, lambda: place)
    halves = _halves(vault, report)
    waiting = waiting | halves.keys() | {name for fresh in halves.values() for name in fresh}
    _erasures(report)
    if logged is not None:
        _log(found, place, waiting, report)
        _rights(found, place, report)
    settled = erasures.of([n for n in report.ledger.notes if n.erasure.erasure not in waiting])
    _batches(vault, found, waiting, report)
    _objects(vault, found, waiting, report, sample)
    _returned(vault, settled, report)
    _policies(vault, report)
    for where, what in proofs.faults(vault, directory):
        report.add(where, what)
    return report


def _directory(vault: Path, root_vkey: str | None, pin: Pin | None, report: CheckReport) -> Directory | None:
    try:
        signed = load(vault)
        directory = verify(signed.data, root_vkey=signed.directory.root)
        kept = history.faults(vault, directory, signed.data)
        for where, what in kept:
            report.add(where, what)
        if pin is not None:
            pins.follow(vault, signed, pin)
        elif root_vkey is not None:
            pins.by_root(vault, signed, root_vkey)
    except MedsnapError as problem:
        if problem.where not in {p.where for p in report.problems}:
            report.add(FILE, problem.message)
        return None
    return directory


def _rings(vault: Path, directory: Directory, report: CheckReport) -> None:
    wanted = {k.ring: k.ring_sha256 for k in directory.compartments}
    wanted[directory.auditors_ring] = directory.auditors_ring_sha256
    for name, digest in wanted.items():
        try:
            data = read_limited(vault / "keys" / name, MAX_RING)
        except MedsnapError as problem:
            report.add(f"keys/{name}", problem.message)
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            report.add(f"keys/{name}", "a ring is not the file that the directory names")
    for name in names(vault / "keys"):
        if name not in wanted:
            report.stray(f"keys/{name}", "a ring that the directory does not name")


def _commits(vault: Path, directory: Directory, report: CheckReport) -> list[SignedCommit]:
    found: list[SignedCommit] = []
    for name in names(vault / "commits"):
        try:
            if not is_id(name):
                raise Tampered("is no commit's name")
            found.append(commits.read(vault, name, directory))
        except MedsnapError as problem:
            report.whole = False
            report.add(f"commits/{name}", problem.message)
    report.commits = len(found)
    return found


def _log(
    found: list[SignedCommit],
    place: Mapping[Sha256, int],
    waiting: AbstractSet[str],
    report: CheckReport,
) -> None:
    hashes = {signed.sha256: signed for signed in found}
    noted = {note.sha256: note.erasure.erasure for note in report.ledger.notes}
    for sha256, name in noted.items():
        if sha256 not in place and name not in waiting:
            report.add(f"{erasures.FOLDER}/{name}", "an erasure that the audit log does not know")
    for sha256, signed in hashes.items():
        if sha256 not in place and signed.commit.commit not in waiting:
            report.unlogged.append(signed)
            report.add(f"commits/{signed.commit.commit}", "a commit that the audit log does not know")
    for sha256 in sorted(place.keys() - hashes.keys() - noted.keys()):
        report.whole = False
        report.add("log", f"a commit of the log is missing or changed: {sha256}")


def _rights(found: list[SignedCommit], place: Mapping[Sha256, int], report: CheckReport) -> None:
    """Name commits of keys that had no right to them; what stands in sealed batches needs keys."""
    for signed in found:
        verbs = signed.writer.verbs_at(place.get(signed.sha256))
        where = f"commits/{signed.commit.commit}"
        if signed.commit.objects and WriterVerb.ADD not in verbs:
            report.add(where, f"photos were added by the key of '{signed.writer.name}', which may not")
        elif not verbs:
            report.add(where, f"was written by the key of '{signed.writer.name}', which was retired")


def _halves(vault: Path, report: CheckReport) -> dict[str, tuple[str, ...]]:
    try:
        return unfinished(vault)
    except MedsnapError as problem:
        report.add("tmp", problem.message)
        return {}


def _erasures(report: CheckReport) -> None:
    for where, what in report.ledger.problems:
        report.whole = False
        report.add(where, what)


def _returned(vault: Path, ledger: Ledger, report: CheckReport) -> None:
    """Name what was erased and lies there again: a file was put back from an older copy."""
    for name in sorted(ledger.gone):
        if objects.path_of(vault, name).exists():
            report.returned.append(name)
            where = f"objects/{name[:2]}/{name}"
            report.add(where, "was erased or moved and has come back: vault erase --reapply")
    for batch in sorted(ledger.by):
        if (vault / "batches" / batch).exists():
            report.add(f"batches/{batch}", "was replaced and has come back: vault erase --reapply")


def _batches(
    vault: Path,
    found: list[SignedCommit],
    waiting: AbstractSet[str],
    report: CheckReport,
) -> None:
    wanted: set[str] = set(report.ledger.by)
    for signed in found:
        for named in signed.commit.batches:
            ref = report.ledger.current(named)
            wanted.add(ref.batch)
            try:
                commits.read_batch(vault, ref)
                report.batches += 1
            except MedsnapError as problem:
                report.add(f"batches/{ref.batch}", problem.message)
    for name in names(vault / "batches"):
        if name not in wanted and name not in waiting:
            report.stray(f"batches/{name}", "a batch in no commit")


def _objects(
    vault: Path,
    found: list[SignedCommit],
    waiting: AbstractSet[str],
    report: CheckReport,
    sample: Sample | None,
) -> None:
    gone = report.ledger.gone
    wanted = _named(found, report)
    there = {
        f"{folder}/{name}"
        for folder in names(vault / "objects")
        for name in names(vault / "objects" / folder)
    }
    for object_id, expected in wanted.items():
        place = f"{object_id[:2]}/{object_id}"
        if place not in there:
            report.missing[object_id] = expected
            report.add(f"objects/{place}", "an object is missing")
        elif sample is None or sample.takes(object_id):
            _object(vault, expected, f"objects/{place}", report)
    for place in sorted(there):
        folder, _, name = place.partition("/")
        where = f"objects/{place}"
        if not is_id(name) or name[:2] != folder:
            report.stray(where, "is no object's name")
        elif ObjectId(name) in wanted or ObjectId(name) in gone:
            continue
        elif name in waiting:
            report.waiting += 1
        else:
            report.stray(where, "an orphan: an object in no commit; it may be the only copy, keep it")


def _named(found: list[SignedCommit], report: CheckReport) -> dict[ObjectId, ObjectDigests]:
    """Give what has to lie in the vault, as the first commit of the log that names it says.

    Else who has a key that adds could name an object again with digests of his own, and exchange it.
    """
    met: dict[ObjectId, ObjectDigests] = {}
    for signed in found:
        for one in report.ledger.objects(signed.commit):
            if met.setdefault(one.object, one) is not one:
                where = f"commits/{signed.commit.commit}"
                report.add(where, f"names an object that another commit had named: {one.object}")
    return {name: one for name, one in met.items() if name not in report.ledger.gone}


def _object(vault: Path, expected: ObjectDigests, where: str, report: CheckReport) -> None:
    try:
        actual = objects.digests_of(vault, expected.object)
    except (MedsnapError, OSError) as problem:
        report.add(where, problem.message if isinstance(problem, MedsnapError) else "cannot be read")
        return
    report.objects += 1
    if actual.payload != expected.payload:
        report.add(where, "an object was changed: its payload is another")
    elif actual.header != expected.header:
        report.add(where, "an object was changed: its header is another")


def _policies(vault: Path, report: CheckReport) -> None:
    for name in names(vault / policies.FOLDER):
        where = f"{policies.FOLDER}/{name}"
        digest, _, kind = name.partition(".")
        try:
            if kind not in ("yaml", "sig"):
                raise Tampered("is no policy's name")
            if kind == "yaml":
                policies.recall(vault, digest)
            else:
                policies.recall_signatures(vault, digest)
        except MedsnapError as problem:
            report.add(where, problem.message)
