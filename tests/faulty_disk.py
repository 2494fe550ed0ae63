"""A disk that fails at every step: stands in for `medsnap.disk` and for the journal's SQLite.

`Recorder` lets an operation run through and notes, before each step, what four kinds of crash would
leave behind. `Failing` makes step k fail as a full or broken disk does. Everything happens below one
folder; what lies outside is not looked at.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from medsnap import disk

CHANGES = ("create", "write", "link", "rename", "replace", "make_folder")  # a full disk refuses these
STEPS = (*CHANGES, "sync", "sync_file", "sync_folder", "unlink", "remove_folder")
Image = Mapping[str, bytes | None]  # path below the folder: bytes, None for a folder


@dataclass(slots=True)
class _File:
    """One file: what a power cut leaves of its bytes."""

    durable: bytes = b""


@dataclass(slots=True)
class _Tree:
    """What is durable: names in folders, and bytes in files."""

    root: Path
    files: dict[int, _File] = field(default_factory=dict)  # by inode, as long as it has a name
    names: dict[Path, dict[str, _File | None]] = field(default_factory=dict)  # synced ones; None: a folder
    journal: dict[str, bytes] = field(default_factory=dict)  # SQLite's files at its last synced step

    def learn(self) -> None:
        """Take all that is there for durable."""
        for folder in (self.root, *(p for p in self.root.rglob("*") if p.is_dir())):
            self.names[folder] = {
                p.name: None if p.is_dir() else self.file(p, p.read_bytes()) for p in folder.iterdir()
            }

    def file(self, path: Path, durable: bytes = b"") -> _File:
        return self.files.setdefault(path.stat().st_ino, _File(durable))

    def entries(self, folder: Path) -> dict[str, _File | None]:
        """The names that a folder has now."""
        return {p.name: None if p.is_dir() else self.file(p) for p in folder.iterdir()}


class Recorder:
    """Run through, and keep what a crash before each step would leave."""

    def __init__(self, root: Path, *, seed: int = 1) -> None:
        self.images: dict[bytes, tuple[str, Image]] = {}
        self.steps = 0
        self._tree = _Tree(root)
        self._tree.learn()
        self._dice = random.Random(seed)
        self._open: dict[int, Path] = {}

    def before(self, step: str, where: Path | None) -> None:
        """Keep the four images: killed; power cut that loses all, the bytes only, or some."""
        self.steps += 1
        label = f"step {self.steps}, {step} {where.name if where else ''}"
        current = self._current()
        self._keep(f"killed before {label}", current)
        self._keep(f"power cut before {label}", self._lost(lambda: False, lambda: False))
        self._keep(f"power cut before {label}, names kept", self._lost(lambda: True, lambda: False))
        even = lambda: self._dice.random() < 0.5  # noqa: E731
        self._keep(f"power cut before {label}, some kept", self._lost(even, even))

    def after(self, step: str, *paths: Path) -> None:
        """Follow what has become durable."""
        tree = self._tree
        if step == "create":
            tree.files.setdefault(paths[0].stat().st_ino, _File())
        elif step == "sync":
            tree.file(paths[0]).durable = paths[0].read_bytes()
        elif step == "sync_folder" and paths[0].is_relative_to(tree.root):
            tree.names[paths[0]] = tree.entries(paths[0])
            for name, found in tree.names[paths[0]].items():
                if found is None:
                    tree.names.setdefault(paths[0] / name, {})

    def forget(self, inode: int) -> None:
        """A file has lost its last name; the system may use its inode again."""
        self._tree.files.pop(inode, None)

    def journal_synced(self, path: Path) -> None:
        """SQLite has synced its log: all of its steps so far are durable."""
        for suffix in ("", "-wal"):
            file = path.with_name(path.name + suffix)
            key = str(file.relative_to(self._tree.root))
            self._tree.journal.pop(key, None)
            if file.exists():
                self._tree.journal[key] = file.read_bytes()

    def _keep(self, label: str, image: Image) -> None:
        digest = hashlib.sha256()
        for name, data in sorted(image.items()):
            digest.update(f"{name}\0{'' if data is None else len(data)}\0".encode() + (data or b""))
        self.images.setdefault(digest.digest(), (label, image))

    def _current(self) -> dict[str, bytes | None]:
        root = self._tree.root
        return {
            str(p.relative_to(root)): None if p.is_dir() else p.read_bytes()
            for p in root.rglob("*")
            if not p.name.endswith("-shm")
        }

    def _lost(
        self, keep_names: Callable[[], bool], keep_bytes: Callable[[], bool]
    ) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        self._walk(self._tree.root, found, keep_names, keep_bytes)
        journals = {k.removesuffix("-wal") for k in self._tree.journal}
        for key in journals:
            for suffix in ("", "-wal", "-shm"):
                found.pop(key + suffix, None)
        return found | self._tree.journal

    def _walk(
        self,
        folder: Path,
        found: dict[str, bytes | None],
        keep_names: Callable[[], bool],
        keep_bytes: Callable[[], bool],
    ) -> None:
        tree = self._tree
        names = tree.names.get(folder, {})
        if keep_names() and folder.is_dir():
            names = tree.entries(folder)
        for name, entry in names.items():
            path = folder / name
            key = str(path.relative_to(tree.root))
            if entry is None:
                found[key] = None
                self._walk(path, found, keep_names, keep_bytes)
            elif keep_bytes() and path.is_file() and tree.files.get(path.stat().st_ino) is entry:
                found[key] = path.read_bytes()
            else:
                found[key] = entry.durable


class Failing:
    """Fail at step `at`: once with an I/O error, or from there on because the disk is full."""

    def __init__(self, at: int, *, full: bool) -> None:
        self.steps, self.struck = 0, False
        self._at, self._full = at, full

    def before(self, step: str, where: Path | None) -> None:
        if self._full and step not in (*CHANGES, "journal"):
            return  # what needs no room goes on
        self.steps += 1
        if self.steps == self._at or (self._full and self.steps > self._at):
            self._strike(errno.ENOSPC if self._full else errno.EIO, step)

    def _strike(self, number: int, step: str) -> None:
        self.struck = True
        if step == "journal":
            raise sqlite3.OperationalError(os.strerror(number))
        raise OSError(number, os.strerror(number))

    def after(self, step: str, *paths: Path) -> None:
        pass

    def forget(self, inode: int) -> None:
        pass

    def journal_synced(self, path: Path) -> None:
        pass


class Short(Failing):
    """Fail nothing, but write only half of what is asked, at least one byte."""

    def __init__(self) -> None:
        super().__init__(0, full=False)


Watcher = Recorder | Failing


def _steps(watcher: Watcher) -> dict[str, Callable[..., Any]]:
    """The port's functions, watched."""
    real: dict[str, Callable[..., Any]] = {name: getattr(disk, name) for name in STEPS}
    paths: dict[int, Path] = {}

    def create(path: Path, **how: Any) -> int:
        watcher.before("create", path)
        descriptor: int = real["create"](path, **how)
        paths[descriptor] = path
        watcher.after("create", path)
        return descriptor

    def write(descriptor: int, data: Any) -> int:
        watcher.before("write", paths.get(descriptor))
        view = memoryview(data)
        half = view[: max(1, len(view) // 2)] if isinstance(watcher, Short) else view
        written: int = real["write"](descriptor, half)
        return written

    def sync(descriptor: int) -> None:
        watcher.before("sync", paths.get(descriptor))
        if descriptor in paths:
            watcher.after("sync", paths[descriptor])

    def sync_file(path: Path) -> None:
        watcher.before("sync", path)
        watcher.after("sync", path)

    def unlink(path: Path) -> None:
        watcher.before("unlink", path)
        found = path.stat()
        real["unlink"](path)
        if found.st_nlink == 1:
            watcher.forget(found.st_ino)

    def replace(source: Path, target: Path) -> None:
        watcher.before("replace", target)
        lost = target.stat().st_ino if target.exists() else None
        real["replace"](source, target)
        if lost is not None:
            watcher.forget(lost)

    def plain(name: str) -> Callable[..., Any]:
        def step(*arguments: Path) -> None:
            watcher.before(name, arguments[-1])
            if name != "sync_folder":
                real[name](*arguments)
            watcher.after(name, *arguments)

        return step

    own: dict[str, Callable[..., Any]] = {
        "create": create,
        "write": write,
        "sync": sync,
        "sync_file": sync_file,
        "unlink": unlink,
        "replace": replace,
    }
    return {name: own.get(name) or plain(name) for name in STEPS}


def _connection(watcher: Watcher) -> type[sqlite3.Connection]:
    class Watched(sqlite3.Connection):
        synced = True
        path: Path | None = None

        def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
            if sql.startswith("PRAGMA synchronous"):
                self.synced = "FULL" in sql
                return super().execute("PRAGMA synchronous=OFF")  # no test waits for a disk
            ends = sql == "COMMIT" or "wal_checkpoint" in sql
            if ends:
                watcher.before("journal", self.path)
            done = super().execute(sql, *more)
            if ends and (self.synced or sql != "COMMIT") and self.path is not None:
                watcher.journal_synced(self.path)
            return done

        def executescript(self, sql: str) -> sqlite3.Cursor:
            watcher.before("journal", self.path)
            done = super().executescript(sql)
            if self.path is not None:
                watcher.journal_synced(self.path)
            return done

    return Watched


@contextlib.contextmanager
def unsynced() -> Iterator[None]:
    """Let SQLite not wait for the disk: for what runs beside the faults."""
    connect = sqlite3.connect

    class Quick(sqlite3.Connection):
        def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
            return super().execute("PRAGMA synchronous=OFF" if "synchronous" in sql else sql, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Quick} | k))
        yield


