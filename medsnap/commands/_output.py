"""Standard output that may go away: a reader that closed the pipe, a full disk behind a redirection."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from medsnap.errors import IoFailed, UsageError


class OutputLost(IoFailed):
    """Nobody takes the result any more; `quiet` when its reader simply had enough."""

    id = "output.lost"

    def __init__(self, failure: OSError) -> None:
        super().__init__(f"the result cannot be written: {failure.strerror}")
        self.quiet = isinstance(failure, BrokenPipeError)


def prepare() -> None:
    """Make both streams UTF-8, and give a process that was started without them a place to write."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed at the start: the next file opened, a photo say, would take its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            # A file name that is no UTF-8 comes as half surrogate pairs: escaped, two of them stay two.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(text: str) -> None:
    """Write to standard output at once. Raises OutputLost."""
    with written():
        sys.stdout.write(text)


@contextlib.contextmanager
def written() -> Iterator[None]:
    """Write something onto standard output in this block; it is flushed at its end. Raises OutputLost."""
    try:
        yield
        sys.stdout.flush()
    except OSError as failure:
        raise OutputLost(failure) from failure


def mute() -> None:
    """Send what is still buffered nowhere, else Python complains about it on its way out."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def no_dash(output: Path | None, given: Mapping[str, object]) -> None:
    """Refuse '-', which other programs take for standard output: here it would be a file of that name.

    Lists of paths may hold one (`scrub -` reads names from stdin). Raises UsageError.
    """
    dash = Path("-")
    if output == dash:
        raise UsageError("'-' is no file", hint="leave -o out: the result goes to stdout")
    if dash in given.values():
        raise UsageError("'-' is no file", hint="name a file: photos and keys go through files only")
