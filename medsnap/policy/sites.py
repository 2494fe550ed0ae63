"""Body sites: DICOM's SNOMED CT terms with what medsnap must know of each (policy.md 1.3, M19)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from medsnap.policy.findings import shown

SIDES: Final = ("left", "right", "both")
# SNOMED's own way to write a code with its term: 14975008 |Forearm|
_CODED: Final = re.compile(r"(?:sct:)?([0-9]{5,18}) ?\|([^|]+)\|", re.ASCII)
_CODE: Final = re.compile(r"(?:sct:)?([0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site: `paired` needs a laterality, `midline` has none, `sensitive` may show an intimate region."""

    code: str  # SNOMED CT, scheme "SCT" (PS3.16 8.2-1)
    meaning: str
    paired: bool
    sensitive: bool
    midline: bool = False
    laterality: str | None = None  # "left" or "right" when the words or the code say so: "left forearm"
    sets: tuple[str, ...] = ()  # code sets that list it: "dicom-anatomy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Finds sites by term, code or local word."""

    by_word: Mapping[str, Site]
    local: Mapping[str, str] = field(default_factory=dict)  # policy's `also_called`
    codes: tuple[str, ...] = ()  # the code sets that the policy chose; none: all
    terms: tuple[str, ...] = ()  # words of those sets, and local ones: what is offered for a wrong word

    def find(self, words: str | None) -> Site | None:
        """Return the site that a description means, or None: an unknown word is a missing fact."""
        if not words:
            return None
        word = normal(words)
        found = self._one(word)
        if found is None:
            side, rest = sided(word)
            plain = self._one(rest) if side else None
            if plain is not None and plain.laterality in (None, side):  # "right left groin" is nothing
                found = replace(plain, laterality=side)
        return found

    def lists(self, site: Site) -> bool:
        """Say whether a code set that the policy chose lists the site."""
        return not self.codes or not set(self.codes).isdisjoint(site.sets)

    def _one(self, word: str) -> Site | None:
        word = self.local.get(word, word)
        found = self.by_word.get(word) or self.by_word.get(word.removesuffix("s"))
        if found is None and (coded := _CODED.fullmatch(word)):
            by_code, by_term = self.by_word.get(coded[1]), self._one(coded[2].strip())
            # a code and a term that mean two things mean nothing
            return by_code if by_code and by_term and by_code.code == by_term.code else None
        return found

    def wrong_code(self, words: str) -> str | None:
        """Say what is wrong with a code that finds nothing (V3); None when the text is no code."""
        code, term = code_of(words), term_of(words)
        if code is None:
            return None
        site = self.by_word.get(code)
        if site is None:
            return f"'{shown(words.strip())}' is no code of a body site"
        return f"{code} is '{site.meaning}', not '{shown(term)}'" if term else None

    def words(self) -> Iterator[str]:
        """Go through all words that are known without a policy."""
        return iter(self.by_word)


def sided(word: str) -> tuple[str, str]:
    """Split a normal word into its side and the rest: "left hand", "hand, left"; ("", word) without one."""
    first, _, rest = word.partition(" ")
    if rest and first in ("left", "right"):
        return first, rest
    rest, _, last = word.rpartition(" ")
    return (last, rest.rstrip(" ,")) if rest and last in ("left", "right") else ("", word)


def code_of(words: str) -> str | None:
    """Return the code when a text is a code, alone or with a term behind it; else None."""
    word = normal(words)
    found = _CODE.fullmatch(word) or _CODED.fullmatch(word)
    return found[1] if found else None


def term_of(words: str) -> str | None:
    """Return the term of "14975008 |Forearm|"; None for every other text."""
    found = _CODED.fullmatch(normal(words))
    return found[2].strip() if found else None


def normal(words: str) -> str:
    """Bring a term into one spelling: small letters, single spaces, no '-' or '_'."""
    return re.sub(r"[\s_-]+", " ", words).strip().lower()


def chosen(codes: tuple[str, ...], local: Mapping[str, str]) -> Sites:
    """Return the packaged sites as a policy sees them: its code sets, its own words."""
    known = packaged()
    own = tuple(dict.fromkeys((*_terms(codes), *sorted(local))))
    return Sites(by_word=known.by_word, local=local, codes=codes, terms=own)


@lru_cache(maxsize=8)
def _terms(codes: tuple[str, ...]) -> tuple[str, ...]:
    """List the words, not the codes, of some sets; those of DICOM before everyday ones."""
    chosen_sets = set(codes)
    return tuple(
        word
        for word, site in packaged().by_word.items()
        if not _CODE.fullmatch(word) and (not codes or not chosen_sets.isdisjoint(site.sets))
    )


@lru_cache(maxsize=1)
def packaged() -> Sites:
    """Read the packaged table (source and codes stand in the file)."""
    table = _data("sites.json")
    by_word: dict[str, Site] = {}
    for row in table["sites"]:
        listing = (name for name, groups in table["sets"].items() if not set(groups).isdisjoint(row["cid"]))
        site = Site(
            code=row["code"],
            meaning=row["meaning"],
            paired=row["paired"],
            sensitive=row["sensitive"],
            midline=row["midline"],
            laterality=row.get("side"),
            sets=tuple(listing),
        )
        for word in (row["meaning"], row["code"], f"SCT:{row['code']}", *row["also"]):
            by_word.setdefault(normal(word), site)
    return Sites(by_word=by_word)


@lru_cache(maxsize=1)
def sides() -> Mapping[str, str]:
    """Read the words for sides of CID 244: "bilateral" → "both"; "" is a side that is not said."""
    return _words(_data("laterality.json")["sides"], "word")


@lru_cache(maxsize=1)
def views() -> Mapping[str, str]:
    """Read everyday words for medsnap's own list of views: "macro" → "close up"."""
    return _words(_data("views.json")["views"], "term")


def _words(rows: list[dict[str, Any]], key: str) -> Mapping[str, str]:
    return {normal(word): normal(row[key]) for row in rows for word in (row[key], *row["also"]) if word}


def _data(name: str) -> Any:
    return json.loads(resources.files("medsnap.policy").joinpath("data", name).read_text("utf-8"))
