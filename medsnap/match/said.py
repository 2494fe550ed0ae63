"""What the capturing clinician says of a photo's features in its manifest row."""

from __future__ import annotations

from medsnap.model.finding import Statement
from medsnap.model.study import Match


def statements(matched: Match) -> tuple[Statement, ...]:
    """Return one statement a feature; whether they count is the policy's to say (M7)."""
    who = matched.operator or ""
    return tuple(
        Statement(feature=feature, seen=seen, person=who, role="clinician")
        for feature, seen in matched.features
    )
