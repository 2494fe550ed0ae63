"""Findings as SARIF 2.1.0 (OASIS Standard, 2020), for code hosts and editors."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from medsnap.report.listing import Entry, Listing

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def document(listing: Listing, *, version: str) -> str:
    """Return one log with one run; every rule is described, whether it found anything or not."""
    names = list(dict.fromkeys([*listing.rules, *(entry.rule for entry in listing.entries)]))
    place = {name: at for at, name in enumerate(names)}
    driver = {
        "name": "medsnap",
        "version": version,
        "rules": [
            {"id": name, "shortDescription": {"text": listing.rules.get(name, name)}} for name in names
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(entry, place[entry.rule]) for entry in listing.entries],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _result(entry: Entry, index: int) -> dict[str, Any]:
    region = {"startLine": max(entry.line, 1), "startColumn": max(entry.column, 1)}
    place = {"artifactLocation": {"uri": uri(entry.file)}, "region": region}
    return {
        "ruleId": entry.rule,
        "ruleIndex": index,
        "level": str(entry.level),
        "message": {"text": entry.message},
        "locations": [{"physicalLocation": place}],
    }


def uri(file: str) -> str:
    """Return a path as the URI reference of RFC 3986; an absolute one gets its scheme."""
    path = PurePath(file)
    if path.is_absolute():
        return path.as_uri()
    return quote(path.as_posix(), safe="/@-._~!$&'()*+,;=")  # no ':', which would make a scheme
