"""Tables of a JPEG that no scan uses: a decoder passes over them, so they could say anything (T.81 B.2.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medsnap.formats import jpeg
from medsnap.formats.jpeg import Segment
from medsnap.model.rewrite import Buffer

_PROGRESSIVE = frozenset({0xC2, 0xCA})
_ARITHMETIC = frozenset({0xC9, 0xCA})
_AC = 0x10  # the class of a table for AC coefficients, in the byte that names it

Span = tuple[int, int]
_Key = tuple[int, int]  # marker, class and destination


def kept(data: Buffer, body: Sequence[Segment], frame: Segment) -> dict[int, tuple[Span, ...]]:
    """Return, for each segment of tables that is not used as a whole, the spans in it that are.

    Keys are the starts of segments. A segment that cannot be read counts as used: the second reader
    refuses it.
    """
    now: dict[_Key, Span] = {}
    used: set[Span] = set()
    found: dict[int, tuple[Span, ...]] = {}
    for segment in body:
        if segment.marker == jpeg.SOS:
            used.update(now[key] for key in _named(data, frame, segment) if key in now)
            continue
        tables = dict(_tables(data, segment))
        now.update(tables)
        found[segment.start] = tuple(tables.values())
    return {
        start: tuple(span for span in spans if span in used)
        for start, spans in found.items()
        if not used.issuperset(spans)
    }


def _tables(data: Buffer, segment: Segment) -> Iterator[tuple[_Key, Span]]:
    """Yield the tables of a segment, none where it is not made of whole ones."""
    at, tables = segment.body, []
    while at < segment.stop:
        size = _size(data, segment.marker, at)
        if not size or at + size > segment.stop:
            return
        tables.append(((segment.marker, _name(data, segment.marker, at)), (at, at + size)))
        at += size
    if len({key for key, _ in tables}) == len(tables):
        yield from tables


def _size(data: Buffer, marker: int, at: int) -> int:
    if marker == jpeg.DQT:
        return 1 + 64 * (1 + (data[at] >> 4))
    if marker == jpeg.DHT:
        return 17 + sum(bytes(memoryview(data)[at + 1 : at + 17]))
    return 2 if marker in (jpeg.DAC, jpeg.DRI) else 0


def _name(data: Buffer, marker: int, at: int) -> int:
    if marker == jpeg.DRI:
        return 0
    return data[at] & 15 if marker == jpeg.DQT else data[at]


def _named(data: Buffer, frame: Segment, start: Segment) -> Iterator[_Key]:
    """Yield the tables that a scan names (B.2.3); none where it cannot be read."""
    head, scan = jpeg.payload(data, frame), jpeg.payload(data, start)
    quantisers = {head[at]: head[at + 2] for at in range(6, len(head) - 2, 3)}
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count:
        return
    first, approximation = scan[1 + 2 * count], scan[3 + 2 * count] >> 4
    progressive = frame.marker in _PROGRESSIVE
    coded = jpeg.DAC if frame.marker in _ARITHMETIC else jpeg.DHT
    yield jpeg.DRI, 0
    for at in range(1, 1 + 2 * count, 2):
        yield jpeg.DQT, quantisers.get(scan[at], 0)
        if not progressive or (first == 0 and approximation == 0):
            yield coded, scan[at + 1] >> 4
        if not progressive or first > 0:
            yield coded, _AC | scan[at + 1] & 15
