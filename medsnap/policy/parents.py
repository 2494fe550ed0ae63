"""Find the policy that a department's policy extends: a file beside it that says so itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from medsnap.policy.nodes import MAX_CHARACTERS

MOST_FILES: Final = 300  # policies in one folder; more is no folder of policies
_EXTENDS: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,62})@([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A policy's text and the name it is printed by."""

    name: str
    text: str


Parents: TypeAlias = Callable[[str, int], Source | None]


def named(extends: str) -> tuple[str, int] | None:
    """Read "northside@4" as the policy and its version."""
    match = _EXTENDS.fullmatch(extends)
    return (match[1], int(match[2])) if match else None


def nobody(policy: str, version: int) -> Source | None:
    """Find no parent: what a text without a folder has."""
    del policy, version
    return None


def beside(folder: Path) -> Parents:
    """Look for the parent among the policies of a folder: first by its usual names, then in all."""

    def find(policy: str, version: int) -> Source | None:
        says = re.compile(rf"^policy:[ ]+{re.escape(policy)}[ ]*(?:#.*)?$", re.MULTILINE)
        at = re.compile(rf"^version:[ ]+{version}[ ]*(?:#.*)?$", re.MULTILINE)
        for path in _candidates(folder, policy, version):
            text = _text(path)
            if text is not None and says.search(text) and at.search(text):
                return Source(name=str(path), text=text)
        return None

    return find


def named_policy(folder: Path, policy: str) -> Source | None:
    """Find the newest version of a policy in a folder; what its text says counts, not its name."""
    says = re.compile(rf"^policy:[ ]+{re.escape(policy)}[ ]*(?:#.*)?$", re.MULTILINE)
    at = re.compile(r"^version:[ ]+([1-9][0-9]{0,5})[ ]*(?:#.*)?$", re.MULTILINE)
    found: list[tuple[int, str, str]] = []
    for path in _policies(folder):
        text = _text(path)
        version = at.search(text) if text is not None and says.search(text) else None
        if version is not None and not re.search(r"^waiver:", text or "", re.MULTILINE):
            found.append((int(version[1]), str(path), text or ""))
    return Source(name=max(found)[1], text=max(found)[2]) if found else None


def _policies(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(".test.yaml"))
    return paths[:MOST_FILES]


def _candidates(folder: Path, policy: str, version: int) -> Iterator[Path]:
    for name in (f"{policy}@{version}.yaml", f"{policy}-{version}.yaml", f"{policy}.yaml"):
        if (folder / name).is_file():
            yield folder / name
    yield from _policies(folder)


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as handle:
            data = handle.read(4 * MAX_CHARACTERS + 1)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # not the parent, whatever it is: the search goes on, and at its end is E203
