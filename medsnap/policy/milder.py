"""Where a department's policy is milder than its parent's (policy.md M10): the substance of E201."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Final

from medsnap.policy.findings import shown
from medsnap.policy.inherit import PARENT_ONLY
from medsnap.policy.kinds import Kind, ListOf, MapOf, Record, Word
from medsnap.policy.scales import UNLOOKED, Path, Scale, Unsaid, reach, scale, unlooked_unsaid
from medsnap.policy.table import ROOT
from medsnap.policy.walk import Item, plain

_WHEN_LISTS: Final = ("feature", "department", "reason", "view", "body_site", "device", "source", "purpose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Milder:
    """One line of a child that is milder than its parent's; `before` is None where the parent has none."""

    path: Path
    item: Item
    said: str
    before: str | None
    where: str

    @property
    def dotted(self) -> str:
        """Return "features.scar"."""
        return ".".join(self.path)

    def sentence(self) -> str:
        """Say what is milder than what, with the parent's line."""
        end = "the hospital does not list it under departments_may_relax"
        if self.before is None:
            return f"{self.dotted}: the parent says no such thing; {end}"
        return f"{self.dotted}: '{self.said}' is weaker than '{self.before}' ({self.where}); {end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A child's own tree, its parent's whole tree, and the two laid over each other."""

    own: Item
    parent: Item
    whole: Item
    ranks: Mapping[str, int]
    keep_in: str  # where the parent keeps what waits

    def milder(self) -> Iterator[Milder]:
        """Go through all lines of the child that are milder, listed or not."""
        for key, field in ROOT.fields.items():
            own = self.own.get(key)
            if own is not None and key not in PARENT_ONLY:
                yield from self._walk(field.kind, (key,), own, self.parent.get(key), self.whole.get(key))

    def _walk(
        self, kind: Kind, path: Path, own: Item, before: Item | None, after: Item | None
    ) -> Iterator[Milder]:
        if path == ("rules",):
            yield from self._rules(own, before)
            return
        match kind:
            case Record():
                yield from self._record(kind, path, own, before, after)
            case MapOf():
                for key, item in own.entries():
                    yield from self._entry(kind.value, (*path, key), item, before, after)
            case Word() | ListOf():
                # words of the vocabulary add to the parent's, so the sum is what counts
                said = after if path[0] == "vocabulary" and isinstance(kind, ListOf) and after else own
                yield from self._value(path, own, said, before)

    def _entry(
        self, kind: Kind, path: Path, own: Item, before: Item | None, after: Item | None
    ) -> Iterator[Milder]:
        was, now = (before.get(path[-1]) if before else None), (after.get(path[-1]) if after else None)
        if was is None and not isinstance(kind, Word) and not (isinstance(kind, Record) and kind.rule):
            yield _new(path, own)
        elif was is None and path[:3] == ("devices", "managed", "os_at_least") and before is not None:
            yield _new(path, own)  # beside a list of floors, a system without one waits
        elif was is None and path[:3] == ("devices", "managed", "os_at_least"):
            return
        else:
            yield from self._walk(kind, path, own, was, now)

    def _record(
        self, kind: Record, path: Path, own: Item, before: Item | None, after: Item | None
    ) -> Iterator[Milder]:
        if kind.rule:
            yield from self._verb(path, own, before, after)
        for name, field in kind.fields.items():
            item = own.get(name)
            if item is not None and not (kind.rule and name in ("do", "to", "reviewers")):
                was, now = (before.get(name) if before else None), (after.get(name) if after else None)
                yield from self._walk(field.kind, (*path, name), item, was, now)

    def _verb(self, path: Path, own: Item, before: Item | None, after: Item | None) -> Iterator[Milder]:
        if before is None or after is None:
            yield _new(path, own)
            return
        old, new = reach(before, self.ranks), reach(after, self.ranks)
        if new.verb < old.verb:
            yield _less(path, own.get("do") or own, str(new.verb), str(old.verb), before)
            return
        if new.rank < old.rank:
            yield _less((*path, "to"), own.get("to") or own, _text(after, "to"), _text(before, "to"), before)
        if new.reviewers < old.reviewers:
            at = own.get("reviewers") or own
            yield _less((*path, "reviewers"), at, str(new.reviewers), str(old.reviewers), before)

    def _value(self, path: Path, own: Item, said: Item, before: Item | None) -> Iterator[Milder]:
        if path == ("review", "keep_in"):
            if self.ranks.get(str(own.value), -1) < self.ranks.get(self.keep_in, 0):
                yield _less(path, own, str(own.value), self.keep_in, before or self.parent)
            return
        found = self._scale(path)
        if found is UNLOOKED and before is None and self._labels(path[1]):
            return  # it says what the parent's silence says
        if before is None:
            if found.unsaid is Unsaid.STRICT:
                yield _new(path, own)
            elif found.unsaid is not Unsaid.MILD and found.milder(found.unsaid, said.value):
                yield _less(path, own, _words(own), str(found.unsaid), self.parent)
        elif found.milder(before.value, said.value):
            yield _less(path, own, _words(own), _words(before), before)

    def _scale(self, path: Path) -> Scale:
        if path[:2] == ("vocabulary", "when_missing") and path[-1] not in self._required():
            return Scale(lambda _b, _a: False, unsaid=Unsaid.MILD)  # the parent does not ask for it
        return scale(path)

    def _labels(self, target: str) -> bool:
        """Say whether this target of the parent takes photos that nobody has looked at, unsaid."""
        exports = self.parent.get("exports")
        item = exports.get(target) if exports else None
        forms = item.get("as") if item else None
        return forms is not None and unlooked_unsaid(forms.texts()) == "send"

    def _required(self) -> tuple[str, ...]:
        vocabulary = self.parent.get("vocabulary")
        required = vocabulary.get("required") if vocabulary else None
        return required.texts() if required else ()

    def _rules(self, own: Item, before: Item | None) -> Iterator[Milder]:
        """Compare rules of the same id; a further rule only adds a reason."""
        old = {_text(rule, "id"): rule for rule in (before.items() if before else ())}
        for rule in own.items():
            named = _text(rule, "id")
            was = old.get(named)
            if was is None:
                continue
            path = ("rules", named)
            yield from self._verb(path, rule, was, rule)
            if _yes(was, "whole_study") and not _yes(rule, "whole_study"):
                at = rule.get("whole_study") or rule
                yield _less((*path, "whole_study"), at, "no", "yes", was)
            yield from starmap(_less, _narrower(path, rule, was))


