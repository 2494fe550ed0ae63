"""medsnap in this process, with a fixed clock and fixed randomness: run twice it gives the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from medsnap.cli import root
from medsnap.commands import _main, _photos
from medsnap.commands._shared import Io
from medsnap.export import isolated
from medsnap.export.prepare import As, Held, Ready, answer, request_for
from medsnap.model.record import PhotoRow
from tests.helpers import Ran
from tests.unit.vault.world import HerePool

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def stream(seed: str) -> Callable[[int], bytes]:
    """Give bytes that hang on the seed, the length and how often this length was asked for.

    Each length has a stream of its own: how many nonces a member's cache needs does not shift ids.
    """
    asked: dict[int, int] = defaultdict(int)

    def draw(size: int) -> bytes:
        asked[size] += 1
        return hashlib.shake_256(f"{seed} {size} {asked[size]}".encode()).digest(size)

    return draw


class _Pool(HerePool):
    """The examiners' work in this process: nothing here is hostile."""

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *ended: object) -> None:
        return


class _Preparer:
    """The preparing child's work in this process."""

    def __enter__(self) -> _Preparer:
        return self

    def __exit__(self, *ended: object) -> None:
        return

    def __call__(self, row: PhotoRow, photo: bytes, *, as_: As) -> Ready:
        request = request_for(row, photo, as_)
        return request if isinstance(request, Held) else answer(request)


@contextlib.contextmanager
def _streams() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def run(words: Sequence[str | Path], *, environment: Mapping[str, str], cwd: Path, seed: str) -> Ran:
    """Run one command as `python -m medsnap` would, without a process of its own."""
    arguments = [str(word) for word in words]
    world: dict[str, Any] = {"clock": lambda: NOW, "random": stream(seed)}
    before, terminate = Path.cwd(), signal.getsignal(signal.SIGTERM)
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.dict(Io.__init__.__kwdefaults__, world),
        mock.patch.object(_photos, "pool", lambda *given, **more: _Pool(more.get("verify_pixels", False))),
        mock.patch.object(isolated, "Preparer", _Preparer),
        mock.patch.object(os, "fsync", lambda descriptor: None),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO())),
        _streams() as (out, err),
    ):
        os.chdir(cwd)
        try:
            code = _main.run(root(), arguments)
        finally:
            os.chdir(before)
            signal.signal(signal.SIGTERM, terminate)
        said = [s.buffer.getvalue().decode() for s in (out, err)]  # type: ignore[attr-defined]
    return Ran("medsnap " + " ".join(arguments), code, *said)
