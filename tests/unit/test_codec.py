"""The codec of all nouns: what is written is read again, and a misfit is named by its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NewType

import pytest

from medsnap.model.codec import CodecError, canonical, from_json, to_json
from medsnap.model.private import Private

Name = NewType("Name", str)


class Kind(Enum):
    WOUND = "wound"


class Level(IntEnum):
    OPEN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One field of every kind that rows have."""

    name: Name
    share: float = 0.0
    there: bool = False
    kind: Kind = Kind.WOUND
    level: Level = Level.OPEN
    day: date | None = None
    place: Path | None = None
    secret: Private[str] | None = None
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    pair: tuple[int, str] = (0, "")
    said: dict[str, Leaf] = field(default_factory=dict)
    below: tuple[Tree, ...] = ()
    free: Any = None


FULL = Tree(
    name=Name("a"),
    share=0.5,
    there=True,
    day=date(2026, 11, 24),
    place=Path("a/b"),
    secret=Private("s"),
    leaf=Leaf(size=1),
    leaves=(Leaf(size=2), Leaf(size=3)),
    pair=(4, "x"),
    said={"k": Leaf(size=5)},
    below=(Tree(name=Name("b")),),
    free={"any": [1]},
)


def test_what_is_written_is_read_again() -> None:
    assert from_json(Tree, to_json(FULL)) == FULL
    assert canonical(from_json(Tree, to_json(FULL))) == canonical(FULL)


def test_values_are_named_as_in_json() -> None:
    written = to_json(FULL)
    assert list(written)[:2] == ["name", "share"]
    assert (written["kind"], written["level"], written["day"]) == ("wound", "open", "2026-11-24")
    assert to_json(Leaf(size=1)) == {"size": 1}  # one field alone


def test_a_newer_writer_may_add_and_an_older_leave_out() -> None:
    assert from_json(Tree, {"name": "a", "later": 1}) == Tree(name=Name("a"))


def test_a_whole_number_is_a_share() -> None:
    share = from_json(Tree, {"name": "a", "share": 1}).share
    assert (share, type(share)) == (1.0, float)


@pytest.mark.parametrize(
    ("given", "where", "problem"),
    [
        ([], "", "needs dict"),
        ({}, "", "'name' is missing"),
        ({"name": 1}, "name", "needs str"),
        ({"name": None}, "name", "needs str"),
        ({"name": "a", "there": 1}, "there", "needs bool"),
        ({"name": "a", "share": True}, "share", "needs float"),
        ({"name": "a", "kind": "burn"}, "kind", "is no Kind"),
        ({"name": "a", "level": "far"}, "level", "is no Level"),
        ({"name": "a", "day": "24.11."}, "day", "is no date"),
        ({"name": "a", "day": 1}, "day", "is no date"),
        ({"name": "a", "place": 1}, "place", "is no Path"),
        ({"name": "a", "secret": 1}, "secret", "needs str"),
        ({"name": "a", "leaf": {"size": True}}, "leaf.size", "needs int"),
        ({"name": "a", "leaves": {"size": 1}}, "leaves", "needs list"),
        ({"name": "a", "leaves": [{"size": 1}, {}]}, "leaves[1]", "'size' is missing"),
        ({"name": "a", "leaves": [{"size": 1}, {"size": "1"}]}, "leaves[1].size", "needs int"),
        ({"name": "a", "pair": [1]}, "pair", "needs 2 values"),
        ({"name": "a", "pair": [1, 2]}, "pair[1]", "needs str"),
        ({"name": "a", "said": {"k": {"size": None}}}, "said.k.size", "needs int"),
        ({"name": "a", "below": [{"name": "b", "below": [{}]}]}, "below[0].below[0]", "'name' is missing"),
    ],
)
def test_a_misfit_is_named_by_its_path(given: object, where: str, problem: str) -> None:
    with pytest.raises(CodecError) as misfit:
        from_json(Tree, given)
    assert (misfit.value.where, str(misfit.value)) == (where, f"{where or 'value'}: {problem}")


def test_the_path_begins_where_the_caller_says() -> None:
    with pytest.raises(CodecError, match=r"^row 3\.leaf\.size: needs int$"):
        from_json(Tree, {"name": "a", "leaf": {"size": "1"}}, "row 3")
    with pytest.raises(CodecError, match=r"^rows\[0\]\.size: needs int$"):
        from_json(tuple[Leaf, ...], [{"size": "1"}], "rows")
