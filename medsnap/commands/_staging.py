"""Files on their way out: whole and durable beside their place, named only when their receipts are kept.

So a receiver never finds a file of which the vault does not know under which identity it left; killed in
between, the next run writes the same file again. What such a run left lying is cleared away by the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medsnap import disk
from medsnap.errors import CannotCreate

_HALF = ".part"


@dataclass(slots=True, kw_only=True)
class Staging:
    """The hidden folder in which the files of one vault for one goal wait. A context manager.

    Nobody else may use it: `turns.sending` is held. Every step raises CannotCreate.
    """

    into: Path
    mark: str
    _waiting: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where files wait."""
        return self.into / f".medsnap-{self.mark}"

    def __enter__(self) -> Staging:
        with _refused(self.into):
            disk.make_folders(self.into)
            with contextlib.suppress(FileExistsError):
                disk.make_folder(self.folder)
            self._clear(p.name for p in self.folder.iterdir() if p.name.endswith(_HALF))
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._clear(name + _HALF for name in self._waiting)
            disk.remove_folder(self.folder)

    def put(self, name: str, data: bytes) -> None:
        """Write a file whole and durably, not yet under its name."""
        self._waiting.append(name)
        with _refused(self.into), disk.writer(self.folder / (name + _HALF)) as handle:
            handle.write(data)
            handle.flush()
            disk.sync(handle.fileno())

    def drop(self) -> None:
        """Take back what waits."""
        with _refused(self.into):
            self._clear(name + _HALF for name in self._waiting)
        self._waiting.clear()

    def release(self) -> None:
        """Give every file its name, even where an interruption strikes meanwhile: receipts speak of all."""
        try:
            self._release()
        finally:
            self._release()

    def _release(self) -> None:
        if not self._waiting:
            return
        with _refused(self.into):
            while self._waiting:
                with contextlib.suppress(FileNotFoundError):  # an interruption struck between both lines
                    disk.replace(self.folder / (self._waiting[-1] + _HALF), self.into / self._waiting[-1])
                self._waiting.pop()
            disk.sync_folder(self.into)

    def _clear(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                disk.unlink(self.folder / name)


@contextlib.contextmanager
def _refused(into: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise CannotCreate(f"cannot be written: {failure.strerror}", where=str(into)) from failure
