"""Damage at random: what Hypothesis draws, and how it is done to a file."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

Edit = tuple[int, str, bytes]  # where, how, with what


def edits(*more: str, most: int) -> st.SearchStrategy[list[Edit]]:
    """Draw one to `most` edits; `more` are ways beyond the usual five."""
    ways = st.sampled_from(("flip", "set", "cut", "add", "copy", *more))
    return st.lists(
        st.tuples(st.integers(0, 1 << 16), ways, st.binary(max_size=12)), min_size=1, max_size=most
    )


def edited(source: bytes, changes: Iterable[Edit]) -> bytes:
    """Do the edits, one after the other."""
    data = bytearray(source)
    for place, how, value in changes:
        at = place % max(len(data), 1)
        if how == "flip" and data:
            data[at] ^= 1 << place % 8
        elif how == "set":
            data[at : at + len(value)] = value
        elif how == "cut":
            del data[at : at + 1 + len(value)]
        elif how == "add":
            data[at:at] = value
        elif how == "number":
            data[at : at + 4] = (len(value) * 37).to_bytes(4, "big")
        else:
            data[at:at] = data[at : at + 24]
    return bytes(data)
