"""One photo as a FHIR R4 transaction Bundle: picture, index entry, device, provenance.

Sent again, a bundle makes no duplicates: every entry with an identifier is conditional
(`ifNoneExist`), and the identifiers come from the receipt.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from medsnap import __version__
from medsnap.errors import Unsupported
from medsnap.export.moment import captured, instant
from medsnap.export.prepare import Prepared
from medsnap.export.site import Code, Site
from medsnap.export.text import described, exact, issuer_uri
from medsnap.model.photo import Sha256
from medsnap.model.receipt import Identifiers
from medsnap.model.record import PhotoRow

Json = dict[str, Any]

_URI: Final = "urn:ietf:rfc:3986"
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_CONFIDENTIALITY: Final = f"{_TERMINOLOGY}/v3-Confidentiality"
_CONFIDENTIALITY_NAMES: Final = {"N": "normal", "R": "restricted", "V": "very restricted"}
# compartments of the packaged policies; any other is taken as the most closed
_COMPARTMENTS: Final = {"general": "N", "identifiable": "R"}


@dataclass(frozen=True, slots=True)
class _Context:
    """What the entries of one bundle share."""

    prepared: Prepared
    row: PhotoRow
    document: str
    now: datetime
    site: Site
    code: Code | None
    label: Json
    subject: Json

    def url(self, entry: str) -> str:
        """The fullUrl of an entry: follows from the document's random id, so a re-send is equal."""
        return uuid.uuid5(uuid.UUID(self.document), entry).urn

    def ref(self, entry: str) -> Json:
        """A reference to an entry of this bundle."""
        return {"reference": self.url(entry)}


def bundle(
    prepared: Prepared,
    row: PhotoRow,
    identifiers: Identifiers,
    *,
    now: datetime,
    site: Site,
    site_code: Code | None = None,
    confidentiality: str | None = None,
) -> Json:
    """Make the Bundle of one photo (R4 3.1.0.11.2). Raises Unsupported when a fact is missing.

    `confidentiality` is the compartment's label of the policy: N, R or V.
    """
    if prepared.media is None:
        raise Unsupported("FHIR needs a coded picture, these are plain samples")
    code = confidentiality or _COMPARTMENTS.get(row.decision.compartment, "V")
    label = {"system": _CONFIDENTIALITY, "code": code, "display": _CONFIDENTIALITY_NAMES.get(code, code)}
    context = _Context(
        prepared, row, identifiers.document, now, site, site_code, label, _subject(row)
    )  # fmt: skip
    entries = [
        _entry(context, "binary", _binary(context)),
        _entry(context, "document", _document(context), identifiers.document, _URI),
        _entry(context, "media", _media(context), context.url("media"), _URI),
    ]
    if (camera := _camera(row)) is not None:
        number = camera.get("identifier", [{}])[0]
        entries.append(_entry(context, "camera", camera, number.get("value"), number.get("system")))
    software = _software()
    number = software["identifier"][0]
    entries += [
        _entry(context, "software", software, number["value"], number["system"]),
        _entry(context, "provenance", _provenance(context)),
    ]
    return {"resourceType": "Bundle", "type": "transaction", "timestamp": instant(now), "entry": entries}


