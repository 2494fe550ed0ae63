"""SIGKILL before the n-th step that changes something on the disk, in a process that is there to die."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

Function = Callable[..., Any]


def countdown(left: int) -> Callable[[Function], Function]:
    """Give a wrapper of functions: the `left`-th call of any of them kills the process first."""

    def counted(real: Function) -> Function:
        def step(*args: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        return step

    return counted


def arm(left: int, names: Iterable[str]) -> Callable[[Function], Function]:
    """Count these functions of `os` from now on; give the wrapper, to count others with them."""
    counted = countdown(left)
    for name in names:
        setattr(os, name, counted(getattr(os, name)))
    return counted
