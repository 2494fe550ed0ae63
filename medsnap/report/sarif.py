"""Findings as SARIF 2.1.0 (OASIS Standard, 2020), for code hosts and editors."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from medsnap.report.listing import Entry, Level, Listing

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_OBJECTS: Final = 1000  # code hosts refuse logs of many megabytes; JSON has all of them


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
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri(entry.file)}, "region": region}
    }
    if entry.objects:  # a photo is named by its catalogue id, never by a file's name (3.33)
        named = dict.fromkeys(entry.objects[:MOST_OBJECTS])
        place["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "object"} for name in named]
    undecided = entry.level is Level.OPEN
    return {
        "ruleId": entry.rule,
        "ruleIndex": index,
        "kind": "open" if undecided else "fail",
        "level": "none" if undecided else str(entry.level),
        "message": {"text": entry.message or entry.rule},
        "locations": [place],
    }


def uri(file: str) -> str:
    """Return a path as the URI reference of RFC 3986; an absolute one gets its scheme."""
    path = PurePath(file)
    if path.is_absolute():
        return path.as_uri()
    return quote(path.as_posix(), safe="/@-._~!$&'()*+,;=")  # no ':', which would make a scheme