def bundle_json(bundle: Mapping[str, Any]) -> bytes:
    """Write a Bundle as UTF-8 JSON: the same bytes for the same Bundle."""
    return (json.dumps(bundle, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _entry(
    context: _Context, name: str, resource: Json, value: str | None = None, system: str | None = None
) -> Json:
    request: Json = {"method": "POST", "url": resource["resourceType"]}
    if value is not None:
        token = f"{quote(system or '', safe=':/.-')}|{quote(value, safe=':/.-')}"
        request["ifNoneExist"] = f"identifier={token}"
    return {"fullUrl": context.url(name), "resource": resource, "request": request}


def _subject(row: PhotoRow) -> Json:
    patient = row.match.patient
    if patient is None:
        raise Unsupported("the photo has no patient")
    kind = {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": "MR"}]}
    number = exact(patient.mrn, 64, "patient's number")
    return {"type": "Patient", "identifier": {"type": kind, "system": issuer_uri(patient), "value": number}}


def _binary(context: _Context) -> Json:
    return {
        "resourceType": "Binary",
        "meta": {"security": [context.label]},
        "contentType": _content_type(context),
        "securityContext": context.ref("document"),
        "data": base64.b64encode(context.prepared.bitstream).decode("ascii"),
    }


def _content_type(context: _Context) -> str:
    media = context.prepared.media
    return media.value if media is not None else ""


def _document(context: _Context) -> Json:
    row = context.row
    number = {"system": _URI, "value": context.document}
    made: Json = {
        "resourceType": "DocumentReference",
        "meta": {"security": [context.label]},
        "masterIdentifier": number,
        "identifier": [{"use": "official", **number}],
        "status": "current",
        "type": {
            "coding": [{"system": "http://loinc.org", "code": "72170-4"}],
            "text": "Clinical photograph",
        },
        "category": [{"text": "Clinical photograph"}],
        "subject": context.subject,
        "date": instant(context.now),
        "author": [context.ref("software")],
    }
    if context.site.name:
        made["custodian"] = {"type": "Organization", "display": described(context.site.name, 200)}
    made["description"] = _description(row)
    made["securityLabel"] = [{"coding": [context.label]}, {"text": _policy_words(row)}]
    made["content"] = [{"attachment": _attachment(context), "format": _FORMAT}]
    made["context"] = _document_context(row)
    return {k: v for k, v in made.items() if v}


_FORMAT: Final = {
    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
}


def _attachment(context: _Context) -> Json:
    data = context.prepared.bitstream
    made = {
        "contentType": _content_type(context),
        "url": context.url("binary"),
        "size": len(data),
        # SHA-1 is what R4 2.24.0.11 prescribes; Provenance carries SHA-256
        "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode("ascii"),
        "title": _description(context.row),
    }
    when = captured(context.row)
    return {**made, "creation": when.fhir} if when else made


def _document_context(row: PhotoRow) -> Json:
    made: Json = {}
    visit, when = row.match.visit, captured(row)
    if visit.encounter:
        made["encounter"] = [_encounter(visit.encounter)]
    if when:
        made["period"] = {"start": when.fhir}
    if visit.department:
        made["practiceSetting"] = {"text": described(visit.department, 200)}
    if visit.accession:
        kind = {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": "ACSN"}]}
        number = exact(visit.accession, 64, "accession number")
        made["related"] = [{"type": "ServiceRequest", "identifier": {"type": kind, "value": number}}]
    return made


def _encounter(number: str) -> Json:
    kind = {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": "VN"}]}
    value = exact(number, 64, "number of the visit")
    return {"type": "Encounter", "identifier": {"type": kind, "value": value}}


def _media(context: _Context) -> Json:
    row, prepared = context.row, context.prepared
    place, when = row.match.description, captured(row)
    made: Json = {
        "resourceType": "Media",
        "meta": {"security": [context.label]},
        "identifier": [{"system": _URI, "value": context.url("media")}],
        "status": "completed",
        "type": {"coding": [{"system": f"{_TERMINOLOGY}/media-type", "code": "image"}]},
        "modality": {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "XC"}]},
        "subject": context.subject,
    }
    if place.view:
        made["view"] = {"text": described(place.view, 200)}
    if row.match.visit.encounter:
        made["encounter"] = _encounter(row.match.visit.encounter)
    if when:
        made["createdDateTime"] = when.fhir
    if row.match.operator:
        made["operator"] = {"type": "Practitioner", "display": described(row.match.operator, 64)}
    if place.reason:
        made["reasonCode"] = [{"text": described(place.reason, 200)}]
    if place.body_site:
        made["bodySite"] = _body_site(place.body_site, place.laterality, context.code)
    if _camera(row) is not None:
        made["device"] = context.ref("camera")
    content = {"contentType": _content_type(context), "url": context.url("binary")}
    return {**made, "height": prepared.height, "width": prepared.width, "content": content}


def _body_site(site: str, laterality: str | None, code: Code | None) -> Json:
    named = code is not None and code.side is not None  # "left hand" says its side itself
    side = f"{laterality} " if laterality in {"left", "right", "both"} and not named else ""
    made: Json = {"text": described(side + site, 200)}
    if code is not None:
        made["coding"] = [{"system": "http://snomed.info/sct", "code": code.value, "display": code.meaning}]
    return made


def _camera(row: PhotoRow) -> Json | None:
    facts, device = row.capture, row.device
    made: Json = {"resourceType": "Device"}
    if device and device.asset:
        made["identifier"] = [
            {"system": "urn:medsnap:asset-tag", "value": exact(device.asset, 64, "asset tag")}
        ]
    if facts and facts.make:
        made["manufacturer"] = described(facts.make, 200)
    if facts and facts.model:
        made["modelNumber"] = described(facts.model, 200)
    if device and device.os:
        made["version"] = [{"value": described(f"{device.os} {device.os_version or ''}", 200)}]
    made = {k: v for k, v in made.items() if v}
    return made if len(made) > 1 else None


def _software() -> Json:
    return {
        "resourceType": "Device",
        "identifier": [{"system": "urn:medsnap:software", "value": __version__}],
        "manufacturer": "medsnap",
        "deviceName": [{"name": "medsnap", "type": "user-friendly-name"}],
        "version": [{"value": __version__}],
    }


def _provenance(context: _Context) -> Json:
    row, prepared = context.row, context.prepared
    policy = row.decision.policy
    agents = [{"type": _participant("assembler"), "who": context.ref("software")}]
    if row.match.operator:
        who = {"type": "Practitioner", "display": described(row.match.operator, 64)}
        agents.append({"type": _participant("author"), "who": who})
    done = prepared.how or "left as it lies in the vault"
    sent = {**context.ref("binary"), "identifier": _digest(prepared.digest)}
    sealed = {"identifier": _digest(prepared.source_digest), "display": f"sealed photo: {done}"}
    return {
        "resourceType": "Provenance",
        "target": [context.ref("document"), context.ref("media"), sent],
        "recorded": instant(context.now),
        "policy": [
            f"urn:medsnap:policy:{quote(policy.policy, safe='')}:{policy.version}",
            f"urn:sha256:{policy.effective}",
            f"urn:medsnap:policy-signature:{quote(policy.signed, safe='')}",
        ],
        "activity": {"text": "derived picture" if prepared.derived else "scrubbed photo, pixels unchanged"},
        "agent": agents,
        "entity": [{"role": "source", "what": sealed}],
    }


def _participant(code: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}/provenance-participant-type", "code": code}]}


def _digest(digest: Sha256) -> Json:
    """A digest as a named-information URI (RFC 6920)."""
    value = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode("ascii")
    return {"system": _URI, "value": f"ni:///sha-256;{value}"}


def _description(row: PhotoRow) -> str:
    place = row.match.description
    words = [described(w, 100) for w in (place.body_site, place.laterality, place.view, place.reason)]
    said = ", ".join(w for w in words if w)
    return f"Clinical photograph: {said}" if said else "Clinical photograph"


def _policy_words(row: PhotoRow) -> str:
    policy = row.decision.policy
    words = (
        f"policy {policy.policy} {policy.version} ({policy.signed}), compartment {row.decision.compartment}"
    )
    return described(words, 200)
