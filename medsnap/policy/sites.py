"""Body sites: DICOM's SNOMED CT terms with what medsnap must know of each (policy.md 1.3, M19)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site: `paired` needs a laterality, `sensitive` may show an intimate region."""

    code: str  # SNOMED CT, scheme "SCT" (PS3.16 8.2-1)
    meaning: str
    paired: bool
    sensitive: bool
    laterality: str | None = None  # "left" or "right" when the words said so: "left forearm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Finds sites by term, code or local word."""

    by_word: Mapping[str, Site]
    local: Mapping[str, str] = field(default_factory=dict)  # policy's `also_called`

    def find(self, words: str | None) -> Site | None:
        """Return the site that a description means, or None: an unknown word is a missing fact."""
        if not words:
            return None
        word = normal(words)
        found = self._one(word)
        side, _, rest = word.partition(" ")
        if found is None and side in ("left", "right") and rest:
            plain = self._one(rest)
            return None if plain is None else _sided(plain, side)
        return found

    def _one(self, word: str) -> Site | None:
        word = self.local.get(word, word)
        return self.by_word.get(word) or self.by_word.get(word.removesuffix("s"))

    def words(self) -> Iterator[str]:
        """Go through all words that are known without a policy."""
        return iter(self.by_word)


def _sided(site: Site, side: str) -> Site:
    return Site(
        code=site.code, meaning=site.meaning, paired=site.paired, sensitive=site.sensitive, laterality=side
    )


def normal(words: str) -> str:
    """Bring a term into one spelling: small letters, single spaces, no '-' or '_'."""
    return re.sub(r"[\s_-]+", " ", words).strip().lower()


@lru_cache(maxsize=1)
def packaged() -> Sites:
    """Read the packaged table (source and codes stand in the file)."""
    text = resources.files("medsnap.policy").joinpath("data/sites.json").read_text("utf-8")
    by_word: dict[str, Site] = {}
    for row in json.loads(text)["sites"]:
        site = Site(
            code=row["code"], meaning=row["meaning"], paired=row["paired"], sensitive=row["sensitive"]
        )
        for word in (row["meaning"], row["code"], f"SCT:{row['code']}", *row["also"]):
            by_word.setdefault(normal(word), site)
    return Sites(by_word=by_word)
