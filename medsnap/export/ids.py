"""Random identifiers and honest numbers for what leaves.

Identifiers say nothing about the photo (a receiver could otherwise confirm a guess). They are kept
in the receipt and re-used when the same photo goes to the same target under the same match; a
photo that was matched anew gets new ones, or a receiver would ignore it as already stored.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from medsnap.export.moment import captured
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import PhotoRow
from medsnap.model.study import Match

_T = TypeVar("_T")
_Patient: TypeAlias = tuple[str, str]  # issuer, number
_Study: TypeAlias = tuple[str, str]  # digest of the match, day
_Series: TypeAlias = tuple[str, str, str]  # … and the body site


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Place within the exported set, from 1: never a hint at photos that did not leave."""

    study: int
    series: int
    instance: int


def random_uuid(random: Callable[[int], bytes]) -> uuid.UUID:
    """Make a version 4 UUID (RFC 9562) from 16 bytes of `random`."""
    return uuid.UUID(bytes=random(16), version=4)


def random_uid(random: Callable[[int], bytes]) -> str:
    """Make a DICOM UID under 2.25 (PS3.5 B.2)."""
    return f"2.25.{random_uuid(random).int}"


def match_digest(matched: Match) -> Sha256:
    """Digest of whose photo this is and of which visit; equal as long as the match is the same."""
    patient, visit = matched.patient, matched.visit
    whose = [patient.issuer, patient.mrn] if patient else []
    text = json.dumps([whose, visit.encounter, visit.accession])
    return Sha256(hashlib.sha256(text.encode()).hexdigest())


def allot(
    rows: Sequence[PhotoRow],
    earlier: Sequence[Receipt],
    *,
    target: str,
    kind: str,
    random: Callable[[int], bytes],
) -> dict[ObjectId, Identifiers]:
    """Group the photos that leave to one target into studies (visit) and series (body site).

    Identifiers that an earlier receipt or the row's own intent names for this target and kind are
    used again; a study or series that left before is continued.
    """
    kept = _known(rows, [r for r in earlier if (r.target, r.kind) == (target, kind)], target, kind)
    studies: dict[_Study, str] = {}
    series: dict[_Series, str] = {}
    for row in rows:
        if (known := kept.get(row.seal.object)) is not None:
            studies.setdefault(_study(row), known.study_uid)
            series.setdefault(_series(row), known.series_uid)
    made: dict[ObjectId, Identifiers] = {}
    for row in rows:
        study, part = _study(row), _series(row)
        if study not in studies:
            studies[study] = random_uid(random)
        if part not in series:
            series[part] = random_uid(random)
        made[row.seal.object] = kept.get(row.seal.object) or Identifiers(
            study_uid=studies[study],
            series_uid=series[part],
            sop_uid=random_uid(random),
            document=random_uuid(random).urn,
        )
    return made


class Numbering:
    """Counts studies of a patient, series of a study and photos of a series as they leave.

    Only `take` counts: a photo that stays at the last moment leaves no gap that speaks of it.
    """

    def __init__(self) -> None:
        self._studies: dict[_Patient, list[_Study]] = {}
        self._series: dict[_Study, list[_Series]] = {}
        self._photos: dict[_Series, int] = {}

    def peek(self, row: PhotoRow) -> Numbers:
        """Return the numbers that this photo gets if it leaves next."""
        return Numbers(
            study=_place(self._studies.get(_patient(row), []), _study(row)),
            series=_place(self._series.get(_study(row), []), _series(row)),
            instance=self._photos.get(_series(row), 0) + 1,
        )

    def take(self, row: PhotoRow) -> None:
        """Count a photo that has left."""
        _add(self._studies.setdefault(_patient(row), []), _study(row))
        _add(self._series.setdefault(_study(row), []), _series(row))
        self._photos[_series(row)] = self._photos.get(_series(row), 0) + 1


def _add(known: list[_T], new: _T) -> None:
    if new not in known:
        known.append(new)


def _place(known: list[_T], wanted: _T) -> int:
    return known.index(wanted) + 1 if wanted in known else len(known) + 1


def order(row: PhotoRow) -> tuple[str, str, str]:
    """Sort key: by time of capture, so that a reader leafs through the visit as it was."""
    when = captured(row)
    return (when.sortable if when else "", row.source_name, row.seal.object)


def _known(
    rows: Sequence[PhotoRow], earlier: Sequence[Receipt], target: str, kind: str
) -> Mapping[ObjectId, Identifiers]:
    """Find identifiers that were taken for the match as it is now; what has left outranks a plan."""
    known: dict[ObjectId, Identifiers] = {}
    matches = {row.seal.object: match_digest(row.match) for row in rows}
    for row in rows:
        for intent in row.intents:
            if (intent.target, intent.kind, intent.match) == (target, kind, matches[row.seal.object]):
                known[row.seal.object] = intent.identifiers
    for receipt in earlier:
        if receipt.match and matches.get(receipt.object) == receipt.match:
            known[receipt.object] = receipt.identifiers
    return known


def _patient(row: PhotoRow) -> _Patient:
    patient = row.match.patient
    return (patient.issuer, patient.mrn) if patient else ("", "")


def _study(row: PhotoRow) -> _Study:
    visit = row.match.visit
    when = captured(row)
    # without a visit the day keeps apart what a year of photos would pile into one study
    day = "" if visit.encounter or visit.accession or when is None else when.date
    return match_digest(row.match), day


def _series(row: PhotoRow) -> _Series:
    described = row.match.description
    return (*_study(row), json.dumps([described.body_site, described.laterality]))
