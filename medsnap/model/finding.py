"""What detectors and people say about identifying features in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medsnap.model.private import Private


class State(StrEnum):
    """What is known of a feature in a photo (policy.md M6)."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
    NOT_CHECKED = "not_checked"
    DOUBTFUL = "doubtful"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A box in fractions (0-1) of the upright picture: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """Who looked: a detector with its version and the digest of the model it ran."""

    name: str  # "centerface"
    version: str
    model: str = ""  # sha256 of the model bytes handed to the session, "" where none is used

    def __str__(self) -> str:
        return f"{self.name} {self.version}" + (f" {self.model[:12]}" if self.model else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One box: a feature, where, how sure, by whom; what was read there stays private."""

    feature: str
    region: Region
    score: float  # 0-1
    detector: Detector
    value: Private[str] | None = None  # text or barcode content


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one detector says of one feature over the whole picture.

    `state` is None when `score` speaks (0.0: it looked and found nothing); otherwise why there is
    no score: not_checked (no detector or model), not_assessable (failed, timed out, altered).
    """

    feature: str
    detector: Detector
    score: float | None = None
    state: State | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a person says of one feature: there, or not there."""

    feature: str
    seen: bool
    person: str  # staff id
    role: str  # "clinician" (manifest) or "reviewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureState:
    """The fused answer for one feature, and who gave it."""

    feature: str
    state: State
    by: tuple[str, ...] = ()
    score: float | None = None
