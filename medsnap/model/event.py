"""Audit events: who did what to which object. Ids only, never a name or a number of a patient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What was done (IHE ATNA, FHIR AuditEvent.subtype in spirit)."""

    INIT = "init"
    INGEST = "ingest"
    OPEN = "open"
    OPEN_REFUSED = "open-refused"
    SHOW = "show"  # the record of a photo was read
    EXPORT = "export"
    DIRECTORY = "directory"
    DECIDE = "decide"
    VERIFY = "verify"
    CHECK = "check"
    CONSENT = "consent"
    REPORT = "report"  # an auditor asked who saw, who could, what left
    SIGN = "sign"  # of a policy, for a seat; only refusals are written
    RECOVERY = "recovery"  # sheets were combined: what for stands in the details
    BREAK_GLASS = "break-glass"
    HOLD = "hold"
    EXPIRE = "expire"
    ERASE = "erase"
    ERASE_REFUSED = "erase-refused"
    MOVE = "move"  # photos went to another locked group
    UNLINK = "unlink"  # of a source
    PROVE = "prove"  # that a compartment opens


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One event; `details` holds ids and counts."""

    action: Action
    at: str  # RFC 3339 UTC
    actor: str  # key name in the directory: "ingest-1", member id
    outcome: str = "success"  # or the error's id
    objects: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Keys that others may know now: the epochs that have to end, and whose key it was."""

    epochs: tuple[tuple[str, int], ...]  # the auditors' is named ""
    used: str = ""  # a member's name
    until: str = ""  # RFC 3339: how long it was to last; "" in entries of before
    seen: str = ""  # the latest time that the log shows after it; not written
