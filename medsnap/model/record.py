"""The catalogue row of one photo, as it is sealed into a batch (one JSON line)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from medsnap.model.carrier import Carrier
from medsnap.model.consent import Consent
from medsnap.model.decision import Decision, DeviceEvidence, Evidence, LeakSign
from medsnap.model.finding import Finding
from medsnap.model.photo import CaptureFacts, MediaType, ObjectId, Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.seal import Seal
from medsnap.model.study import Match

ADD = "photo.add"
RECEIPT = "photo.receipt"
DECIDE = "photo.decide"
OPEN = "photo.open"
CONSENT = "consent"
HOLD = "hold"
RELEASE = "hold.release"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionRow:
    """A companion: sealed beside the still (live clip) or only listed."""

    kind: str
    sha256: Sha256
    size: int
    seal: Seal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Identifiers for one target, sealed before anything is sent and re-used by every sending."""

    target: str
    kind: str  # "fhir-r4", "dicom"
    identifiers: Identifiers
    match: str = ""  # digest of whose photo it was taken for


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """The administrator's lists that took part in a decision: SHA-256 of each file, "" for none."""

    manifest: str = ""
    inventory: str = ""
    inventory_on: date | None = None  # the inventory's own day
    people: str = ""
    consents: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRow:
    """A photo came here from another locked group: what it was there, who moved it and why.

    `decisions` are those that held there, in order, that of its sealing first.
    """

    was: ObjectId
    source: str  # the locked group that it left
    at: str  # RFC 3339 UTC
    by: str
    reason: str
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRow:
    """All that a reader of the compartment may know of one photo. Sealed, never logged."""

    seal: Seal
    state: str  # "done" or "held"
    source_name: str  # as it lay in the dump
    source_sha256: Sha256
    source_size: int
    media: MediaType
    at: str  # when it was sealed, RFC 3339 UTC
    decision: Decision
    match: Match
    reason: str = ""  # why held
    width: int | None = None  # stored raster, pixels
    height: int | None = None
    orientation: int = 1
    capture: CaptureFacts | None = None
    device: DeviceEvidence | None = None
    signs: tuple[LeakSign, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    findings: tuple[Finding, ...] = ()
    companions: tuple[CompanionRow, ...] = ()
    intents: tuple[Intent, ...] = ()
    software: str = ""
    pixels: Sha256 | None = None  # of the decoded picture, where the run compared it with the source's
    likeness: str | None = None  # fingerprint of the picture, where it was decoded (model/likeness.py)
    evidence: Evidence | None = None  # what was decided on; rows of earlier versions lack it
    lists: Lists | None = None  # rows of earlier versions lack them
    moves: tuple[MoveRow, ...] = ()  # oldest first; `decision` is then that of the last move
    event: str = ADD

    @property
    def names(self) -> tuple[ObjectId, ...]:
        """Return its id, and those that it had before: what the log says is said of them."""
        return (self.seal.object, *(move.was for move in reversed(self.moves)))

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the locked group that it lies in, and those that it lay in before."""
        return (self.seal.compartment, *(move.source for move in reversed(self.moves)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A photo was decided again, under the locked group that it lies in.

    As `photo.decide` it only tightens; what opens is `photo.open` and needs a signer who may.
    """

    object: ObjectId
    decision: Decision
    event: str = DECIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """A photo left: written by an exporter (or by ingest in the same run)."""

    receipt: Receipt
    event: str = RECEIPT


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    """A patient agreed to a use, refused it or took it back; the same row lies in every compartment.

    `id` is random: what is said twice counts as said twice, what is read in two compartments once.
    """

    id: str
    consent: Consent
    file: str = ""  # SHA-256 of the register that it was read from
    event: str = CONSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """A legal hold: on one photo, in its compartment, or on all of a patient, then in every compartment.

    `id` is random and names the hold; `reason` says why, in the officer's words.
    """

    id: str
    reason: str
    at: str  # RFC 3339 UTC
    by: str = ""  # the officer
    object: ObjectId | None = None
    mrn: str | None = None
    issuer: str = ""  # "": whoever gave the number
    event: str = HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """A legal hold has ended; it lies where the hold does."""

    id: str  # of the hold
    reason: str
    at: str
    by: str = ""
    event: str = RELEASE
