"""The TIFF tags that rendering needs, with the types and counts they may have (TIFF 6.0, DNG 1.7).

What is not listed here goes. A listed tag of a wrong type or count goes too, unless the picture cannot
be read without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medsnap.errors import Malformed
from medsnap.formats import tiff_file
from medsnap.formats.tiff_file import Directory, Field, Header
from medsnap.model.rewrite import Buffer

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS, STRIP_COUNTS = 266, 273, 274, 277, 278, 279
PLANAR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 284, 320, 322, 323, 324, 325
SUB_DIRECTORIES, INK_SET, JPEG_TABLES, SUBSAMPLING, ICC = 330, 332, 347, 530, 34675
PLACES = frozenset({STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS})  # written anew

_NUMBER = frozenset({tiff_file.SHORT, tiff_file.LONG})
_SHORT = frozenset({tiff_file.SHORT})
_RATIONAL = frozenset({tiff_file.RATIONAL})
_OPAQUE = frozenset({tiff_file.BYTE, tiff_file.UNDEFINED})
_SAMPLE = frozenset({1, 3, 4, 6, 8, 9, 11, 12})
_ANY = 1 << 24


@dataclass(frozen=True, slots=True)
class Shape:
    """What the counts of other tags depend on."""

    samples: int
    bits: int  # of the first sample

    @property
    def levels(self) -> int:
        """Return how many values a sample can have; 0 where a table of them makes no sense."""
        return 1 << self.bits if self.bits <= 16 else 0


_Counts = Callable[[Shape], tuple[int, ...] | range]


def _one(_: Shape) -> tuple[int, ...]:
    return (1,)


def _exactly(count: int) -> _Counts:
    return lambda _: (count,)


def _each(shape: Shape) -> tuple[int, ...]:
    return (1, shape.samples)


def _any(_: Shape) -> range:
    return range(1, _ANY)


@dataclass(frozen=True, slots=True)
class Rule:
    """The types and counts of one tag."""

    types: frozenset[int]
    counts: _Counts
    needed: bool = False  # the picture cannot be read without it


PAGE: dict[int, Rule] = {
    SUBFILE: Rule(_NUMBER, _one, needed=True),
    255: Rule(_SHORT, _one),
    WIDTH: Rule(_NUMBER, _one, needed=True),
    HEIGHT: Rule(_NUMBER, _one, needed=True),
    BITS: Rule(_SHORT, _each, needed=True),
    COMPRESSION: Rule(_NUMBER, _one, needed=True),
    PHOTOMETRIC: Rule(_NUMBER, _one, needed=True),
    FILL_ORDER: Rule(_SHORT, _one, needed=True),
    ORIENTATION: Rule(_SHORT, _one),
    SAMPLES: Rule(_NUMBER, _one, needed=True),
    ROWS: Rule(_NUMBER, _one, needed=True),
    280: Rule(_SHORT, _each),  # MinSampleValue
    281: Rule(_SHORT, _each),
    282: Rule(_RATIONAL, _one),  # XResolution
    283: Rule(_RATIONAL, _one),
    PLANAR: Rule(_SHORT, _one, needed=True),
    290: Rule(_SHORT, _one),  # GrayResponseUnit
    291: Rule(_SHORT, lambda s: (s.levels,)),
    292: Rule(_NUMBER, _one, needed=True),  # T4Options
    293: Rule(_NUMBER, _one, needed=True),
    296: Rule(_SHORT, _one),  # ResolutionUnit
    297: Rule(_SHORT, _exactly(2)),  # PageNumber
    301: Rule(_SHORT, lambda s: (s.levels, 3 * s.levels)),  # TransferFunction
    317: Rule(_SHORT, _one, needed=True),  # Predictor
    318: Rule(_RATIONAL, _exactly(2)),  # WhitePoint
    319: Rule(_RATIONAL, _exactly(6)),
    COLOUR_MAP: Rule(_SHORT, lambda s: (3 * s.levels,), needed=True),
    TILE_WIDTH: Rule(_NUMBER, _one, needed=True),
    TILE_HEIGHT: Rule(_NUMBER, _one, needed=True),
    INK_SET: Rule(_SHORT, _one, needed=True),
    334: Rule(_SHORT, _one),  # NumberOfInks
    336: Rule(frozenset({1, 3}), lambda s: (2, 2 * s.samples)),  # DotRange
    338: Rule(_SHORT, lambda s: range(1, s.samples + 1), needed=True),  # ExtraSamples
    339: Rule(_SHORT, _each, needed=True),  # SampleFormat
    340: Rule(_SAMPLE, _each),  # SMinSampleValue
    341: Rule(_SAMPLE, _each),
    JPEG_TABLES: Rule(_OPAQUE, _any, needed=True),
    529: Rule(_RATIONAL, _exactly(3), needed=True),  # YCbCrCoefficients
    SUBSAMPLING: Rule(_SHORT, _exactly(2), needed=True),
    531: Rule(_SHORT, _one, needed=True),  # YCbCrPositioning
    532: Rule(_RATIONAL, lambda s: (6, 2 * s.samples), needed=True),  # ReferenceBlackWhite
    ICC: Rule(_OPAQUE, _any),
}


@dataclass(frozen=True, slots=True)
class Value:
    """One field as it will be written; `data` are its bytes in the byte order of the file."""

    tag: int
    type: int
    count: int
    data: bytes


class Tags:
    """The fields of a directory, each tag once; two fields of one tag that differ are refused."""

    def __init__(self, data: Buffer, header: Header, directory: Directory, rules: dict[int, Rule]) -> None:
        self.data = data
        self.header = header
        self.directory = directory
        self.rules = rules
        self.fields: dict[int, Field] = {}
        for field in directory.fields:
            known = self.fields.setdefault(field.tag, field)
            if field is known or (field.tag not in rules and field.tag not in PLACES):
                continue
            same = (known.type, known.count) == (field.type, field.count)
            if not same or tiff_file.value(data, known) != tiff_file.value(data, field):
                raise Malformed("a directory has one tag twice", where=tiff_file.where(field))

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the numbers of a tag, or the default where it is absent. Raises Malformed."""
        field = self.fields.get(tag)
        return default if field is None else tiff_file.numbers(self.data, self.header, field)

    def number(self, tag: int, default: int) -> int:
        """Return the first number of a tag, or the default."""
        found = self.numbers(tag, (default,))
        return found[0] if found else default

    def value(self, tag: int, shape: Shape) -> Value | None:
        """Return a field that may stay, None where it goes. Raises Malformed for one that is needed."""
        rule, field = self.rules.get(tag), self.fields.get(tag)
        if rule is None or field is None:
            return None
        if field.type in rule.types and field.count in rule.counts(shape) and field.whole and field.count:
            return Value(tag, field.type, field.count, tiff_file.value(self.data, field))
        if rule.needed:
            raise Malformed("a tag has a wrong type or count", where=tiff_file.where(field))
        return None