def _narrower(path: Path, rule: Item, was: Item) -> Iterator[tuple[Path, Item, str, str, Item]]:
    """Name the facts that a rule asks and its parent's did not: it fits fewer photos."""
    new, old = rule.get("when"), was.get("when")
    for key, item in new.entries() if new else ():
        asked = old.get(key) if old else None
        before = _words(asked) if asked else "anything"
        if asked is None:
            fewer = True
        elif key in _WHEN_LISTS:
            fewer = not set(asked.texts()) <= set(item.texts())
        else:
            fewer = int(str(item.value)) < int(str(asked.value))
        if fewer:
            yield (*path, "when", key), item, _words(item), before, asked or was


def _yes(item: Item, key: str) -> bool:
    found = item.get(key)
    return bool(found.value) if found is not None else False


def _text(item: Item, key: str) -> str:
    found = item.get(key)
    return str(found.value) if found is not None else "nothing"


def _words(item: Item) -> str:
    value = plain(item)
    if isinstance(value, list):
        parts = [str(part) for part in value]
        return ".".join(parts) if parts and all(isinstance(part, int) for part in value) else ", ".join(parts)
    return shown(str(value))


def _less(path: Path, item: Item, said: str, before: str, was: Item) -> Milder:
    return Milder(path=path, item=item, said=said, before=before, where=was.where)


def _new(path: Path, item: Item) -> Milder:
    return Milder(path=path, item=item, said="", before=None, where="")


def listed(path: str, may_relax: Iterable[str]) -> bool:
    """Say whether a parent lets its departments loosen a path, or a part above it."""
    return any(path == allowed or path.startswith(allowed + ".") for allowed in may_relax)
