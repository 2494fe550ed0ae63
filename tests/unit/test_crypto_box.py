"""Sealed cells: what was sealed for one place opens there, whole and unaltered, and nowhere else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.crypto.box import OVERHEAD, Box
from medsnap.errors import Tampered

KEY = random.Random(1).randbytes(32)
OTHER = random.Random(2).randbytes(32)


def sealed(data: bytes, place: bytes = b"here") -> bytes:
    return Box(KEY).seal(data, place, random.Random(3).randbytes)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.binary(max_size=40))
def test_a_cell_opens_at_its_place_only(data: bytes, place: bytes) -> None:
    cell = sealed(data, place)
    assert len(cell) == len(data) + OVERHEAD
    assert Box(KEY).open(cell, place) == data
    with pytest.raises(Tampered, match="altered or moved"):
        Box(KEY).open(cell, place + b"x")
    with pytest.raises(Tampered, match="altered or moved"):
        Box(OTHER).open(cell, place)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, OVERHEAD + 4), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, flip: int) -> None:
    cell = bytearray(sealed(b"hello"))
    cell[at] ^= flip
    with pytest.raises(Tampered):
        Box(KEY).open(bytes(cell), b"here")


@pytest.mark.parametrize("size", [0, 1, 11, 12, OVERHEAD - 1, OVERHEAD, OVERHEAD + 4])
def test_any_cut_is_found(size: int) -> None:
    with pytest.raises(Tampered) as refused:
        Box(KEY).open(sealed(b"hello")[:size], b"here")
    assert ("cut off" in refused.value.message) == (size < OVERHEAD)


def test_two_cells_of_one_text_differ() -> None:
    source = random.Random(4).randbytes
    assert Box(KEY).seal(b"same", b"", source) != Box(KEY).seal(b"same", b"", source)
