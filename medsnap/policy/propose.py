"""`policy test --propose`: the cases that are missing, as YAML to read, judge and paste."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Final

from medsnap.model.decision import LeakKind, Verb
from medsnap.model.finding import State
from medsnap.policy.case_table import UNKNOWN
from medsnap.policy.cases import Facts, Suite, evidence, joined, moment
from medsnap.policy.engine import decide
from medsnap.policy.kinds import duration
from medsnap.policy.nouns import Policy, Rule, When
from medsnap.policy.testing import observed
from medsnap.policy.weaken import Tried, Weakening

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _-]*|[a-z_]+\.[a-z0-9_.-]+|[0-9]+ [a-z]+")
_BELOW: Final = {"written": "verbal", "verbal": "implied"}


def proposals(suite: Suite, found: tuple[Tried, ...]) -> str:
    """Return the missing cases as the lines of a `cases:` list; a comment where none was found.

    One case may notice several changes: what it must expect for each of them adds up.
    """
    cases: dict[str, tuple[Facts, dict[str, object], list[str]]] = {}
    without: list[str] = []
    for weak in (one.weakening for one in found if not one.noticed_by):
        probe = _telling(suite, weak)
        if probe is None:
            without.append(f"  # no photo was found that is decided otherwise by {weak}\n")
            continue
        photo, wanted = probe
        _, before, paths = cases.setdefault(_flow(photo), (photo, {}, []))
        before |= wanted
        paths += [weak.path] if weak.path not in paths else []
    return "".join(_case(*parts) for parts in cases.values()) + "".join(without)


def _telling(suite: Suite, weak: Weakening) -> tuple[Facts, dict[str, object]] | None:
    """Return the first photo that the weakened policy would decide otherwise, and what it shows."""
    for photo in probes(suite.policy, weak.path):
        facts = joined(suite.given, photo)
        on, seen = moment(suite.policy, facts), evidence(suite.policy, facts)
        now = observed(suite.policy, decide(suite.policy, seen, on))
        then = observed(weak.policy, decide(weak.policy, seen, on))
        shows = {key: value for key, value in now.items() if then[key] != value}
        if shows:
            said = ("do",) if now["do"] is Verb.ACCEPT else ("do", "to", "decided_by")
            return photo, {key: now[key] for key in said} | shows
    return None


def _case(photo: Facts, wanted: Facts, paths: list[str]) -> str:
    lines = [f"  - name: {_scalar(' and '.join(paths))}"]
    lines += [f"    photo: {_flow(photo)}"] if photo else []
    return "\n".join([*lines, f"    expect: {_flow(wanted)}", ""])


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        _scalar(str(value)) if not isinstance(value, (int, float)) or isinstance(value, Verb) else str(value)
    )


def _scalar(text: str) -> str:
    return (
        text
        if _PLAIN.fullmatch(text) or re.fullmatch(r"[a-z_]+\.[a-z0-9_.-]+", text)
        else json.dumps(text, ensure_ascii=False)
    )


def probes(policy: Policy, path: str) -> Iterator[dict[str, object]]:
    """Go through photos that a line could matter to, the plainest first."""
    parts = path.split(".")
    match parts:
        case ["features", name, *_]:
            yield {"features": {name: State.SEEN}}
            yield {"features": {name: State.DOUBTFUL}}
        case ["sources", kind]:
            yield {"source": (LeakKind(kind),)}
        case ["devices", ("personal" | "unknown") as kind, *_]:
            yield {"device": kind}
        case ["devices", "managed", *limit]:
            yield from _managed(policy, limit)
        case ["devices", asked, *_]:
            yield from _posture(asked)
        case ["rules", name, *_]:
            yield from (p for rule in policy.rules if rule.id == name for p in _rule(rule))
        case ["detection", *_]:
            yield from _detection(policy)
        case ["vocabulary", *_]:
            for key in policy.vocabulary.required:
                yield {key: UNKNOWN}
        case ["exports", name, *_]:
            yield from _export(policy, name)
        case ["consent", use, *_]:
            yield from _consent(policy, use)
        case _:
            return


_BAD: Final[dict[str, object]] = {"cloud_photos": "on", "personal_account": "present"}


def _posture(asked: str) -> Iterator[dict[str, object]]:
    match asked:
        case "operator":
            yield {"operator": False, "shared": UNKNOWN}
            yield {"operator": False, "shared": True}
        case "lost" | "retired":
            yield {"state": asked}
        case "state" | "cloud_photos" | "personal_account":
            yield {asked: UNKNOWN}
    yield from ({key: bad} for key, bad in _BAD.items() if key == asked)


def _managed(policy: Policy, limit: list[str]) -> Iterator[dict[str, object]]:
    if limit[:1] == ["os_at_least"]:
        for name, floor in policy.devices.managed.os_at_least.items():
            yield {"os": f"{name} {floor[0] - 1}.9"}
    seen = policy.devices.managed.seen_within
    if seen is not None:
        yield {"last_seen": duration(f"{seen.days + 1} days")}


def _detection(policy: Policy) -> Iterator[dict[str, object]]:
    trusted = [name for name in policy.features if policy.detection.may_clear.get(name)] or ["face"]
    for name in trusted:
        for score in (policy.detection.certain_at - 0.05, policy.detection.suspect_at + 0.05):
            yield {"features": {name: round(score, 2)}}
    yield {"features": {trusted[0]: 0.01}}
    yield {"looked": False}
    yield {"looked": False, "features": dict.fromkeys(trusted, 0.01)}


def _rule(rule: Rule) -> Iterator[dict[str, object]]:
    """Go through photos that a rule fits, each of its words once."""
    when: When = rule.when
    choices: list[list[dict[str, object]]] = [[{"features": {name: State.SEEN}} for name in when.feature]]
    for key, words in _words(when):
        choices.append([{key: word} for word in words])
    choices.append([{"source": (LeakKind(kind),)} for kind in when.source])
    if when.patient_younger_than is not None:
        choices.append([{"patient_age": when.patient_younger_than - 1}])
    for picked in product(*(choice for choice in choices if choice)):
        photo: dict[str, object] = {}
        for part in picked:
            photo |= part
        yield photo


def _words(when: When) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "department", when.department
    yield "reason", when.reason
    yield "view", when.view
    yield "body_site", when.body_site
    yield "device", when.device
    yield "purpose", when.purpose


def _export(policy: Policy, name: str) -> Iterator[dict[str, object]]:
    target = policy.export(name)
    use = target.purpose if target is not None else "care"
    given: dict[str, object] = {} if use == "care" else {"consent": {use: "written"}}
    yield given
    yield given | {"looked": False}
    for feature, rule in policy.features.items():
        if rule.verb in (Verb.REDACT, Verb.RESTRICT):
            yield given | {"features": {feature: State.SEEN}}
    for case in policy.rules:
        yield from (given | photo for photo in _rule(case))


def _consent(policy: Policy, use: str) -> Iterator[dict[str, object]]:
    rule = policy.consent.get(use)
    purpose = "care" if use == "treatment" else use
    if rule is not None and rule.need in _BELOW:
        yield {"purpose": purpose, "consent": {use: _BELOW[rule.need]}}
    yield {"consent": {use: "written"}}
    yield {"consent": {use: "written"}, "features": {"face": State.SEEN}}
