"""Replaceable worker processes without keys: native decoders and models run only here.

A worker gets a small request and returns a small record, never pixels. One that dies, hangs or
eats memory is replaced, and its item comes back as `Lost`: fail closed, the batch goes on.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, TypeVar

from medsnap.errors import MedsnapError
from medsnap.platform import limit_files, limit_memory

Item = TypeVar("Item")
Record = TypeVar("Record")

SECRETS = ("MEDSNAP_KEY", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker could not answer: it died, took too long, or the item raised `error`."""

    error: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one item may cost."""

    seconds: float = 120.0
    memory: int = 8 << 30  # bytes of address space
    file: int = 256 << 20  # bytes in any file that the worker writes


def _serve(pipe: Connection, where: str, setup: object, limits: Limits) -> None:
    """Run in the child: answer requests until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name in [n for n in os.environ if n.startswith(SECRETS)]:
        del os.environ[name]
    limit_memory(limits.memory)
    limit_files(limits.file)
    module, _, name = where.partition(":")
    answer: Callable[[object], object] = getattr(importlib.import_module(module), name)(setup)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send((True, answer(item)))
        except MedsnapError as problem:
            pipe.send((False, Lost(problem.id, problem.message)))
        except MemoryError:
            pipe.send((False, Lost("worker.memory", "the file needs more memory than one photo may take")))
        except Exception as defect:  # noqa: BLE001 - per-photo boundary: a defect holds one photo, not the batch
            pipe.send(
                (False, Lost("worker.defect", f"the file could not be examined ({type(defect).__name__})"))
            )


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    index: int = -1
    since: float = 0.0


class Pool(Generic[Item, Record]):
    """A few child processes that answer items in order.

    `where` is "module:function"; the function gets `setup` once in each child and returns the
    function that answers items. Both must be picklable values.
    """

    def __init__(self, where: str, setup: object, *, jobs: int, limits: Limits | None = None) -> None:
        self._where, self._setup, self._jobs = where, setup, max(1, jobs)
        self._limits = limits or Limits()
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool[Item, Record]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            self._end(worker)
        self._workers.clear()

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Record | Lost]]:
        """Yield (item, record or Lost) in the order of the items, with a bounded look-ahead."""
        source = iter(items)
        pending: deque[tuple[int, Item]] = deque()
        results: dict[int, Record | Lost] = {}
        count, exhausted = 0, False
        while True:
            while not exhausted and len(pending) < 4 * self._jobs:
                try:
                    pending.append((count, next(source)))
                    count += 1
                except StopIteration:
                    exhausted = True
            if not pending:
                return
            self._hand_out(pending, results)
            if pending[0][0] in results:
                index, item = pending.popleft()
                yield item, results.pop(index)
                continue
            self._collect(results)

    def _hand_out(self, pending: deque[tuple[int, Item]], results: dict[int, Record | Lost]) -> None:
        busy = {w.index for w in self._workers}
        waiting = [(i, item) for i, item in pending if i not in results and i not in busy]
        for index, item in waiting:
            worker = next((w for w in self._workers if w.index < 0), None)
            if worker is None:
                if len(self._workers) >= self._jobs:
                    return
                worker = self._start()
            try:
                worker.pipe.send(item)
            except OSError:
                self._replace(worker)
                results[index] = Lost("worker.died", "the process that examines photos could not be started")
                continue
            worker.index, worker.since = index, time.monotonic()

    def _collect(self, results: dict[int, Record | Lost]) -> None:
        busy = [w for w in self._workers if w.index >= 0]
        oldest = min((w.since for w in busy), default=time.monotonic())
        patience = max(0.05, oldest + self._limits.seconds - time.monotonic())
        ready = set(wait([w.pipe for w in busy], timeout=patience))
        for worker in busy:
            index = worker.index
            if worker.pipe in ready:
                results[index] = self._answer(worker)
            elif time.monotonic() - worker.since > self._limits.seconds:
                results[index] = Lost("worker.slow", "the file took too long to examine")
                self._replace(worker)

    def _answer(self, worker: _Worker) -> Record | Lost:
        try:
            _, record = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return Lost("worker.died", "the process that examined the file died")
        worker.index = -1
        answer: Record | Lost = record
        return answer

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._where, self._setup, self._limits), daemon=True
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _replace(self, worker: _Worker) -> None:
        self._end(worker)
        self._workers.remove(worker)

    def _end(self, worker: _Worker) -> None:
        worker.pipe.close()
        if worker.index >= 0:
            worker.process.kill()
        worker.process.join(2)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
