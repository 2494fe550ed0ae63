"""What lists show of a photo: a few fields, taken from its row without decoding all of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from medsnap.model.codec import from_json
from medsnap.model.decision import Verb
from medsnap.model.photo import MediaType
from medsnap.model.seal import Seal
from medsnap.model.study import MatchState, Patient, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list: found without decoding the whole row."""

    object: str
    compartment: str
    at: str
    source: str
    source_sha256: str
    captured: str  # "" when nobody says
    media: str
    length: int
    state: str
    reason: str
    verb: str
    matched: str
    mrn: str | None
    issuer: str | None
    encounter: str | None
    accession: str | None
    department: str | None


ENTRY_FIELDS = tuple(field.name for field in dataclasses.fields(Entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Light:
    """The parts of a row that lists show; the rest is decoded when the photo is looked at."""

    seal: Seal
    state: str
    source_name: str
    source_sha256: str
    media: MediaType
    at: str
    decision: _LightDecision
    match: _LightMatch
    reason: str = ""
    capture: _LightCapture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LightDecision:
    verb: Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class _LightMatch:
    state: MatchState
    patient: Patient | None = None
    visit: Visit = field(default_factory=Visit)
    captured_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LightCapture:
    captured_at: str | None = None


def entry_of(event: dict[str, Any], compartment: str) -> Entry:
    """Take from a photo.add event what lists show. Raises CodecError."""
    row = from_json(_Light, event)
    patient, visit = row.match.patient, row.match.visit
    return Entry(
        object=row.seal.object,
        compartment=compartment,
        at=row.at,
        source=row.source_name,
        source_sha256=row.source_sha256,
        captured=row.match.captured_at or (row.capture.captured_at if row.capture else None) or "",
        media=row.media.value,
        length=row.seal.length,
        state=row.state,
        reason=row.reason,
        verb=str(row.decision.verb),
        matched=row.match.state.value,
        mrn=patient.mrn if patient else None,
        issuer=patient.issuer if patient else None,
        encounter=visit.encounter,
        accession=visit.accession,
        department=visit.department,
    )
