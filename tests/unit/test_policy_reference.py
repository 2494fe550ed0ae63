"""The page, the schema, the table of sites and the packaged files are in step with the code."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.policy import reference, schema, sites

ROOT = Path(__file__).resolve().parents[2]
REMAKE = (
    "run: python -c 'from medsnap.policy import reference, schema; from pathlib import Path; "
    'page = Path("docs/POLICY.md"); page.write_text(reference.page(page.read_text())); '
    'Path("policies/schema.json").write_text(schema.schema_text())\''
)


def test_the_page_is_in_step() -> None:
    text = (ROOT / "docs" / "POLICY.md").read_text("utf-8")
    assert text == reference.page(text), REMAKE


def test_the_schema_is_in_step() -> None:
    assert (ROOT / "policies" / "schema.json").read_text("utf-8") == schema.schema_text(), REMAKE


def test_the_page_names_every_section_and_code() -> None:
    text = reference.page(reference.MARK)
    for key in schema.schema()["properties"]:
        assert f"| `{key}`" in text
    assert "E203" in text


def test_baseline_1_is_frozen() -> None:
    """Decisions on record name its lines: a change is a baseline 2."""
    text = policy.packaged("baseline-1").read_bytes()
    assert hashlib.sha256(text).hexdigest() == BASELINE_1


BASELINE_1 = "0b5b5df708d4a1b000d0ec28705d9496ab4ae1cd630b8650fafe9eefa081d38e"


def test_every_site_is_a_term_of_dicom() -> None:
    concepts = importlib.import_module("pydicom.sr._concepts_dict").concepts["SCT"]
    known = {(code, meaning) for entry in concepts.values() for code, (meaning, _) in entry.items()}
    rows = json.loads((ROOT / "medsnap" / "policy" / "data" / "sites.json").read_text("utf-8"))["sites"]
    assert len(rows) > 60
    assert [row for row in rows if (row["code"], row["meaning"]) not in known] == []


def test_no_word_means_two_sites() -> None:
    rows = json.loads((ROOT / "medsnap" / "policy" / "data" / "sites.json").read_text("utf-8"))["sites"]
    words = [word for row in rows for word in (row["meaning"].lower(), *row["also"])]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize(
    ("words", "code", "paired", "sensitive", "side"),
    [
        ("forearm", "14975008", True, False, None),
        ("Left_Forearm", "14975008", True, False, "left"),
        ("14975008", "14975008", True, False, None),
        ("SCT:14975008", "14975008", True, False, None),
        ("groin", "26893007", True, True, None),
        ("bottom", "46862004", True, True, None),
        ("breast", "76752008", True, True, None),
        ("perineum", "38864007", False, True, None),
        ("penis", "18911002", False, True, None),
        ("vulva", "45292006", False, True, None),
        ("scrotum", "20233005", False, True, None),
        ("anus", "53505006", False, True, None),
        ("nipple", "54468004", True, True, None),
        ("areola", "72005009", True, True, None),
        ("genitals", "60944009", False, True, None),
        ("belly", "818981001", False, False, None),
        ("sacrum", "54735007", False, False, None),
        ("left inguinal region", "85119005", False, True, "left"),
        ("whole body", "38266002", False, True, None),
        ("skin", "39937001", False, True, None),
    ],
)
def test_sites(words: str, code: str | None, paired: bool, sensitive: bool, side: str | None) -> None:
    found = sites.packaged().find(words)
    assert found is not None
    assert code in (None, found.code)
    assert (found.paired, found.sensitive, found.laterality) == (paired, sensitive, side)


@pytest.mark.parametrize("words", [None, "", "  ", "left", "left left forearm", "my arm", "x" * 10_000])
def test_words_that_are_no_site(words: str | None) -> None:
    assert sites.packaged().find(words) is None


def test_local_words_come_first() -> None:
    rules = policy.load(policy.packaged("hospital"))
    assert rules.vocabulary.sites.find("Bottom") == sites.packaged().find("buttock")


def test_show_lists_values_with_their_lines() -> None:
    shown = {s.path: s for s in policy.show(policy.load(policy.packaged("little-clinic")))}
    assert shown["devices.managed"].where == "little-clinic.yaml:18"
    assert shown["devices.personal"].inherited
    assert shown["devices.personal"].where.startswith("baseline-1.yaml:")
    assert shown["rules.child-intimate"].value.startswith("when: feature: [intimate_region]")
    assert policy.compartments(policy.load(policy.packaged("hospital"))) == (
        "general", "identifiable", "intimate", "safeguarding",
    )  # fmt: skip
