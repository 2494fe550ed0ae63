"""Which photos two policies cannot tell apart: their evidence differs in words, or within one band.

Hardly any two photos have the same evidence (scores, dates, assets), but a policy sees only whether a
score reaches a threshold and an age a limit. The key is worked out on the canonical JSON text, for
decoding 50,000 texts takes longer than deciding what is left.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from medsnap.policy.facts import ADULT
from medsnap.policy.nouns import Policy
from medsnap.policy.sites import normal

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_DAYS: Final = "last_seen|inventory_date|released"
_WORDS: Final = f"because|asset|claimed_by|owner|last_user|body_site|view|reason|department|{_DAYS}"
# Within a text every quote is escaped, and no value is followed by a colon: only keys match.
_PARTS: Final = re.compile(
    rf'"(?P<name>(?:{_WORDS})(?=":["n])|contradictions(?=":\[)|score(?=":[-0-9])|patient_age(?=":[-0-9]))":'
    rf"(?P<value>{_STRING}|null|-?[0-9][0-9.eE+-]*|\[(?:{_STRING},?)*\])"
)


class Alike:
    """Gives photos one key that all of these policies decide in the same way, but for words."""

    def __init__(self, policies: Iterable[Policy], now: datetime) -> None:
        self._sides = [s for policy in policies for s in (policy, policy.also) if s is not None]
        rules = [rule.when for side in self._sides for rule in side.rules]
        detections = [side.detection for side in self._sides]
        self._scores = sorted({s for d in detections for s in (d.certain_at, d.suspect_at)})
        limits = {when.patient_younger_than for when in rules}
        self._ages = sorted({0, ADULT, 151} | {limit for limit in limits if limit is not None})
        spans = {side.devices.managed.seen_within for side in self._sides}
        spans |= {side.devices.inventory_max_age for side in self._sides}
        spans |= {side.software.not_older_than for side in self._sides}
        self._spans = sorted(span for span in spans if span is not None)
        self._today = now.date()
        narrow = [waiver.narrow for side in self._sides for waiver in side.waivers]
        # words that some line names; all others are alike when both policies know them
        self._views = {v for w in rules for v in w.view} | {v for d in detections for v in d.cannot_appear_in}
        self._views |= {normal(n.view) for n in narrow if n.view}
        self._reasons = {reason for when in rules for reason in when.reason}
        self._reasons |= {normal(n.reason) for n in narrow if n.reason}
        self._departments = {name for when in rules for name in when.department}
        self._departments |= {n.department for n in narrow if n.department}
        self._sites = {code for when in rules for code in when.body_site}
        self._sites |= {n.body_site for n in narrow if n.body_site}
        self._waived = any(side.waivers for side in self._sides)
        self._seen: dict[str, str] = {}

    def key(self, text: str) -> str:
        """Return the key of one evidence, given as canonical JSON."""
        return _PARTS.sub(self._part, text)

    def _part(self, match: re.Match[str]) -> str:
        found = self._seen.get(match[0])
        if found is None:
            name = match["name"]
            found = self._seen[match[0]] = f'"{name}":{self._band(name, json.loads(match["value"]))}'
        return found

    def _band(self, name: str, value: Any) -> str:
        match name:
            case "score":
                return f"{bisect_right(self._scores, value)} {value > 0}"
            case "patient_age":
                return str(bisect_right(self._ages, value))
            case "last_seen" | "inventory_date" | "released":
                return self._lag(value)
            case "contradictions":
                return str(bool(value))
            case "body_site":
                return str([self._site(side, value) for side in self._sides])
            case "view" | "reason" | "department":
                return str([self._word(side, name, value) for side in self._sides])
            case "asset" if self._waived:
                return repr(value)  # a waiver may be for one device
            case _:
                return ""  # words for people

    def _lag(self, day: str | None) -> str:
        if day is None:
            return "none"
        lag = self._today - date.fromisoformat(day)
        return str([lag > span for span in self._spans])

    def _site(self, side: Policy, words: str | None) -> str:
        site = side.vocabulary.sites.find(words)
        if site is None:
            return "missing"
        return repr(replace(site, code=site.code if site.code in self._sites else "", meaning=""))

    def _word(self, side: Policy, name: str, word: str | None) -> str:
        if name == "department":
            named, known, plain = self._departments, side.departments, word
        else:
            view = name == "view"
            named = self._views if view else self._reasons
            known = frozenset(side.vocabulary.view if view else side.vocabulary.reason)
            plain = normal(word or "")
        return repr(plain) if plain in named else str(plain in known)
