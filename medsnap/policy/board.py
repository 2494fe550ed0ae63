"""A policy in sentences for the people who answer for it: no YAML, each sentence with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from medsnap.model.decision import DeviceClass, Verb
from medsnap.policy.nouns import FeatureRule, Looks, Policy, Rule

MAX_NAMED: Final = 40  # features in one sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the line (or lines) that say so."""

    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading and its sentences."""

    title: str
    sentences: tuple[Sentence, ...]


def chapters(policy: Policy) -> tuple[Chapter, ...]:
    """Return the whole policy, effective with what baseline adds, in the order in which boards ask."""
    parts = (
        ("Who decides", _decides),
        ("Which photographs are taken in", _taken),
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


_WORDS: Final = {
    "captured_at": "the time of capture",
    "device": "the device",
    "orientation": "the orientation",
    "colour_profile": "the colour profile",
    "everything_else": "everything else",
    "detection.person_looks": "when a person looks",
    "detection.cannot_appear_in": "what cannot appear in a view",
    "exports": "where photographs go",
    "ios": "iOS",
    "android": "Android",
}


def _named(paths: Iterable[str]) -> list[str]:
    """Name keys of the language in words: "features.scar" is "scar"."""
    return [_WORDS.get(path, path.rpartition(".")[2]) for path in paths]


def listed(words: Iterable[str], last: str = "and") -> str:
    """Write "a, b and c"; underscores and hyphens of names become spaces."""
    names = [str(word).replace("_", " ") for word in words]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def _say(policy: Policy, path: str, text: str) -> Sentence:
    return Sentence(text, policy.where(path))


def _section(policy: Policy, name: str) -> Mapping[str, Any]:
    found = policy.settings.get(name)
    return found if isinstance(found, Mapping) else {}


def _decides(policy: Policy) -> Iterator[Sentence]:
    span = policy.in_force
    grace = f", and for care {span.grace.days} days longer" if span.grace.days else ""
    yield Sentence(f"This policy holds from {span.first} until {span.last}{grace}.", span.where)
    body = _section(policy, "governance").get("body")
    if body:
        yield _say(policy, "governance.body", f"The governing body is: {body}.")
    for seat in policy.seats:
        who = (
            f"{listed(seat.people)} must sign"
            if seat.sign == len(seat.people)
            else f"{seat.sign} of {listed(seat.people, 'or')} must sign"
        )
        yield Sentence(f"For the seat “{seat.name}” {who}.", seat.where)
    departments = _section(policy, "departments")
    if departments:
        named = listed(departments)
        text = f"Photographs are taken by these departments: {named}; others wait for a person."
        yield _say(policy, "departments", text)
    relax = policy.settings.get("departments_may_relax")
    if isinstance(relax, list) and relax:
        text = f"A department may tighten everything, and loosen only: {listed(_named(relax))}."
        yield _say(policy, "departments_may_relax", text)
    waivers = _section(policy, "waivers")
    if waivers:
        never = waivers.get("never_for") or []
        beside = f", never for {listed(_named(never), 'or')}" if never else ""
        signed = listed(waivers["signed_by"])
        text = f"Exceptions end after {waivers['at_most']} at most and are signed by {signed}{beside}."
        yield _say(policy, "waivers", text)
    else:
        yield Sentence("No exceptions are allowed.", policy.where("policy"))


_DEVICE_WORDS: Final = {
    DeviceClass.MANAGED: "a device that the hospital manages",
    DeviceClass.PERSONAL: "a private device",
    DeviceClass.UNKNOWN: "a device that nobody knows, or that the file contradicts",
}
_FATE: Final = {
    Verb.ACCEPT: "is taken in",
    Verb.REDACT: "is locked away, and others get a covered copy",
    Verb.RESTRICT: "is locked away",
    Verb.QUARANTINE: "waits until a person has looked",
    Verb.REJECT: "is not taken in",
    Verb.SAFEGUARD: "is sealed as it came, and one role is told",
}


def _fate(rule: FeatureRule) -> str:
    return _FATE[rule.verb] + (f" ({rule.to})" if rule.to else "")


def _taken(policy: Policy) -> Iterator[Sentence]:
    devices = policy.devices
    for kind, rule in (
        (DeviceClass.MANAGED, devices.managed.rule),
        (DeviceClass.PERSONAL, devices.personal),
        (DeviceClass.UNKNOWN, devices.unknown),
    ):
        yield Sentence(f"A photograph from {_DEVICE_WORDS[kind]} {_fate(rule)}.", rule.where)
    floors = devices.managed.os_at_least
    if floors:
        oldest = listed(
            f"{_WORDS.get(name, name)} {'.'.join(map(str, floor))}" for name, floor in floors.items()
        )
        yield Sentence(
            f"A managed device must run at least {oldest}; otherwise its photographs wait.",
            devices.managed.where_os,
        )
    if devices.managed.seen_within:
        days = devices.managed.seen_within.days
        yield Sentence(
            f"The device manager must have seen it within {days} days; otherwise its photographs wait.",
            devices.managed.where_seen,
        )
    yield from _posture(policy)
    yield from _detours(policy)
    left = [kind for kind, choice in policy.not_listed.items() if choice == "leave"]
    if left:
        text = f"On a device that is {listed(left, 'or')}, photographs that no list names are left alone."
        yield _say(policy, "sources.not_listed", text)


_POSTURE: Final = {
    ("state", "in_use"): "A device that is not known to be in use",
    ("cloud_photos", "not_on"): "A device that sends its photographs to a cloud",
    ("cloud_photos", "off"): "A device that sends its photographs to a cloud, or may do so",
    ("personal_account", "not_present"): "A managed device with somebody's private account on it",
    ("personal_account", "none"): "A managed device that has a private account on it, or may have one",
    (
        "operator",
        "if_shared",
    ): "A shared device, where nobody of the staff list is named as having taken the photograph",
    (
        "operator",
        "unless_own",
    ): "A device that is not one person's own, where nobody of the staff list is named",
}


def _posture(policy: Policy) -> Iterator[Sentence]:
    devices = policy.devices
    for kind, rule in (("lost", devices.lost), ("retired", devices.retired)):
        yield Sentence(f"A photograph from a device that is {kind} {_fate(rule)}.", rule.where)
    said = {"state": devices.state, "cloud_photos": devices.cloud_photos}
    said |= {"personal_account": devices.personal_account, "operator": devices.operator}
    for key, choice in said.items():
        if (key, choice) in _POSTURE:
            yield _say(policy, f"devices.{key}", f"{_POSTURE[key, choice]}: its photographs wait.")
    yield from _own_age(policy)


def _own_age(policy: Policy) -> Iterator[Sentence]:
    rule = policy.software
    if rule.not_older_than is not None:
        text = f"Photographs wait when medsnap itself is older than {rule.not_older_than.days} days."
        yield _say(policy, "software.not_older_than", text)
    if rule.at_least is not None:
        floor = ".".join(map(str, rule.at_least))
        yield _say(policy, "software.at_least", f"Photographs wait when medsnap is older than {floor}.")


def _detours(policy: Policy) -> Iterator[Sentence]:
    words = {
        "messaging_app": "passed a messaging app",
        "cloud_copy": "came back from a cloud",
        "screenshot": "is a screenshot",
        "edited": "was edited",
        "no_camera_data": "has lost its camera data",
    }
    for fate, rules in _grouped(policy.sources.values()):
        text = listed((words.get(rule.name, rule.name) for rule in rules), "or")
        yield Sentence(f"A photograph that {text} {fate}.", places(rule.where for rule in rules))


def _grouped(rules: Iterable[FeatureRule]) -> Iterator[tuple[str, list[FeatureRule]]]:
    groups: dict[str, list[FeatureRule]] = {}
    for rule in rules:
        groups.setdefault(_fate(rule), []).append(rule)
    yield from groups.items()


def _described(policy: Policy) -> Iterator[Sentence]:
    vocabulary = policy.vocabulary
    if not vocabulary.required:
        return
    yield _say(policy, "vocabulary.required", f"Each photograph states its {listed(vocabulary.required)}.")
    waits = [key for key in vocabulary.required if key in vocabulary.quarantines]
    if waits:
        text = f"Without its {listed(waits, 'or')} it waits for a person."
        yield Sentence(text, places(vocabulary.where[key] for key in waits))
    for key, words in (("view", vocabulary.view), ("reason", vocabulary.reason)):
        if words:
            yield _say(policy, f"vocabulary.{key}", f"The {key} is one of: {', '.join(words)}.")


def _scrubbed(policy: Policy) -> Iterator[Sentence]:
    choices = _section(policy, "scrub")
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
            text = _upper(f"{listed(_named(keys))} {verb}.")
            yield Sentence(text, places(policy.where(f"scrub.{k}") for k in keys))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _opened(policy: Policy) -> Iterator[Sentence]:
    groups = policy.compartments
    for number, group in enumerate(groups, 1):
        who = listed(f"the role {role}" for role in group.open_to) if group.open_to else "nobody"
        text = f"Group {number}, “{group.name}”, is open to {who}"
        beside = "." if number == 1 else "; for everybody else its photographs do not exist."
        yield Sentence(text + beside, group.where)
    if len(groups) > 1:
        yield _say(
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
            f"When {facts}, the photograph {_FATE[rule.verb]}{place}: {rule.because}{follow}", rule.where
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
        yield _say(
            policy,
            "detection.cannot_appear_in",
            f"In a view “{view}” these cannot appear: {listed(sorted(features))}.",
        )
    if policy.clinician_may_clear:
        names = listed(sorted(policy.clinician_may_clear))
        yield _say(policy, "manifest.may_clear", f"The capturing clinician's word settles: {names}.")
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
    glass = _section(policy, "break_glass")
    if glass:
        never = f", never for {listed(glass['never'], 'or')}" if glass.get("never") else ""
        text = (
            f"In an emergency the role {listed(glass['open_to'], 'or')} may open for {glass['lasts']};"
            f" the role {listed(glass['tell'])} is told{never}."
        )
        yield _say(policy, "break_glass", text)
    else:
        yield Sentence("There is no emergency access.", policy.where("policy"))
    retention = _section(policy, "retention")
    if retention.get("keep"):
        minors = retention.get("minors_until_age")
        beside = f", of children until they are {minors}" if minors else ""
        yield _say(policy, "retention.keep", f"Photographs are kept {retention['keep']}{beside}.")
    if retention.get("off_the_device_within"):
        text = f"They are off the device within {retention['off_the_device_within']}."
        yield _say(policy, "retention.off_the_device_within", text)


def places(wheres: Iterable[str]) -> str:
    """Join lines of one file: "hospital.yaml:66-70, 78; baseline-1.yaml:71"."""
    files: dict[str, list[int]] = {}
    for where in wheres:
        file, _, line = where.rpartition(":")
        if line.isdecimal():
            files.setdefault(file, []).append(int(line))
    return "; ".join(f"{file}:{_runs(sorted(set(lines)))}" for file, lines in files.items())


def _runs(lines: list[int]) -> str:
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
