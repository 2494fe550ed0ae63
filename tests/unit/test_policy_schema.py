"""The JSON Schema and the walker accept the same files: all that is shipped, and small trees of any kind."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from medsnap.policy.kinds import COMPARTMENT, DEPARTMENT, FEATURE, ROLE, Kind, ListOf, MapOf, Record, Word
from medsnap.policy.nodes import Items, Node, Pairs, Reader, Text
from medsnap.policy.schema import schema
from medsnap.policy.table import ROOT
from medsnap.policy.walk import Walker
from tests.helpers import ROOT as PROJECT
from tests.unit.test_policy_extends import BAD as BAD_CHILD
from tests.unit.test_policy_extends import HEAD as CHILD
from tests.unit.test_policy_lint import BAD, HEAD

jsonschema = pytest.importorskip("jsonschema")
NAMES = {
    "feature": ("face", "other_person"),
    "compartment": ("general", "identifiable"),
    "role": ("staff", "desk"),
    "department": ("ward",),
}
PATTERNS = {word.what: word.pattern for word in (FEATURE, COMPARTMENT, ROLE, DEPARTMENT)}
CHECKER = jsonschema.Draft202012Validator(
    schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def plain(node: Node) -> Any:
    """A tree of texts as JSON holds it."""
    match node:
        case Text():
            return node.text
        case Items():
            return [plain(item) for item in node.items]
        case Pairs():
            return {key.text: plain(value) for key, value in node.pairs}


def tree(value: Any) -> Node:
    if isinstance(value, dict):
        return Pairs(tuple((Text(key, 1, 1), tree(below)) for key, below in value.items()), 1, 1)
    if isinstance(value, list):
        return Items(tuple(tree(item) for item in value), 1, 1)
    return Text(str(value), 1, 1)


def walked(node: Node, names: dict[str, tuple[str, ...]]) -> list[str]:
    reader = Reader("p.yaml")
    child = isinstance(node, Pairs) and any(key.text == "extends" for key, _ in node.pairs)
    Walker(reader, "p.yaml", names, partial=child).walk(node, ROOT)
    messages = [f.message for f in reader.findings]
    known = [message for message in messages if not undeclared(message)]
    if messages and not known:
        reject()  # what stands below an undeclared name was not walked
    return known


def undeclared(message: str) -> bool:
    """Say whether a word fits and is only not declared: a matter of lint alone."""
    found = re.match(r"unknown (feature|compartment|role|department) '([^']*)'", message)
    return found is not None and re.fullmatch(PATTERNS[found[1]], found[2]) is not None


def same(value: Any) -> None:
    said, wrong = walked(tree(value), NAMES), [e.message for e in CHECKER.iter_errors(value)]
    assert bool(said) == bool(wrong), (value, said[:3], wrong[:3])


GOOD: dict[str, list[str]] = {
    "date": ["2026-01-01", "2036-12-31"],
    "duration": ["14 days", "1 hour"],
    "duration, or 'for ever'": ["for ever", "8 years"],
    "whole number": ["1", "20"],
    "number from 0 to 1": ["0.80", "1"],
    "version": ["17.6", "14"],
    "rule path": ["features.scar", "exports"],
    "person": ["a.one", "b-two"],
    "detector": ["centerface", "mine/1.2"],
    "name": ["mine", "x-1"],
    "role": ["staff", "desk"],
}
WRONG = [
    "",
    "  ",
    "Mit Leerzeichen",
    "é",
    "2026-13-01",
    "20260101",
    "1.5",
    "-1",
    "x" * 80,
    "a/b",
    "redact",
    "yes",
]


def word(kind: Word) -> st.SearchStrategy[str]:
    fine: list[str] = list(NAMES.get(kind.names, ())) if kind.names else list(kind.allowed)
    fine = fine or GOOD.get(kind.what, ["something", "policy-1"])
    return st.sampled_from(fine * 6 + WRONG)


def trees(kind: Kind, depth: int = 0) -> st.SearchStrategy[Any]:
    """Trees that are mostly right, and wrong in each way that a hand is."""
    odd = st.sampled_from(["text", [], {}, ["a", "a"], {"nonsense": "x"}])
    return st.integers(0, 14).flatmap(lambda dice: odd if dice == 0 else _right(kind, depth))


def _right(kind: Kind, depth: int) -> st.SearchStrategy[Any]:
    match kind:
        case Word():
            return word(kind)
        case ListOf():
            many = st.lists(trees(kind.item, depth + 1), max_size=2)
            return st.one_of(trees(kind.item, depth + 1), many) if kind.single else many
        case MapOf():
            return st.dictionaries(word(kind.key), trees(kind.value, depth + 1), max_size=2)
        case Record():
            made = _record(kind, depth)
            if not kind.short:
                return made
            field = next(iter(kind.fields.values())) if kind.short == "*" else kind.fields[kind.short]
            return st.one_of(trees(field.kind, depth + 1), made)


def _record(kind: Record, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: trees(known.kind, depth + 1) for name, known in kind.fields.items()}
    must = {name: fields[name] for name, known in kind.fields.items() if known.required}
    may = {name: of for name, of in fields.items() if name not in must}
    few = st.sets(st.sampled_from(sorted(may)), max_size=3) if may else st.just(set())
    drop = st.sets(st.sampled_from(sorted(must)), max_size=1) if must else st.just(set())

    def some(picked: tuple[set[str], set[str], int]) -> st.SearchStrategy[dict[str, Any]]:
        more, less, dice = picked
        left_out = less if dice == 0 else set()
        chosen = {n: s for n, s in must.items() if n not in left_out} | {n: may[n] for n in more}
        return st.fixed_dictionaries(chosen)

    return st.tuples(few, drop, st.integers(0, 9)).flatmap(some)


@settings(max_examples=400, deadline=None)
@given(trees(ROOT))
def test_schema_and_walker_accept_the_same_trees(value: Any) -> None:
    same(value)


SECTIONS = [name for name, field in ROOT.fields.items() if not isinstance(field.kind, Word)]
IDENTITY = {
    "medsnap": "1",
    "policy": "p",
    "version": "1",
    "in_force": {"from": "2026-01-01", "until": "2026-12-31"},
}


@pytest.mark.parametrize("name", SECTIONS)
def test_each_section_is_accepted_alike(name: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(trees(ROOT.fields[name].kind), st.booleans())
    def check(value: Any, child: bool) -> None:
        same(IDENTITY | {name: value} | ({"extends": "northside@4"} if child else {}))

    check()


FILES = sorted(p for p in (PROJECT / "policies").glob("*.yaml") if not p.name.endswith(".test.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_shipped_policies_fit_the_schema(path: Any) -> None:
    node = Reader(path.name).read(path.read_text("utf-8"))
    assert node is not None
    assert list(CHECKER.iter_errors(plain(node))) == []


@pytest.mark.parametrize(("text", "fits"), [(HEAD, True), (CHILD, True), (BAD, False), (BAD_CHILD, False)])
def test_examples_of_the_other_tests(text: str, fits: bool) -> None:
    node = Reader("p.yaml").read(text)
    assert node is not None
    assert (list(CHECKER.iter_errors(plain(node))) == []) is fits


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    text = (PROJECT / "policies" / "schema.json").read_text("utf-8")
    assert json.loads(text) == schema()
