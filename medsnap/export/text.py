"""Foreign strings on their way into DICOM and FHIR: described text is cleaned, numbers never are."""

from __future__ import annotations

import unicodedata

from medsnap.errors import Unsupported
from medsnap.model.study import Patient


def described(text: str | None, limit: int) -> str:
    """Clean a text for people: no control characters, no DICOM delimiters, at most `limit` bytes.

    A backslash would split a DICOM value in two; ^ and = would split a name (PS3.5 6.2).
    """
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text or "")
    for mark in "\\^=":
        kept = kept.replace(mark, "/")
    short = " ".join(kept.split()).encode()[:limit]  # readers that count bytes exist; all count enough
    return short.decode(errors="ignore").strip()


def exact(text: str, limit: int, what: str) -> str:
    """Return an identifier unchanged. Raises Unsupported when DICOM or FHIR would alter or cut it."""
    unfit = any(unicodedata.category(c)[0] in "CZ" and c != " " for c in text) or "\\" in text
    if not text or unfit or text != text.strip() or "  " in text:
        raise Unsupported(f"the {what} holds characters that a receiver would change")
    if len(text) > limit:
        raise Unsupported(f"the {what} is longer than the {limit} characters that a receiver takes")
    return text


def issuer_oid(patient: Patient) -> str | None:
    """The issuer as an OID ("1.2.3"), None when it is another kind of URI."""
    oid = patient.issuer.removeprefix("urn:oid:")
    parts = oid.split(".")
    return oid if len(parts) > 1 and all(p.isascii() and p.isdigit() for p in parts) else None


def issuer_uri(patient: Patient) -> str:
    """The issuer as FHIR wants it: a URI. Raises Unsupported when it is neither OID nor URI."""
    oid = issuer_oid(patient)
    if oid is not None:
        return f"urn:oid:{oid}"
    if ":" not in patient.issuer:
        raise Unsupported(
            "the issuer of the patient's number is neither an OID nor a URI",
            hint="write it in the manifest as 1.2.3 or urn:oid:1.2.3",
        )
    return exact(patient.issuer, 1024, "issuer of the patient's number")
