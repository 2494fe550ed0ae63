"""Apply the table to the nodes: typed items with their lines, or findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from medsnap.model.decision import Verb
from medsnap.policy.findings import meant, shown, unknown
from medsnap.policy.kinds import Kind, ListOf, MapOf, Record, Unreadable, Word
from medsnap.policy.nodes import Items, Node, Pairs, Reader, Text

NEEDS_TO = frozenset({Verb.REDACT, Verb.RESTRICT, Verb.SAFEGUARD})


@dataclass(frozen=True, slots=True)
class Item:
    """A typed value and the place that said it: file, line of its key, column of its value."""

    value: Value
    file: str
    line: int
    column: int = 1

    @property
    def where(self) -> str:
        """Return "hospital.yaml:66"."""
        return f"{self.file}:{self.line}"

    def get(self, key: str) -> Item | None:
        """Return an entry of a mapping, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self) -> Iterator[tuple[str, Item]]:
        """Go through a mapping; nothing for other values."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def items(self) -> Iterator[Item]:
        """Go through a list; nothing for other values."""
        if isinstance(self.value, tuple):
            yield from self.value

    def texts(self) -> tuple[str, ...]:
        """Return the texts of a list, in order."""
        return tuple(str(item.value) for item in self.items())


Value: TypeAlias = "object | tuple[Item, ...] | dict[str, Item]"


@dataclass(slots=True)
class Walker:
    """Walks one file; `names` are the declared names by kind ("role", "compartment", …)."""

    reader: Reader
    file: str  # base name: what reasons print
    names: Mapping[str, Iterable[str]] = field(default_factory=dict)
    partial: bool = False  # a department's policy: what it leaves out, its parent may say

    def walk(self, node: Node, kind: Kind, *, line: int = 0, label: str = "section") -> Item | None:
        """Return the typed item, or None after a finding. `line` is that of the key before it."""
        if self.reader.full:
            return None
        match kind:
            case Word():
                return self._word(node, kind, line or node.line)
            case ListOf():
                return self._list(node, kind, line or node.line)
            case MapOf():
                return self._map(node, kind, line or node.line)
            case Record():
                return self._record(node, kind, line or node.line, label)

    def _wrong(self, node: Node, expected: str) -> None:
        found = {Text: "one value", Items: "a list", Pairs: "a mapping"}[type(node)]
        self.reader.complain(node.line, node.column, "E103", f"expected {expected}, found {found}")

    def _word(self, node: Node, kind: Word, line: int) -> Item | None:
        if not isinstance(node, Text):
            self._wrong(node, f"a {kind.what}")
            return None
        value = self.word(node, kind)
        return None if value is None else Item(value, self.file, line, node.column)

    def word(self, node: Text, kind: Word) -> object | None:
        """Read one text as its kind, or complain and return None."""
        if self.reader.full:
            return None
        text = node.text
        known = tuple(self.names.get(kind.names, ())) if kind.names else kind.allowed
        if not text.strip():
            self.reader.complain(node.line, node.column, "E103", f"a {kind.what} is missing here")
            return None
        if (known or kind.names) and text not in known:
            self.reader.complain(node.line, node.column, "E102", unknown(kind.what, text, known))
            return None
        if kind.pattern and not re.fullmatch(kind.pattern, text):
            message = f"'{shown(text)}' is no {kind.what}: {_letters(kind.pattern)}"
            self.reader.complain(node.line, node.column, "E103", message)
            return None
        try:
            return kind.read(text)
        except Unreadable as wrong:
            self.reader.complain(node.line, node.column, wrong.code, str(wrong))
            return None

    def _list(self, node: Node, kind: ListOf, line: int) -> Item | None:
        if isinstance(node, Text) and kind.single:
            node = Items((node,), node.line, node.column)
        if not isinstance(node, Items):
            self._wrong(node, "a list [ … ]")
            return None
        items = [self.walk(item, kind.item) for item in node.items]
        self._repeated(node)
        return Item(tuple(i for i in items if i is not None), self.file, line, node.column)

    def _repeated(self, node: Items) -> None:
        seen: dict[str, int] = {}
        for item in node.items:
            if isinstance(item, Text):
                if item.text in seen:
                    message = f"'{shown(item.text)}' is written twice (first on line {seen[item.text]})"
                    self.reader.complain(item.line, item.column, "E101", message)
                seen.setdefault(item.text, item.line)

    def _map(self, node: Node, kind: MapOf, line: int) -> Item | None:
        if not isinstance(node, Pairs):
            self._wrong(node, "a mapping of names and values")
            return None
        entries: dict[str, Item] = {}
        for key, value in node.pairs:
            if self.word(key, kind.key) is not None:
                item = self.walk(value, kind.value, line=key.line, label="key")
                if item is not None:
                    entries[key.text] = item
        return Item(entries, self.file, line, node.column)

    def _record(self, node: Node, kind: Record, line: int, label: str) -> Item | None:
        if not isinstance(node, Pairs):
            return self._short(node, kind, line)
        entries: dict[str, Item] = {}
        for key, value in node.pairs:
            known = kind.fields.get(key.text)
            if known is None and self.reader.full:
                break
            if known is None:
                guess = meant(key.text, kind.fields)
                message = f"unknown {label} '{shown(key.text)}'{guess or self._keys(kind)}"
                self.reader.complain(key.line, key.column, "E102", message)
                continue
            item = self.walk(value, known.kind, line=key.line, label="key")
            if item is not None:
                entries[key.text] = item
        self._required(node, kind, label)
        made = Item(entries, self.file, line, node.column)
        self._needs_to(node, kind, made)
        return made

    def _keys(self, kind: Record) -> str:
        return "; allowed: " + ", ".join(kind.fields) if len(kind.fields) <= 9 else ""

    def _short(self, node: Node, kind: Record, line: int) -> Item | None:
        if kind.short == "*":
            made = {key: self.walk(node, f.kind, line=line) for key, f in kind.fields.items()}
            found = {key: item for key, item in made.items() if item is not None}
            return Item(found, self.file, line, node.column) if found else None
        listed = kind.short in kind.fields and isinstance(kind.fields[kind.short].kind, ListOf)
        if not kind.short or (isinstance(node, Items) and not listed):
            self._wrong(node, "a mapping { … }")
            return None
        value = self.walk(node, kind.fields[kind.short].kind, line=line)
        if value is None:
            return None
        made_short = Item({kind.short: value}, self.file, line, node.column)
        self._needs_to(node, kind, made_short)
        return made_short

    def _required(self, node: Pairs, kind: Record, label: str) -> None:
        if self.partial and label == "key":
            return
        given = {key.text for key, _ in node.pairs}
        for name, known in kind.fields.items():
            if known.required and name not in given:
                self.reader.complain(
                    node.line, node.column, "E107", f"the {label} '{name}' is missing: {known.help}"
                )

    def _needs_to(self, node: Node, kind: Record, made: Item) -> None:
        if not kind.rule:
            return
        do, to = made.get("do"), made.get("to")
        if do is not None and do.value in NEEDS_TO and to is None and not _said(node, "to"):
            self.reader.complain(
                node.line,
                node.column,
                "E110",
                f"'{do.value}' needs 'to:', the compartment the original goes into",
            )


def _letters(pattern: str) -> str:
    """Say which characters a word's pattern takes."""
    letters = "letters" if "A-Z" in pattern else "small letters"
    return f"{letters}, digits, '-', '_', '.'" if "_.-" in pattern else f"{letters}, digits, '-'"


def _said(node: Node, key: str) -> bool:
    return isinstance(node, Pairs) and any(name.text == key for name, _ in node.pairs)


def plain(item: Item) -> object:
    """Return the values without places, as JSON could hold them: what the effective digest covers."""
    value = item.value
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [plain(entry) if isinstance(entry, Item) else entry for entry in value]
    return value if isinstance(value, (bool, int, float)) and not isinstance(value, Verb) else str(value)
