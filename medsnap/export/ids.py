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

from medsnap.export.moment import captured
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import PhotoRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Place within the exported set, from 1: never a hint at photos that did not leave."""

    study: int
    series: int
    instance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted:
    """Identifiers and numbers of one photo for one target."""

    identifiers: Identifiers
    numbers: Numbers


def random_uuid(random: Callable[[int], bytes]) -> uuid.UUID:
    """Make a version 4 UUID (RFC 9562) from 16 bytes of `random`."""
    return uuid.UUID(bytes=random(16), version=4)


def random_uid(random: Callable[[int], bytes]) -> str:
    """Make a DICOM UID under 2.25 (PS3.5 B.2)."""
    return f"2.25.{random_uuid(random).int}"


def match_digest(row: PhotoRow) -> Sha256:
    """Digest of whose photo this is and of which visit; equal as long as the match is the same."""
    patient, visit = row.match.patient, row.match.visit
    whose = [patient.issuer, patient.mrn] if patient else []
    text = json.dumps([whose, visit.encounter, visit.accession])
    return Sha256(hashlib.sha256(text.encode()).hexdigest())


def allot(
    rows: Sequence[PhotoRow], earlier: Sequence[Receipt], *, random: Callable[[int], bytes]
) -> dict[ObjectId, Allotted]:
    """Group the photos that leave to one target into studies (visit) and series (body site).

    `earlier` are the target's receipts; a study or series that left before is continued.
    """
    kept = _reusable(rows, earlier)
    studies: dict[tuple[str, str], str] = {}
    series: dict[tuple[tuple[str, str], str], str] = {}
    for row in rows:
        if (known := kept.get(row.seal.object)) is not None:
            studies.setdefault(_study(row), known.study_uid)
            series.setdefault((_study(row), _site(row)), known.series_uid)
    numbers = _numbers(rows)
    made: dict[ObjectId, Allotted] = {}
    for row in rows:
        name = row.seal.object
        study, place = _study(row), (_study(row), _site(row))
        if study not in studies:
            studies[study] = random_uid(random)
        if place not in series:
            series[place] = random_uid(random)
        identifiers = kept.get(name) or Identifiers(
            study_uid=studies[study],
            series_uid=series[place],
            sop_uid=random_uid(random),
            document=random_uuid(random).urn,
        )
        made[name] = Allotted(identifiers=identifiers, numbers=numbers[name])
    return made


def _reusable(rows: Sequence[PhotoRow], earlier: Sequence[Receipt]) -> Mapping[ObjectId, Identifiers]:
    matches = {row.seal.object: match_digest(row) for row in rows}
    return {r.object: r.identifiers for r in earlier if r.match and matches.get(r.object) == r.match}


def _study(row: PhotoRow) -> tuple[str, str]:
    visit = row.match.visit
    when = captured(row)
    # without a visit the day keeps apart what a year of photos would pile into one study
    day = "" if visit.encounter or visit.accession or when is None else when.date
    return match_digest(row), day


def _site(row: PhotoRow) -> str:
    described = row.match.description
    return json.dumps([described.body_site, described.laterality])


def _numbers(rows: Sequence[PhotoRow]) -> dict[ObjectId, Numbers]:
    """Count in the order of capture, so that a reader leafs through the visit as it was."""
    ordered = sorted(rows, key=_order)
    studies: dict[tuple[str, str], dict[str, int]] = {}
    seen: dict[ObjectId, Numbers] = {}
    counts: dict[tuple[tuple[str, str], str], int] = {}
    for row in ordered:
        study, site = _study(row), _site(row)
        sites = studies.setdefault(study, {})
        number = sites.setdefault(site, len(sites) + 1)
        counts[study, site] = counts.get((study, site), 0) + 1
        seen[row.seal.object] = Numbers(
            study=list(studies).index(study) + 1, series=number, instance=counts[study, site]
        )
    return seen


def _order(row: PhotoRow) -> tuple[str, str, str]:
    when = captured(row)
    return (when.sortable if when else "", row.source_name, row.seal.object)
