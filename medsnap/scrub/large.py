"""The proof of a clip that is never built in memory: the second reader looks at it through a window."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Insert, Rewrite
from medsnap.scrub import registry
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.movie_memory import forget, pieces, stretch
from medsnap.scrub.report import Scrubbed, ScrubReport

_READS = 1024  # reads after which mapped pages are given back


class Window:
    """The file that a rewrite stands for, read at any place without building it.

    It has what a second reader of movies uses: a length, and slices that are bytes.
    """

    __slots__ = ("_places", "_reads", "_source", "_steps", "size")

    def __init__(self, rewrite: Rewrite, source: Buffer) -> None:
        self._source = memoryview(source)
        self._steps = rewrite.steps
        self._places: list[int] = []
        self._reads = 0
        at = 0
        for step in rewrite.steps:
            self._places.append(at)
            at += len(step.data) if isinstance(step, Insert) else step.stop - step.start
        self.size = at

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, stride = part.indices(self.size)
        if stride != 1:
            raise ValueError("a window gives stretches only")
        return self.read(start, stop - start)

    def read(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`; fewer at the end of the file."""
        self._reads += 1
        if self._reads % _READS == 0:
            forget(self._source)
        out: list[bytes] = []
        row = bisect_right(self._places, offset) - 1
        stop = min(offset + length, self.size)
        while offset < stop:
            step, skip = self._steps[row], offset - self._places[row]
            if isinstance(step, Insert):
                piece = step.data[skip : skip + stop - offset]
            else:
                low = step.start + skip
                piece = bytes(self._source[low : min(step.stop, low + stop - offset)])
            out.append(piece)
            offset += len(piece)
            row += 1
        return b"".join(out)


def prove(rewrite: Rewrite, source: Buffer, media: MediaType, keep: ScrubKeep) -> Scrubbed:
    """Let the second reader account for every byte of a clip that was not built. Raises NotClean."""
    from medsnap.scrub.apply import prove_rendering, words
    from medsnap.scrub.second import movie

    _prove_order(rewrite)
    facts = movie.account(Window(rewrite, source), media)
    prove_rendering(rewrite, facts, bare_icc=registry.bare_icc(media, keep))
    report = ScrubReport(
        media=media,
        sha256_in=digest(stretch(source, 0, len(source))),
        sha256_out=digest(pieces(rewrite, source)),
        size_in=len(source),
        size_out=rewrite.size,
        carriers=rewrite.carriers,
        orientation=rewrite.orientation,
        rendering=rewrite.rendering,
        pixels_equal=None,
        proof=words(rewrite, None),
    )
    return Scrubbed(rewrite=rewrite, report=report)


def _prove_order(rewrite: Rewrite) -> None:
    """Kept samples are the source's bytes by construction; this proves that none comes twice or earlier."""
    behind, at = 0, 0
    for step in rewrite.steps:
        if isinstance(step, Insert):
            at += len(step.data)
            continue
        if not step.coded or step.start < behind:
            raise NotClean("coded picture data are not the same bytes in the same order", where=f"byte {at}")
        behind = step.stop
        at += step.stop - step.start


def digest(parts: Iterable[Buffer]) -> str:
    """Return the SHA-256 of a file given piece by piece."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()
