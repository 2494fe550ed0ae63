"""Where each chunk of the kept tracks lies, and where it goes: in the order of the source, side by side."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.bmff import Box
from medsnap.formats.heif_view import Span
from medsnap.formats.movie_tables import MAX_CHUNKS
from medsnap.scrub.movie_part import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The spans of the source that stay, joined where they touch, and the new place of each chunk."""

    spans: tuple[Span, ...]
    size: int  # bytes of all spans
    places: tuple[array[int], ...]  # for each part, each chunk: bytes from the start of the new data

    def place_of(self, start: int) -> int:
        """Give the place of a kept byte of the source in the new data."""
        row = bisect_right(self.spans, (start, 1 << 64)) - 1
        return sum(high - low for low, high in self.spans[:row]) + start - self.spans[row][0]

    def touches(self, start: int, stop: int) -> bool:
        """Say whether any byte of start..stop of the source is kept."""
        row = bisect_right(self.spans, (start, 1 << 64)) - 1
        return (row >= 0 and self.spans[row][1] > start) or (
            row + 1 < len(self.spans) and self.spans[row + 1][0] < stop
        )


def lay_out(parts: Sequence[Part], mdats: Sequence[Box], more: Sequence[Span] = ()) -> Layout:
    """Order all chunks by their place in the source. Raises Malformed, Unsupported, TooLarge.

    `more` are spans beside the chunks (of image items); they may lie in chunks, chunks never in chunks.
    """
    starts, lengths = array("Q"), array("Q")
    for part in parts:
        starts.extend(part.starts)
        lengths.extend(part.lengths)
    if len(starts) > MAX_CHUNKS:
        raise TooLarge(f"the tracks hold more than {MAX_CHUNKS} chunks", where="stco")
    order = sorted(range(len(starts)), key=lambda n: (starts[n], lengths[n]))
    # an empty chunk lies nowhere: it goes where its follower goes
    chunks = unshared([(starts[n], starts[n] + lengths[n]) for n in order if lengths[n]])
    spans = _merged(chunks, sorted(more)) if more else chunks
    refuse_outside(spans, mdats)
    lows = array("Q", (low for low, _ in spans))
    bases, size = array("Q"), 0
    for low, high in spans:
        bases.append(size)
        size += high - low
    moved = array("Q", bytes(8 * len(starts)))
    at = 0
    for n in order:
        if lengths[n]:
            row = bisect_right(lows, starts[n]) - 1
            at = bases[row] + starts[n] - lows[row]
        moved[n] = at
        at += lengths[n]
    return Layout(spans=tuple(spans), size=size, places=_shares(moved, parts))


def _shares(moved: array[int], parts: Sequence[Part]) -> tuple[array[int], ...]:
    found, at = [], 0
    for part in parts:
        found.append(moved[at : at + len(part.starts)])
        at += len(part.starts)
    return tuple(found)


def unshared(chunks: list[Span]) -> list[Span]:
    """Join chunks that touch; refuse ones that overlap: no recorder writes that."""
    joined: list[Span] = []
    for start, stop in chunks:
        if joined and start < joined[-1][1]:
            raise Unsupported("chunks of the tracks overlap", where=f"stco, byte {start}")
        if joined and start == joined[-1][1]:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def _merged(chunks: Sequence[Span], more: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, stop in sorted((*chunks, *more)):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def refuse_outside(spans: Sequence[Span], mdats: Sequence[Box]) -> None:
    """Refuse samples outside of mdat: a table could point at the metadata, and bring it back.

    Spans may run through two mdat boxes only if the header between them is not in the span.
    """
    rooms = sorted((box.body, box.stop) for box in mdats)
    lows = [low for low, _ in rooms]
    for start, stop in spans:
        row = bisect_right(lows, start) - 1
        if row < 0 or stop > rooms[row][1]:
            raise Malformed("samples lie outside of the media data", where=f"stco, byte {start}")
