"""What the chapters of the board's page share: sentences with their lines, lists, ranges of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from medsnap.model.decision import Verb
from medsnap.policy.nouns import FeatureRule, Policy

MAX_NAMED: Final = 40  # features in one sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the line (or lines) that say so."""

    text: str
    where: str


WORDS: Final = {
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


def named(paths: Iterable[str]) -> list[str]:
    """Name keys of the language in words: "features.scar" is "scar"."""
    return [WORDS.get(path, path.rpartition(".")[2]) for path in paths]


def listed(words: Iterable[str], last: str = "and") -> str:
    """Write "a, b and c"; underscores and hyphens of names become spaces."""
    names = [str(word).replace("_", " ") for word in words]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def say(policy: Policy, path: str, text: str) -> Sentence:
    """Make a sentence with the line that says its path."""
    return Sentence(text, policy.where(path))


def section(policy: Policy, name: str) -> Mapping[str, Any]:
    """Return a section of the effective policy; empty where nobody says anything."""
    found = policy.settings.get(name)
    return found if isinstance(found, Mapping) else {}


def upper(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]


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


FATE: Final = {
    Verb.ACCEPT: "is taken in",
    Verb.REDACT: "is locked away, and others get a covered copy",
    Verb.RESTRICT: "is locked away",
    Verb.QUARANTINE: "waits until a person has looked",
    Verb.REJECT: "is not taken in",
    Verb.SAFEGUARD: "is sealed as it came, and one role is told",
}


def fate(rule: FeatureRule) -> str:
    """Say what a verb does, and where the original goes."""
    return FATE[rule.verb] + (f" ({rule.to})" if rule.to else "")


def grouped(rules: Iterable[FeatureRule]) -> Iterator[tuple[str, list[FeatureRule]]]:
    """Put rules of one fate together."""
    groups: dict[str, list[FeatureRule]] = {}
    for rule in rules:
        groups.setdefault(fate(rule), []).append(rule)
    yield from groups.items()
