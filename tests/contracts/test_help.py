"""Help and documents in step with the commands: each example and each line of the README can be typed."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap.cli import TABLE, Entry, Group, _load
from medsnap.errors import EXIT_HELP, Exit
from tests.helpers import ROOT


def leaves(rows: Iterable[Entry | Group], before: str = "") -> Iterator[tuple[str, Entry]]:
    """Walk the command tree: each command with its whole name."""
    for row in rows:
        if isinstance(row, Group):
            yield from leaves(row.entries, f"{before}{row.name} ")
        else:
            yield before + row.name, row


COMMANDS: dict[str, Entry] = dict(leaves(TABLE))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EXIT_MARKS = ("<!-- exit-codes", "<!-- /exit-codes -->")


def examples(name: str) -> list[str]:
    """Give the lines under `Examples:` of a command's help."""
    text = inspect.cleandoc(_load(COMMANDS[name]).callback.__doc__ or "")
    _, found, rest = text.partition("Examples:")
    return [line.strip() for line in rest.splitlines() if line.strip()] if found else []


def typed(line: str) -> list[str]:
    """Take a shell line apart; what is piped into medsnap is left out."""
    last = line.rsplit(" | ", maxsplit=1)[-1] if " | medsnap " in line else line.split(" | ", maxsplit=1)[0]
    return shlex.split(last, comments=True)


def check(words: list[str]) -> None:
    """Parse a line as the command would; an unknown option or a missing one raises."""
    assert words[0] == "medsnap", words
    rest = [w for w in words[1:] if w not in (">", "&&")]
    if not rest or rest[0] in ("--help", "--version"):
        return
    name = next((n for n in (" ".join(rest[:k]) for k in (3, 2, 1)) if n in COMMANDS), None)
    assert name is not None, f"no such command: {' '.join(words)}"
    command: Any = _load(COMMANDS[name])
    command.make_context(name, rest[len(name.split()) :], resilient_parsing=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_examples_that_parse(name: str) -> None:
    lines = examples(name)
    own = [line for line in lines if f"medsnap {name}" in line]
    assert own, f"the help of 'medsnap {name}' has no example"
    for line in lines:
        check(typed(line))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_one_thing_in_its_first_sentence(name: str) -> None:
    text = inspect.cleandoc(_load(COMMANDS[name]).callback.__doc__ or "")
    assert re.match(r"[A-Z][^\n]+[.,;:]", text), text[:80]
    assert len(COMMANDS[name].help) <= 72
    assert COMMANDS[name].help.endswith(".")


def test_an_example_that_does_not_parse_is_found() -> None:
    with pytest.raises(Exception, match="no-such-option"):
        check(["medsnap", "vault", "ls", "--no-such-option"])
    with pytest.raises(AssertionError, match="no such command"):
        check(["medsnap", "ingset", "."])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_stands_in_a_document(name: str) -> None:
    """`medsnap vault ls`, or `vault ls` between backticks."""
    wanted = re.compile(rf"(?:medsnap |`){re.escape(name)}\b")
    assert any(wanted.search(path.read_text(encoding="utf-8")) for path in DOCUMENTS), name


def shell_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of shell blocks that call medsnap, continued ones joined."""
    block, start, held = False, 0, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            block = not block and line.strip("`").strip() in ("sh", "bash", "shell", "console")
            continue
        if not block:
            continue
        start = start if held else number
        held += line.removesuffix("\\").strip() + " "
        if line.endswith("\\"):
            continue
        text, held = held.strip().removeprefix("$ "), ""
        if text.startswith("medsnap ") or " | medsnap " in text:
            yield start, text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_line_of_a_document_parses(path: Path) -> None:
    for number, line in shell_lines(path):
        try:
            check(typed(line))
        except Exception as problem:
            raise AssertionError(f"{path.name}:{number}: {line}: {problem}") from problem


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_documents_that_the_code_names_exist() -> None:
    missing = {}
    for path in [
        *(ROOT / "medsnap").rglob("*.py"),
        *(ROOT / "policies").glob("*.yaml"),
        ROOT / "pyproject.toml",
    ]:
        for name in re.findall(r"\bdocs/[\w/.-]*\w", path.read_text(encoding="utf-8")):
            found = [p for p in (ROOT / name, ROOT / f"{name}.md") if p.exists()]
            if not found and not list((ROOT / name).parent.glob((ROOT / name).name + "-*.md")):
                missing[name] = str(path.relative_to(ROOT))
    assert missing == {}


def exit_table() -> str:
    """Write the table of exit codes as Markdown."""
    rows = [f"| {int(code)} | {text} |" for code, text in EXIT_HELP.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    inside = text.partition(EXIT_MARKS[0])[2].partition("-->")[2].partition(EXIT_MARKS[1])[0]
    assert inside.strip() == exit_table(), f"put this between the marks:\n{exit_table()}"
    assert set(EXIT_HELP) == set(Exit)
