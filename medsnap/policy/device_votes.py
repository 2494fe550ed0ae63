"""Votes on what the inventory says of a device: lost, in a cloud, signed in privately, shared (D1, D2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from medsnap.model.decision import (
    CloudPhotos,
    DeviceClass,
    DeviceEvidence,
    DeviceState,
    PersonalAccount,
    Verb,
    Vote,
)
from medsnap.policy.facts import Facts
from medsnap.policy.nouns import FeatureRule, Policy


def vote(path: str, rule: FeatureRule, because: str) -> Vote:
    """Cast the vote that a rule says."""
    return Vote(
        verb=rule.verb,
        path=path,
        where=rule.where,
        compartment=rule.to,
        reviewers=rule.reviewers if rule.verb > Verb.ACCEPT else 0,
        because=because,
    )


def hold(path: str, where: str, because: str) -> Vote:
    """Cast a vote to wait for a person."""
    return Vote(verb=Verb.QUARANTINE, path=path, where=where, because=because)


def posture_votes(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Cast the votes on a device that stands in the inventory."""
    device = facts.evidence.device
    for path, because in (
        ("devices.state", _state(policy, device)),
        ("devices.cloud_photos", _cloud(policy, device)),
        ("devices.personal_account", _account(policy, device)),
        ("devices.operator", _operator(policy, facts)),
    ):
        if because:
            yield hold(path, policy.where(path), because)
    name = device.asset or "the device"
    if device.state is DeviceState.LOST:
        yield vote("devices.lost", policy.devices.lost, f"{name} is lost, says the inventory")
    if device.state is DeviceState.RETIRED:
        yield vote("devices.retired", policy.devices.retired, f"{name} is retired, says the inventory")
    yield from _age(policy, facts)


def _state(policy: Policy, device: DeviceEvidence) -> str:
    asked = policy.devices.state != "any"
    return "whether it is in use is not known" if asked and device.state is DeviceState.UNKNOWN else ""


def _cloud(policy: Policy, device: DeviceEvidence) -> str:
    rule = policy.devices.cloud_photos
    if device.cloud_photos is CloudPhotos.ON and rule != "any":
        return "it sends its photos to a cloud"
    unknown = device.cloud_photos is CloudPhotos.UNKNOWN
    return "whether it sends its photos to a cloud is not known" if unknown and rule == "off" else ""


def _account(policy: Policy, device: DeviceEvidence) -> str:
    rule = policy.devices.personal_account
    if device.device_class is not DeviceClass.MANAGED:
        return ""  # a private device has a private account
    if device.personal_account is PersonalAccount.PRESENT and rule != "any":
        return "a private account is signed in on it"
    unknown = device.personal_account is PersonalAccount.UNKNOWN
    return "whether a private account is signed in on it is not known" if unknown and rule == "none" else ""


def _operator(policy: Policy, facts: Facts) -> str:
    rule, shared = policy.devices.operator, facts.evidence.device.shared
    if facts.evidence.operator is not None or rule == "any" or shared is False:
        return ""
    if shared:
        return "it is shared, and nobody in people.csv is named as having taken the photo"
    return "it may be shared, and nobody in people.csv is named" if rule == "unless_own" else ""


def _age(policy: Policy, facts: Facts) -> Iterator[Vote]:
    """Warn of an old inventory (D4): it opens nothing and holds nothing."""
    device = facts.evidence.device
    because = stale(policy, device.inventory_date, facts.now.date())
    if because and device.device_class is DeviceClass.MANAGED:
        path = "devices.inventory_max_age"
        where = policy.devices.where_age
        yield Vote(verb=Verb.ACCEPT, path=path, where=where, because=f"warning: {because}")


def stale(policy: Policy, day: date | None, today: date) -> str:
    """Say how old an inventory of a day is where the policy calls it too old; "" where it does not."""
    oldest = policy.devices.inventory_max_age
    if oldest is None:
        return ""
    if day is None or day > today + timedelta(days=1):  # a day: time zones
        return "the inventory does not say of which day it is"
    return f"the inventory is {(today - day).days} days old" if today - day > oldest else ""
