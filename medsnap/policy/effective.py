"""What a policy does not say, baseline says: lay one tree over the other."""

from __future__ import annotations

from medsnap.policy.kinds import Kind, MapOf, Record
from medsnap.policy.walk import Item

# What only the policy itself can say: baseline's identity and time are not inherited.
OWN = ("medsnap", "policy", "version", "title", "extends", "department")


def over(kind: Kind, base: Item | None, own: Item | None, path: str = "") -> Item | None:
    """Lay `own` over `base`; each part keeps the place that said it."""
    if own is None or base is None:
        return own if base is None else base
    match kind:
        case Record(whole=False):
            fields = {name: field.kind for name, field in kind.fields.items()}
            return _merged(fields, base, own, path)
        case MapOf(merges=True):
            keys = [key for key, _ in base.entries()] + [key for key, _ in own.entries()]
            return _merged(dict.fromkeys(keys, kind.value), base, own, path)
        case _:
            return by_id(base, own) if path == "rules" else own


def _merged(kinds: dict[str, Kind], base: Item, own: Item, path: str) -> Item:
    entries: dict[str, Item] = {}
    for key, kind in kinds.items():
        inherited = None if not path and key in OWN else base.get(key)
        found = over(kind, inherited, own.get(key), f"{path}.{key}".lstrip("."))
        if found is not None:
            entries[key] = found
    return Item(entries, own.file, own.line, own.column)


def by_id(base: Item, own: Item) -> Item:
    """Keep inherited rules beside a policy's own; one of the same id replaces."""
    ids = {_id(rule) for rule in own.items()}
    kept = tuple(rule for rule in base.items() if _id(rule) not in ids)
    return Item(kept + tuple(own.items()), own.file, own.line, own.column)


def _id(rule: Item) -> str:
    item = rule.get("id")
    return str(item.value) if item else ""


def lines(tree: Item, path: str = "") -> dict[str, str]:
    """List "features.face" → "hospital.yaml:66" for every entry of a tree."""
    found = {path: tree.where} if path else {}
    for key, item in tree.entries():
        found |= lines(item, f"{path}.{key}".lstrip("."))
    if path == "rules":
        for rule in tree.items():
            found |= lines(rule, f"rules.{_id(rule)}")
    return found
