"""A policy in sentences for the people who answer for it: no YAML, each sentence with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from medsnap.model.decision import Verb
from medsnap.policy.board_taken import taken
from medsnap.policy.board_words import (
    FATE,
    MAX_NAMED,
    Sentence,
    listed,
    named,
    places,
    say,
    section,
    upper,
)
from medsnap.policy.nouns import FeatureRule, Looks, Policy, Rule


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading and its sentences."""

    title: str
    sentences: tuple[Sentence, ...]


def chapters(policy: Policy) -> tuple[Chapter, ...]:
    """Return the whole policy, effective with what baseline adds, in the order in which boards ask."""
    parts = (
        ("Who decides", _decides),
        ("Which photographs are taken in", taken),
        ("What is written with each photograph", _described),
        ("What is taken out of each file", _scrubbed),
        ("Who may open photographs", _opened),
        ("What hides a photograph", _hidden),
        ("Special cases", _cases),
        ("Who must look", _looked),
        ("Where photographs may go", _goes),
        ("Consent, emergencies, keeping", _kept),
    )
    made = (Chapter(title, tuple(write(policy))) for title, write in parts)
    return tuple(chapter for chapter in made if chapter.sentences)


def _decides(policy: Policy) -> Iterator[Sentence]:
    span = policy.in_force
    grace = f", and for care {span.grace.days} days longer" if span.grace.days else ""
    yield Sentence(f"This policy holds from {span.first} until {span.last}{grace}.", span.where)
    body = section(policy, "governance").get("body")
    if body:
        yield say(policy, "governance.body", f"The governing body is: {body}.")
    for seat in policy.seats:
        who = (
            f"{listed(seat.people)} must sign"
            if seat.sign == len(seat.people)
            else f"{seat.sign} of {listed(seat.people, 'or')} must sign"
        )
        yield Sentence(f"For the seat “{seat.name}” {who}.", seat.where)
    departments = section(policy, "departments")
    if departments:
        who = listed(departments)
        text = f"Photographs are taken by these departments: {who}; others wait for a person."
        yield say(policy, "departments", text)
    relax = policy.settings.get("departments_may_relax")
    if isinstance(relax, list) and relax:
        text = f"A department may tighten everything, and loosen only: {listed(named(relax))}."
        yield say(policy, "departments_may_relax", text)
    waivers = section(policy, "waivers")
    if waivers:
        never = waivers.get("never_for") or []
        beside = f", never for {listed(named(never), 'or')}" if never else ""
        signed = listed(waivers["signed_by"])
        text = f"Exceptions end after {waivers['at_most']} at most and are signed by {signed}{beside}."
        yield say(policy, "waivers", text)
    else:
        yield Sentence("No exceptions are allowed.", policy.where("policy"))


def _described(policy: Policy) -> Iterator[Sentence]:
    vocabulary = policy.vocabulary
    if not vocabulary.required:
        return
    yield say(policy, "vocabulary.required", f"Each photograph states its {listed(vocabulary.required)}.")
    waits = [key for key in vocabulary.required if key in vocabulary.quarantines]
    if waits:
        text = f"Without its {listed(waits, 'or')} it waits for a person."
        yield Sentence(text, places(vocabulary.where[key] for key in waits))
    for key, words in (("view", vocabulary.view), ("reason", vocabulary.reason)):
        if words:
            yield say(policy, f"vocabulary.{key}", f"The {key} is one of: {', '.join(words)}.")


def _scrubbed(policy: Policy) -> Iterator[Sentence]:
    choices = section(policy, "scrub")
    words = {
        "keep": "stays in the file",
        "catalogue": "is taken out and noted in the catalogue",
        "remove": "is taken out",
    }
    for choice in ("keep", "catalogue", "remove"):
        keys = [k for k, v in choices.items() if v == choice]
        if keys:
            plural = words[choice].replace("stays", "stay").replace("is ", "are ", 1)
            verb = words[choice] if len(keys) == 1 else plural
            text = upper(f"{listed(named(keys))} {verb}.")
            yield Sentence(text, places(policy.where(f"scrub.{k}") for k in keys))


def _opened(policy: Policy) -> Iterator[Sentence]:
    groups = policy.compartments
    for number, group in enumerate(groups, 1):
        who = listed(f"the role {role}" for role in group.open_to) if group.open_to else "nobody"
        text = f"Group {number}, “{group.name}”, is open to {who}"
        beside = "." if number == 1 else "; for everybody else its photographs do not exist."
        yield Sentence(text + beside, group.where)
    if len(groups) > 1:
        yield say(
            policy,
            "compartments",
            "Of several groups that reasons name, the last in this order holds the photograph.",
        )


