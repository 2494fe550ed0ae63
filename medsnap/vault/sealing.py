"""Photos that are sealed beside one another, each in a thread: reading, hashing and sealing let go of the
interpreter. What comes of them is taken in one after the other, by the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medsnap.model.photo import MediaType, ObjectId, Sha256
from medsnap.model.rewrite import Buffer
from medsnap.model.seal import Seal
from medsnap.vault import objects
from medsnap.vault.directory import CompartmentKey
from medsnap.vault.ids import Random, random_id
from medsnap.vault.objects import Staged

THREADS = 2
WORTH_A_THREAD = 1 << 20  # bytes of a photo from which on it is sealed in one


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """A photo that is being sealed: it lies in `tmp` and is nothing yet."""

    object: ObjectId
    source: Sha256
    key: CompartmentKey
    media: MediaType
    length: int
    done: Future[Staged]

    def seal(self, staged: Staged) -> Seal:
        """Say what it has become."""
        return Seal(
            object=self.object,
            compartment=self.key.name,
            epoch=self.key.epoch,
            payload=staged.placed.digests.payload,
            plaintext=staged.placed.plaintext,
            length=self.length,
            media=self.media,
        )

    def wait(self) -> None:
        """Wait until nobody is at work on it; what has not begun never will."""
        if not self.done.cancel():
            self.done.exception()

    def let_go(self) -> None:
        """Close its file, once nobody is at work on it; the next start clears it away."""
        self.wait()
        if not self.done.cancelled() and self.done.exception() is None:
            self.done.result().close()


class Sealers:
    """The threads, and what they have in hand. Use it as a context manager."""

    def __init__(self, vault: Path, random: Random) -> None:
        self._vault, self._random = vault, random
        self._threads = ThreadPoolExecutor(THREADS)
        self._begun: dict[ObjectId, Sealing] = {}

    def __enter__(self) -> Sealers:
        return self

    def __exit__(self, *_: object) -> None:
        for sealing in tuple(self._begun.values()):
            sealing.let_go()
        self._begun.clear()
        self._threads.shutdown()

    @property
    def begun(self) -> Collection[ObjectId]:
        """The objects that are being sealed: what lies in `tmp` under their names is no rest of a crash."""
        return self._begun.keys()

    def begin(
        self,
        chunks: Iterable[Buffer],
        *,
        source: Sha256,
        key: CompartmentKey,
        media: MediaType,
        length: int,
        aside: bool,
    ) -> Sealing:
        """Begin to seal `length` bytes, `aside` if that is worth a thread: chunks must be in memory then.

        What is not sealed aside is sealed when this returns. Raises IoFailed, KeyRefused.
        """
        name = random_id(self._random)
        work = partial(
            objects.stage,
            self._vault,
            name,
            chunks,
            length=length,
            recipient=key.recipient,
            random=self._random,
        )
        aside = aside and length >= WORTH_A_THREAD
        done = self._threads.submit(work) if aside else _at_once(work)
        sealing = Sealing(object=name, source=source, key=key, media=media, length=length, done=done)
        self._begun[name] = sealing
        return sealing

    def finish(self, sealing: Sealing) -> Staged:
        """Wait for its end. Raises IoFailed, KeyRefused: then the object is not there."""
        problem = sealing.done.exception()  # an interrupt here leaves it among those that are begun
        self._begun.pop(sealing.object, None)
        if problem is not None:
            raise problem
        return sealing.done.result()


def _at_once(work: Callable[[], Staged]) -> Future[Staged]:
    done: Future[Staged] = Future()
    done.set_result(work())
    return done
