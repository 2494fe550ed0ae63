"""Bech32 against the table of BIP 173, and its round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.crypto import bech32
from medsnap.errors import KeyRefused

# BIP 173, "Test vectors": valid strings whose data part is whole bytes.
VALID = [
    ("A12UEL5L", "a", b""),
    ("an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
     "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio", b""),
    ("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef",
     bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df")),
]  # fmt: skip


def _with_check_sum(prefix: str, values: list[int]) -> str:
    """A string whose check sum is right and whose last bits are not those of whole bytes."""
    check = bech32._polymod([*bech32._expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values = [*values, *(check >> 5 * (5 - i) & 31 for i in range(6))]
    return prefix + "1" + "".join(bech32._ALPHABET[v] for v in values)


INVALID = {
    "no separator": "pzry9x0s0muk",
    "empty prefix": "1pzry9x0s0muk",
    "foreign character": "x1b4n0q5v",
    "short check sum": "li1dgmt3",
    "check sum of the upper-case form": "A1G7SGD8",
    "mixed case": "a12UEL5L",
    "foreign byte in check sum": "de1lg7wt\u00ff",
    "wrong check sum": "a12uel5q",
    "spare bits": _with_check_sum("age", [0, 1]),
    "a spare character": _with_check_sum("age", [0, 0, 0]),
    "too long": "a1" + "q" * 9000,
}


@pytest.mark.parametrize(("text", "prefix", "data"), VALID)
def test_valid(text: str, prefix: str, data: bytes) -> None:
    assert bech32.decode(text) == (prefix, data)
    assert bech32.encode(prefix, data) == text.lower()


@pytest.mark.parametrize("name", INVALID)
def test_invalid(name: str) -> None:
    with pytest.raises(KeyRefused):
        bech32.decode(INVALID[name])


@given(st.binary(max_size=200), st.integers(0, 1000), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_round_trip_and_one_typing_error(data: bytes, at: int, letter: str) -> None:
    text = bech32.encode("age", data)
    assert bech32.decode(text) == bech32.decode(text.upper()) == ("age", data)
    at = 4 + at % (len(text) - 4)
    if text[at] != letter:
        with pytest.raises(KeyRefused):
            bech32.decode(text[:at] + letter + text[at + 1 :])
