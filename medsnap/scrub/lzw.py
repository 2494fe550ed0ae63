"""Where an LZW stream ends: followed for its lengths only, against what the picture must have.

Bytes behind the end code, or behind the last pixel, are read by no decoder and could hold anything.
The decoder's table is kept without its strings: only how long each is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medsnap.errors import Malformed
from medsnap.model.rewrite import Buffer

MAX_CODED = 64 << 20  # bytes of one file: following codes one by one takes about a second a megabyte
_WIDEST = 12  # bits of a code (GIF89a appendix F, TIFF 6.0 section 13)
_PAD = bytes(2)  # so that a window of three bytes fits at the last code


@dataclass(frozen=True, slots=True)
class End:
    """The first `used` bytes are the stream; it gives `total` bytes of samples."""

    used: int
    total: int
    whole: bool  # the end code or the last sample was there


def gif_end(pieces: Iterable[Buffer], minimum: int, wanted: int, where: str) -> End:
    """Follow the LZW data of a GIF frame: least significant bit first. Raises Malformed."""
    if not 1 <= minimum <= 8:
        raise Malformed("the LZW code size of a frame is none", where=where)
    data = b"".join(pieces)
    padded, bits = data + _PAD, 8 * len(data)
    clear = 1 << minimum
    at = total = last = done = 0
    lengths: list[int] = []
    width, base = minimum + 1, clear + 2  # base: the codes that need no table
    while at + width <= bits:
        byte = at >> 3
        window = padded[byte] | padded[byte + 1] << 8 | padded[byte + 2] << 16
        code = window >> (at & 7) & (1 << width) - 1
        at += width
        if code < clear:
            length = 1
        elif code == clear:
            if done and not last:
                break  # a second clear code: no end will come
            lengths, width, last = [], minimum + 1, 0
            continue
        elif code == clear + 1:
            return End(at + 7 >> 3, total, True)
        else:
            length = 0
        if done:
            break  # samples behind the last one
        if last and base + len(lengths) < 1 << _WIDEST:
            lengths.append(last + 1)
            width += base + len(lengths) == 1 << width and width < _WIDEST
        last = length or _length(lengths, code - base, last, where)
        total += last
        if total >= wanted:
            done = at + 7 >> 3
    return End(done or len(data), total, bool(done))


def tiff_end(data: Buffer, wanted: int, where: str) -> End:
    """Follow the LZW data of a TIFF strip or tile: most significant bit first. Raises Malformed."""
    padded, bits = bytes(data) + _PAD, 8 * len(data)
    at = total = last = done = 0
    lengths: list[int] = []
    width = 9
    while at + width <= bits:
        byte = at >> 3
        window = padded[byte] << 16 | padded[byte + 1] << 8 | padded[byte + 2]
        code = window >> 24 - width - (at & 7) & (1 << width) - 1
        at += width
        if code < 256:
            length = 1
        elif code == 256:
            if done and not last:
                break
            lengths, width, last = [], 9, 0
            continue
        elif code == 257:
            return End(at + 7 >> 3, total, True)
        else:
            length = 0
        if done:
            break
        if last and 258 + len(lengths) < 1 << _WIDEST:
            lengths.append(last + 1)
            width += 259 + len(lengths) == 1 << width and width < _WIDEST  # one entry early
        last = length or _length(lengths, code - 258, last, where)
        total += last
        if total >= wanted:
            done = at + 7 >> 3
    return End(done or len(data), total, bool(done))


def _length(lengths: list[int], entry: int, last: int, where: str) -> int:
    if not last or entry >= len(lengths):
        raise Malformed("the compressed picture is broken", where=where)
    return lengths[entry]
