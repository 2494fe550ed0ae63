"""One row of a manifest, typed: what it names (file, content or folder) and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from medsnap.formats.csv_table import Row, Table
from medsnap.match import fields
from medsnap.model.photo import Sha256

# Canonical column, its other spellings, and the parser of its cells.
COLUMNS: Mapping[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "file": (("filename", "file_name", "path", "photo"), fields.path),
    "sha256": (("hash", "digest"), fields.sha256),
    "folder": (("directory", "dir"), fields.path),
    "mrn": (("patient_id", "patient_number", "medical_record_number", "pid"), fields.number),
    "issuer": (("mrn_issuer", "assigning_authority", "issuer_of_patient_id"), fields.issuer),
    "birth_date": (("dob", "date_of_birth", "birthdate"), fields.day),
    "encounter": (("visit", "visit_number", "encounter_id", "admission"), fields.number),
    "accession": (("accession_number", "order"), fields.number),
    "department": (("ward", "unit", "clinic"), fields.term),
    "device": (("asset", "asset_tag", "device_id"), fields.name),
    "captured_at": (("taken_at", "capture_time", "datetime", "taken"), fields.moment),
    "body_site": (("site", "bodysite", "body_part", "anatomic_region"), fields.term),
    "laterality": (("side",), fields.side),
    "view": ((), fields.term),
    "reason": (("indication",), fields.term),
    "lesion": (("lesion_id", "lesion_number"), fields.name),
    "operator": (("staff_id", "photographer", "taken_by"), fields.name),
    "consent": ((), fields.consent),
    "features": ((), fields.features),
}
IDENTIFIERS = ("mrn", "issuer", "birth_date", "encounter", "accession")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a row says of the photos that it names; None and () are blanks."""

    mrn: str | None = None
    issuer: str | None = None
    birth_date: date | None = None
    encounter: str | None = None
    accession: str | None = None
    department: str | None = None
    device: str | None = None
    captured_at: str | None = None
    body_site: str | None = None
    laterality: str | None = None
    view: str | None = None
    reason: str | None = None
    lesion: str | None = None
    operator: str | None = None
    consent: tuple[tuple[str, str], ...] = ()
    features: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row: what it names, what it says, and its line. A folder of "" is the whole dump."""

    line: int
    file: str | None
    sha256: Sha256 | None
    folder: str | None
    said: Said


def entry(table: Table, row: Row) -> Entry:
    """Type one row; raise ConfigError with file:line:column for a cell that cannot be read."""
    values: dict[str, Any] = {}
    for column, (_, read) in COLUMNS.items():
        try:
            values[column] = read(row.text(column))
        except ValueError as misfit:
            raise table.wrong(row, column, str(misfit)) from misfit
    file, digest, folder = values.pop("file"), values.pop("sha256"), values.pop("folder")
    if file == "":
        raise table.wrong(row, "file", "names no file", "a whole folder goes into the column 'folder'")
    if file is None and digest is None and folder is None:
        raise table.wrong(row, "file", "the row names no photo", "fill in file, sha256 or folder")
    if folder is not None and (file is not None or digest is not None):
        raise table.wrong(row, "folder", "the row names a folder and a photo", "write two rows")
    return Entry(line=row.line, file=file, sha256=digest, folder=folder, said=Said(**values))
