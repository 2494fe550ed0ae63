"""Make the fingerprint of a decoded picture (medsnap.model.likeness): Pillow and plain arithmetic."""

from __future__ import annotations

from functools import cache
from math import cos, pi
from typing import TYPE_CHECKING, Final

from medsnap.errors import MedsnapError
from medsnap.model.likeness import BITS, SIDE, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from medsnap.model.photo import MediaType
    from medsnap.model.rewrite import Buffer

SMALLEST: Final = 64  # pixels, short side: below it a picture is no evidence of anything
_GRID: Final = 32  # the picture is shrunk to so many pixels down and across
_FLAT: Final = 3.0  # grey levels, root mean square of what is compared: below it there is only noise


def fingerprint(upright: Image) -> str | None:
    """Return the fingerprint of an upright picture; None of one too small or too flat to be known by."""
    if min(upright.size) < SMALLEST:
        return None
    from PIL.Image import Resampling

    small = upright.resize((_GRID, _GRID), Resampling.BOX, reducing_gap=2.0).convert("L")
    waves = _waves(small.tobytes())
    if sum(w * w for w in waves[1:]) < _FLAT * _FLAT:
        return None
    return written(sum(1 << i for i in range(1, BITS) if waves[i] < 0))


def of(data: Buffer, media: MediaType) -> str | None:
    """Return the fingerprint of a coded picture; None also where it does not decode."""
    from medsnap.raster.decode import upright

    try:
        return fingerprint(upright(data, media))
    except MedsnapError:
        return None


def serve(setup: None) -> Callable[[tuple[bytes, MediaType]], str | None]:
    """Make the function that a worker runs for each coded picture (see medsnap.workers)."""
    del setup
    return lambda picture: of(*picture)


def _waves(grey: bytes) -> list[float]:
    """Return the lowest frequencies, down by across, scaled so that their squares add up to the variance."""
    rows = [grey[y * _GRID : (y + 1) * _GRID] for y in range(_GRID)]
    across = [[_dot(row, wave) for wave in _basis()] for row in rows]
    columns = list(zip(*across, strict=True))
    return [_dot(columns[u], _basis()[v]) for v in range(SIDE) for u in range(SIDE)]


@cache
def _basis() -> tuple[tuple[float, ...], ...]:
    """The cosines of the DCT-II, each of mean square 1, divided by the length."""
    return tuple(
        tuple(
            (1.0 if not k else 2.0**0.5) * cos(pi * (2 * x + 1) * k / (2 * _GRID)) / _GRID
            for x in range(_GRID)
        )
        for k in range(SIDE)
    )


def _dot(values: Sequence[float], wave: Sequence[float]) -> float:
    return sum(map(float.__mul__, wave, map(float, values)))
