"""What the planted mistakes of policy.md 3.10 are told, to the letter: file, line, column, code, guess."""

from __future__ import annotations

from medsnap import policy
from medsnap.policy.parents import Source

BAD = """\
medsnap: 1
policy: bad
version: 1
extends: northside@4
department: surgery
featurs: {}
features:
  tatoo: accept
  text: {do: redact}
  face: {do: redcat, to: identifable}
  scar: accept
  scar: restrict
sources:
  messaging_app: accept
in_force: {from: 2026-01-01, until: 2036-12-31}
"""
PRINTED = """\
bad.yaml:12:3: E101 'scar' is written twice (first on line 11)
bad.yaml:6:1: E102 unknown section 'featurs'; did you mean 'features'?
bad.yaml:8:3: E102 unknown feature 'tatoo'; did you mean 'tattoo'?
bad.yaml:10:14: E102 unknown action 'redcat'; did you mean 'redact'?
bad.yaml:10:26: E102 unknown compartment 'identifable'; did you mean 'identifiable'?
bad.yaml:9:9: E110 'redact' needs 'to:', the compartment the original goes into
bad.yaml:14:18: E201 sources.messaging_app: 'accept' is weaker than 'quarantine' (northside.yaml:43); \
the hospital does not list it under departments_may_relax
"""


def _hospital(name: str, version: int) -> Source:
    assert (name, version) == ("northside", 4)
    return Source(name="northside.yaml", text=policy.packaged("hospital").read_text("utf-8"))


def test_the_planted_mistakes_are_told_to_the_letter() -> None:
    found = policy.lint(BAD, "bad.yaml", parents=_hospital)
    assert {str(finding) for finding in found} == set(PRINTED.splitlines())
    assert [f.line for f in found] == sorted(f.line for f in found), "in the order of the file"
