"""Lint findings as the entries that SARIF and JUnit are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from medsnap.report.listing import Entry, Level, Listing

if TYPE_CHECKING:
    from medsnap.policy import LintFinding


def entries(found: Iterable[LintFinding]) -> list[Entry]:
    """Make one entry of each finding."""
    return [
        Entry(
            rule=finding.code,
            level=Level(finding.severity),
            message=finding.message,
            file=finding.file,
            line=finding.line,
            column=finding.column,
        )
        for finding in found
    ]


def listing(name: str, listed: Iterable[Entry]) -> Listing:
    """Return a listing with every lint code as a rule."""
    from medsnap.policy.findings import CODES

    return Listing(name=name, rules=CODES, entries=tuple(listed))
