"""Who could open what at one version of the directory, as audit events tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CAN = "can"  # the key of such a detail in an event
_TEXT = re.compile(r"(\S+) groups=(\S*) roles=(\S*) auditor=(yes|no)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Can:
    """A member: the locked groups that his key opens, his roles of the policy, whether he reads the log."""

    name: str
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    auditor: bool = False


def details(members: Iterable[Can]) -> tuple[tuple[str, str], ...]:
    """Write members as details of an event. Their names hold no space or comma."""
    return tuple((CAN, _text(one)) for one in members)


def _text(one: Can) -> str:
    auditor = "yes" if one.auditor else "no"
    return f"{one.name} groups={','.join(one.groups)} roles={','.join(one.roles)} auditor={auditor}"


def read(details: Iterable[tuple[str, str]]) -> tuple[Can, ...]:
    """Read them back; what cannot be read is left out."""
    found = (_TEXT.fullmatch(value) for key, value in details if key == CAN)
    return tuple(
        Can(name=m[1], groups=_split(m[2]), roles=_split(m[3]), auditor=m[4] == "yes") for m in found if m
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
