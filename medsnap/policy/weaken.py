"""`policy test --weaken`: lower one line by one step, and see whether any case notices (policy.md 3.10).

Only what a decision can show is lowered: verbs, locked groups, reviewers, conditions of rules, limits
of devices and detectors, required words, consent, and what an export may carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from medsnap.model.decision import Verb
from medsnap.policy.build import build
from medsnap.policy.cases import Suite
from medsnap.policy.kinds import Kind, MapOf, Record
from medsnap.policy.nouns import Policy
from medsnap.policy.scales import Path, scale
from medsnap.policy.table import ROOT
from medsnap.policy.testing import judge, own_file
from medsnap.policy.waiver import Waiver
from medsnap.policy.walk import NEEDS_TO, Item, plain

_SHOWN: Final = frozenset({"detection", "devices", "exports", "vocabulary", "consent"})
_NOT_SHOWN: Final = frozenset({"dates", "patient_portal", "inventory_max_age", "inventory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakening:
    """One line lowered by one step: the change, its place, the policy it makes."""

    path: str
    before: str
    after: str
    where: str
    policy: Policy

    def __str__(self) -> str:
        return f"{self.path}: {self.before} → {self.after} ({self.where})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A weakening, and the first case that notices it; "" when none does."""

    weakening: Weakening
    noticed_by: str


def tried(suite: Suite, waivers: tuple[Waiver, ...] = ()) -> tuple[Tried, ...]:
    """Try all weakenings of a policy's own lines against the cases of its test file."""
    return tuple(
        Tried(weakening=weak, noticed_by=_noticed(suite, weak.policy, waivers))
        for weak in weakenings(suite.policy)
    )


def _noticed(suite: Suite, policy: Policy, waivers: tuple[Waiver, ...]) -> str:
    for case in suite.cases:
        if not judge(policy, suite.given, case, waivers).passed:
            return case.name
    return ""


def weakenings(policy: Policy) -> Iterator[Weakening]:
    """Go through all policies that differ from one by one step of one of its own lines."""
    tree, own = policy.tree, own_file(policy)
    if tree is None:
        return
    for path, item, made in _Lower(policy, own).all(tree):
        changed = _put(tree, path, made)
        part, before, after = _changed(path, item, made)
        yield Weakening(
            path=".".join(part),
            before=before,
            after=after,
            where=item.where,
            policy=build(changed, digest=policy.ref.digest, baseline=policy.ref.baseline),
        )


_Step = tuple[Path, Item, Item]


