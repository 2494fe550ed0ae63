"""YAML text to a small tree of texts with places; nothing is typed, nothing is executed.

Only what people can see is accepted: no anchors, aliases, tags, merge keys or second documents, no
key written twice, no invisible or direction-changing character. Events are used, not `compose()`:
libyaml's composer recurses in C, so a file of brackets would end the process.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from medsnap.policy.findings import LintFinding, shown

if TYPE_CHECKING:
    import yaml

MAX_CHARACTERS: Final = 400_000
MAX_DEPTH: Final = 12
MAX_NODES: Final = 40_000
MAX_FINDINGS: Final = 200  # guessing what 40,000 wrong words mean would take minutes
_HIDDEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters that draw nothing


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar, always text; `plain` tells `yes` from `"yes"` for nobody but error messages."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping in the order of the file; each key once."""

    pairs: tuple[tuple[Text, Node], ...]
    line: int
    column: int


Node: TypeAlias = Text | Items | Pairs


@dataclass(slots=True)
class _Open:
    """A list or mapping that the reader is still inside of."""

    line: int
    column: int
    mapping: bool
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Text, Node]] = field(default_factory=list)
    key: Text | None = None
    lines: dict[str, int] = field(default_factory=dict)

    def closed(self) -> Node:
        if self.mapping:
            return Pairs(tuple(self.pairs), self.line, self.column)
        return Items(tuple(self.items), self.line, self.column)


@dataclass(slots=True)
class Reader:
    """Read one file; what is wrong lands in `findings`, and reading goes on where it can."""

    name: str
    findings: list[LintFinding] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Say whether there are more errors than anybody reads; a policy with one is out anyway."""
        return len(self.findings) >= MAX_FINDINGS

    def complain(self, line: int, column: int, code: str, message: str) -> None:
        """Add one error."""
        self.findings.append(
            LintFinding(file=self.name, line=line, column=column, code=code, message=message)
        )

    def read(self, text: str) -> Node | None:
        """Return the tree, or None when there is none to speak of."""
        if len(text) > MAX_CHARACTERS:
            self.complain(1, 1, "E100", f"the file is larger than {MAX_CHARACTERS:,} characters")
            return None
        self._characters(text)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return None  # half a surrogate pair; already complained of
        return self._document(text)

    def _characters(self, text: str) -> None:
        for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
            if line.isascii() and line.isprintable():
                continue
            for column, character in enumerate(line, 1):
                if is_hidden(character):
                    self.complain(number, column, "E106", hidden_message(character))
                    break

    def _document(self, text: str) -> Node | None:
        import yaml

        stack: list[_Open] = []
        root: Node | None = None
        documents = 0
        count = 0
        try:
            for event in _events(text):
                count += 1
                if count > MAX_NODES:
                    self.complain(*_place(event), "E100", "the file has too many parts")
                    return None
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1:
                    self.complain(*_place(event), "E105", "a second document; a policy is one document")
                    return root
                if not self._allowed(event):
                    return None
                done = self._step(event, stack)
                if len(stack) > MAX_DEPTH:
                    self.complain(*_place(event), "E100", f"nested deeper than {MAX_DEPTH} levels")
                    return None
                root = done if done is not None else root
        except yaml.MarkedYAMLError as broken:
            self._broken(broken)
            return None
        except (yaml.YAMLError, ValueError) as broken:
            self.complain(1, 1, "E100", f"cannot be read as YAML: {shown(str(broken))}")
            return None
        return root

    def _broken(self, broken: yaml.MarkedYAMLError) -> None:
        mark = broken.problem_mark or broken.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = " ".join(part for part in (broken.context, broken.problem) if part)
        if "nesting depth" in said:  # libyaml of PyYAML 6.0.4 looks ahead and stops before we do
            said = f"nested deeper than {MAX_DEPTH} levels"
        self.complain(line, column, "E100", f"cannot be read as YAML: {shown(said)}")

    def _allowed(self, event: yaml.Event) -> bool:
        """Refuse what hides meaning: anchors, aliases, tags and directives."""
        import yaml

        line, column = _place(event)
        if isinstance(event, yaml.AliasEvent):
            self.complain(line, column, "E105", f"alias '*{shown(event.anchor or '')}'; write it out")
            return False
        if isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
            self.complain(line, column, "E105", "a % directive; a policy needs none")
            return False
        if getattr(event, "anchor", None):
            self.complain(line, column, "E105", "an anchor '&…'; write the value where it is needed")
            return False
        if getattr(event, "tag", None):
            self.complain(
                line, column, "E105", "a tag '!…'; every value is text, typed by the policy's table"
            )
            return False
        return True

    def _step(self, event: yaml.Event, stack: list[_Open]) -> Node | None:
        """Take one event; return the root when it is complete."""
        import yaml

        line, column = _place(event)
        if isinstance(event, yaml.ScalarEvent):
            self._value(event.value, line, column)
            return self._add(Text(event.value, line, column), stack)
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if stack and stack[-1].mapping and stack[-1].key is None:
                self.complain(line, column, "E103", "a key must be a word")
            stack.append(_Open(line, column, isinstance(event, yaml.MappingStartEvent)))
            return None
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            return self._add(stack.pop().closed(), stack)
        return None

    def _value(self, value: str, line: int, column: int) -> None:
        # "\u202e" in double quotes hides the character from the check of the raw text.
        for character in value:
            if character not in "\n\t" and is_hidden(character):
                self.complain(line, column, "E106", hidden_message(character))
                return

    def _add(self, node: Node, stack: list[_Open]) -> Node | None:
        if not stack:
            return node
        top = stack[-1]
        if not top.mapping:
            top.items.append(node)
        elif top.key is None:
            top.key = node if isinstance(node, Text) else Text("", node.line, node.column)
        else:
            self._pair(top, top.key, node)
            top.key = None
        return None

    def _pair(self, top: _Open, key: Text, node: Node) -> None:
        if key.text == "<<":
            self.complain(key.line, key.column, "E105", "a merge key '<<'; write the values out")
        elif key.text in top.lines:
            first = top.lines[key.text]
            self.complain(
                key.line, key.column, "E101", f"'{shown(key.text)}' is written twice (first on line {first})"
            )
        else:
            top.lines[key.text] = key.line
            top.pairs.append((key, node))


def is_hidden(character: str) -> bool:
    """Say whether people cannot see a character or see others in another order for it.

    U+0085, U+2028 and U+2029 end a line for YAML but not for most editors: a key could stand in what
    looks like a comment.
    """
    if character in " \t" or character.isascii():
        return character != "\t" and not character.isprintable()
    if character in _HIDDEN or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return True
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


def hidden_message(character: str) -> str:
    """Name a hidden character by its number and Unicode name."""
    name = unicodedata.name(character, "")
    return f"invisible or direction-changing character U+{ord(character):04X}" + (
        f" ({name})" if name else ""
    )


def _events(text: str) -> Iterator[yaml.Event]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return iter(yaml.parse(text, Loader=loader))


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
