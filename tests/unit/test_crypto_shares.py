"""Shares in words: any two of three give the secret back, one does not, and a wrong word is named."""

from __future__ import annotations

import os
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.crypto import shares
from medsnap.errors import KeyRefused, Malformed


@given(secret=st.binary(min_size=32, max_size=32))
@settings(max_examples=15, deadline=None)
def test_any_two_give_the_secret_back(secret: bytes) -> None:
    made = shares.split(secret)
    assert [s.number for s in made] == [1, 2, 3]
    assert len({s.set_id for s in made}) == 1
    for pair in combinations(made, 2):
        assert shares.combine(pair) == shares.combine(pair[::-1]) == secret
    assert shares.combine(made) == secret
    read = [shares.read([w[:4].upper() for w in s.words]) for s in made]
    assert read == list(made), "four letters name a word"


def test_one_share_and_shares_of_two_sets_open_nothing() -> None:
    first, other = shares.split(os.urandom(32)), shares.split(os.urandom(32))
    for wrong in (first[:1], [first[0], first[0]], [first[0], other[1]]):
        with pytest.raises(KeyRefused):
            shares.combine(wrong)
    with pytest.raises(ValueError, match="32 bytes"):
        shares.split(b"short")


@given(place=st.integers(0, shares.WORDS - 1), data=st.data())
@settings(max_examples=3, deadline=None)
def test_a_wrong_word_is_named_by_its_number_and_never_shown(place: int, data: st.DataObject) -> None:
    from shamir_mnemonic.wordlist import WORDLIST

    words = list(shares.split(bytes(32))[0].words)
    wrong = data.draw(st.sampled_from([w for w in WORDLIST if w != words[place]]))
    changed = [*words[:place], wrong, *words[place + 1 :]]
    with pytest.raises(Malformed) as told:
        shares.read(changed, where="sheet 2")
    assert told.value.message == f"the checksum does not hold: word {place + 1} is wrong"
    assert told.value.where == "sheet 2"
    said = f"{told.value.message} {told.value.hint}"
    assert not {words[place], wrong} & set(said.split())


def test_swapped_missing_and_unknown_words_are_told_apart() -> None:
    words = list(shares.split(os.urandom(32))[0].words)
    while words[10] == words[11]:
        words = list(shares.split(os.urandom(32))[0].words)
    swapped = [*words[:10], words[11], words[10], *words[12:]]
    for wrong, what in (
        (swapped, "have changed places"),
        (words[:-1], "here are 32"),
        ([*words, "acid"], "here are 34"),
        ([*words[:5], "acidd", *words[6:]], "word 6 is none of the list"),
        ([*words[:5], "zzz", *words[6:]], "word 6 is none of the list"),
        ([*words[:5], "aci", *words[6:]], "word 6 is none of the list"),
    ):
        with pytest.raises(Malformed, match=what):
            shares.read(wrong)


def test_words_of_another_scheme_are_refused() -> None:
    from shamir_mnemonic import generate_mnemonics

    [three_of_five] = generate_mnemonics(1, [(3, 5)], bytes(32))
    two_groups = generate_mnemonics(2, [(2, 3), (2, 3)], bytes(32))
    for mnemonic in (three_of_five[0], two_groups[0][0], generate_mnemonics(1, [(2, 4)], bytes(32))[0][3]):
        with pytest.raises(Malformed, match="another scheme"):
            shares.read(mnemonic.split())


def test_a_share_s_repr_shows_no_word() -> None:
    share = shares.split(os.urandom(32))[0]
    assert not set(share.words) & set(repr(share).replace(",", " ").split())
