"""consent.csv: what patients agreed to, from an administrator's path, never from a dump (C1).

Errors name line and column, never a patient's number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from medsnap.errors import UsageError
from medsnap.formats import csv_table as table
from medsnap.formats.csv_table import Row, Table
from medsnap.match import fields
from medsnap.model.consent import TREATMENT, USES, Consent, Given, Register, named, register
from medsnap.model.photo import Sha256

_PURPOSES: Final = ", ".join("care" if name == TREATMENT else name for name in USES)  # as people write them

_COLUMNS = {
    "mrn": ("patient", "patient_id", "patient_number", "pid"),
    "issuer": ("assigner", "assigning_authority"),
    "purpose": ("use",),
    "given": ("consent", "status"),
    "on": ("date", "day", "signed_on"),
    "until": ("valid_until", "expires"),
    "by": ("given_by", "signed_by"),
}
_GIVEN = {
    "verbal": Given.VERBAL,
    "oral": Given.VERBAL,
    "written": Given.WRITTEN,
    "signed": Given.WRITTEN,
    "refused": Given.REFUSED,
    "no": Given.REFUSED,
    "declined": Given.REFUSED,
    "withdrawn": Given.WITHDRAWN,
    "revoked": Given.WITHDRAWN,
}
_GUARDIANS = frozenset({"guardian", "parent", "proxy"})
_OWN = frozenset({"", "patient", "self"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFile:
    """A register as it was read, and the SHA-256 of the file."""

    digest: Sha256
    consents: tuple[Consent, ...]

    @property
    def register(self) -> Register:
        """The register of these statements."""
        return register(self.consents, self.digest)


def load(path: Path, *, today: date, issuer: str = "") -> ConsentFile:
    """Read a register; `issuer` stands where a row names none.

    Raises ConfigError with file:line:column, InputMissing, IoFailed.
    """
    source = table.read(path, _COLUMNS, strict=True)
    for column in ("mrn", "purpose", "given"):
        if column not in source.columns:
            raise table.missing(source, column)
    rows = tuple(_consent(source, row, today, issuer) for row in source.rows)
    return ConsentFile(digest=Sha256(source.digest), consents=rows)


def outside(path: Path, dumps: Iterable[Path]) -> None:
    """Refuse a register that lies in a dump: who fills a phone must not consent for patients."""
    place = path.resolve()
    for dump in dumps:
        if place.is_relative_to(dump.resolve()):
            raise UsageError(
                "the consent register lies in the dump that is taken in",
                hint="keep it where only an administrator writes, and name that path",
            )


def use(text: str) -> str:
    """Read a purpose of the command line: care is treatment. Raises UsageError."""
    found = named(text.strip().casefold())
    if found not in USES:
        raise UsageError("this purpose is not known", hint=f"one of: {_PURPOSES}")
    return found


def number(text: str) -> str:
    """Read a patient's number of the command line. Raises UsageError, which does not repeat it."""
    try:
        mrn = fields.number(text.strip())
    except ValueError as misfit:
        raise UsageError(f"the patient's number: {misfit}") from None
    if not mrn:
        raise UsageError("the patient's number is empty")
    return mrn


def issuer(text: str) -> str:
    """Read who gave a number, as the manifest does; "" for nobody. Raises UsageError."""
    try:
        return fields.issuer(text.strip()) or ""
    except ValueError as misfit:
        raise UsageError(f"the issuer: {misfit}") from None


def _consent(source: Table, row: Row, today: date, issuer: str) -> Consent:
    mrn, by_whom = _identifier(source, row)
    given = _GIVEN.get(row.text("given").casefold())
    if given is None:
        raise source.wrong(row, "given", f"needs one of: {', '.join(_GIVEN)}")
    purpose = named(row.text("purpose").casefold())
    if purpose not in USES:
        raise source.wrong(row, "purpose", f"needs one of: {_PURPOSES}")
    speaker = row.text("by").casefold()
    if speaker not in _GUARDIANS | _OWN:
        raise source.wrong(row, "by", "needs 'patient' or 'guardian'")
    by_whom = by_whom or issuer
    if not given.stops and not by_whom:
        raise source.wrong(row, "issuer", "is empty: who gave the number?", "or give --issuer for all rows")
    on, until = _days(source, row, given, today)
    return Consent(
        mrn=mrn,
        issuer=by_whom,
        use=purpose,
        given=given,
        on=on,
        until=until,
        by_guardian=speaker in _GUARDIANS,
    )


def _identifier(source: Table, row: Row) -> tuple[str, str]:
    """Read the number and its issuer as the manifest does, or a withdrawal would miss its photos."""
    try:
        mrn = fields.number(row.text("mrn"))
    except ValueError as misfit:
        raise source.wrong(row, "mrn", str(misfit)) from None
    if not mrn:
        raise source.wrong(row, "mrn", "is empty")
    try:
        return mrn, fields.issuer(row.text("issuer")) or ""
    except ValueError as misfit:
        raise source.wrong(row, "issuer", str(misfit)) from None


def _days(source: Table, row: Row, given: Given, today: date) -> tuple[date, date | None]:
    on, until = table.day(source, row, "on"), table.day(source, row, "until")
    if given.stops:
        return on or today, None  # it stops at once, whatever is said of an end
    if on is None:
        raise source.wrong(row, "on", "is empty: a consent needs its day")
    if on > today:
        raise source.wrong(row, "on", "lies in the future")
    if until is not None and until < on:
        raise source.wrong(row, "until", "lies before 'on'")
    return on, until
