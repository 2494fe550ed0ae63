"""Check a vault without keys: signatures, digests, what is missing, what belongs to nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from medsnap.errors import MedsnapError, Tampered
from medsnap.model.photo import ObjectId, Sha256
from medsnap.vault import commits, objects
from medsnap.vault.commits import SignedCommit
from medsnap.vault.directory import FILE, Directory, load, verify
from medsnap.vault.files import names, read_limited
from medsnap.vault.ids import is_id
from medsnap.vault.reader import Problem
from medsnap.vault.rings import MAX_RING


@dataclass(slots=True, kw_only=True)
class CheckReport:
    """What was checked, how much, and every problem with its place."""

    commits: int = 0
    batches: int = 0
    objects: int = 0
    waiting: int = 0  # objects in no commit: a run was cut off, or they are orphans
    problems: list[Problem] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.problems

    def add(self, where: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(where, what))


def check(
    vault: Path,
    *,
    root_vkey: str | None = None,
    logged: AbstractSet[Sha256] | None = None,
    waiting: AbstractSet[str] = frozenset(),
) -> CheckReport:
    """Check everything that can be checked without keys; raises nothing for what is in the vault.

    Without `root_vkey` the directory is checked against the root that it names itself. `logged`
    are the commit hashes of the audit log: each must have its commit and each commit its entry.
    `waiting` are ids in this host's journal (objects, batches, a commit): an interrupted run left
    them and the next one deals with them.
    """
    report = CheckReport()
    directory = _directory(vault, root_vkey, report)
    if directory is None:
        return report
    _rings(vault, directory, report)
    found = _commits(vault, directory, report)
    _batches(vault, found, waiting, report)
    _objects(vault, found, waiting, report)
    if logged is not None:
        _log(found, logged, waiting, report)
    return report


def _directory(vault: Path, root_vkey: str | None, report: CheckReport) -> Directory | None:
    try:
        signed = load(vault)
        return verify(signed.data, root_vkey=root_vkey or signed.directory.root)
    except MedsnapError as problem:
        report.add(FILE, problem.message)
        return None


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
            report.add(f"keys/{name}", "a ring that the directory does not name")


def _commits(vault: Path, directory: Directory, report: CheckReport) -> list[SignedCommit]:
    found: list[SignedCommit] = []
    for name in names(vault / "commits"):
        try:
            if not is_id(name):
                raise Tampered("is no commit's name")
            found.append(commits.read(vault, name, directory))
        except MedsnapError as problem:
            report.add(f"commits/{name}", problem.message)
    report.commits = len(found)
    return found


def _batches(vault: Path, found: list[SignedCommit], waiting: AbstractSet[str], report: CheckReport) -> None:
    wanted: set[str] = set()
    for signed in found:
        for ref in signed.commit.batches:
            wanted.add(ref.batch)
            try:
                commits.read_batch(vault, ref)
                report.batches += 1
            except MedsnapError as problem:
                report.add(f"batches/{ref.batch}", problem.message)
    for name in names(vault / "batches"):
        if name not in wanted and name not in waiting:
            report.add(f"batches/{name}", "a batch in no commit")


def _objects(vault: Path, found: list[SignedCommit], waiting: AbstractSet[str], report: CheckReport) -> None:
    wanted = {d.object: d for signed in found for d in signed.commit.objects}
    for object_id, expected in wanted.items():
        where = f"objects/{object_id[:2]}/{object_id}"
        try:
            actual = objects.digests_of(vault, object_id)
        except FileNotFoundError:
            report.add(where, "an object is missing")
            continue
        except (MedsnapError, OSError) as problem:
            text = problem.message if isinstance(problem, MedsnapError) else "cannot be read"
            report.add(where, text)
            continue
        report.objects += 1
        if actual.payload != expected.payload:
            report.add(where, "an object was changed: its payload is another")
        elif actual.header != expected.header:
            report.add(where, "an object was changed: its header is another")
    for folder in names(vault / "objects"):
        for name in names(vault / "objects" / folder):
            where = f"objects/{folder}/{name}"
            if not is_id(name) or name[:2] != folder:
                report.add(where, "is no object's name")
            elif name in waiting:
                report.waiting += 1
            elif ObjectId(name) not in wanted:
                report.add(where, "an orphan: an object in no commit; it may be the only copy, keep it")


def _log(
    found: list[SignedCommit],
    logged: AbstractSet[Sha256],
    waiting: AbstractSet[str],
    report: CheckReport,
) -> None:
    hashes = {signed.sha256: signed for signed in found}
    for sha256, signed in hashes.items():
        if sha256 not in logged and signed.commit.commit not in waiting:
            report.add(f"commits/{signed.commit.commit}", "a commit that the audit log does not know")
    for sha256 in sorted(logged - set(hashes)):
        report.add("log", f"a commit of the log is missing or changed: {sha256}")
