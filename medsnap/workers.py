"""Replaceable worker processes without keys: native decoders and models run only here.

A worker gets a small request and returns a small record, never pixels. One that dies, hangs or
eats memory is replaced, and its item comes back as `Lost`: fail closed, the batch goes on.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, TypeVar

from medsnap.errors import MedsnapError
from medsnap.platform import CAN_FORK, limit_files, limit_memory

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


def _serve_copy(
    pipe: Connection, where: str, setup: object, limits: Limits, inherited: list[Connection]
) -> None:
    """Run in a forked child: close the parent's ends first, or no worker would see that the parent died."""
    for end in inherited:
        end.close()
    gc.freeze()  # what came with the copy is not searched for garbage, which would also copy its pages
    _serve(pipe, where, setup, limits)


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    given: deque[int] = field(default_factory=deque)  # items in its hands; it works on the first
    since: float = 0.0
    answered: bool = False
    dead: bool = False  # found when something was to be given to it; its answers may still lie in the pipe


class Pool(Generic[Item, Record]):
    """A few child processes that answer items in order.

    `where` is "module:function"; the function gets `setup` once in each child and returns the
    function that answers items. Both must be picklable values.

    `copy` starts children as copies of this process, which spares each an interpreter's start. Only for
    a parent that holds no secret; where the system or a second thread forbids it they start afresh.
    `ahead` items lie with each child, so that it need not wait for the parent between small ones.
    """

    def __init__(
        self,
        where: str,
        setup: object,
        *,
        jobs: int,
        limits: Limits | None = None,
        copy: bool = False,
        ahead: int = 1,
    ) -> None:
        self._where, self._setup, self._jobs, self._ahead = where, setup, max(1, jobs), max(1, ahead)
        self._limits = limits or Limits()
        self._copy = copy and CAN_FORK
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool[Item, Record]:
        if self._copy:  # now, before anybody starts a thread
            for _ in range(self._jobs):
                self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children; those at work are killed."""
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
        given = {index for w in self._workers for index in w.given}
        waiting = [(i, item) for i, item in pending if i not in results and i not in given]
        for index, item in waiting:
            worker = min((w for w in self._workers if not w.dead), key=lambda w: len(w.given), default=None)
            if worker is None or (worker.given and len(self._workers) < self._jobs):
                if len(self._workers) >= self._jobs:
                    return  # all are dead with answers to collect
                worker = self._start()
            if len(worker.given) >= self._ahead:
                return
            try:
                worker.pipe.send(item)
            except OSError:
                if worker.given:  # it died of what it has in hand: that is collected first
                    worker.dead = True
                    return
                self._replace(worker)
                if worker.answered:  # it died idle, by nobody's fault: a new one gets this item
                    self._hand_out(pending, results)
                    return
                results[index] = Lost("worker.died", "the process that examines photos could not be started")
                continue
            if not worker.given:
                worker.since = time.monotonic()
            worker.given.append(index)

    def _collect(self, results: dict[int, Record | Lost]) -> None:
        busy = [w for w in self._workers if w.given]
        oldest = min((w.since for w in busy), default=time.monotonic())
        patience = max(0.05, oldest + self._limits.seconds - time.monotonic())
        ready = set(wait([w.pipe for w in busy], timeout=patience))
        for worker in busy:
            index = worker.given[0]
            if worker.pipe in ready:
                results[index] = self._answer(worker)
            elif time.monotonic() - worker.since > self._limits.seconds:
                results[index] = Lost("worker.slow", "the file took too long to examine")
                self._replace(worker)

    def _answer(self, worker: _Worker) -> Record | Lost:
        try:
            _, record = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)  # what else it had been given is given to another
            return Lost("worker.died", "the process that examined the file died")
        worker.given.popleft()
        worker.answered = True
        worker.since = time.monotonic()
        answer: Record | Lost = record
        return answer

    def _start(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        known = (theirs, self._where, self._setup, self._limits)
        process: Any
        if self._copy and threading.active_count() == 1:  # another thread's locks would be copied held
            ends = [*(w.pipe for w in self._workers), ours]
            process = multiprocessing.get_context("fork").Process(
                target=_serve_copy, args=(*known, ends), daemon=True
            )
        else:
            process = multiprocessing.get_context("spawn").Process(target=_serve, args=known, daemon=True)
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
        if worker.given:
            worker.process.kill()
        worker.process.join(2)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
