"""Hold SARIF and JUnit output against the schemas of tests/schemas."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema

SCHEMAS = Path(__file__).parent / "schemas"
_XS = "{http://www.w3.org/2001/XMLSchema}"


@cache
def _sarif() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text("utf-8")))


def valid_sarif(text: str) -> Any:
    """Return the log, which fits the OASIS schema and refers to rules that it describes."""
    log = json.loads(text)
    assert [f"{list(e.absolute_path)}: {e.message}" for e in _sarif().iter_errors(log)] == []
    for one in log["runs"]:
        rules = one["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for result in one["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return log


def valid_junit(text: str) -> ET.Element:
    """Return the document's root; elements, attributes and their places are those of the XSD."""
    root = ET.fromstring(text)
    schema = ET.parse(SCHEMAS / "junit-10.xsd").getroot()
    known = {str(e.get("name")): e for e in schema.findall(f"{_XS}element")}
    for element in root.iter():
        kind = known[element.tag]
        attributes = {str(a.get("name")): a.get("use") for a in kind.iter(f"{_XS}attribute")}
        assert set(element.keys()) <= set(attributes), (element.tag, element.keys())
        assert {n for n, use in attributes.items() if use == "required"} <= set(element.keys())
        assert {child.tag for child in element} <= {e.get("ref") for e in kind.iter(f"{_XS}element")}
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        counted = {"tests": len(cases), "failures": sum(c.find("failure") is not None for c in cases)}
        counted["skipped"] = sum(c.find("skipped") is not None for c in cases)
        assert {name: int(suite.get(name, "0")) for name in counted} == counted
    return root
