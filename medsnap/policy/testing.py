"""Run the cases of a test file: what came out, what should have, and which rule nobody tries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medsnap.model.decision import Decision, Verb
from medsnap.policy.cases import Case, Facts, Suite, evidence, joined, moment
from medsnap.policy.engine import decide, study_votes
from medsnap.policy.findings import LintFinding, Severity
from medsnap.policy.nouns import Policy
from medsnap.policy.waiver import Waiver, lifted


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One expectation that did not hold."""

    key: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.key}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a case came to."""

    case: Case
    decision: Decision
    wrong: tuple[Wrong, ...]

    @property
    def passed(self) -> bool:
        """Say whether all expectations held."""
        return not self.wrong


def run(suite: Suite, waivers: tuple[Waiver, ...] = ()) -> tuple[Result, ...]:
    """Decide every case of a test file."""
    return tuple(judge(suite.policy, suite.given, case, waivers) for case in suite.cases)


def judge(policy: Policy, given: Facts, case: Case, waivers: tuple[Waiver, ...] = ()) -> Result:
    """Decide one case under a policy."""
    facts = joined(given, case.photo)
    decision = decide(policy, evidence(policy, facts), moment(policy, facts), waivers=waivers)
    seen = observed(policy, decision)
    wrong = tuple(
        Wrong(key=key, expected=_words(wanted), got=_words(seen[key]))
        for key, wanted in case.expect.items()
        if _words(wanted) != _words(seen[key])
    )
    return Result(case=case, decision=decision, wrong=wrong)


def observed(policy: Policy, decision: Decision) -> dict[str, object]:
    """Return all that a case may expect, as it is."""
    return {
        "do": decision.verb,
        "to": decision.compartment,
        "reviewers": decision.reviewers,
        "decided_by": decision.decided_by,
        "provisional": bool(decision.provisional),
        "may_leave_to": tuple(sorted(decision.may_leave_to)),
        "whole_study": bool(study_votes(policy, decision)),
        "waived_by": tuple(sorted(lifted(decision))),
    }


def _words(value: object) -> str:
    if isinstance(value, Verb):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"[{', '.join(sorted(value))}]" if isinstance(value, tuple) else str(value)


def untried(suite: Suite, results: Iterable[Result]) -> tuple[LintFinding, ...]:
    """List the policy's own rules that decide no case (W301)."""
    decided = {result.decision.decided_by for result in results}
    return tuple(
        LintFinding(
            file=suite.policy_file,
            line=int(rule.where.rpartition(":")[2] or 1),
            column=1,
            code="W301",
            message=f"the rule '{rule.id}' never decides any test",
            severity=Severity.WARNING,
        )
        for rule in suite.policy.rules
        if rule.path not in decided and rule.where.rpartition(":")[0] == own_file(suite.policy)
    )


def own_file(policy: Policy) -> str:
    """Return the base name of the policy's own file, as reasons print it."""
    return policy.lines.get("policy", "").rpartition(":")[0]