def _hidden(policy: Policy) -> Iterator[Sentence]:
    words = {
        Verb.ACCEPT: "These do not hide a photograph",
        Verb.REDACT: "The original is locked away ({to}) and others get a covered copy when it shows",
        Verb.RESTRICT: "It is locked away ({to}) when it shows",
        Verb.QUARANTINE: "It waits for a person when it shows",
        Verb.REJECT: "It is not taken in when it shows",
        Verb.SAFEGUARD: "It is sealed as it came ({to}) when it shows",
    }
    groups: dict[tuple[Verb, str | None], list[FeatureRule]] = {}
    for rule in policy.features.values():
        groups.setdefault((rule.verb, rule.to), []).append(rule)
    for (verb, to), rules in groups.items():
        names = listed((rule.name for rule in rules[:MAX_NAMED]), "or")
        yield Sentence(f"{words[verb].format(to=to)}: {names}.", places(rule.where for rule in rules))


def _cases(policy: Policy) -> Iterator[Sentence]:
    for rule in policy.rules:
        follow = " The other photographs of the visit follow." if rule.whole_study else ""
        place = f" ({rule.to})" if rule.to else ""
        facts = listed(_when(rule))
        yield Sentence(
            f"When {facts}, the photograph {FATE[rule.verb]}{place}: {rule.because}{follow}", rule.where
        )


def _when(rule: Rule) -> Iterator[str]:
    when = rule.when
    if when.feature:
        yield f"{listed(when.feature, 'or')} shows or may show"
    if when.patient_younger_than is not None:
        yield f"the patient is younger than {when.patient_younger_than} (or the age is not known)"
    for name, words in (
        ("department", when.department),
        ("reason", when.reason),
        ("view", when.view),
        ("device", when.device),
        ("detour", when.source),
        ("purpose", when.purpose),
    ):
        if words:
            yield f"the {name} is {listed(words, 'or')}"
    if when.body_site:
        yield "the body site is one that the rule names"


_LOOKS: Final = {
    Looks.EVERY_PHOTO: "Every photograph waits until a person has looked for what no detector can find.",
    Looks.BEFORE_OPENING: "Before anybody but a reviewer opens a photograph, a person has looked for what no"
    " detector can find; an ordinary photograph reaches the record meanwhile.",
    Looks.WHEN_UNSURE: "A person looks only for what no trusted detector has cleared.",
}


def _looked(policy: Policy) -> Iterator[Sentence]:
    detection = policy.detection
    yield Sentence(_LOOKS[detection.person_looks], detection.where_looks)
    text = (
        f"A detector that is at least {detection.certain_at:.0%} sure counts as having seen;"
        f" from {detection.suspect_at:.0%} on a person looks."
    )
    yield Sentence(text, detection.where_suspect)
    views = detection.cannot_appear_in
    for view, features in views.items():
        yield say(
            policy,
            "detection.cannot_appear_in",
            f"In a view “{view}” these cannot appear: {listed(sorted(features))}.",
        )
    if policy.clinician_may_clear:
        names = listed(sorted(policy.clinician_may_clear))
        yield say(policy, "manifest.may_clear", f"The capturing clinician's word settles: {names}.")
    if policy.review.by:
        within = f" within {policy.review.within}" if policy.review.within else ""
        text = f"What waits is looked at by the role {listed(policy.review.by, 'or the role')}{within}."
        yield Sentence(text, policy.review.where)


def _goes(policy: Policy) -> Iterator[Sentence]:
    if not policy.exports:
        yield Sentence("Photographs go nowhere.", policy.where("policy"))
    for export in policy.exports:
        groups = f"of the groups {listed(export.may_carry)}" if export.may_carry else "open to all"
        dates = "; dates are shifted" if export.dates == "shift" else ""
        wait = "; only after a person has looked" if export.unlooked == "wait" else ""
        portal = "; the patient's portal may show them" if export.patient_portal == "release" else ""
        text = f"“{export.name}” gets photographs {groups} for {export.purpose}{dates}{wait}{portal}."
        if not export.may_carry:
            text = f"“{export.name}” may carry no group yet, so nothing goes there for {export.purpose}."
        yield Sentence(text, export.where)


def _kept(policy: Policy) -> Iterator[Sentence]:
    for use, rule in policy.consent.items():
        show = " only a covered copy is shown" if rule.show == "redacted" else " the original may be shown"
        agree = f", and {rule.reviewers} people must agree" if rule.reviewers > 1 else ""
        yield Sentence(f"For {use} consent is {rule.need};{show}{agree}.", rule.where)
    glass = section(policy, "break_glass")
    if glass:
        never = f", never for {listed(glass['never'], 'or')}" if glass.get("never") else ""
        text = (
            f"In an emergency the role {listed(glass['open_to'], 'or')} may open for {glass['lasts']};"
            f" the role {listed(glass['tell'])} is told{never}."
        )
        yield say(policy, "break_glass", text)
    else:
        yield Sentence("There is no emergency access.", policy.where("policy"))
    retention = section(policy, "retention")
    if retention.get("keep"):
        minors = retention.get("minors_until_age")
        beside = f", of children until they are {minors}" if minors else ""
        yield say(policy, "retention.keep", f"Photographs are kept {retention['keep']}{beside}.")
    if retention.get("off_the_device_within"):
        text = f"They are off the device within {retention['off_the_device_within']}."
        yield say(policy, "retention.off_the_device_within", text)
