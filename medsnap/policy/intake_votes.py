"""Votes on where a photo comes from and how it is described: device, sources, department, words, consent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from medsnap.model.consent import named
from medsnap.model.decision import DeviceClass, DeviceEvidence, Verb, Vote
from medsnap.policy.consents import consent_problem
from medsnap.policy.described import described_votes
from medsnap.policy.device_votes import hold as _hold
from medsnap.policy.device_votes import posture_votes
from medsnap.policy.device_votes import vote as _vote
from medsnap.policy.facts import Facts
from medsnap.policy.nouns import Policy
from medsnap.policy.software_votes import release, software_votes

_SYSTEMS: Final = {"iphone os": "ios", "ipados": "ios", "ipad os": "ios"}  # one family, one floor


def intake_votes(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Cast the votes of M1 that need no look at the picture."""
    yield from _device(policy, facts)
    yield from software_votes(policy, facts)
    yield from _signs(policy, facts)
    yield from _listed(policy, facts)
    yield from _department(policy, facts)
    yield from described_votes(policy, facts)
    yield from _consent(policy, facts)
    if not facts.evidence.media_understood:
        why = "the file could not be understood, so nothing in it was checked"
        yield Vote(
            verb=Verb.QUARANTINE, path="scrub", where=policy.where("scrub.everything_else"), because=why
        )


def _device(policy: Policy, facts: Facts) -> Iterator[Vote]:
    device, rules = facts.evidence.device, policy.devices
    name = device.asset or "the device"
    for contradiction in device.contradictions:
        vote = _vote("devices.unknown", rules.unknown, f"{name}: {contradiction}")
        # A contradicted claim is no claim, whatever unlisted devices may do.
        yield vote if vote.verb >= Verb.QUARANTINE else _hold(vote.path, vote.where, vote.because)
    match device.device_class:
        case DeviceClass.MANAGED:
            yield _vote("devices.managed", rules.managed.rule, f"{name} is managed")
            yield from _managed(policy, device, facts)
        case DeviceClass.PERSONAL:
            yield _vote("devices.personal", rules.personal, f"{name} is a private device")
        case DeviceClass.UNKNOWN:
            yield _vote("devices.unknown", rules.unknown, f"{name} stands in no inventory")
    if device.device_class is not DeviceClass.UNKNOWN:
        yield from posture_votes(policy, facts)


def _managed(policy: Policy, device: DeviceEvidence, facts: Facts) -> Iterator[Vote]:
    rule, today = policy.devices.managed, facts.now.date()
    if rule.os_at_least:
        problem = _too_old(device, rule.os_at_least)
        if problem:
            yield _hold("devices.managed.os_at_least", rule.where_os, problem)
    if rule.seen_within is not None:
        if device.last_seen is None:
            yield _hold("devices.managed.seen_within", rule.where_seen, "when it was last seen is not known")
        elif today - device.last_seen > rule.seen_within:
            days = (today - device.last_seen).days
            yield _hold("devices.managed.seen_within", rule.where_seen, f"last seen {days} days ago")


def _too_old(device: DeviceEvidence, floors: Mapping[str, tuple[int, ...]]) -> str | None:
    """Say why a system is not new enough; one that cannot be told counts as too old."""
    system = (device.os or "").strip().lower()
    system = _SYSTEMS.get(system, system)
    floor = floors.get(system)
    if floor is None:
        return f"no oldest version is set for '{system}'" if system else "its system is not known"
    found = release(device.os_version)
    if found is None:
        return "the version of its system is not known"
    if found < floor:
        return f"{system} {device.os_version} is older than {'.'.join(map(str, floor))}"
    return None


def _signs(policy: Policy, facts: Facts) -> Iterator[Vote]:
    for sign in facts.evidence.signs:
        rule = policy.sources.get(str(sign.kind))
        if rule is not None:
            yield _vote(f"sources.{sign.kind}", rule, sign.because)
        else:
            yield _hold("sources", policy.where("sources"), sign.because)


def is_left(policy: Policy, facts: Facts) -> bool:
    """Say whether M18 leaves the photo alone: nothing lists it, and its device's photos are private."""
    return not facts.evidence.listed and policy.not_listed[str(facts.evidence.device.device_class)] == "leave"


def _listed(policy: Policy, facts: Facts) -> Iterator[Vote]:
    if facts.evidence.listed:
        return
    kind = str(facts.evidence.device.device_class)
    where = policy.where(f"sources.not_listed.{kind}")
    if is_left(policy, facts):
        why = "nothing lists it and the device is private: left where it is"
        yield Vote(verb=Verb.REJECT, path="sources.not_listed", where=where, because=why)
    else:
        yield _hold("sources.not_listed", where, "no manifest row covers it")


def _department(policy: Policy, facts: Facts) -> Iterator[Vote]:
    name = facts.evidence.department
    if name not in policy.departments:
        why = "the department is not known" if name is None else f"'{name}' is not listed"
        yield _hold("departments", policy.where("departments") or policy.in_force.where, why)


def _consent(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Hold a photo whose own purpose lacks its consent, or was refused (C1)."""
    use = named(facts.evidence.purpose)
    problem = consent_problem(policy, facts.evidence.consent, use, facts.age)
    if problem:
        rule = policy.consent.get(use)
        where = rule.where if rule else policy.where("consent")
        yield _hold(f"consent.{use}", where, problem)