@dataclass(frozen=True, slots=True)
class _Lower:
    """Lists the steps of one policy; `file` is its own: what others say is theirs to test."""

    policy: Policy
    file: str

    def all(self, tree: Item) -> Iterator[_Step]:
        for name, field in ROOT.fields.items():
            item = tree.get(name)
            if item is None:
                continue
            if name == "rules":
                yield from self._rules(item)
            elif name in ("features", "sources") or name in _SHOWN:
                yield from self._walk(field.kind, (name,), item)

    def _walk(self, kind: Kind, path: Path, item: Item) -> Iterator[_Step]:
        match kind:
            case Record():
                if kind.rule:
                    yield from self._verb(path, item)
                for name, field in kind.fields.items():
                    below = item.get(name)
                    if below is not None and not (kind.rule and name in ("do", "to", "reviewers")):
                        yield from self._walk(field.kind, (*path, name), below)
            case MapOf():
                for key, below in item.entries():
                    yield from self._walk(kind.value, (*path, key), below)
            case _:
                yield from self._value(path, item)

    def _value(self, path: Path, item: Item) -> Iterator[_Step]:
        if path == ("vocabulary", "required"):
            yield from self._required(path, item)
        elif item.file == self.file and path[-1] == "may_carry":
            yield from self._carry(path, item)
        elif item.file == self.file and path[-1] not in _NOT_SHOWN and self._shows(path):
            for value in scale(path).down(item.value):
                yield path, item, Item(value, item.file, item.line, item.column)

    def _shows(self, path: Path) -> bool:
        """Say whether a decision can tell: who agrees and what is shown matter only where it may go."""
        if path[0] != "consent" or path[-1] == "need":
            return True
        return any(e.purpose == path[1] and len(e.may_carry) > 1 for e in self.policy.exports)

    def _required(self, path: Path, item: Item) -> Iterator[_Step]:
        """Drop one description; one that is only sent on when missing changes nothing."""
        for at, word in enumerate(item.items()):
            if word.file == self.file and str(word.value) in self.policy.vocabulary.quarantines:
                rest = tuple(w for n, w in enumerate(item.items()) if n != at)
                yield path, item, Item(rest, item.file, item.line, item.column)

    def _carry(self, path: Path, item: Item) -> Iterator[_Step]:
        """Let an export carry the next locked group."""
        groups = [group.name for group in self.policy.compartments]
        more = next((name for name in groups if name not in item.texts()), None)
        if more is not None and not self._safe(more):
            added = (*item.items(), Item(more, item.file, item.line))
            yield path, item, Item(added, item.file, item.line, item.column)

    def _safe(self, group: str) -> bool:
        """Say whether only safeguarded photos lie in a group: they go nowhere whatever an export says."""
        features = [(rule.to, rule.verb) for rule in self.policy.features.values()]
        rules = [(rule.to, rule.verb) for rule in self.policy.rules]
        return all(verb >= Verb.QUARANTINE for to, verb in features + rules if to == group)

    def _verb(self, path: Path, item: Item) -> Iterator[_Step]:
        do, to, people = item.get("do"), item.get("to"), item.get("reviewers")
        if do is None or not isinstance(do.value, Verb) or do.file != self.file:
            return
        if do.value > Verb.ACCEPT:
            yield path, item, self._milder(item, Verb(do.value - 1))
        rank = self.policy.rank(str(to.value)) if to is not None else -1
        # below a locked group what waits or is restricted goes to `review.keep_in` anyway
        if to is not None and (rank > 1 or (rank == 1 and do.value is Verb.REDACT)):
            lower = self.policy.compartments[rank - 1].name
            yield path, item, _with(item, "to", lower)
        if people is not None and isinstance(people.value, int) and people.value > 1:
            yield path, item, _with(item, "reviewers", people.value - 1)

    def _milder(self, item: Item, verb: Verb) -> Item:
        entries = {key: below for key, below in item.entries() if key not in ("to", "reviewers") or verb}
        if verb in NEEDS_TO and "to" not in entries:
            entries["to"] = Item(self.policy.compartments[1].name, item.file, item.line)
        changed = Item(entries, item.file, item.line, item.column)
        return _with(changed, "do", verb)

    def _rules(self, rules: Item) -> Iterator[_Step]:
        for rule in rules.items():
            named = rule.get("id")
            if named is None or rule.file != self.file:
                continue
            path = ("rules", str(named.value))
            yield from self._verb(path, rule)
            spread = rule.get("whole_study")
            if spread is not None and spread.value:
                yield path, rule, _with(rule, "whole_study", False)
            when = rule.get("when") or Item({}, "", 0)
            for key, item in when.entries():
                for value in _narrower(item):
                    yield path, rule, _with(rule, "when", dict(when.entries()) | {key: _like(item, value)})


def _narrower(item: Item) -> Iterator[object]:
    """List the conditions that fit fewer photos by one: a year, or one word of a list."""
    if isinstance(item.value, int) and item.value > 1:
        yield item.value - 1
    elif isinstance(item.value, tuple) and len(item.value) > 1:
        for at in range(len(item.value)):
            yield item.value[:at] + item.value[at + 1 :]


def _like(item: Item, value: object) -> Item:
    return Item(value, item.file, item.line, item.column)


def _with(item: Item, key: str, value: object) -> Item:
    return _like(item, dict(item.entries()) | {key: _like(item.get(key) or item, value)})


def _put(tree: Item, path: Path, made: Item) -> Item:
    """Return a tree with another entry at a path; a rule goes by its id."""
    if not path:
        return made
    key, rest = path[0], path[1:]
    if isinstance(tree.value, tuple):
        return _like(tree, tuple(made if _id(rule) == key else rule for rule in tree.items()))
    below = tree.get(key)
    entries: Mapping[str, Item] = dict(tree.entries())
    return _like(tree, {**entries, key: _put(below, rest, made) if below is not None else made})


def _id(rule: Item) -> str:
    found = rule.get("id")
    return str(found.value) if found is not None else ""


def _changed(path: Path, item: Item, made: Item) -> tuple[Path, str, str]:
    """Name the part that differs, and both its values in one line."""
    do = (item.get("do"), made.get("do"))
    if do[0] is not None and do[1] is not None and do[0].value != do[1].value:
        return path, str(do[0].value), str(do[1].value)
    for key, below in item.entries():
        now = made.get(key)
        if now is not None and plain(now) != plain(below):
            return _changed((*path, key), below, now)
    return path, _flow(plain(item)), _flow(plain(made))


def _flow(value: object) -> str:
    if isinstance(value, list):
        whole = value and all(isinstance(part, int) for part in value)
        return ".".join(map(str, value)) if whole else "[" + ", ".join(map(str, value)) + "]"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
