"""Where an LZW stream ends: followed for its lengths only, against what the picture must have.

Bytes behind the end code, or behind the last pixel, are read by no decoder and could hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from medsnap.errors import Malformed
from medsnap.model.rewrite import Buffer

_WIDEST = 12  # bits of a code (GIF89a appendix F, TIFF 6.0 section 13)


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
    table = _Table(clear=1 << minimum, wanted=wanted, early=0, where=where)
    held = bits = used = 0
    for piece in pieces:
        for byte in piece:
            held |= byte << bits
            bits += 8
            used += 1
            while bits >= table.width:
                width = table.width
                code = held & (1 << width) - 1
                held >>= width
                bits -= width
                if table.take(code, used):
                    return End(table.end, table.total, True)
    whole = table.total >= wanted
    return End(table.end if whole else used, table.total, whole)


def tiff_end(data: Buffer, wanted: int, where: str) -> End:
    """Follow the LZW data of a TIFF strip or tile: most significant bit first. Raises Malformed."""
    table = _Table(clear=256, wanted=wanted, early=1, where=where)
    held = bits = used = 0
    for byte in data:
        held = (held << 8 | byte) & 0xFFFFF
        bits += 8
        used += 1
        while bits >= table.width:
            bits -= table.width
            if table.take(held >> bits & (1 << table.width) - 1, used):
                return End(table.end, table.total, True)
    whole = table.total >= wanted
    return End(table.end if whole else used, table.total, whole)


@dataclass(slots=True)
class _Table:
    """The decoder's table without its strings: only how long each is."""

    clear: int
    wanted: int
    early: int  # TIFF widens its codes one entry before they need it
    where: str
    width: int = 0
    last: int = 0  # length of the string before; 0 directly behind a clear code
    total: int = 0
    end: int = 0  # bytes used when the last pixel was there
    lengths: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.lengths = [1] * (self.clear + 2)
        self.width = self.clear.bit_length()
        self.last = 0

    def take(self, code: int, used: int) -> bool:
        """Take one code; say whether the stream is over, with `end` bytes of it used."""
        if code == self.clear + 1:
            self.end = used
            return True
        if code == self.clear:
            over = self.total >= self.wanted and not self.last  # a second clear code: no end will come
            self._reset()
            return over
        if self.total >= self.wanted:
            return True  # values behind the last pixel
        lengths = self.lengths
        if self.last and len(lengths) < 1 << _WIDEST:
            lengths.append(self.last + 1)
            if len(lengths) == (1 << self.width) - self.early and self.width < _WIDEST:
                self.width += 1
        if code >= (len(lengths) if self.last else self.clear):
            raise Malformed("the compressed picture is broken", where=self.where)
        self.last = lengths[code]
        self.total += self.last
        if self.total >= self.wanted:
            self.end = used
        return False
