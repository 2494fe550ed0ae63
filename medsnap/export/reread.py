"""A file that left, read again: the one of its receipt, labelled and flagged as the catalogue says (E3)."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any, Final

from medsnap.export.prepare import As
from medsnap.export.run import KINDS
from medsnap.export.site import Flag, burned_in, recognizable
from medsnap.model.receipt import Receipt
from medsnap.model.record import PhotoRow

_LABELLED: Final = ("Binary", "DocumentReference", "Media")


def file_name(receipt: Receipt) -> str:
    """Return the name that the file of a receipt was written under."""
    if receipt.kind == KINDS[As.DICOM]:
        return f"{receipt.identifiers.sop_uid}.dcm"
    return f"{receipt.identifiers.document.removeprefix('urn:uuid:')}.bundle.json"


def problems(data: bytes, receipt: Receipt, row: PhotoRow, label: str) -> tuple[str, ...]:
    """Say in words what is wrong with a file; `label` is the confidentiality its group asks: N, R or V."""
    if hashlib.sha256(data).hexdigest() != receipt.digest:
        return ("the file is not the one that was written",)
    if receipt.kind == KINDS[As.DICOM]:
        return tuple(_dicom(data, row))
    return tuple(_fhir(data, label))


def _fhir(data: bytes, label: str) -> Iterator[str]:
    try:
        entries = json.loads(data)["entry"]
        found = [entry["resource"] for entry in entries]
        kinds = {resource["resourceType"] for resource in found}
    except (ValueError, KeyError, TypeError):
        yield "the bundle cannot be read"
        return
    for kind in _LABELLED:
        if kind not in kinds:
            yield f"the bundle has no {kind}"
    for resource in found:
        kind = resource["resourceType"]
        if kind in _LABELLED and label not in _codes(resource.get("meta", {}).get("security")):
            yield f"the listing's label (meta.security) of {kind} is not {label}"
        said = [code for one in resource.get("securityLabel", ()) for code in _codes(one.get("coding"))]
        if kind == "DocumentReference" and label not in said:
            yield f"the document's own label (securityLabel) is not {label}"


def _codes(codings: Any) -> list[str]:
    return [str(coding.get("code", "")) for coding in codings or () if isinstance(coding, dict)]


def _dicom(data: bytes, row: PhotoRow) -> Iterator[str]:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        found = dcmread(io.BytesIO(data), stop_before_pixels=True)
    except (InvalidDicomError, ValueError, EOFError):
        yield "the DICOM file cannot be read"
        return
    if str(found.get("BurnedInAnnotation", "")) != burned_in(row).value:
        yield "Burned In Annotation (0028,0301) does not agree with the catalogue"
    visible = recognizable(row)
    expected = "" if visible is Flag.ABSENT else visible.value
    if str(found.get("RecognizableVisualFeatures", "")) != expected:
        yield "Recognizable Visual Features (0028,0302) does not agree with the catalogue"
    if str(found.get("PatientIdentityRemoved", "")) != "NO":
        yield "Patient Identity Removed (0012,0062) claims what was not done"
