"""Where secrets are read from without asking anybody: files, descriptors, commands. Bounded in size and time.

A job at night must end: with a key, or with a sentence. So nothing here waits for a terminal, nor for ever
for a pipe that nobody writes to.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from medsnap.errors import InputMissing, IoFailed, KeyRefused, UsageError
from medsnap.platform import WINDOWS

MAX_SECRET: Final = 64 * 1024
SECONDS: Final = 60.0  # a command may ask a person to touch a token
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def of_file(path: Path, *, what: str, seconds: float = SECONDS) -> bytes:
    """Read a file, or a pipe that has a name. Raises InputMissing, KeyRefused, IoFailed.

    Links are followed: the file's place and mode are its owner's own affair.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _NO_WAIT)
    except FileNotFoundError:
        raise InputMissing(
            f"{what} does not exist", where=str(path), hint="check --key-file or MEDSNAP_KEY_FILE"
        ) from None
    except PermissionError as failure:
        raise KeyRefused(
            f"{what} may not be read", where=str(path), hint="run this as the person whose key it is"
        ) from failure
    except OSError as failure:
        raise IoFailed(f"cannot be read: {failure.strerror}", where=str(path)) from failure
    try:
        if os.isatty(handle):
            raise KeyRefused(f"{what} is a terminal", where=str(path), hint="name a file")
        return _drained(handle, what, where=str(path), seconds=seconds)
    except OSError as failure:
        raise IoFailed(f"cannot be read: {failure.strerror}", where=str(path)) from failure
    finally:
        os.close(handle)


def of_descriptor(number: str, *, name: str, what: str, seconds: float = SECONDS) -> bytes:
    """Read an inherited descriptor to its end and close it; `name` is the variable that gives it.

    Raises UsageError for what is none, KeyRefused for one that does not end.
    """
    if not (number.isascii() and number.isdecimal() and len(number) < 8):
        raise UsageError(f"{name} is no number of a file descriptor", hint=f"{name}=3 … 3< FILE")
    handle = int(number)
    if handle in (1, 2):
        raise UsageError(f"{name} names an output", hint=f"{name}=3 … 3< FILE")
    try:
        if os.isatty(handle):
            raise UsageError(f"file descriptor {handle} is a terminal", hint=f"{name}=3 … 3< FILE")
        try:
            return _drained(handle, what, where=f"file descriptor {handle}", seconds=seconds)
        finally:
            if handle:  # what reads standard input later finds its end there
                os.close(handle)
    except OSError as failure:
        raise UsageError(f"file descriptor {handle} cannot be read", hint=f"{name}=3 … 3< FILE") from failure


def of_command(line: str, *, name: str, what: str, seconds: float = SECONDS, alone: bool = True) -> bytes:
    """Run a command without a shell and return what it writes; nothing of it is ever shown.

    `alone` cuts it off from the terminal, so that it cannot ask. Raises KeyRefused.
    """
    try:
        words = shlex.split(line)
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=alone and not WINDOWS
        )
    except (OSError, ValueError, IndexError):
        raise KeyRefused(f"{what} cannot be run", hint=f"look at {name}") from None
    end = time.monotonic() + seconds
    try:
        with process:
            try:
                written = _output(process, what, end)
                ended = process.wait(max(0.0, end - time.monotonic()))
            except BaseException:
                _kill(process, group=alone)
                raise
    except subprocess.TimeoutExpired:
        raise KeyRefused(f"{what} took too long", hint=f"look at {name}") from None
    if ended:
        raise KeyRefused(f"{what} ended with {ended}", hint=f"look at {name}; run it by hand")
    return written


def _output(process: subprocess.Popen[bytes], what: str, end: float) -> bytes:
    if WINDOWS or process.stdout is None:  # there no pipe can be waited for
        return process.communicate(timeout=max(0.0, end - time.monotonic()))[0][:MAX_SECRET]
    return _drained(process.stdout.fileno(), what, where="", seconds=max(0.0, end - time.monotonic()))


def _kill(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a command and, where it has a session of its own, what it started."""
    if process.stdout is not None:
        process.stdout.close()
    with contextlib.suppress(OSError):
        if group and not WINDOWS:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _drained(handle: int, what: str, *, where: str, seconds: float) -> bytes:
    """Read to the end. Raises KeyRefused when it is too long or takes too long, OSError."""
    end = time.monotonic() + seconds
    found = bytearray()
    while len(found) <= MAX_SECRET:
        if not _ready(handle, max(0.0, end - time.monotonic())):
            raise KeyRefused(f"{what} took too long", where=where, hint="nobody writes it, or it never ends")
        try:
            piece = os.read(handle, MAX_SECRET + 1 - len(found))
        except BlockingIOError:
            continue
        if not piece:
            return bytes(found)
        found += piece
    raise KeyRefused(f"{what} is larger than {MAX_SECRET} bytes, so it is no key", where=where)


def _ready(handle: int, seconds: float) -> bool:
    if WINDOWS:
        return True
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
