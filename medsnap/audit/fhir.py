"""Events of the log as FHIR R4 AuditEvents, for a hospital's own repository of them (IHE ATNA, BALP).

Codes are those of DICOM (PS3.16, CID 400 to 403) for the kind of event, and of ISO 21089 for what
became of the record. Nothing is in them that the event has not: ids, names of keys, counts.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medsnap.audit.events import Leaf
from medsnap.model.event import Action, AuditEvent
from medsnap.model.standing import CAN

DCM = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
OBJECT_ID = "id of a photo in the vault"

_DISPLAY = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110106": "Export",
    "110107": "Import",
    "110110": "Patient Record",
    "110113": "Security Alert",
    "110127": "Emergency Override Started",
    "110129": "Security Configuration",
    "110132": "Use of Restricted Function",
    "110136": "Security Roles Changed",
    "access": "Access/View Record Lifecycle Event",
    "amend": "Amend (Update) Record Lifecycle Event",
    "destroy": "Destroy/Delete Record Lifecycle Event",
    "disclose": "Disclose Record Lifecycle Event",
    "hold": "Add Legal Hold Record Lifecycle Event",
    "originate": "Originate/Retain Record Lifecycle Event",
    "receive": "Receive/Retain Record Lifecycle Event",
    "report": "Report (Output) Record Lifecycle Event",
    "unhold": "Remove Legal Hold Record Lifecycle Event",
    "verify": "Verify Record Lifecycle Event",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """How an action is coded: the event's type, its subtype, and C, R, U, D or E."""

    type: str
    subtype: str
    action: str


KINDS: Mapping[Action, Kind] = {
    Action.INIT: Kind("110113", "110129", "C"),
    Action.INGEST: Kind("110107", "receive", "C"),
    Action.OPEN: Kind("110110", "access", "R"),
    Action.OPEN_REFUSED: Kind("110113", "110132", "R"),
    Action.SHOW: Kind("110110", "access", "R"),
    Action.EXPORT: Kind("110106", "disclose", "R"),
    Action.DIRECTORY: Kind("110113", "110129", "U"),
    Action.DECIDE: Kind("110110", "amend", "U"),
    Action.VERIFY: Kind("110101", "verify", "R"),
    Action.CHECK: Kind("110110", "verify", "R"),
    Action.CONSENT: Kind("110110", "originate", "C"),
    Action.REPORT: Kind("110101", "report", "R"),
    Action.SIGN: Kind("110113", "110132", "E"),
    Action.RECOVERY: Kind("110113", "110129", "E"),
    Action.BREAK_GLASS: Kind("110113", "110127", "R"),
    Action.HOLD: Kind("110110", "hold", "U"),
    Action.EXPIRE: Kind("110110", "destroy", "D"),
    Action.ERASE: Kind("110110", "destroy", "D"),
    Action.ERASE_REFUSED: Kind("110113", "110132", "D"),
    Action.MOVE: Kind("110110", "amend", "U"),
    Action.UNLINK: Kind("110110", "destroy", "D"),
    Action.PROVE: Kind("110110", "verify", "R"),
}
_OTHER = Kind("110100", "", "E")
_ROLES = Kind("110113", "110136", "U")
_UNHOLD = Kind("110110", "unhold", "U")
_NO_CHARACTER = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which log this is: its origin, and the vault's id."""

    origin: str
    vault: str


def audit_event(index: int, leaf: Leaf, event: AuditEvent, place: Place) -> dict[str, Any]:
    """Return one AuditEvent resource. Its id is the digest of the sealed event: sent twice it is one."""
    kind = _kind(event)
    good = event.outcome == "success"
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(leaf.sealed),
        "type": _coding(kind.type),
        **({"subtype": [_coding(kind.subtype)]} if kind.subtype else {}),
        "action": kind.action,
        "recorded": event.at,
        # minor failure: the action was refused or did not verify, and nothing else came of it
        "outcome": "0" if good else "4",
        **({} if good else {"outcomeDesc": event.outcome}),
        "agent": [_agent(event)],
        "source": {
            "site": place.vault,
            "observer": {"display": event.software or "medsnap"},
            "type": [{"system": _SOURCE, "code": "4", "display": "Application Server"}],
        },
        "entity": [_log_entity(index, leaf, event, place), *_photos(event, place)],
    }
    return resource


def _kind(event: AuditEvent) -> Kind:
    details = dict(event.details)
    if event.action is Action.HOLD and "release" in (*details, *details.values()):
        return _UNHOLD
    if event.action is Action.DIRECTORY and "member" in details:
        return _ROLES
    return KINDS.get(event.action, _OTHER)


def _coding(code: str) -> dict[str, str]:
    system = DCM if code.isdigit() else LIFECYCLE
    return {"system": system, "code": code, "display": _DISPLAY[code]}


def _agent(event: AuditEvent) -> dict[str, Any]:
    name = event.actor.rpartition("/")[2]
    return {"altId": event.actor, "who": {"display": name}, "name": name, "requestor": True}


def _log_entity(index: int, leaf: Leaf, event: AuditEvent, place: Place) -> dict[str, Any]:
    """Name the entry, so that the AuditEvent can be compared with the log, and what the event says more."""
    told = [("log entry", str(index)), ("sealed event SHA-256", str(leaf.sealed)), ("action", event.action)]
    told += [("commit SHA-256", str(leaf.commit))] if leaf.commit else []
    told += [(name, value) for name, value in event.details if name != CAN and name and value]
    return {
        "what": {"identifier": {"system": _uri(place.origin), "value": str(index)}},
        "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
        "role": {"system": _ROLE, "code": "13", "display": "Security Resource"},
        "name": f"entry {index} of {place.origin}",
        "detail": [{"type": name, "valueString": str(value)} for name, value in told],
    }


def _photos(event: AuditEvent, place: Place) -> list[dict[str, Any]]:
    return [
        {
            "what": {"identifier": {"system": _uri(f"medsnap/{place.vault}/objects"), "value": name}},
            "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
            "role": {"system": _ROLE, "code": "3", "display": "Report"},
            "description": OBJECT_ID,
        }
        for name in event.objects
    ]


def _uri(path: str) -> str:
    """Make a URI of names of ours, which hold letters, digits, dots and hyphens."""
    return "urn:" + ":".join(_NO_CHARACTER.sub("-", part) for part in path.split("/"))


def bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a transaction that puts each resource under its id: posting it twice changes nothing."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": uuid.UUID(hex=resource["id"][:32], version=5).urn,  # of a digest, as they are made
                "resource": resource,
                "request": {"method": "PUT", "url": f"AuditEvent/{resource['id']}"},
            }
            for resource in resources
        ],
    }
