"""The facts of one photo in the policy's own words; what the policy does not know is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from medsnap.model.decision import DeviceClass, Evidence
from medsnap.model.finding import State
from medsnap.policy.fuse import PRESENT, UNKNOWN, Known, clinician_denies, fuse
from medsnap.policy.nouns import Policy
from medsnap.policy.sites import SIDES, Site, normal

ADULT: Final = 18  # years; the clinician's extra word is asked below it (M6)
INTIMATE: Final = "intimate_region"
OTHER_PERSON: Final = "other_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Evidence with its words resolved; None is a missing fact, and so is a word nobody knows."""

    evidence: Evidence
    known: Mapping[str, Known]
    site: Site | None
    laterality: str | None  # left, right or both; said, or in the term of the site
    said_side: str | None  # the laterality alone, as it was said: left, right, both or none
    view: str | None
    reason: str | None
    age: int | None
    denied_intimate: bool  # the clinician's word that nothing intimate shows
    now: datetime

    @property
    def site_may_be_intimate(self) -> bool:
        """Say whether the site is missing or sensitive (M5, F9)."""
        return self.site is None or self.site.sensitive

    @property
    def device(self) -> str | None:
        """Return the device's class, or None when nobody knows it or the file contradicts it."""
        device = self.evidence.device
        if device.contradictions or device.device_class is DeviceClass.UNKNOWN:
            return None
        return str(device.device_class)

    def state(self, feature: str) -> State:
        """Return a feature's state; one that the policy lacks was not checked."""
        known = self.known.get(feature)
        return known.state.state if known else State.NOT_CHECKED

    def present(self, feature: str) -> bool:
        """Say whether it is seen or doubtful."""
        return self.state(feature) in PRESENT

    def unchecked(self, feature: str) -> bool:
        """Say whether nobody knows."""
        return self.state(feature) in UNKNOWN


def gather(policy: Policy, evidence: Evidence, now: datetime) -> Facts:
    """Resolve the words of the evidence with the policy's vocabulary."""
    described = evidence.description
    site = policy.vocabulary.sites.find(described.body_site)
    said = normal(described.laterality or "")
    side = said if said and said != "none" else (site.laterality if site else None)
    if site is not None and site.laterality not in (None, side):
        side = None  # "left hand" on the right: nobody knows which
    age = evidence.patient_age
    return Facts(
        evidence=evidence,
        known=fuse(policy, evidence, now),
        site=site,
        laterality=side if side in SIDES else None,
        said_side=said if said in (*SIDES, "none") else None,
        view=_listed(described.view, policy.vocabulary.view),
        reason=_listed(described.reason, policy.vocabulary.reason),
        age=age if age is not None and 0 <= age <= 150 else None,
        denied_intimate=clinician_denies(evidence, INTIMATE, now),
        now=now,
    )


def _listed(word: str | None, allowed: tuple[str, ...]) -> str | None:
    """Return the word in the vocabulary's spelling; "injurry" is no reason but a missing one."""
    plain = normal(word or "")
    return plain if plain in allowed else None
