"""The geometry of a TIFF picture: where its strips or tiles lie, and how many bytes each must give."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.scrub import tiff_tags as tags
from medsnap.scrub.tiff_tags import Shape, Tags

_MAX_PIXELS = 1 << 29  # of one page
_MAX_UNITS = 1 << 18  # strips or tiles of one page
_MAX_SAMPLES = 32
UNCOMPRESSED, LZW, JPEG, DEFLATE, DEFLATE_OLD, PACKBITS = 1, 5, 7, 8, 32946, 32773

_NAMES = {
    2: "CCITT RLE",
    3: "CCITT group 3",
    4: "CCITT group 4",
    6: "old-style JPEG",
    9: "JBIG",
    10: "JBIG",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34892: "lossy JPEG",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One strip or tile: data[start:stop] by its directory, `size` bytes when decoded."""

    start: int
    stop: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a TIFF file."""

    tags: Tags
    shape: Shape
    width: int
    height: int
    compression: int
    photometric: int
    tiled: bool
    units: tuple[Unit, ...]


def picture(found: Tags, compressions: frozenset[int], photometrics: frozenset[int], size: int) -> Picture:
    """Return the picture of a directory in a file of `size` bytes. Raises MedsnapError."""
    where = f"directory, byte {found.directory.start}"
    width, height = found.number(tags.WIDTH, 0), found.number(tags.HEIGHT, 0)
    if not width or not height:
        raise Malformed("a picture has no size", where=where)
    if width * height > _MAX_PIXELS:
        raise TooLarge("a picture has too many pixels", where=where)
    samples, bits = found.number(tags.SAMPLES, 1), found.numbers(tags.BITS, (1,))
    if not 1 <= samples <= _MAX_SAMPLES or not bits or not 1 <= max(bits) <= 64 or not min(bits):
        raise Malformed("a picture has no samples", where=where)
    compression, photometric = found.number(tags.COMPRESSION, 1), found.number(tags.PHOTOMETRIC, -1)
    if compression not in compressions:
        name = _NAMES.get(compression, f"compression {compression}")
        raise Unsupported(f"medsnap does not look into {name} within TIFF", where=where)
    if photometric not in photometrics:
        raise Unsupported(f"medsnap does not know photometric interpretation {photometric}", where=where)
    if found.number(tags.FILL_ORDER, 1) != 1 and compression not in (UNCOMPRESSED, JPEG):
        raise Unsupported("compressed data with reversed bits", where=where)
    if found.number(tags.INK_SET, 1) != 1:
        raise Unsupported("a picture of other inks than CMYK", where=where)
    each = bits if len(bits) == samples else bits[:1] * samples
    tiled = tags.TILE_WIDTH in found.fields or tags.TILE_OFFSETS in found.fields
    planned = _Sizes(found, width, height, each, photometric, where)
    sizes = planned.tiles() if tiled else planned.strips()
    return Picture(
        tags=found,
        shape=Shape(samples, bits[0]),
        width=width,
        height=height,
        compression=compression,
        photometric=photometric,
        tiled=tiled,
        units=_units(found, sizes, size, where, tiled=tiled),
    )


def _units(found: Tags, sizes: list[int], size: int, where: str, *, tiled: bool) -> tuple[Unit, ...]:
    offsets = found.numbers(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS)
    counts = found.numbers(tags.TILE_COUNTS if tiled else tags.STRIP_COUNTS)
    if min(len(offsets), len(counts)) < len(sizes):
        raise Malformed("strips or tiles are missing", where=where)
    if not len(offsets) == len(counts) == len(sizes):
        raise Unsupported("there are more strips or tiles than the picture has", where=where)
    units = []
    for offset, count, wanted in zip(offsets, counts, sizes, strict=True):
        if not count or offset < 8 or offset + count > size:
            raise Malformed("a strip or tile is empty or lies outside the file", where=where)
        units.append(Unit(offset, offset + count, wanted))
    return tuple(units)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Decoded bytes of each strip or tile (TIFF 6.0 sections 3, 15, 21)."""

    tags: Tags
    width: int
    height: int
    bits: tuple[int, ...]
    photometric: int
    where: str

    def strips(self) -> list[int]:
        rows = min(self.tags.number(tags.ROWS, self.height), self.height)
        if not rows:
            raise Malformed("a strip has no rows", where=self.where)
        count = -(-self.height // rows)
        self._limit(count)
        last = self.height - (count - 1) * rows
        return [
            size
            for bits in self._planes()
            for size in [self._bytes(self.width, rows, bits)] * (count - 1)
            + [self._bytes(self.width, last, bits)]
        ]

    def tiles(self) -> list[int]:
        across, down = self.tags.number(tags.TILE_WIDTH, 0), self.tags.number(tags.TILE_HEIGHT, 0)
        if not across or not down or across * down > _MAX_PIXELS:
            raise Malformed("a tile has no size", where=self.where)
        count = -(-self.width // across) * -(-self.height // down)
        self._limit(count)
        return [size for bits in self._planes() for size in [self._bytes(across, down, bits)] * count]

    def _limit(self, count: int) -> None:
        if count * len(self.bits) > _MAX_UNITS:
            raise TooLarge("a picture has too many strips or tiles", where=self.where)

    def _planes(self) -> list[tuple[int, ...]]:
        planar = self.tags.number(tags.PLANAR, 1)
        if planar not in (1, 2):
            raise Malformed("the planes of a picture are in no known order", where=self.where)
        return [(b,) for b in self.bits] if planar == 2 else [self.bits]

    def _bytes(self, width: int, rows: int, bits: tuple[int, ...]) -> int:
        across, down = (1, 1)
        if self.photometric == 6 and len(self.bits) == 3:
            across, down = (*self.tags.numbers(tags.SUBSAMPLING, (2, 2)), 0, 0)[:2]
        if (across, down) != (1, 1) and self.tags.number(tags.COMPRESSION, 1) == UNCOMPRESSED:
            raise Unsupported("readers disagree on uncompressed YCbCr with subsampling", where=self.where)
        if (across, down) == (1, 1):
            return rows * (-(-width * sum(bits) // 8))
        if across not in (1, 2, 4) or down not in (1, 2, 4) or set(self.bits) != {8}:
            raise Unsupported("a picture with an unusual subsampling", where=self.where)
        if len(bits) == 1:
            return 0  # planes of unlike size: only JPEG tells how large each is
        return -(-width // across) * -(-rows // down) * (across * down + 2)
