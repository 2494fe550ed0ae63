"""A policy as typed, frozen values; every part knows the line that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from medsnap.model.decision import PolicyRef, Verb
from medsnap.policy.findings import LintFinding
from medsnap.policy.sites import Sites
from medsnap.policy.walk import Item

if TYPE_CHECKING:
    from medsnap.policy.waiver import Waiver


class Label(StrEnum):
    """HL7 v3 Confidentiality: normal, restricted, very restricted."""

    NORMAL = "N"
    RESTRICTED = "R"
    VERY_RESTRICTED = "V"


class Looks(StrEnum):
    """When a person must have looked (policy.md M6)."""

    EVERY_PHOTO = "every_photo"
    BEFORE_OPENING = "before_opening"
    WHEN_UNSURE = "when_unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compartment:
    """A locked group: its name, the roles it opens to, its label on exports."""

    name: str
    open_to: tuple[str, ...]
    label: Label
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRule:
    """One verb for one thing: a feature, a device class or a leak sign."""

    name: str
    verb: Verb
    to: str | None
    reviewers: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule:
    """The verb for managed devices, with what must be so of them."""

    rule: FeatureRule
    os_at_least: Mapping[str, tuple[int, ...]]
    seen_within: timedelta | None
    where_os: str
    where_seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What each device class does."""

    managed: DeviceRule
    personal: FeatureRule
    unknown: FeatureRule
    lost: FeatureRule
    retired: FeatureRule
    state: str  # "any" or "in_use"
    cloud_photos: str  # "any", "not_on" or "off"
    personal_account: str  # "any", "not_present" or "none"
    operator: str  # "any", "if_shared" or "unless_own"
    inventory: str | None
    inventory_max_age: timedelta | None
    where_age: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareRule:
    """How old medsnap itself may be; None: that is not asked."""

    not_older_than: timedelta | None = None
    at_least: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Facts that must all be so; an empty tuple or None asks nothing."""

    feature: tuple[str, ...] = ()
    department: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    body_site: tuple[str, ...] = ()  # SNOMED CT codes
    patient_younger_than: int | None = None
    device: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A case of several facts together."""

    id: str
    when: When
    verb: Verb
    to: str | None
    reviewers: int
    whole_study: bool
    because: str
    where: str

    @property
    def path(self) -> str:
        """Return "rules.child-intimate"."""
        return f"rules.{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """How photos are described: what is required, what a gap does, which words count."""

    required: tuple[str, ...]
    quarantines: frozenset[str]  # of the required: a missing one holds the photo
    view: tuple[str, ...]
    reason: tuple[str, ...]
    sites: Sites
    where: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How far detectors are trusted (policy.md M6)."""

    certain_at: float
    suspect_at: float
    person_looks: Looks
    cannot_appear_in: Mapping[str, frozenset[str]]  # view → features
    may_clear: Mapping[str, tuple[str, ...]]  # feature → "name", "name@digest", "name/version"
    where_looks: str
    where_suspect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What one use needs: implied < verbal < written."""

    use: str
    need: str
    show: str
    reviewers: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A target: its forms, what it may carry, how it treats what nobody has looked at."""

    name: str
    forms: tuple[str, ...]  # "fhir-r4", "dicom", "pdf", "folder"
    purpose: str
    may_carry: tuple[str, ...]
    dates: str  # "keep" or "shift"
    patient_portal: str  # "hold" or "release"
    unlooked: str  # "send" or "wait"
    labels_enforced: date | None  # the day somebody tried it
    heic_as: str  # "jpeg-95" or "jpeg-ls"
    where: str

    @property
    def as_(self) -> str:
        """Return the first form."""
        return self.forms[0]

    def takes(self, form: str) -> bool:
        """Say whether it takes a form: "fhir" and "fhir-r4" mean the same."""
        return any(own == form or own.split("-")[0] == form for own in self.forms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Who looks at what waits, and where it waits."""

    by: tuple[str, ...]
    within: str
    keep_in: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """First and last day, and how long care goes on after the last."""

    first: date
    last: date
    grace: timedelta
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A seat of the governing body: who sits there, and how many of them must sign."""

    name: str
    people: tuple[str, ...]
    sign: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverLimits:
    """What exceptions a policy allows (policy.md M12)."""

    signed_by: tuple[str, ...]  # seats
    at_most: timedelta
    never_for: tuple[str, ...]  # rule paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy with baseline's answers where it is silent."""

    ref: PolicyRef
    title: str
    in_force: InForce
    compartments: tuple[Compartment, ...]
    ranks: Mapping[str, int]  # place of each compartment in the order
    departments: frozenset[str]
    vocabulary: Vocabulary
    devices: Devices
    sources: Mapping[str, FeatureRule]
    not_listed: Mapping[str, str]  # device class → "leave" or "quarantine"
    clinician_may_clear: frozenset[str]
    detection: Detection
    features: Mapping[str, FeatureRule]
    rules: tuple[Rule, ...]
    review: Review
    consent: Mapping[str, Consent]
    exports: tuple[Export, ...]
    lines: Mapping[str, str]  # path → "file:line", for all that was said
    settings: Mapping[str, object]  # the effective values as plain data
    warnings: tuple[LintFinding, ...] = ()
    seats: tuple[Seat, ...] = ()  # whose signatures bring it into force (policy.md 3.9)
    root: str = ""  # the policy at the top: its own id, or that of its parent
    refused: str = ""  # why it is not in force whatever the date (M16)
    text: str = field(default="", repr=False, compare=False)  # the file as it is: what the digest covers
    tree: Item | None = field(default=None, repr=False, compare=False)  # effective, with lines
    software: SoftwareRule = SoftwareRule()
    waiver_limits: WaiverLimits | None = None  # None: none are allowed
    waivers: tuple[Waiver, ...] = ()  # in force: read, and signed where a keyring is pinned (M12)
    parent: Policy | None = field(default=None, repr=False)  # what it `extends`, as it stands alone
    also: Policy | None = field(default=None, repr=False)  # itself under the parent in force now (M11)
    pinned: str = ""  # with `also`: the effective digest under the pinned parent, which is what was signed

    def rank(self, compartment: str | None) -> int:
        """Return a compartment's place in the order; none is before the first, unknown the last."""
        if compartment is None:
            return -1
        return self.ranks.get(compartment, len(self.ranks) - 1)

    def compartment(self, name: str) -> Compartment:
        """Return a compartment by name; an unknown name gives the last one."""
        return self.compartments[self.rank(name)]

    def export(self, name: str) -> Export | None:
        """Return a target by name."""
        return next((export for export in self.exports if export.name == name), None)

    def where(self, path: str) -> str:
        """Return the line that says a path, or that of the nearest part above it that was said."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, "")
