"""What one cell of a manifest may say, and in which words.

Each parser returns None (or an empty tuple) for a blank cell and raises ValueError with a sentence
that does not repeat the cell: a shifted column puts a patient's name anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime

from medsnap.model.photo import Sha256

_SIDES = {
    "left": "left", "l": "left",
    "right": "right", "r": "right",
    "both": "both", "b": "both", "bilateral": "both",
    "none": "none", "n/a": "none", "na": "none", "midline": "none", "unpaired": "none", "u": "none",
}  # fmt: skip
_YES = frozenset({"yes", "y", "true", "seen", "present"})
_NO = frozenset({"no", "n", "false", "not seen", "not_seen", "absent"})
# M7: these words say nothing about any one feature, so nothing has been checked.
_UNSAID = frozenset({"", "none", "all", "unknown", "not checked", "not_checked", "-", "?"})
_SCIENTIFIC = re.compile(r"[0-9][.,]?[0-9]*E[+-]?[0-9]+", re.IGNORECASE)
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_MOMENT = re.compile(
    r"(\d{4})[-:](\d\d)[-:](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?"
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def path(text: str) -> str | None:
    """Read a path below the root of the dump; '/' or '\\' between folders, NFC."""
    if not text:
        return None
    slashed = unicodedata.normalize("NFC", text.replace("\\", "/"))
    if slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed):
        raise ValueError("needs a path below the folder that is taken in, not an absolute one")
    parts = [p for p in slashed.split("/") if p not in ("", ".")]
    if ".." in parts:
        raise ValueError("must not lead out of the folder ('..')")
    return "/".join(parts)


def sha256(text: str) -> Sha256 | None:
    """Read a SHA-256 in hexadecimal, with or without the prefix `sha256:`."""
    if not text:
        return None
    digits = text.lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("needs 64 hexadecimal digits")
    return Sha256(digits)


def number(text: str) -> str | None:
    """Read an identifier as text: leading zeros count, spreadsheet damage is refused."""
    if not text:
        return None
    if _SCIENTIFIC.fullmatch(text):
        raise ValueError("a spreadsheet has turned the number into 1.2E+05; export the column as text")
    return _clean(text)


def issuer(text: str) -> str | None:
    """Read who gave the number: an OID, or a URI without spaces (HL7 CX.4, FHIR Identifier.system)."""
    if not text:
        return None
    oid = text[8:] if text.lower().startswith("urn:oid:") else text
    if _OID.fullmatch(oid):
        return oid
    if re.search(r"\s", text) or text.lower().startswith("urn:oid:"):
        raise ValueError("needs an OID (2.16.840.1…) or a URI (https://…)")
    return _clean(text)


def day(text: str) -> date | None:
    """Read a date written year first (ISO 8601); 03/04/2026 could be two days, so it is refused."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)", text)
    if not found:
        raise ValueError("needs a date as YYYY-MM-DD")
    try:
        return date(*(int(g) for g in found.groups()))
    except ValueError as misfit:
        raise ValueError("there is no such day") from misfit


def moment(text: str) -> str | None:
    """Read a date, or a date and time with or without offset; return it as ISO 8601."""
    if not text:
        return None
    found = _MOMENT.fullmatch(text)
    if not found:
        raise ValueError("needs YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss][±hh:mm]")
    year, month, dom, hour, minute, second, zone = found.groups()
    iso = f"{year}-{month}-{dom}"
    if hour is not None:
        iso += f"T{hour}:{minute}:{second or '00'}"
        if zone:
            iso += "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[-2:]}"
    try:
        datetime.fromisoformat(iso)
    except ValueError as misfit:
        raise ValueError("there is no such day or time") from misfit
    return iso


def side(text: str) -> str | None:
    """Read a laterality: left, right, both or none (DICOM CID 244, and 'none' for midline)."""
    if not text:
        return None
    if text.casefold() not in _SIDES:
        raise ValueError("needs left, right, both or none")
    return _SIDES[text.casefold()]


def term(text: str) -> str | None:
    """Read a word of the policy's vocabulary: lower case, single spaces."""
    return _clean(" ".join(text.casefold().split())) if text else None


def name(text: str) -> str | None:
    """Read the id of a person, department or device, as it stands."""
    return _clean(text) if text else None


def features(text: str) -> tuple[tuple[str, bool], ...]:
    """Read `face=no; tattoo=yes`: each feature named with yes or no (policy M7).

    A blank cell, `none` and `all` name no feature, so they check none.
    """
    said: dict[str, bool] = {}
    for key, value in _pairs(text, "write each feature with yes or no: tattoo=no; scar=yes"):
        if value in _UNSAID:
            continue
        if value not in _YES | _NO:
            raise ValueError("write each feature with yes or no: tattoo=no; scar=yes")
        if said.setdefault(key, value in _YES) != (value in _YES):
            raise ValueError("says yes and no to one feature")
    return tuple(sorted(said.items()))


def consent(text: str) -> tuple[tuple[str, str], ...]:
    """Read `teaching=written; publication=none`: purpose and what was given."""
    given: dict[str, str] = {}
    for key, value in _pairs(text, "write each purpose with what was given: teaching=written"):
        if given.setdefault(key, value) != value:
            raise ValueError("says two things about one purpose")
    return tuple(sorted((k, v) for k, v in given.items() if v))


def _pairs(text: str, hint: str) -> list[tuple[str, str]]:
    if text.casefold().strip() in _UNSAID:
        return []
    pairs: list[tuple[str, str]] = []
    for part in re.split(r"[;,|\n]", text.casefold()):
        if not part.strip():
            continue
        key, found, value = part.partition("=")
        key = re.sub(r"[\s-]+", "_", key.strip())
        if not found or not _NAME.fullmatch(key):
            raise ValueError(hint)
        pairs.append((key, " ".join(value.split())))
    return pairs


def _clean(text: str) -> str:
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text):
        raise ValueError("holds an invisible character")
    if len(text) > 200:
        raise ValueError("is longer than 200 characters")
    return unicodedata.normalize("NFC", text)
