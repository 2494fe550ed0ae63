"""What left the vault: one receipt per photo and target."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.model.photo import ObjectId, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """Random identifiers of one (photo, target, match), re-used on every re-send."""

    study_uid: str  # "2.25.…"
    series_uid: str
    sop_uid: str
    document: str  # "urn:uuid:…", masterIdentifier and DocumentReference.identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One photo reached one target: what was written and its digest."""

    object: ObjectId
    target: str
    kind: str  # "fhir-r4", "dicom"
    at: str
    identifiers: Identifiers
    digest: Sha256  # of the file written
    state: str = "written"  # "arrived" only after a read-back
    purpose: str = ""  # of the target when it left; "" in receipts of earlier versions
    match: str = ""  # sha256 of patient and visit: another match gets new identifiers
