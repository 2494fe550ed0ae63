"""Whose photo it is: patient, visit, description, and how sure the match is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient by number and issuer (HL7 CX, FHIR Identifier); the issuer is part of the id."""

    mrn: str
    issuer: str  # an OID ("1.2.3") or URI ("urn:oid:1.2.3"): who gave the number
    birth_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The encounter or order that a photo belongs to."""

    encounter: str | None = None
    accession: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """How the photo is described (policy `vocabulary`)."""

    body_site: str | None = None
    laterality: str | None = None  # left, right, both, none
    view: str | None = None
    reason: str | None = None
    lesion: str | None = None  # one lesion's own number, the same in each photo of it


class MatchState(StrEnum):
    """How sure it is whose photo this is; only MATCHED leaves the vault."""

    MATCHED = "matched"
    NEEDS_REVIEW = "needs-review"
    UNMATCHED = "unmatched"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A photo's patient and visit with the state and the reasons in words (no names, no numbers)."""

    state: MatchState
    reasons: tuple[str, ...] = ()
    patient: Patient | None = None
    visit: Visit = Visit()
    description: Description = Description()
    captured_at: str | None = None  # from the manifest; overrides the camera's
    asset: str | None = None  # device named by the row
    operator: str | None = None  # staff id
    consent: tuple[tuple[str, str], ...] = ()  # purpose, what was given: ("teaching", "written")
    features: tuple[tuple[str, bool], ...] = ()  # the clinician's word: feature, seen
    listed: bool = False  # a manifest row named it
    manifest: str | None = None  # sha256 of the manifest file

    @property
    def of_visit(self) -> tuple[str, ...]:
        """Name the visit: issuer, patient number, and encounter or accession; () when one is missing."""
        number = self.visit.encounter or self.visit.accession
        return (self.patient.issuer, self.patient.mrn, number) if self.patient and number else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The photos of one patient and visit that the caller may know of."""

    patient: Patient
    visit: Visit
    objects: tuple[str, ...]
