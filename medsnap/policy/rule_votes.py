"""Votes of `rules`: several facts together, where a missing one counts as so (M5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medsnap.model.decision import Verb, Vote
from medsnap.policy.facts import Facts
from medsnap.policy.nouns import Policy, Rule


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matches: its vote, and the facts it had to take for granted."""

    rule: Rule
    vote: Vote
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Test:
    """One condition: does it hold, is its fact missing, and what it says in words."""

    holds: bool
    words: str = ""
    missing: tuple[str, ...] = ()


def rule_matches(policy: Policy, facts: Facts) -> Iterator[Match]:
    """Go through the rules that match, or could match were a missing fact known."""
    for rule in policy.rules:
        tests = list(_tests(rule, facts))
        if tests and all(test.holds for test in tests):
            said = "; ".join(test.words for test in tests if test.words)
            yield Match(
                rule,
                Vote(
                    verb=rule.verb,
                    path=rule.path,
                    where=rule.where,
                    compartment=rule.to,
                    reviewers=rule.reviewers if rule.verb > Verb.ACCEPT else 0,
                    because=f"{said} — {rule.because}" if rule.because else said,
                ),
                tuple(fact for test in tests for fact in test.missing),
            )


def _tests(rule: Rule, facts: Facts) -> Iterator[_Test]:
    when, evidence = rule.when, facts.evidence
    if when.feature:
        yield _feature(when.feature, facts)
    yield from _word("reason", when.reason, facts.reason)
    yield from _word("view", when.view, facts.view)
    yield from _word("department", when.department, evidence.department)
    yield from _word("device", when.device, facts.device, known=_unknown_device(when.device, facts))
    if when.body_site:
        there = facts.site is not None and facts.site.code in when.body_site
        name = facts.site.meaning if facts.site else "not known"
        yield _Test(there or facts.site is None, f"body site {name}", () if facts.site else ("body_site",))
    if when.source:
        kinds = sorted({str(sign.kind) for sign in evidence.signs} & set(when.source))
        yield _Test(bool(kinds), ", ".join(kinds).replace("_", " "))
    if when.purpose:
        yield _Test(evidence.purpose in when.purpose, f"purpose {evidence.purpose}")
    if when.patient_younger_than is not None:
        yield _younger(when.patient_younger_than, facts)


def _unknown_device(wanted: tuple[str, ...], facts: Facts) -> bool:
    return "unknown" in wanted and facts.device is None


def _word(name: str, wanted: tuple[str, ...], said: str | None, *, known: bool = False) -> Iterator[_Test]:
    if wanted:
        missing = said is None and not known
        words = f"{name} {said}" if said is not None else f"{name} not known"
        yield _Test(said in wanted or said is None, words, (name,) if missing else ())


def _younger(limit: int, facts: Facts) -> _Test:
    if facts.age is None:
        return _Test(True, "the patient's age is not known", ("patient_age",))
    return _Test(facts.age < limit, f"patient is {facts.age}")


def _feature(wanted: tuple[str, ...], facts: Facts) -> _Test:
    """Match *seen* and *doubtful*; *not checked* only where the site is missing or sensitive."""
    present = [name for name in wanted if facts.present(name)]
    if present:
        return _Test(True, ", ".join(facts.known[name].because for name in present))
    open_ = [name for name in wanted if facts.unchecked(name)]
    if open_ and facts.site_may_be_intimate:
        site = f"body site {facts.site.meaning}" if facts.site else "body site not known"
        gaps = (open_[0],) if facts.site else (open_[0], "body_site")
        return _Test(True, f"{', '.join(open_)} not checked, {site}", gaps)
    return _Test(False)
