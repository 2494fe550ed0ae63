"""How sure a match is: two identifiers with their issuer, and nothing that speaks against them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from medsnap.match.rows import Said
from medsnap.model.photo import CaptureFacts
from medsnap.model.study import Description, Match, MatchState, Patient, Visit

CLOCK_TOLERANCE = timedelta(days=1)
MIRRORED = (2, 4, 5, 7)  # EXIF Orientation values with a flip


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """Identifiers that the manifest itself gives to two: no row with one of them is sure."""

    births: frozenset[tuple[str, str]]  # (issuer, mrn) with two birth dates
    visits: frozenset[str]  # encounters of two patients
    orders: frozenset[str]  # accessions of two patients


def doubts(all_said: Iterable[Said]) -> Doubts:
    """Look over all rows for a patient with two birth dates, or a visit of two patients."""
    births: defaultdict[tuple[str, str], set[date]] = defaultdict(set)
    visits: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    orders: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for said in all_said:
        if said.mrn is None:
            continue
        patient = (said.issuer or "", said.mrn)
        if said.birth_date:
            births[patient].add(said.birth_date)
        if said.encounter:
            visits[said.encounter].add(patient)
        if said.accession:
            orders[said.accession].add(patient)
    return Doubts(
        births=frozenset(k for k, v in births.items() if len(v) > 1),
        visits=frozenset(k for k, v in visits.items() if len(v) > 1),
        orders=frozenset(k for k, v in orders.items() if len(v) > 1),
    )


def judge(
    said: Said,
    captured: CaptureFacts,
    *,
    problems: tuple[str, ...],
    unsure: tuple[str, ...],
    whole: Doubts,
    manifest: str,
) -> Match:
    """Turn the joined rows into a Match; `problems` make a conflict, `unsure` a review."""
    problems += _impossible(said, captured, whole)
    unsure += _missing(said) + _doubtful(said, captured)
    if problems:
        state = MatchState.CONFLICT
    elif unsure:
        state = MatchState.NEEDS_REVIEW
    else:
        state = MatchState.MATCHED
    return Match(
        state=state,
        reasons=tuple(dict.fromkeys(problems + unsure)) or _agree(said),
        patient=_patient(said),
        visit=Visit(encounter=said.encounter, accession=said.accession, department=said.department),
        description=Description(
            body_site=said.body_site,
            laterality=said.laterality,
            view=said.view,
            reason=said.reason,
            lesion=said.lesion,
        ),
        captured_at=_captured(said, captured),
        asset=said.device,
        operator=said.operator,
        consent=said.consent,
        features=said.features,
        listed=True,
        manifest=manifest,
    )


def _patient(said: Said) -> Patient | None:
    if said.mrn is None or said.issuer is None:
        return None  # a number without its issuer is no identifier
    return Patient(mrn=said.mrn, issuer=said.issuer, birth_date=said.birth_date)


def _agree(said: Said) -> tuple[str, ...]:
    words = {
        "birth date": said.birth_date,
        "visit number": said.encounter,
        "accession number": said.accession,
    }
    second = next(word for word, value in words.items() if value is not None)
    return (f"the manifest gives a patient number with its issuer and a {second}",)


def _missing(said: Said) -> tuple[str, ...]:
    if said.mrn is None:
        return ("the manifest gives no patient number",)
    if said.issuer is None:
        return ("the patient number has no issuer",)
    if said.birth_date is None and said.encounter is None and said.accession is None:
        return ("only one identifier: a birth date, visit or accession number is needed as well",)
    return ()


def _impossible(said: Said, captured: CaptureFacts, whole: Doubts) -> tuple[str, ...]:
    found: list[str] = []
    if said.mrn is not None and (said.issuer or "", said.mrn) in whole.births:
        found.append("the manifest gives this patient two birth dates")
    if said.encounter in whole.visits:
        found.append("the manifest gives this visit to two patients")
    if said.accession in whole.orders:
        found.append("the manifest gives this accession number to two patients")
    taken = _moment(said.captured_at or captured.captured_at)
    if said.birth_date and taken and taken.date() < said.birth_date:
        found.append("the photo was taken before the patient's birth")
    return tuple(found)


def _doubtful(said: Said, captured: CaptureFacts) -> tuple[str, ...]:
    found: list[str] = []
    if _far_apart(said, captured):
        found.append("the camera's time and the manifest's are more than a day apart")
    if captured.orientation in MIRRORED and said.laterality in ("left", "right"):
        found.append("the picture is mirrored, so left and right need a look")
    return tuple(found)


def _far_apart(said: Said, captured: CaptureFacts) -> bool:
    listed, camera = _moment(said.captured_at), _moment(captured.captured_at, captured.offset)
    if listed is None or camera is None:
        return False
    if said.captured_at and "T" not in said.captured_at:
        return abs(listed.date() - camera.date()) > CLOCK_TOLERANCE
    if listed.tzinfo is None or camera.tzinfo is None:  # wall clocks, of the same place as far as we know
        listed, camera = listed.replace(tzinfo=None), camera.replace(tzinfo=None)
    return abs(listed - camera) > CLOCK_TOLERANCE


def _captured(said: Said, captured: CaptureFacts) -> str | None:
    """A bare day does not stand over the camera's time of that very day."""
    listed = said.captured_at
    if listed and "T" not in listed and captured.captured_at and captured.captured_at.startswith(listed):
        return None
    return listed


def _moment(text: str | None, offset: str | None = None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text + (offset or "" if "T" in text else ""))
    except ValueError:
        return None  # EXIF of a camera whose clock was never set
