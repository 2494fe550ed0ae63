"""The 41 rules that a tool can check, with their sources, each with its check (policy.md 1.2)."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.policy import audit_governing as governing
from medsnap.policy import audit_leaving as leaving
from medsnap.policy import audit_photos as photos
from medsnap.policy import audit_stored as stored
from medsnap.policy.auditing import Answer, Case, Check, held

SOURCES = {
    "SEED": "Agfa HealthCare, How-to: Acquire and Secure Medical Images with Mobile Devices",
    "GOV": "HIMSS-SIIM, Enterprise Imaging Governance, 2016",
    "VL": "HIMSS-SIIM, Visible Light Imaging: Clinical Aspects, 2022",
    "BODY": "HIMSS-SIIM, Importance of Body Part Labeling, 2021",
    "TECH": "HIMSS-SIIM, Technical Challenges of Enterprise Imaging, 2016",
    "SIIM17": "SIIM, webinar on mobile image acquisition, 2017",
    "AMA": "AMA/MIIAA, Clinical images and the use of personal mobile devices",
    "RACGP": "RACGP, Using personal mobile devices for clinical photos",
    "GMC": "GMC, Making and using visual and audio recordings of patients",
    "IMI": "IMI National Guidelines, Consent to Clinical Photography",
    "PICS": "PICS Working Group, photography in custody and sexual assault centres",
    "POCA": "Protection of Children Act 1978 and CPS guidance",
    "HIPAA": "45 CFR 164.514(b)(2) and 164.508",
    "NHS-RM": "NHS Records Management Code of Practice",
    "DICOM": "DICOM PS3.15 Annex E",
    "IHE": "IHE Encounter-Based Imaging Workflow, Web-based Image Capture",
    "ISIC": "ISIC melanoma project working groups, DICOM WG-19",
    "FHIR": "HL7 FHIR R4",
}


@dataclass(frozen=True, slots=True)
class AuditRule:
    """A rule: id, words, sources, its key in a policy, and how it is checked."""

    id: str
    words: str
    sources: str
    key: str
    check: Check


_REDACTED = (
    "features.text",
    "features.barcode",
    "features.document",
    "features.handwriting",
    "features.screen",
)
_MARKS = tuple(
    f"features.{name}"
    for name in ("tattoo", "birthmark", "scar", "piercing", "jewellery", "unique_lesion", "teeth")
)

RULES: tuple[AuditRule, ...] = (
    AuditRule("G1", "A policy is in force: signed by every seat, in date, not rolled back", "SEED, GOV",
              "in_force", governing.in_force),
    AuditRule("G2", "Four constituencies are seated, nobody in two seats", "SEED", "governance.seats",
              governing.seats),
    AuditRule("G3", "A department's policy only tightens", "SEED, GOV", "departments_may_relax",
              governing.tightens),
    AuditRule("G4", "Every exception has an owner, a reason and an end", "GOV", "waivers", governing.waivers),
    AuditRule("D1", "The photo's device is enrolled", "SEED, SIIM17", "devices",
              held("devices.unknown", "devices.personal", "devices.lost", "devices.retired")),
    AuditRule("D2", "Managed, seen lately, its system new enough", "SEED", "devices.managed",
              held("devices.managed", "devices.state", "devices.cloud_photos", "devices.personal_account",
                   "devices.operator")),
    AuditRule("D3", "The claimed device agrees with the file", "AMA", "devices.unknown",
              held("devices.unknown")),
    AuditRule("D4", "The inventory is fresh", "SEED", "devices.inventory_max_age",
              stored.inventory_fresh),
    AuditRule("L1", "Did not pass a messaging app", "SEED, AMA, RACGP", "sources.messaging_app",
              held("sources.messaging_app")),
    AuditRule("L2", "Did not come back from a cloud", "SEED, SIIM17, RACGP", "sources.cloud_copy",
              held("sources.cloud_copy")),
    AuditRule("L3", "Not a screenshot, not edited", "TECH", "sources.screenshot",
              held("sources.screenshot", "sources.edited")),
    AuditRule("L4", "The camera's data were there at intake", "AMA", "sources.no_camera_data",
              held("sources.no_camera_data")),
    AuditRule("L5", "Filed soon after capture", "AMA, RACGP", "retention.off_the_device_within",
              photos.filed_soon),
    AuditRule("L6", "Removed from the device after filing", "AMA, RACGP", "retention.off_the_device_within",
              stored.off_the_device),
    AuditRule("S1", "No place, names, serials, comments or thumbnails in the stored file", "HIPAA", "scrub",
              stored.scrubbed),
    AuditRule("S2", "Pixels, orientation and colour profile unharmed", "ISIC, TECH", "scrub.orientation",
              stored.unharmed),
    AuditRule("S3", "Who, when and how stay known", "AMA", "scrub.captured_at", photos.who_when_how),
    AuditRule("S4", "For other purposes than care the time leaves shifted", "HIPAA", "exports.*.dates",
              leaving.times_shifted),
    AuditRule("V1", "Body site, side, view and reason are there", "SEED, BODY, IHE", "vocabulary.required",
              held("vocabulary")),
    AuditRule("V2", "Terms come from the enterprise list", "SEED, BODY", "vocabulary", photos.terms),
    AuditRule("V3", "Codes exist and mean what the term says", "BODY", "vocabulary.body_site.codes",
              photos.coded),
    AuditRule("V4", "A side at paired sites, none at others", "TECH", "vocabulary.laterality", photos.sides),
    AuditRule("F1", "Each photo speaks of every identifying feature", "SEED, VL", "detection.person_looks",
              photos.statements),
    AuditRule("F2", "A face or the like is hidden", "HIPAA", "features.face",
              held("features.face", "features.partial_face")),
    AuditRule("F3", "Tattoo, scar, jewellery and other marks are hidden", "HIPAA, GMC, SEED", "features",
              held(*_MARKS)),
    AuditRule("F4", "Text, name band, barcode, document, screen are covered for others", "HIPAA, GMC",
              "features.text", held(*_REDACTED)),
    AuditRule("F5", "No readable fingerprint or palm", "HIPAA", "features.fingerprint",
              held("features.fingerprint")),
    AuditRule("F6", "No other person is in the frame", "AMA, GMC", "features.other_person",
              held("features.other_person")),
    AuditRule("F7", "The place does not give it away", "HIPAA", "features.place", held("features.place")),
    AuditRule("F8", "What a detector doubts a person looks at", "VL", "detection.suspect_at",
              held("detection")),
    AuditRule("F9", "A sensitive site is locked even if no feature was ticked", "BODY",
              "features.intimate_region", held("features.intimate_region", "detection.person_looks")),
    AuditRule("F10", "What is covered is covered for good", "DICOM", "redact",
              stored.covered),
    AuditRule("C1", "Consent is recorded for the use; withdrawn consent stops it", "GMC, IMI, HIPAA",
              "consent",
              held("consent")),
    AuditRule("C2", "Unrecorded consent and identifiable: no teaching, no publication", "GMC", "consent",
              leaving.other_uses),
    AuditRule("C3", "A child's intimate photo is safeguarded", "IMI, POCA", "rules", held("rules")),
    AuditRule("A1", "Who may not see a photo cannot tell that it exists", "SEED", "compartments",
              photos.existence),
    AuditRule("A2", "Each opening has a name and stands in the log", "VL", "break_glass",
              governing.log_consistent),
    AuditRule("R1", "Nothing is destroyed before its time", "NHS-RM, PICS", "retention",
              stored.nothing_destroyed),
    AuditRule("E1", "Each photo that may has reached the record", "SEED, IHE, AMA", "exports",
              leaving.reached),
    AuditRule("E2", "An export carries only groups that its target may have", "SEED, VL",
              "exports.*.may_carry", leaving.carried),
    AuditRule("E3", "Labels on both resource and document", "FHIR, DICOM", "exports",
              leaving.labels),
)  # fmt: skip


def audit(case: Case) -> tuple[tuple[AuditRule, Answer], ...]:
    """Answer every rule, in order."""
    return tuple((rule, rule.check(case)) for rule in RULES)
