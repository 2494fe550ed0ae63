"""Which photos two policies cannot tell apart: their evidence differs in words, or within one band.

Hardly any two photos have the same evidence (scores, dates, assets), but a policy sees only whether a
score reaches a threshold and an age a limit. The key is worked out on the canonical JSON text, for
decoding 50,000 texts takes longer than deciding what is left.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from medsnap.policy.facts import ADULT
from medsnap.policy.nouns import Policy

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
# Within a text every quote is escaped, and no value is followed by a colon: only keys match.
_PARTS: Final = re.compile(
    rf'"(?:(?P<words>because|asset|claimed_by|owner)":(?:{_STRING}|null)'
    rf'|(?P<many>contradictions)":\[{_STRING}[^\]]*\]'
    r'|(?P<score>score)":(?P<value>-?[0-9.eE+-]+)'
    r'|(?P<age>patient_age)":(?P<years>-?[0-9]+)'
    r'|(?P<date>last_seen|inventory_date)":"(?P<day>[0-9-]{10})")'
)


class Alike:
    """Gives photos one key that all of these policies decide in the same way, but for words."""

    def __init__(self, policies: Iterable[Policy], now: datetime) -> None:
        both = [side for policy in policies for side in (policy, policy.also) if side is not None]
        scores = {s for p in both for s in (p.detection.certain_at, p.detection.suspect_at)}
        self._scores = sorted(scores)
        limits = {rule.when.patient_younger_than for p in both for rule in p.rules}
        self._ages = sorted({0, ADULT, 151} | {limit for limit in limits if limit is not None})
        spans = {p.devices.managed.seen_within for p in both} | {p.devices.inventory_max_age for p in both}
        self._spans = sorted(span for span in spans if span is not None)
        self._today = now.date()
        self._days: dict[str, str] = {}

    def key(self, text: str) -> str:
        """Return the key of one evidence, given as canonical JSON."""
        return _PARTS.sub(self._band, text)

    def _band(self, match: re.Match[str]) -> str:
        if match["words"]:
            return f'"{match["words"]}"'
        if match["many"]:
            return '"contradicted"'
        if match["score"]:
            score = float(match["value"])
            return f"score {bisect_right(self._scores, score)} {score > 0}"
        if match["age"]:
            return f"age {bisect_right(self._ages, int(match['years']))}"
        return f"{match['date']} {self._lag(match['day'])}"

    def _lag(self, day: str) -> str:
        found = self._days.get(day)
        if found is None:
            lag = self._today - date.fromisoformat(day)
            # a day is compared with whole spans, so the bands are those that it exceeds
            found = self._days[day] = str(
                sum(lag > span for span in self._spans) if lag >= timedelta(0) else -1
            )
        return found
