"""Votes on how a photo is described (rules V1, V2 and V4): missing, unknown and contradicting words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from medsnap.model.decision import Verb, Vote
from medsnap.policy.facts import Facts
from medsnap.policy.findings import shown
from medsnap.policy.nouns import Policy
from medsnap.policy.sites import SIDES, normal, sided, sides, views

_LONGEST: Final = 80  # characters of a foreign word that are compared at all


def described_votes(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Cast a vote for each required word that is missing (M19), and for words that contradict (V4)."""
    words = policy.vocabulary
    against = _contradiction(facts)
    if against:
        yield _vote(policy, "laterality", Verb.QUARANTINE, against)
    for key in words.required:
        why = _missing(policy, facts, key)
        if why and not (against and key == "laterality"):
            verb = Verb.QUARANTINE if key in words.quarantines else Verb.ACCEPT
            yield _vote(policy, key, verb, why)
    if facts.site is not None and not words.sites.lists(facts.site):
        where = policy.where("vocabulary.body_site.codes")
        other = " and ".join(facts.site.sets)
        why = f"warning: '{facts.site.meaning}' is a term of {other}, not of {', '.join(words.sites.codes)}"
        yield Vote(verb=Verb.ACCEPT, path="vocabulary.body_site", where=where, because=why)


def _vote(policy: Policy, key: str, verb: Verb, because: str) -> Vote:
    where = policy.vocabulary.where.get(key) or policy.where(f"vocabulary.when_missing.{key}")
    return Vote(verb=verb, path=f"vocabulary.{key}", where=where, because=because)


def _missing(policy: Policy, facts: Facts, key: str) -> str | None:
    """Say why a required word is missing; None when it is there, or not asked for."""
    said, words = facts.evidence.description, policy.vocabulary
    match key:
        case "body_site":
            if facts.site:
                return None
            wrong = words.sites.wrong_code(said.body_site or "")
            return f"the site: {wrong}" if wrong else _unknown(said.body_site, "site", words.sites.terms)
        case "laterality":
            if facts.laterality in SIDES or not (facts.site and facts.site.paired):
                return None
            if facts.said_side is None and said.laterality and sides().get(normal(said.laterality)) != "":
                return _unknown(said.laterality, "laterality", SIDES)
            return f"the laterality is not given; '{facts.site.meaning}' is paired: left, right or both"
        case "view":
            return None if facts.view else _unknown(said.view, "view", words.view)
        case "reason":
            return None if facts.reason else _unknown(said.reason, "reason", words.reason)
        case "lesion":
            return None if (said.lesion or "").strip() else "the lesion is not given"
        case _:
            return f"the {key} is not given"


def _contradiction(facts: Facts) -> str | None:
    """Say how site and side contradict each other: "left hand" on the right, or a side of the nose (V4)."""
    site = facts.site
    if site is None:
        return None
    if site.midline and (site.laterality or facts.said_side in SIDES):
        named = site.laterality or facts.said_side
        return f"'{site.meaning}' lies in the midline, but the side is said to be '{named}'"
    side = facts.said_side if facts.said_side in SIDES else None
    if side and site.laterality and side != site.laterality:
        term = site.meaning.lower().removeprefix(site.laterality).strip()
        return f"the site says '{site.laterality} {term}', the laterality '{side}'"
    return None


def _unknown(word: str | None, what: str, known: tuple[str, ...]) -> str:
    """Say that a word is not given, or not in the list, with the nearest one."""
    if not (word or "").strip():
        return f"the {'body site' if what == 'site' else what} is not given"
    close = nearest(word or "", known)
    return f"{what} '{shown(word or '')}' is not in the list" + (f"; nearest '{close}'" if close else "")


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """Return the listed word that comes closest to a foreign one, with its side kept; None when none does."""
    return _nearest(normal(word[:_LONGEST]), known)


# Photos of one dump share their mistakes; a word costs milliseconds once.
@lru_cache(maxsize=4096)
def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    for everyday in (views(), sides()):
        meant = everyday.get(word)
        if meant and meant in known:
            return meant
    side, rest = sided(word)
    close = difflib.get_close_matches(rest, known, n=1, cutoff=0.6)
    return f"{side} {close[0]}".strip() if close else None
