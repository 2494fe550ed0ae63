"""A department's policy laid over its parent's (policy.md M10): lists of words add, mappings merge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from medsnap.model.decision import Verb
from medsnap.policy.effective import OWN, by_id
from medsnap.policy.kinds import Field, Kind, ListOf, MapOf, Record
from medsnap.policy.walk import Item

PARENT_ONLY: Final = ("governance", "departments", "departments_may_relax", "waivers", "compartments")
_WAITS: Final = frozenset({Verb.QUARANTINE, Verb.REJECT})


def inherit(kind: Kind, base: Item | None, own: Item | None, path: str = "") -> Item | None:
    """Lay a department's tree over its parent's whole tree; each part keeps the place that said it."""
    if own is None or base is None:
        return own if base is None else base
    match kind:
        case Record():
            return _record(kind, base, own, path)
        case MapOf():
            keys = dict.fromkeys([key for key, _ in base.entries()] + [key for key, _ in own.entries()])
            return _merged(dict.fromkeys(keys, kind.value), base, own, path)
        case ListOf() if path == "rules":
            return by_id(base, own)
        case ListOf() if path.startswith("vocabulary."):
            said = {str(item.value) for item in base.items()}
            more = tuple(item for item in own.items() if str(item.value) not in said)
            return Item((*base.items(), *more), own.file, own.line, own.column)
        case _:
            return own


def _record(kind: Record, base: Item, own: Item, path: str) -> Item:
    fields = {name: field.kind for name, field in kind.fields.items()}
    if not kind.rule:
        return _merged(fields, base, own, path)
    do = own.get("do")
    if do is None:
        merged = _merged(fields, base, own, path)
        return Item(merged.value, base.file, base.line, base.column)  # the parent still says what happens
    rest = {name: kind for name, kind in fields.items() if name not in ("do", "to", "reviewers")}
    entries = dict(_merged(rest, base, own, path).entries()) | {
        name: item for name in ("do", "to", "reviewers") if (item := own.get(name)) is not None
    }
    # A stricter word alone must not lose the locked group or the second reviewer of the line above it.
    if do.value in _WAITS:
        _keep(entries, base, "to")
    if do.value is not Verb.ACCEPT:
        _keep(entries, base, "reviewers")
    return Item(entries, own.file, own.line, own.column)


def _keep(entries: dict[str, Item], base: Item, name: str) -> None:
    said = base.get(name)
    if said is not None:
        entries.setdefault(name, said)


def _merged(kinds: dict[str, Kind], base: Item, own: Item, path: str) -> Item:
    entries: dict[str, Item] = {}
    for key, kind in kinds.items():
        inherited = None if not path and key in OWN else base.get(key)
        found = inherit(kind, inherited, own.get(key), f"{path}.{key}".lstrip("."))
        if found is not None:
            entries[key] = found
    return Item(entries, own.file, own.line, own.column)


def gaps(kind: Kind, tree: Item, path: str = "") -> Iterator[tuple[str, Item, Field]]:
    """Go through what is required below a kind and neither child nor parent says."""
    match kind:
        case Record():
            for name, field in kind.fields.items():
                below = f"{path}.{name}".lstrip(".")
                item = tree.get(name)
                if item is None and field.required and path:
                    yield below, tree, field
                elif item is not None:
                    yield from gaps(field.kind, item, below)
        case MapOf():
            for key, item in tree.entries():
                yield from gaps(kind.value, item, f"{path}.{key}")
        case _:
            return


def without(tree: Item, path: tuple[str, ...]) -> Item:
    """Return a tree without the entry at a path; an item of `rules` goes by its id."""
    key, rest = path[0], path[1:]
    if isinstance(tree.value, tuple):
        kept = tuple(rule for rule in tree.items() if (named := rule.get("id")) is None or named.value != key)
        return Item(kept, tree.file, tree.line, tree.column)
    entries = dict(tree.entries())
    below = entries.pop(key, None)
    if rest and below is not None:
        entries[key] = without(below, rest)
    return Item(entries, tree.file, tree.line, tree.column)
