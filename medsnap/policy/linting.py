"""Lint whatever a governing body keeps beside its policy: policies, keyrings, waivers, tests."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Final

from medsnap.errors import PolicyError
from medsnap.policy import keyring
from medsnap.policy.cases import lint_cases
from medsnap.policy.findings import LintFinding
from medsnap.policy.loading import lint_file, read_text
from medsnap.policy.waiver_file import lint_waiver, policy_of

_WAIVER: Final = re.compile(r"^waiver:", re.MULTILINE)
_TEST: Final = re.compile(r"^cases:", re.MULTILINE)


def is_waiver(text: str) -> bool:
    """Say whether a text says that it is a waiver."""
    return _WAIVER.search(text) is not None


def lint_path(path: Path, *, now: datetime) -> tuple[LintFinding, ...]:
    """List what is wrong with a file, by what it says it is. Raises InputMissing."""
    try:
        text = read_text(path)
    except PolicyError:
        return lint_file(path, now=now)  # no UTF-8: its finding is the same for all kinds
    if keyring.is_ring(text):
        return keyring.lint(text, str(path))
    if is_waiver(text):
        return lint_waiver(text, str(path), policy_of(path, text), now=now)
    if _TEST.search(text):
        return lint_cases(text, str(path))
    return lint_file(path, now=now)
