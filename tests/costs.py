"""Bounds in CPU seconds: they hold on a loaded machine, where a clock on the wall would not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail when what is done inside costs this process more CPU time."""
    before = time.process_time()
    yield
    spent = time.process_time() - before
    assert spent < seconds, f"{spent:.2f} CPU seconds, {seconds} are allowed"
