"""Votes on medsnap's own age: what it does not know to be new enough does not decide alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from medsnap.model.decision import Software, Vote
from medsnap.policy.device_votes import hold
from medsnap.policy.facts import Facts
from medsnap.policy.nouns import Policy

SINCE = "software.not_older_than"
FLOOR = "software.at_least"


def software_votes(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Hold every photo that a medsnap older than the policy allows has looked at."""
    for path, because in too_old(policy, facts.evidence.software, facts.now.date()):
        yield hold(path, policy.where(path), because)


def too_old(policy: Policy, software: Software | None, today: date) -> Iterator[tuple[str, str]]:
    """Go through the limits that a medsnap does not keep: path and sentence."""
    rule = policy.software
    if rule.not_older_than is not None:
        released = software.released if software else None
        if released is None or released > today:
            yield SINCE, "the day of medsnap's release is not known"
        elif today - released > rule.not_older_than:
            yield SINCE, f"this medsnap was released {(today - released).days} days ago"
    if rule.at_least is not None:
        found = release(software.version if software else "")
        floor = ".".join(map(str, rule.at_least))
        if found is None:
            yield FLOOR, "the version of medsnap is not known"
        elif found < rule.at_least:
            yield FLOOR, f"this medsnap is {software.version if software else ''}, older than {floor}"


def release(text: str | None) -> tuple[int, ...] | None:
    """Read a version of numbers and dots; None for everything else."""
    parts = (text or "").strip().split(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
        return None
    return tuple(int(part) for part in parts)
