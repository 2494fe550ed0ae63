"""The sending site, coded body sites and the honest flags that both formats share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from medsnap.model.finding import State
from medsnap.model.record import PhotoRow

# Burned In Annotation (0028,0301): what can spell a name into the pixels
_WRITTEN = ("text", "barcode")
# Recognizable Visual Features (0028,0302): what lets a person be recognised by looking
_VISUAL = frozenset({
    "face", "partial_face", "ear", "hair", "teeth", "tattoo", "scar", "birthmark", "piercing",
    "jewellery", "unique_lesion", "anomaly", "other_person",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Who sends: names for people, an OID as the root of the site's own numbers ("" unknown)."""

    name: str = ""
    oid: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A body site of SNOMED CT (DICOM Code Sequence, FHIR Coding).

    `paired`: there are two of it; `side`: the one that its words name, for "left hand" needs no laterality.
    """

    value: str
    meaning: str
    paired: bool = True
    side: str | None = None


class Flag(Enum):
    """A DICOM yes/no that may also be left out."""

    YES = "YES"
    NO = "NO"
    ABSENT = ""


def burned_in(row: PhotoRow) -> Flag:
    """Say whether text stands in the pixels: NO only when looked for and not found."""
    states = {f.feature: f.state for f in row.decision.features}
    if all(states.get(name) is State.NOT_SEEN for name in _WRITTEN):
        return Flag.NO
    return Flag.YES


def recognizable(row: PhotoRow) -> Flag:
    """Say whether a person could be recognised: NO only when every such feature was ruled out."""
    states = {f.feature: f.state for f in row.decision.features if f.feature in _VISUAL}
    if any(state in {State.SEEN, State.DOUBTFUL} for state in states.values()):
        return Flag.YES
    ruled_out = "face" in states and all(state is State.NOT_SEEN for state in states.values())
    return Flag.NO if ruled_out else Flag.ABSENT
