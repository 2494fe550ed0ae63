"""Vault and log change files through `medsnap.disk` alone, else the tests of faults do not see it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import ROOT

SOURCES = sorted(p for room in ("vault", "audit") for p in (ROOT / "medsnap" / room).glob("*.py"))
# A member's catalogue is a cache: a broken one is made anew.
CACHES = {"catalogue_store.py"}
CHANGING = {
    "link_to", "hardlink_to", "symlink_to", "rename", "touch", "unlink", "rmdir", "write_bytes", "write_text",
    "fsync", "fdatasync", "truncate", "ftruncate", "remove", "removedirs", "renames", "link", "symlink",
}  # fmt: skip
OTHERS = {"disk", "dataclasses", "str"}  # whose functions may bear these names


def _changes(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        if owner in OTHERS:
            continue
        writes = name == "open" and any(
            isinstance(a, ast.Constant) and str(a.value)[:1] in "wxa+" for a in node.args[:1]
        )
        # str.replace has two arguments; Path.replace one
        if name in CHANGING or writes or (name == "replace" and len(node.args) == 1 and not node.keywords):
            yield node.lineno, ast.unparse(node.func)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_files_are_changed_through_the_port(path: Path) -> None:
    if path.name not in CACHES:
        assert list(_changes(path.read_text(encoding="utf-8"))) == []


def test_a_way_past_the_port_is_noticed() -> None:
    code = "a.unlink()\nos.link(a, b)\ndisk.unlink(a)\nx.replace(y)\ntext.replace('a', 'b')\np.open('wb')\n"
    assert [line for line, _ in _changes(code)] == [1, 2, 4, 6]
