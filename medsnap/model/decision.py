"""Evidence in, decision out: what the policy engine sees and says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum, StrEnum

from medsnap.model.finding import FeatureState, Reading, Statement
from medsnap.model.study import Description


class Verb(IntEnum):
    """The six verbs, mildest first (policy.md M2, M3)."""

    ACCEPT = 0
    REDACT = 1
    RESTRICT = 2
    QUARANTINE = 3
    REJECT = 4
    SAFEGUARD = 5

    def __str__(self) -> str:
        return self.name.lower()


class DeviceClass(StrEnum):
    """How the hospital knows a device."""

    MANAGED = "managed"
    PERSONAL = "personal"
    UNKNOWN = "unknown"


class DeviceState(StrEnum):
    """Whether a device is in somebody's hands who should have it."""

    IN_USE = "in_use"
    LOST = "lost"
    RETIRED = "retired"
    UNKNOWN = "unknown"


class CloudPhotos(StrEnum):
    """Whether a device sends its photos to a cloud by itself."""

    OFF = "off"
    ON = "on"
    UNKNOWN = "unknown"


class PersonalAccount(StrEnum):
    """Whether somebody's private account is signed in on a device."""

    NONE = "none"
    PRESENT = "present"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvidence:
    """The claimed device, its inventory row, and where the file contradicts the claim."""

    device_class: DeviceClass = DeviceClass.UNKNOWN
    asset: str | None = None
    claimed_by: str | None = None  # "--asset", "manifest", "folder"
    os: str | None = None  # "ios", "android"
    os_version: str | None = None
    last_seen: date | None = None
    owner: str | None = None
    contradictions: tuple[str, ...] = ()  # in words: "camera says make Apple, inventory says samsung"
    inventory_date: date | None = None
    shared: bool | None = None  # more than one person takes photos with it; None: not known
    last_user: str | None = None
    state: DeviceState = DeviceState.UNKNOWN
    cloud_photos: CloudPhotos = CloudPhotos.UNKNOWN
    personal_account: PersonalAccount = PersonalAccount.UNKNOWN


class LeakKind(StrEnum):
    """Signs that a photo has been elsewhere (policy `sources`)."""

    MESSAGING_APP = "messaging_app"
    CLOUD_COPY = "cloud_copy"
    SCREENSHOT = "screenshot"
    EDITED = "edited"
    NO_CAMERA_DATA = "no_camera_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakSign:
    """One sign and its evidence in words, without file names."""

    kind: LeakKind
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A row of people.csv: who may speak for what, and when."""

    staff_id: str
    roles: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """Which medsnap looked at the photo, and the day of its release."""

    version: str
    released: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that decide() knows of one photo. Nothing in it names the patient or the file."""

    readings: tuple[Reading, ...] = ()
    statements: tuple[Statement, ...] = ()
    device: DeviceEvidence = field(default_factory=DeviceEvidence)
    signs: tuple[LeakSign, ...] = ()
    description: Description = field(default_factory=Description)
    department: str | None = None
    patient_age: int | None = None  # whole years on the day of capture
    operator: Person | None = None  # set only when the manifest's operator stands in people.csv
    listed: bool = False  # a manifest row or label group covers it
    manifest_given: bool = False  # a manifest came by --manifest
    consent: tuple[tuple[str, str], ...] = ()
    purpose: str = "care"
    media_understood: bool = True  # False: sealed as it came, nothing in it could be checked
    software: Software | None = None
    reviewers: tuple[Person, ...] = ()  # rows of people.csv of those whose statements are reviewers'


OF_VISIT = "another photo of the visit"  # begins the words of a vote that a photo got from its study
BY_PERSON = "a person moved it there"  # begins the words of a vote of somebody who moved it
PERSON = "person.move."  # begins the path of such a vote; the locked group follows


def from_outside(because: str) -> bool:
    """Say by its words whether a vote came from beside the photo's own evidence."""
    return because.startswith((OF_VISIT, BY_PERSON))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One reason: who says what, and the line of the policy that says so."""

    verb: Verb
    path: str  # "features.face", "devices.personal", "rules.child-intimate"
    where: str  # "northside.yaml:66"
    compartment: str | None = None
    reviewers: int = 0
    because: str = ""  # facts in words: "face 0.93, certain at 0.80"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    """Which policy decided: identity, digests, and whether anybody signed it."""

    policy: str
    version: int
    digest: str  # sha256 of the file as it is
    effective: str  # sha256 of the resolved policy with parents and baseline
    baseline: int
    signed: str = "unsigned"
    in_force: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to the photo, why, and where it may go (policy.md M14)."""

    verb: Verb
    compartment: str
    votes: tuple[Vote, ...]  # strictest first
    decided_by: str  # path of the winning vote
    policy: PolicyRef
    at: str  # RFC 3339 UTC
    evidence: str  # sha256 of the canonical evidence
    reviewers: int = 0
    provisional: tuple[str, ...] = ()  # facts that are missing: "patient_age"
    may_leave_to: tuple[str, ...] = ()  # names of `exports`
    holds: tuple[str, ...] = ()  # per export that is not allowed: "pacs: …", in words
    features: tuple[FeatureState, ...] = ()
    opened_by: tuple[str, ...] = ()  # roles that may open it now
    counterfactual: str = ""

    @property
    def waits(self) -> bool:
        """Say whether a person has to look before anybody but a reviewer gets on with the photo."""
        return self.verb in (Verb.QUARANTINE, Verb.SAFEGUARD)
