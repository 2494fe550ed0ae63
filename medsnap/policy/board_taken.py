"""The board's page: which photographs are taken in, from which devices, after which detours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from medsnap.model.decision import DeviceClass
from medsnap.policy.board_words import (
    WORDS,
    Sentence,
    fate,
    grouped,
    listed,
    places,
    say,
)
from medsnap.policy.nouns import Policy

_DEVICE_WORDS: Final = {
    DeviceClass.MANAGED: "a device that the hospital manages",
    DeviceClass.PERSONAL: "a private device",
    DeviceClass.UNKNOWN: "a device that nobody knows or the file contradicts",
}


def taken(policy: Policy) -> Iterator[Sentence]:
    """Say which devices count, and what a detour does."""
    devices = policy.devices
    for kind, rule in (
        (DeviceClass.MANAGED, devices.managed.rule),
        (DeviceClass.PERSONAL, devices.personal),
        (DeviceClass.UNKNOWN, devices.unknown),
    ):
        yield Sentence(f"A photograph from {_DEVICE_WORDS[kind]} {fate(rule)}.", rule.where)
    floors = devices.managed.os_at_least
    if floors:
        oldest = listed(
            f"{WORDS.get(name, name)} {'.'.join(map(str, floor))}" for name, floor in floors.items()
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
        yield say(policy, "sources.not_listed", text)


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
        yield Sentence(f"A photograph from a device that is {kind} {fate(rule)}.", rule.where)
    said = {"state": devices.state, "cloud_photos": devices.cloud_photos}
    said |= {"personal_account": devices.personal_account, "operator": devices.operator}
    for key, choice in said.items():
        if (key, choice) in _POSTURE:
            yield say(policy, f"devices.{key}", f"{_POSTURE[key, choice]}: its photographs wait.")
    yield from _own_age(policy)


def _own_age(policy: Policy) -> Iterator[Sentence]:
    rule = policy.software
    if rule.not_older_than is not None:
        text = f"Photographs wait when medsnap itself is older than {rule.not_older_than.days} days."
        yield say(policy, "software.not_older_than", text)
    if rule.at_least is not None:
        floor = ".".join(map(str, rule.at_least))
        yield say(policy, "software.at_least", f"Photographs wait when medsnap is older than {floor}.")


def _detours(policy: Policy) -> Iterator[Sentence]:
    words = {
        "messaging_app": "passed a messaging app",
        "cloud_copy": "came back from a cloud",
        "screenshot": "is a screenshot",
        "edited": "was edited",
        "no_camera_data": "has lost its camera data",
    }
    for what, rules in grouped(policy.sources.values()):
        text = listed((words.get(rule.name, rule.name) for rule in rules), "or")
        yield Sentence(f"A photograph that {text} {what}.", places(rule.where for rule in rules))