class AtOnce(Executor):
    """Do what was to be done beside, before anything else."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given, **named))
        except BaseException as problem:  # noqa: BLE001 - who asks for the result gets it
            done.set_exception(problem)
        return done


class Last(Executor):
    """Do it as late as can be: when somebody waits for it."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        class Asked(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                if not self.done():
                    done = AtOnce().submit(work, *given, **named)
                    problem = done.exception()
                    if problem is None:
                        self.set_result(done.result())
                    else:
                        self.set_exception(problem)
                return super().result(timeout)

        return Asked()


@contextlib.contextmanager
def watched(watcher: Watcher, aside: type[Executor] = AtOnce) -> Iterator[None]:
    """Put the faulting disk in the place of the real one; what is done aside is done in one order."""
    kind, connect = _connection(watcher), sqlite3.connect

    def connected(database: Any, *more: Any, **options: Any) -> sqlite3.Connection:
        made = connect(database, *more, factory=kind, **options)
        if isinstance(made, kind) and str(database) != ":memory:":
            made.path = Path(database)  # type: ignore[attr-defined]
        return made

    with pytest.MonkeyPatch.context() as patch:
        for name, step in _steps(watcher).items():
            patch.setattr(disk, name, step)
        patch.setattr(disk, "PARALLEL", 1)  # one step after the other
        patch.setattr(disk, "aside", aside)
        patch.setattr(sqlite3, "connect", connected)
        yield


def restore(root: Path, image: Image) -> None:
    """Make a folder what an image says."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700)
    for name, data in sorted(image.items()):
        path = root / name
        if data is None:
            path.mkdir(mode=0o700, exist_ok=True)
        else:
            path.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
            path.write_bytes(data)
            path.chmod(0o600)
