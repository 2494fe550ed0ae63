"""From a text to a linted tree: what it says, and what its parent or baseline adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from medsnap.errors import PolicyError
from medsnap.policy.checks import Check
from medsnap.policy.effective import over
from medsnap.policy.extend import Parent, inheritance, lookup
from medsnap.policy.findings import LintFinding, Severity
from medsnap.policy.inherit import PARENT_ONLY, inherit, without
from medsnap.policy.nodes import MAX_FINDINGS, Node, Pairs, Reader, Text
from medsnap.policy.packaged import BASELINE, packaged
from medsnap.policy.parents import Parents, Source, nobody
from medsnap.policy.table import ROOT
from medsnap.policy.walk import Item, Walker


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file as read: `own` is what it says, `whole` adds the parent's and baseline's answers."""

    own: Item | None
    whole: Item | None
    findings: tuple[LintFinding, ...]
    parent: Parent | None = None

    @property
    def errors(self) -> tuple[LintFinding, ...]:
        """Return the findings that keep it out."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)


def read(source: Source, *, now: datetime | None = None, parents: Parents = nobody) -> Reading:
    """Read a policy and all it stands on; findings come in the order of the file."""
    reader = Reader(source.name)
    node = reader.read(source.text)
    if node is None and not reader.findings:
        reader.complain(1, 1, "E107", "the file is empty; start with 'medsnap: 1'")
    if node is None:
        return Reading(own=None, whole=None, findings=_sorted(reader.findings))
    extends = _section(node, "extends")
    child = isinstance(extends, Text)
    parent = lookup(extends, reader, parents, read) if isinstance(extends, Text) else None
    base = parent.whole if parent is not None else _base(source.text)
    walker = Walker(reader, Path(source.name).name, _names(node, base), partial=child)
    own = walker.walk(node, ROOT)
    findings = list(reader.findings)
    if own is None:
        return Reading(own=None, whole=None, findings=_sorted(findings))
    if not child:
        whole = over(ROOT, base, own) or own
        findings += _checked(Check(source.name, own, whole, _is_baseline(source.text), now))
        return Reading(own=own, whole=whole, findings=_sorted(findings))
    if parent is None:
        return Reading(own=own, whole=None, findings=_sorted(findings))
    whole = laid_over(parent.whole, own)
    wrong = {f.line for f in findings}  # a line that is wrong in itself is not called weaker too
    found = inheritance(source.name, own, whole, parent, now)
    findings += [f for f in found if not (f.code == "E201" and f.line in wrong)]
    findings += _checked(Check(source.name, own, whole, False, now))
    return Reading(own=own, whole=whole, findings=_sorted(findings), parent=parent)


def laid_over(parent: Item, own: Item) -> Item:
    """Lay a department's tree over its parent's; what only a parent may say is left out."""
    for key in PARENT_ONLY:
        own = without(own, (key,))
    return inherit(ROOT, parent, own) or own


def _sorted(findings: list[LintFinding]) -> tuple[LintFinding, ...]:
    return tuple(sorted(findings, key=lambda f: (f.line, f.column, f.code, f.message)))


def _checked(check: Check) -> list[LintFinding]:
    found: list[LintFinding] = []
    errors = 0
    for finding in check.run():
        found.append(finding)
        errors += finding.severity is Severity.ERROR
        if errors >= MAX_FINDINGS:
            break
    return found


def _names(node: Node, base: Item | None) -> Mapping[str, tuple[str, ...]]:
    """Collect what the file declares; where it is silent, what its parent or baseline declares."""
    features = base.get("features") if base else None
    compartments = _section(node, "compartments")
    return {
        "feature": _entries(features) or _keys(_section(node, "features")),
        "compartment": _keys(compartments)
        or _entries(base.get("compartments") if base else None)
        or ("general", "identifiable", "intimate", "safeguarding"),
        "role": _roles(compartments) or _declared_roles(base),
        "department": _keys(_section(node, "departments"))
        or _entries(base.get("departments") if base else None),
    }


def _entries(item: Item | None) -> tuple[str, ...]:
    return tuple(key for key, _ in item.entries()) if item else ()


def _declared_roles(base: Item | None) -> tuple[str, ...]:
    groups = base.get("compartments") if base else None
    found: dict[str, None] = {}
    for _, group in groups.entries() if groups else ():
        listed = group.get("open_to")
        found |= dict.fromkeys(listed.texts() if listed else ())
    return tuple(found)


def _section(node: Node, name: str) -> Node | None:
    if not isinstance(node, Pairs):
        return None
    return next((value for key, value in node.pairs if key.text == name), None)


def _keys(node: Node | None) -> tuple[str, ...]:
    return tuple(key.text for key, _ in node.pairs) if isinstance(node, Pairs) else ()


def _roles(compartments: Node | None) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for _, entry in compartments.pairs if isinstance(compartments, Pairs) else ():
        listed = _section(entry, "open_to")
        items = getattr(listed, "items", ())
        found |= dict.fromkeys(item.text for item in items if isinstance(item, Text))
    return tuple(found)


@lru_cache(maxsize=1)
def _baseline() -> Source:
    path = packaged(BASELINE)
    return Source(name=str(path), text=path.read_text("utf-8"))


def _is_baseline(text: str) -> bool:
    return text == _baseline().text


def _base(text: str) -> Item | None:
    """Return baseline's tree; for baseline itself there is none."""
    return None if _is_baseline(text) else _baseline_tree()


@lru_cache(maxsize=1)
def _baseline_tree() -> Item:
    found = read(Source(name=packaged(BASELINE).name, text=_baseline().text))
    if found.own is None or found.errors:
        raise PolicyError(
            "the packaged baseline is damaged; install medsnap again", findings=tuple(found.errors)
        )
    return found.own
