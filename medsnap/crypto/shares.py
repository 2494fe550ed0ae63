"""Secrets split 2-of-3 into words (SLIP-39). The only importer of shamir_mnemonic.

Any two shares give the secret back, one tells nothing about it. The last three words of a share are
a checksum of all others, so a word that was copied wrongly is found, and mostly where.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from medsnap.errors import KeyRefused, Malformed

SHARES = 3
NEEDED = 2
WORDS = 33  # of a share of 32 bytes
_SECRET = 32
_PREFIX = 4  # letters that name a word (SLIP-39, "Wordlist")
_CUSTOM = b"shamir_extendable"  # the checksum covers it (SLIP-39, "Checksum")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Share:
    """One share that was read and whose checksum holds; its repr shows no word."""

    set_id: int  # the same in all shares of one set
    number: int  # from 1
    words: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Share(set_id={self.set_id}, number={self.number})"


def split(secret: bytes) -> tuple[Share, ...]:
    """Split 32 bytes into three shares of which two give them back; the randomness is the library's own."""
    from shamir_mnemonic import generate_mnemonics

    if len(secret) != _SECRET:
        raise ValueError("a secret of 32 bytes is split")
    [made] = generate_mnemonics(1, [(NEEDED, SHARES)], secret)
    return tuple(read(mnemonic.split()) for mnemonic in made)


def read(words: Sequence[str], *, where: str = "") -> Share:
    """Read the words of one share; the first four letters of a word will do.

    Raises Malformed, which names the number of the word that is wrong and never the word.
    """
    from shamir_mnemonic.share import Share as Raw
    from shamir_mnemonic.utils import MnemonicError

    if len(words) != WORDS:
        raise Malformed(
            f"a sheet has {WORDS} words, here are {len(words)}",
            where=where,
            hint="is one left out, or twice?",
        )
    full = [full_word(word, number, where) for number, word in enumerate(words, start=1)]
    try:
        raw = Raw.from_mnemonic(" ".join(full))
    except MnemonicError:
        raise _checksum(full, where) from None
    if (raw.group_count, raw.group_threshold, raw.member_threshold) != (1, 1, NEEDED) or raw.index >= SHARES:
        raise Malformed("the words are of another scheme than a recovery sheet's", where=where)
    return Share(set_id=raw.identifier, number=raw.index + 1, words=tuple(full))


def combine(shares: Sequence[Share]) -> bytes:
    """Give back the secret of one set. Raises KeyRefused for too few shares, or none of one set."""
    from shamir_mnemonic import combine_mnemonics
    from shamir_mnemonic.utils import MnemonicError

    known = {share.number: share for share in shares}
    if len({share.set_id for share in shares}) != 1:
        raise KeyRefused("the sheets are not of one set", hint="their first two words must be the same")
    if len(known) < NEEDED:
        what = "the same sheet was given twice" if len(shares) > 1 else "one sheet alone opens nothing"
        raise KeyRefused(what, hint=f"any {NEEDED} different sheets of the {SHARES} are needed")
    chosen = [" ".join(known[n].words) for n in sorted(known)[:NEEDED]]
    try:
        return bytes(combine_mnemonics(chosen))
    except MnemonicError:
        raise KeyRefused(
            "the sheets do not fit together, though each is whole", hint="are they of one vault and one day?"
        ) from None


def _expanded(text: str) -> str | None:
    from shamir_mnemonic.wordlist import WORD_INDEX_MAP, WORDLIST

    word = text.lower()
    if word in WORD_INDEX_MAP:
        return word
    if len(word) < _PREFIX:
        return None
    found = [w for w in WORDLIST if w.startswith(word)]
    return found[0] if len(found) == 1 else None


def full_word(text: str, number: int, where: str) -> str:
    """Return the word of the list that was typed, or begun. Raises Malformed, which names its number."""
    from shamir_mnemonic.wordlist import WORDLIST

    word = _expanded(text)
    if word is None:
        near = difflib.get_close_matches(text.lower(), WORDLIST, n=2, cutoff=0.7)
        hint = f"did you read '{near[0]}'?" if near else "compare it with the sheet"
        raise Malformed(f"word {number} is none of the list", where=where, hint=hint)
    return word


def _checksum(words: list[str], where: str) -> Malformed:
    """Say which single word would make the checksum right: a checksum of 30 bits leaves hardly two."""
    from shamir_mnemonic import rs1024
    from shamir_mnemonic.wordlist import WORD_INDEX_MAP

    values = [WORD_INDEX_MAP[w] for w in words]
    wrong = [
        place + 1
        for place in range(len(values))
        if any(
            rs1024.verify_checksum([*values[:place], other, *values[place + 1 :]], _CUSTOM)
            for other in range(1024)
        )
    ]
    if len(wrong) == 1:
        return Malformed(
            f"the checksum does not hold: word {wrong[0]} is wrong",
            where=where,
            hint="compare it with the sheet, letter by letter",
        )
    return Malformed(
        "the checksum does not hold: two or more words are wrong, or two have changed places",
        where=where,
        hint="compare each word and its number with the sheet",
    )
