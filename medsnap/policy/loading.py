"""From a file to a policy: read, lint, lay over baseline, build."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from medsnap.errors import InputMissing, PolicyError
from medsnap.policy.build import build
from medsnap.policy.checks import Check
from medsnap.policy.effective import over
from medsnap.policy.findings import LintFinding, Severity
from medsnap.policy.nodes import MAX_CHARACTERS, MAX_FINDINGS, Node, Pairs, Reader, Text
from medsnap.policy.nouns import Policy
from medsnap.policy.packaged import BASELINE, packaged
from medsnap.policy.table import ROOT
from medsnap.policy.walk import Item, Walker

BASELINE_VERSION: Final = 1


def load(path: Path, *, now: datetime | None = None) -> Policy:
    """Read a policy file. Raises InputMissing, or PolicyError with its lint findings.

    With `now` the policy's `warnings` tell that it ends soon; whether it is in force is decided anew
    for each photo.
    """
    return load_text(_text(path), str(path), now=now)


def load_text(text: str, name: str, *, now: datetime | None = None) -> Policy:
    """Make a policy of a text; `name` is printed in findings, its last part in reasons."""
    own, findings = _read(text, name, now)
    errors = tuple(f for f in findings if f.severity is Severity.ERROR)
    if errors or own is None:
        count = f"{len(errors)} errors" if len(errors) > 1 else "an error"
        raise PolicyError(
            f"the policy has {count}; the first: {errors[0].code} {errors[0].message}",
            where=f"{name}:{errors[0].line}:{errors[0].column}",
            hint="run 'medsnap policy lint' on the file to see all of them",
            findings=errors,
        )
    whole = over(ROOT, _base(text), own)
    made = build(
        whole or own,
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        baseline=BASELINE_VERSION,
        warnings=tuple(f for f in findings if f.severity is Severity.WARNING),
    )
    return replace(made, text=text)


def lint(text: str, name: str, *, now: datetime | None = None) -> tuple[LintFinding, ...]:
    """List what is wrong with a policy text, in the order of the file."""
    return _read(text, name, now)[1]


def lint_file(path: Path, *, now: datetime | None = None) -> tuple[LintFinding, ...]:
    """List what is wrong with a policy file. Raises InputMissing when it cannot be read."""
    try:
        return lint(_text(path), str(path), now=now)
    except PolicyError as unreadable:
        return tuple(f for f in unreadable.findings if isinstance(f, LintFinding))


def read_text(path: Path) -> str:
    """Read a policy's or keyring's text. Raises InputMissing, PolicyError when it is no UTF-8."""
    return _text(path)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            data = handle.read(4 * MAX_CHARACTERS + 1)
    except OSError as missing:
        raise InputMissing(
            f"the policy cannot be read: {missing.strerror}", where=str(path), hint="check the path"
        ) from missing
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as broken:
        finding = LintFinding(
            file=str(path),
            line=data.count(b"\n", 0, broken.start) + 1,
            column=1,
            code="E100",
            message=f"is not UTF-8 text (byte {broken.start})",
        )
        raise PolicyError(
            finding.message, where=f"{path}:{finding.line}", hint="save it as UTF-8", findings=(finding,)
        ) from broken


def _read(text: str, name: str, now: datetime | None) -> tuple[Item | None, tuple[LintFinding, ...]]:
    reader = Reader(name)
    node = reader.read(text)
    own: Item | None = None
    if node is None and not reader.findings:
        reader.complain(1, 1, "E107", "the file is empty; start with 'medsnap: 1'")
    if node is not None:
        own = Walker(reader, Path(name).name, _names(node, text)).walk(node, ROOT)
    findings = reader.findings
    if own is not None:
        whole = over(ROOT, _base(text), own) or own
        baseline = _is_baseline(text)
        findings = findings + _checked(Check(name, own, whole, baseline, now))
    return own, tuple(sorted(findings, key=lambda f: (f.line, f.column, f.code, f.message)))


def _checked(check: Check) -> list[LintFinding]:
    found: list[LintFinding] = []
    errors = 0
    for finding in check.run():
        found.append(finding)
        errors += finding.severity is Severity.ERROR
        if errors >= MAX_FINDINGS:
            break
    return found


def _names(node: Node, text: str) -> dict[str, tuple[str, ...]]:
    """Collect what the file declares; where it is silent, what baseline declares."""
    base = _base(text)
    features = base.get("features") if base else None
    compartments = _section(node, "compartments")
    return {
        "feature": tuple(k for k, _ in features.entries()) if features else _keys(_section(node, "features")),
        "compartment": _keys(compartments) or ("general", "identifiable", "intimate", "safeguarding"),
        "role": _roles(compartments),
        "department": _keys(_section(node, "departments")),
    }


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
def _baseline_text() -> str:
    return _text(packaged(BASELINE))


def _is_baseline(text: str) -> bool:
    return text == _baseline_text()


def _base(text: str) -> Item | None:
    """Return baseline's tree; for baseline itself there is none."""
    return None if _is_baseline(text) else _baseline_tree()


@lru_cache(maxsize=1)
def _baseline_tree() -> Item:
    own, findings = _read(_baseline_text(), packaged(BASELINE).name, None)
    errors = [f for f in findings if f.severity is Severity.ERROR]
    if own is None or errors:
        raise PolicyError("the packaged baseline is damaged; install medsnap again", findings=tuple(errors))
    return own
