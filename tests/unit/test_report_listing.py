"""SARIF and JUnit: the structure that their readers require, and that no text breaks it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.policy.findings import CODES
from medsnap.report import junit, sarif
from medsnap.report.listing import Entry, Level, Listing
from tests.reports import valid_junit, valid_sarif

LISTING = Listing(
    name="policy lint",
    rules={"E101": "written twice", "E102": "unknown", "W302": "order"},
    entries=(
        Entry(rule="E102", level=Level.ERROR, message="unknown 'a'", file="a b/p.yaml", line=3, column=7),
        Entry(rule="E102", level=Level.ERROR, message="unknown 'b'", file="p.yaml", line=4),
        Entry(rule="W302", level=Level.WARNING, message="order", file="p.yaml"),
    ),
)


def valid(text: str) -> Any:
    log = valid_sarif(text)
    for one in log["runs"]:
        for result in one["results"]:
            place = result["locations"][0]["physicalLocation"]
            assert " " not in place["artifactLocation"]["uri"]
            urlsplit(place["artifactLocation"]["uri"])
    return log


def test_sarif_has_the_required_structure() -> None:
    log = valid(sarif.document(LISTING, version="1.2.3"))
    results = log["runs"][0]["results"]
    assert [r["ruleId"] for r in results] == ["E102", "E102", "W302"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "a%20b/p.yaml"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert len(log["runs"][0]["tool"]["driver"]["rules"]) == 3


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("policies/p.yaml", "policies/p.yaml"),
        ("/srv/my policies/p.yaml", "file:///srv/my%20policies/p.yaml"),
        ("a:b.yaml", "a%3Ab.yaml"),
        ("ä#?%.yaml", "%C3%A4%23%3F%25.yaml"),
        ("../p.yaml", "../p.yaml"),
    ],
)
def test_a_path_is_a_uri_reference(file: str, uri: str) -> None:
    assert sarif.uri(file) == uri


def test_junit_has_one_case_a_rule_with_file_and_line() -> None:
    tree = valid_junit(junit.document(LISTING))
    (suite,) = tree.findall("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    twice, unknown, order = suite.findall("testcase")
    assert [case.get("name") for case in (twice, unknown)] == ["E101: written twice", "E102: unknown"]
    assert list(twice) == []
    failure = unknown.find("failure")
    assert failure is not None
    assert failure.get("message") == "a b/p.yaml:3:7: unknown 'a'"
    assert (failure.text or "").splitlines() == ["a b/p.yaml:3:7: unknown 'a'", "p.yaml:4:1: unknown 'b'"]
    assert order.find("failure") is None
    assert "p.yaml:1:1" in (order.findtext("system-out") or "")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)


@given(TEXTS, TEXTS, TEXTS, st.integers(-3, 9))
def test_no_text_breaks_either(rule: str, message: str, file: str, line: int) -> None:
    entry = Entry(rule=rule, level=Level.ERROR, message=message, file=file, line=line)
    listing = Listing(name="policy test", rules={rule: message}, entries=(entry,))
    valid(sarif.document(listing, version="1"))
    tree = valid_junit(junit.document(listing))
    assert len(list(tree.iter("failure"))) == 1


def test_what_is_undecided_is_open_and_skipped_and_photos_are_named_by_id() -> None:
    entries = (
        Entry(rule="S2", level=Level.OPEN, message="not opened", file="p.yaml"),
        Entry(rule="F2", level=Level.ERROR, message="milder", file="p.yaml", objects=("a" * 26, "b" * 26)),
    )
    listing = Listing(name="audit report", rules={"S2": "s", "F2": "f", "L1": "l"}, entries=entries)
    undecided, wrong = valid(sarif.document(listing, version="1"))["runs"][0]["results"]
    assert (undecided["kind"], undecided["level"], wrong["kind"]) == ("open", "none", "fail")
    assert [o["fullyQualifiedName"] for o in wrong["locations"][0]["logicalLocations"]] == [
        "a" * 26,
        "b" * 26,
    ]
    skipped, failed, good = valid_junit(junit.document(listing)).iter("testcase")
    assert skipped.find("skipped") is not None
    assert "a" * 26 in str(failed.find("failure").get("message"))  # type: ignore[union-attr]
    assert list(good) == []


def test_the_schemas_refuse_what_is_wrong() -> None:
    log = sarif.document(LISTING, version="1")
    with pytest.raises(AssertionError):
        valid(log.replace('"level": "warning"', '"level": "bad"'))
    with pytest.raises(AssertionError):
        valid_junit(junit.document(LISTING).replace("classname=", "clasname="))


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MEDSNAP_STATE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("medsnap: 1\npolicy: a\nfeatures:\n  tatoo: accept\n", "utf-8")
    return tmp_path


def test_lint_as_sarif_and_junit(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root(), ["policy", "lint", "bad.yaml", "--format", "sarif"]) == 78
    (one,) = valid(capsys.readouterr().out)["runs"]
    assert {rule["id"] for rule in one["tool"]["driver"]["rules"]} == set(CODES)
    tatoo = next(r for r in one["results"] if "tatoo" in r["message"]["text"])
    place = tatoo["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == (
        "bad.yaml",
        {"startLine": 4, "startColumn": 3},
    )
    assert run(root(), ["policy", "lint", "bad.yaml", "--format", "junit", "-o", "lint.xml"]) == 78
    tree = valid_junit((bad / "lint.xml").read_text("utf-8"))
    failed = {str(c.get("name"))[:4] for c in tree.iter("testcase") if c.find("failure") is not None}
    assert failed == {r["ruleId"] for r in one["results"] if r["level"] == "error"}


@pytest.mark.parametrize("form", ["sarif", "junit"])
@pytest.mark.parametrize("words", [["policy", "show", "hospital"], ["doctor"], ["scan", "."]])
def test_where_nothing_is_listed_it_is_a_usage_error(
    bad: Path, capsys: pytest.CaptureFixture[str], words: list[str], form: str
) -> None:
    assert run(root(), [*words, "--format", form]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"no format '{form}'" in " ".join(err.split())


def test_each_command_that_lists_findings_is_held_against_the_schemas() -> None:
    """Their tests: here, test_policy_cases.py, tests/e2e/test_audit_report.py. A new one needs its own."""
    folder = Path(sarif.__file__).parents[1] / "commands"
    found = {
        p.name
        for p in folder.glob("*.py")
        if re.search(r"listing=True\)?$", p.read_text("utf-8"), re.MULTILINE)
    }
    assert found == {"policy.py", "policy_test.py", "audit_report.py"}
