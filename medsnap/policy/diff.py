"""Two versions of a policy, line by line: what opens, what tightens, what only changes.

The scales are those by which a department may not be milder than its parent (`scales`), read in
both directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from medsnap.policy.milder import Comparison, Milder
from medsnap.policy.nouns import Policy
from medsnap.policy.walk import Item, plain

NOTHING = "nothing"
_SETS = ("compartments", "departments", "departments_may_relax")  # sets of names: more is wider


class Effect(StrEnum):
    """Which way a line leans."""

    OPENS = "opens"
    TIGHTENS = "tightens"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line that differs. `where` is the new line, or the old one where it is gone."""

    effect: Effect
    path: str
    before: str
    after: str
    where: str


def changes(old: Policy, new: Policy) -> tuple[Change, ...]:
    """List what differs between two policies as they are in effect, what opens first."""
    if old.tree is None or new.tree is None:
        return ()
    opens = {m.dotted: m for m in _milder(new, old) if m.path[0] not in _SETS}
    tightens = {m.dotted: m for m in _milder(old, new) if m.path[0] not in _SETS}
    found = [*_both(opens, tightens), *_rules(old.tree, new.tree), *_names(old, new)]
    rank = {effect: place for place, effect in enumerate(Effect)}
    return tuple(sorted(dict.fromkeys(found), key=lambda c: (rank[c.effect], c.path)))


def _milder(own: Policy, other: Policy) -> list[Milder]:
    """List the lines of one policy that are milder than the other's."""
    if own.tree is None or other.tree is None:
        return []
    compared = Comparison(
        own=own.tree, parent=other.tree, whole=own.tree, ranks=other.ranks, keep_in=other.review.keep_in
    )
    return list(compared.milder())


def _both(opens: dict[str, Milder], tightens: dict[str, Milder]) -> Iterator[Change]:
    for path in opens.keys() | tightens.keys():
        up, down = opens.get(path), tightens.get(path)
        if up is not None:
            yield Change(
                effect=Effect.OPENS if down is None else Effect.CHANGES,
                path=path,
                before=up.before or NOTHING,
                after=up.said or _shown(up.item),
                where=up.item.where,
            )
        elif down is not None:
            yield Change(
                effect=Effect.TIGHTENS,
                path=path,
                before=down.said or _shown(down.item),
                after=down.before or NOTHING,
                where=down.where or down.item.where,
            )


def _rules(old: Item, new: Item) -> Iterator[Change]:
    """A rule that is gone opens, a further one tightens."""
    before, after = _by_id(old), _by_id(new)
    for name in before.keys() - after.keys():
        gone = before[name]
        yield Change(
            effect=Effect.OPENS, path=f"rules.{name}", before=_verb(gone), after=NOTHING, where=gone.where
        )
    for name in after.keys() - before.keys():
        added = after[name]
        yield Change(
            effect=Effect.TIGHTENS,
            path=f"rules.{name}",
            before=NOTHING,
            after=_verb(added),
            where=added.where,
        )


def _by_id(tree: Item) -> dict[str, Item]:
    rules = tree.get("rules")
    return {str(plain(i)): rule for rule in (rules.items() if rules else ()) if (i := rule.get("id"))}


def _verb(rule: Item) -> str:
    do, to = rule.get("do"), rule.get("to")
    return str(do.value if do else "") + (f" to {to.value}" if to else "")


def _names(old: Policy, new: Policy) -> Iterator[Change]:
    """Compare sets of names: the roles of each locked group, departments, what may be relaxed."""
    groups = {c.name: c for c in old.compartments}
    for group in new.compartments:
        was = groups.get(group.name)
        yield from _wider(
            f"compartments.{group.name}.open_to", was.open_to if was else (), group.open_to, group.where
        )
        if was is not None and was.label != group.label:
            yield Change(
                effect=Effect.CHANGES,
                path=f"compartments.{group.name}.label",
                before=was.label,
                after=group.label,
                where=group.where,
            )
    where = new.where("departments") or old.where("departments")
    yield from _wider("departments", sorted(old.departments), sorted(new.departments), where)
    relax = "departments_may_relax"
    yield from _wider(relax, _texts(old, relax), _texts(new, relax), new.where(relax) or old.where(relax))


def _texts(policy: Policy, key: str) -> tuple[str, ...]:
    found = policy.settings.get(key)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _wider(path: str, before: object, after: object, where: str) -> Iterator[Change]:
    old, new = _tuple(before), _tuple(after)
    if set(old) == set(new):
        return
    more, fewer = set(new) - set(old), set(old) - set(new)
    effect = Effect.CHANGES if more and fewer else Effect.OPENS if more else Effect.TIGHTENS
    yield Change(
        effect=effect,
        path=path,
        before=", ".join(old) or NOTHING,
        after=", ".join(new) or NOTHING,
        where=where,
    )


def _tuple(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (tuple, list)) else ()


def _shown(item: Item) -> str:
    value = plain(item)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _flow(value: object) -> str:
    """Write a value within another as the file does: [a, b], {key: value}; a list of one as its word."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        words = [_flow(inner) for inner in value]
        return words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    return str(value)
