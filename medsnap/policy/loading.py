"""From a file to a policy: read, lint, lay over its parent and baseline, build."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from medsnap.errors import InputMissing, PolicyError
from medsnap.policy.build import build
from medsnap.policy.digest import file_digest
from medsnap.policy.extend import Parent, parent_of, under_current
from medsnap.policy.findings import LintFinding, Severity
from medsnap.policy.nodes import MAX_CHARACTERS
from medsnap.policy.nouns import InForce, Policy
from medsnap.policy.parents import Parents, Source, beside, nobody
from medsnap.policy.reading import laid_over, read
from medsnap.policy.walk import Item

BASELINE_VERSION: Final = 1


def load(path: Path, *, now: datetime | None = None, current: Path | None = None) -> Policy:
    """Read a policy file. Raises InputMissing, or PolicyError with its lint findings.

    With `now` the policy's `warnings` tell that it ends soon; whether it is in force is decided anew
    for each photo. A parent is looked for beside the file. `current` is the parent's version in force
    now, where it is not the one that the file names: the stricter of both decides (M11).
    """
    newer = Source(name=str(current), text=read_text(current)) if current is not None else None
    return load_text(read_text(path), str(path), now=now, parents=beside(path.parent), current=newer)


def load_text(
    text: str,
    name: str,
    *,
    now: datetime | None = None,
    parents: Parents = nobody,
    current: Source | None = None,
) -> Policy:
    """Make a policy of a text; `name` is printed in findings, its last part in reasons."""
    found = read(Source(name=name, text=text), now=now, parents=parents)
    # A parent that has ended keeps the policy out of force, photo by photo: it need not be unreadable.
    errors = tuple(f for f in found.errors if not (f.code == "E203" and found.parent is not None))
    if errors or found.whole is None:
        raise _refused(name, errors or found.errors)
    warnings = tuple(f for f in found.findings if f.severity is Severity.WARNING)
    digest = file_digest(text)
    made = replace(build(found.whole, digest=digest, baseline=BASELINE_VERSION, warnings=warnings), text=text)
    if found.parent is None:
        return made
    made = replace(made, parent=_with_text(found.parent))
    newer = _current(current, found.parent)
    if newer is None:
        return _within(made, found.parent.policy.in_force)
    return _with_both(made, found.own or found.whole, newer)


def _refused(name: str, errors: tuple[LintFinding, ...]) -> PolicyError:
    count = f"{len(errors)} errors" if len(errors) > 1 else "an error"
    return PolicyError(
        f"the policy has {count}; the first: {errors[0].code} {errors[0].message}",
        where=f"{name}:{errors[0].line}:{errors[0].column}",
        hint="run 'medsnap policy lint' on the file to see all of them",
        findings=errors,
    )


def _with_text(parent: Parent) -> Policy:
    return replace(parent.policy, text=parent.source.text)


def _current(source: Source | None, pinned: Parent) -> Parent | None:
    """Read the parent that is in force now. Raises PolicyError when it is another policy, or older."""
    if source is None:
        return None
    try:
        newer = parent_of(source, read(source))
    except PolicyError as broken:
        raise PolicyError(
            f"the current parent cannot be used: {broken.message}", where=source.name
        ) from broken
    ref, old = newer.policy.ref, pinned.policy.ref
    if ref.policy != old.policy or ref.version < old.version:
        raise PolicyError(
            f"{ref.policy} {ref.version} does not follow {old.policy} {old.version}", where=source.name
        )
    names = [group.name for group in newer.policy.compartments]
    if names[: len(pinned.policy.compartments)] != [group.name for group in pinned.policy.compartments]:
        raise PolicyError(
            f"{ref.policy} {ref.version} moves or drops compartments; versions may only append",
            where=source.name,
        )
    return newer if ref.digest != old.digest else None


def _with_both(made: Policy, own: Item, newer: Parent) -> Policy:
    """Join the child on its pinned parent with the child on the current one; the stricter decides."""
    whole = under_current(own, newer, laid_over)
    other = build(whole, digest=made.ref.digest, baseline=BASELINE_VERSION)
    both = hashlib.sha256(f"{made.ref.effective}\n{other.ref.effective}".encode()).hexdigest()
    other = _within(other, newer.policy.in_force)
    alone = made.ref.effective
    made = replace(made, in_force=other.in_force, pinned=alone, ref=replace(made.ref, effective=both))
    return replace(made, also=replace(other, ref=made.ref, parent=_with_text(newer)))


def _within(policy: Policy, parent: InForce) -> Policy:
    """Keep a child from outliving its parent."""
    own = policy.in_force
    last = min(own.last, parent.last)
    ends = min(own.last + own.grace, parent.last + parent.grace)
    span = replace(own, first=max(own.first, parent.first), last=last, grace=max(ends - last, timedelta(0)))
    return replace(policy, in_force=span)


def lint(
    text: str, name: str, *, now: datetime | None = None, parents: Parents = nobody
) -> tuple[LintFinding, ...]:
    """List what is wrong with a policy text, in the order of the file."""
    return read(Source(name=name, text=text), now=now, parents=parents).findings


def lint_file(path: Path, *, now: datetime | None = None) -> tuple[LintFinding, ...]:
    """List what is wrong with a policy file. Raises InputMissing when it cannot be read."""
    try:
        return lint(read_text(path), str(path), now=now, parents=beside(path.parent))
    except PolicyError as unreadable:
        return tuple(f for f in unreadable.findings if isinstance(f, LintFinding))


def read_text(path: Path) -> str:
    """Read a file of a governing body as text. Raises InputMissing, PolicyError when it is not UTF-8."""
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
