"""`extends`: which parent, what a department may not say, and what it may not loosen (M10, M11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from medsnap.errors import PolicyError
from medsnap.policy.build import build
from medsnap.policy.digest import file_digest
from medsnap.policy.findings import LintFinding, meant, shown
from medsnap.policy.inherit import PARENT_ONLY, gaps, without
from medsnap.policy.milder import Comparison, Milder, listed
from medsnap.policy.nodes import Reader, Text
from medsnap.policy.nouns import Policy
from medsnap.policy.parents import Parents, Source, named
from medsnap.policy.table import ROOT
from medsnap.policy.walk import Item

if TYPE_CHECKING:
    from medsnap.policy.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A policy that another one extends: its whole tree, and itself."""

    source: Source
    whole: Item
    policy: Policy

    @property
    def may_relax(self) -> tuple[str, ...]:
        """Return the paths that a department may loosen."""
        found = self.whole.get("departments_may_relax")
        return found.texts() if found else ()


def parent_of(source: Source, reading: Reading) -> Parent:
    """Make a parent of a policy that was read. Raises PolicyError when it has errors or a parent."""
    if reading.own is not None and reading.own.get("extends") is not None:
        raise PolicyError("it extends another policy; a department extends the hospital's own")
    if reading.errors or reading.own is None or reading.whole is None:
        first = reading.errors[0]
        raise PolicyError(f"it has an error: {first.code} {first.message} (line {first.line})")
    policy = build(reading.whole, digest=file_digest(source.text), baseline=1)
    return Parent(source=source, whole=reading.whole, policy=policy)


def lookup(
    extends: Text, reader: Reader, parents: Parents, read: Callable[[Source], Reading]
) -> Parent | None:
    """Find and read the parent, or complain with E203 and return None: never decide without it."""
    wanted = named(extends.text)

    def missing(message: str) -> None:
        reader.complain(extends.line, extends.column, "E203", message)

    if wanted is None:
        missing(f"'{shown(extends.text)}' is no policy@version, like 'northside@4'")
        return None
    found = parents(*wanted)
    title = f"{wanted[0]} {wanted[1]}"
    if found is None:
        missing(f"the parent policy {title} is not found; its file must lie beside this one")
        return None
    try:
        parent = parent_of(found, read(found))
    except PolicyError as broken:
        missing(f"the parent policy {title} cannot be used: {broken.message}")
        return None
    if (parent.policy.ref.policy, parent.policy.ref.version) != wanted:
        ref = parent.policy.ref
        missing(f"the file found for {title} says it is {ref.policy} {ref.version}")
        return None
    return parent


def inheritance(
    name: str, own: Item, whole: Item, parent: Parent, now: datetime | None
) -> Iterator[LintFinding]:
    """Check a department's policy against its parent: E202, E201, what is still missing, dates."""

    def say(item: Item, code: str, message: str) -> LintFinding:
        return LintFinding(file=name, line=item.line, column=item.column, code=code, message=message)

    for key in PARENT_ONLY:
        item = own.get(key)
        if item is not None:
            yield say(item, "E202", f"'{key}' is the parent's to say; a department may not define it")
    for milder in milder_than(own, whole, parent):
        if not listed(milder.dotted, parent.may_relax):
            yield say(milder.item, "E201", milder.sentence())
    for path, item, field in gaps(ROOT, whole):
        at = item if item.file == own.file else own
        yield say(at, "E107", f"'{path}' is missing: {field.help}")
    yield from _department(own, parent, say)
    span = parent.policy.in_force
    extends = own.get("extends")
    if now is not None and extends is not None and span.last + span.grace < now.date():
        yield say(extends, "E203", f"the parent policy is not in force: it ended on {span.last}")


def _department(
    own: Item, parent: Parent, say: Callable[[Item, str, str], LintFinding]
) -> Iterator[LintFinding]:
    department, known = own.get("department"), sorted(parent.policy.departments)
    if department is None:
        yield say(own, "E107", "the section 'department' is missing: whose policy it is")
    elif str(department.value) not in known:
        guess = meant(str(department.value), known)
        yield say(department, "E102", f"unknown department '{shown(str(department.value))}'{guess}")


def milder_than(own: Item, whole: Item, parent: Parent) -> tuple[Milder, ...]:
    """List all lines of a child that are milder than its parent's."""
    policy = parent.policy
    comparison = Comparison(
        own=own, parent=parent.whole, whole=whole, ranks=policy.ranks, keep_in=policy.review.keep_in
    )
    return tuple(comparison.milder())


def under_current(own: Item, current: Parent, lay: Callable[[Item, Item], Item]) -> Item:
    """Resolve a child on the current parent, without the relaxations that it no longer lists (M11)."""
    for key in PARENT_ONLY:
        own = without(own, (key,))
    while True:
        whole = lay(current.whole, own)
        gone = [m for m in milder_than(own, whole, current) if not listed(m.dotted, current.may_relax)]
        if not gone:
            return whole
        for milder in gone:
            own = without(own, _unit(milder.path))


def _unit(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path of the rule that a line belongs to: it goes as a whole."""
    if path[0] in ("features", "sources", "rules"):
        return path[:2]
    if path[-1] in ("to", "reviewers") and path[0] == "devices":
        return path[:2]
    return path
