"""The packaged body sites stand in the context groups of DICOM that they name, as pydicom prints them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

pytest.importorskip("pydicom")
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

GROUPS = (4, 4029, 4031)


def packaged() -> list[dict[str, Any]]:
    text = resources.files("medsnap.policy").joinpath("data/sites.json").read_text("utf-8")
    sites: list[dict[str, Any]] = json.loads(text)["sites"]
    return sites


def dicom(group: int) -> set[str]:
    """Give the SNOMED CT codes of a context group (PS3.16), whatever their meaning is printed as."""
    tables: Any = concepts["SCT"]
    found = set()
    for keyword in cid_concepts[group].get("SCT", ()):
        found |= {code for code, (_, groups) in tables[keyword].items() if group in groups}
    return found


def test_each_site_is_in_the_context_groups_that_it_names() -> None:
    tables = {group: dicom(group) for group in GROUPS}
    assert min(map(len, tables.values())) > 50
    wrong = [(site["code"], group) for site in packaged() for group in site["cid"]
             if site["code"] not in tables[group]]  # fmt: skip
    assert wrong == []
    assert all(site["cid"] for site in packaged())


def test_every_sensitive_code_of_the_design_is_so() -> None:
    named = {
        "18911002", "45292006", "20233005", "53505006", "38864007", "46862004", "76752008", "60944009",
        "54468004", "72005009",
    }  # fmt: skip
    sensitive = {site["code"] for site in packaged() if site["sensitive"]}
    present = {site["code"] for site in packaged()}
    assert named & present <= sensitive
    assert len(named & present) >= 5
