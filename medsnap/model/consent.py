"""What patients agreed to: a register by patient and use, and what it says on a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, TypeAlias

from medsnap.model.study import Patient

Pairs: TypeAlias = tuple[tuple[str, str], ...]  # use, what was given: ("teaching", "written")

BY_GUARDIAN: Final = " by guardian"  # ends the word of a consent that a guardian gave
TREATMENT: Final = "treatment"
USES: Final = (TREATMENT, "teaching", "publication")


class Given(StrEnum):
    """What was given for a use."""

    VERBAL = "verbal"
    WRITTEN = "written"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"

    @property
    def stops(self) -> bool:
        """Say whether it forbids the use."""
        return self in (Given.REFUSED, Given.WITHDRAWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One statement of a patient on one use; `until` is the last day that it holds."""

    mrn: str
    issuer: str  # "" only where it stops a use: then it is meant for every issuer
    use: str
    given: Given
    on: date
    until: date | None = None
    by_guardian: bool = False

    def word(self) -> str:
        """Return what was given, in the words of a photo's own consent."""
        return f"{self.given}{BY_GUARDIAN if self.by_guardian and not self.given.stops else ''}"


@dataclass(frozen=True, slots=True)
class Register:
    """Statements by patient number. Order does not matter: the days of the statements do.

    `digest` is the SHA-256 of the file that they were read from, "" for those of a vault.
    """

    rows: Mapping[str, tuple[Consent, ...]]
    digest: str = ""

    def said(self, patient: Patient | None, today: date) -> Pairs:
        """Return one word for each use that the register speaks of; "ended" where nothing holds any more.

        A refusal or withdrawal stands until a consent of a later day: a register that lags behind
        must not undo a withdrawal.
        """
        if patient is None:
            return ()
        by_use: defaultdict[str, list[Consent]] = defaultdict(list)
        for row in self.rows.get(patient.mrn, ()):
            if row.issuer == patient.issuer or (row.given.stops and not row.issuer):
                by_use[row.use].append(row)
        return tuple((use, _word(found, today)) for use, found in sorted(by_use.items()))


def register(rows: Iterable[Consent], digest: str = "") -> Register:
    """Index statements by patient number."""
    found: defaultdict[str, list[Consent]] = defaultdict(list)
    for row in rows:
        found[row.mrn].append(row)
    return Register({mrn: tuple(said) for mrn, said in found.items()}, digest)


def _word(found: list[Consent], today: date) -> str:
    stops = [row for row in found if row.given.stops]
    last = max(stops, key=lambda row: row.on) if stops else None
    grants = [
        row
        for row in found
        if not row.given.stops
        and row.on <= today
        and (row.until is None or today <= row.until)
        and (last is None or row.on > last.on)
    ]
    if grants:
        return max(grants, key=lambda row: (row.on, row.given is Given.WRITTEN, row.by_guardian)).word()
    return last.word() if last is not None else "ended"


def overlay(own: Pairs, said: Pairs) -> Pairs:
    """Lay the register's word over a photo's own consent.

    Where the register speaks of a use it is the authority; the photo's own row can then only refuse.
    """
    known = {use for use, _ in said}
    kept = [(use, what) for use, what in own if named(use) not in known or what.strip().lower() in STOPS]
    return tuple(dict.fromkeys((*kept, *said)))


def joined(own: Pairs, consents: Register | None, patient: Patient | None, today: date) -> Pairs:
    """Join a photo's own consent with what a register says of its patient today, if there is one."""
    return own if consents is None else overlay(own, consents.said(patient, today))


STOPS: Final = frozenset({"refused", "withdrawn", "no", "declined"})


def named(purpose: str) -> str:
    """Return the consent's word for a purpose: care is treatment."""
    return TREATMENT if purpose == "care" else purpose
