"""A medsnap command in a child that stands still at a chosen call, until it is let go or killed."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsnap.cli import root
from medsnap.commands._main import run
from tests.helpers import Ran


@dataclass(slots=True)
class Paused:
    """The child: `where` it stands, what it says lies in files of `folder`."""

    words: Sequence[str]
    where: str
    folder: Path
    child: int = 0
    _go: int = -1
    _ended: Ran | None = field(default=None)

    def begin(self, *, nth: int, after: bool) -> None:
        """Start it, and return once it stands there."""
        ready, say = os.pipe()
        listen, self._go = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(ready)
            os.close(self._go)
            self._live(say, listen, nth=nth, after=after)
        os.close(say)
        os.close(listen)
        stands = os.read(ready, 1)
        os.close(ready)
        if not stands:
            ran = self.ends()
            raise AssertionError(f"it never came to {self.where}: exit {ran.code}\n{ran.out}\n{ran.err}")

    def _live(self, say: int, listen: int, *, nth: int, after: bool) -> None:
        code = 99
        try:
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            stand_still(self.where, say, listen, nth=nth, after=after)
            code = run(root(), list(self.words))
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def goes_on(self) -> Ran:
        """Let it go on to its end."""
        os.write(self._go, b"!")
        return self.ends()

    def dies(self) -> None:
        """Kill it where it stands."""
        os.kill(self.child, signal.SIGKILL)
        assert self.ends().code == -signal.SIGKILL

    def ends(self) -> Ran:
        """Wait for its end."""
        if self._ended is None:
            _, status = os.waitpid(self.child, 0)
            os.close(self._go)
            out, err = ((self.folder / name).read_text() for name in ("out", "err"))
            self._ended = Ran(" ".join(self.words), os.waitstatus_to_exitcode(status), out, err)
        return self._ended


def stand_still(where: str, say: int, listen: int, *, nth: int, after: bool) -> None:
    """Have the n-th call of `module:name` say that it is there and wait, before it does anything or after."""
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    holder: Any = importlib.import_module(module)
    for owner in owners:
        holder = getattr(holder, owner)
    real, calls = getattr(holder, name), 0

    def called(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        done = real(*given, **more) if after else None
        if calls == nth:
            os.write(say, b"!")
            os.read(listen, 1)
        return done if after else real(*given, **more)

    setattr(holder, name, called)


@contextlib.contextmanager
def paused(
    words: Sequence[str], where: str, folder: Path, *, nth: int = 1, after: bool = False
) -> Iterator[Paused]:
    """Start a command that stands still before (or `after`) the n-th call of `module:name`."""
    folder.mkdir()
    found = Paused(words, where, folder)
    found.begin(nth=nth, after=after)
    try:
        yield found
    finally:
        if found._ended is None:
            os.kill(found.child, signal.SIGKILL)
            found.ends()
