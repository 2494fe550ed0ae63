"""The context groups of DICOM PS3.16 that medsnap's vocabularies stand on, as pydicom prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pydicom
from pydicom import _version
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

SCHEME: Final = "SCT"
# PS3.6 Table A-3; pydicom prints the codes of a group, not its UID.
GROUPS: Final = {
    4: ("Anatomic Region", "1.2.840.10008.6.1.2"),
    244: ("Laterality", "1.2.840.10008.6.1.37"),
    4029: ("Dermatology Anatomic Site", "1.2.840.10008.6.1.1268"),
    4031: ("Common Anatomic Region", "1.2.840.10008.6.1.308"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One code with its meaning and the groups that list it; `others` are meanings that it has elsewhere."""

    code: str
    meaning: str
    others: tuple[str, ...]
    groups: tuple[int, ...]


def members(*groups: int) -> tuple[Concept, ...]:
    """List the SNOMED CT concepts of some groups by meaning, each once."""
    meanings: dict[str, set[str]] = {}
    listed: dict[str, set[int]] = {}
    tables: Any = concepts[SCHEME]
    for group in groups:
        for keyword in cid_concepts[group].get(SCHEME, ()):
            # One keyword may have several codes; only those that name this group are its members.
            for code, (meaning, of) in tables[keyword].items():
                if group in of:
                    meanings.setdefault(code, set()).add(meaning)
                    listed.setdefault(code, set()).add(group)
    found = []
    for code, words in meanings.items():
        first, *others = sorted(words, key=lambda word: (word.startswith("Endo-"), word))
        groups_of = tuple(sorted(listed[code]))
        found.append(Concept(code=code, meaning=first, others=tuple(others), groups=groups_of))
    return tuple(sorted(found, key=lambda concept: (concept.meaning.lower(), concept.code)))


def left_out(group: int) -> int:
    """Count a group's codes of other schemes than SNOMED CT."""
    return sum(len(words) for scheme, words in cid_concepts[group].items() if scheme != SCHEME)


def source(*groups: int) -> list[dict[str, object]]:
    """Name the groups for the head of a file."""
    return [
        {"cid": group, "name": GROUPS[group][0], "uid": GROUPS[group][1], "other_schemes": left_out(group)}
        for group in groups
    ]


def edition() -> str:
    """Name the edition of the standard and who printed it."""
    return f"DICOM PS3.16 {_version.__concepts_version__}, as in pydicom {pydicom.__version__}"
