"""CSV files written by people and spreadsheets (RFC 4180), with the place of every cell.

Cells may hold patient data, so an error names line, column and heading, never the cell's text.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from medsnap.errors import ConfigError, InputMissing, IoFailed

MAX_BYTES = 64 << 20
MAX_ROWS = 1_000_000
MAX_COLUMNS = 200
MAX_NOTES = 4096  # characters before the heading that are read for notes
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Cell:
    """The stripped text of one cell and where it begins (line and character, from 1)."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table by canonical column name; absent columns are empty cells."""

    line: int
    cells: Mapping[str, Cell]

    def text(self, column: str) -> str:
        """Return the cell's text, "" where the column or the cell is missing."""
        cell = self.cells.get(column)
        return cell.text if cell else ""

    def column(self, column: str) -> int:
        """Return the character at which the cell begins, 1 where the column is missing."""
        cell = self.cells.get(column)
        return cell.column if cell else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All rows of one file, its name for messages, and the SHA-256 of its bytes.

    `notes` are the comment lines before the heading, without their `#`.
    """

    name: str
    digest: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def wrong(self, row: Row, column: str, problem: str, hint: str = "") -> ConfigError:
        """Make the error for one cell: file:line:column, the heading, the problem."""
        where = f"{self.name}:{row.line}:{row.column(column)}"
        return ConfigError(f"column '{column}': {problem}", where=where, hint=hint)


def read(path: Path, columns: Mapping[str, Sequence[str]], *, strict: bool) -> Table:
    """Read a table whose `columns` map each canonical name to its other spellings.

    Encodings: UTF-8 with or without BOM, UTF-16 with BOM. Delimiters: comma, semicolon, tab.
    Unknown columns raise ConfigError if `strict`, else they are ignored.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputMissing("the file does not exist", where=str(path)) from error
    except OSError as error:
        raise IoFailed("the file cannot be read", where=str(path), hint=error.strerror or "") from error
    return parse(data, path.name, columns, strict=strict)


def parse(data: bytes, name: str, columns: Mapping[str, Sequence[str]], *, strict: bool) -> Table:
    """Parse the bytes of a table; see `read`."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the table is larger than {MAX_BYTES >> 20} MiB", where=name)
    text = _decode(data, name)
    lines = _lines(text, name)
    header = next(lines, None)
    if header is None:
        raise ConfigError("the table is empty", where=f"{name}:1:1", hint="its first line names the columns")
    names = _headings(header, name, columns, strict=strict)
    rows = tuple(_row(cells, names, name) for cells in lines)
    known = tuple(n for n in names if n)
    return Table(
        name=name, digest=hashlib.sha256(data).hexdigest(), columns=known, rows=rows, notes=_notes(text)
    )


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "save the table as 'CSV UTF-8'"
        raise ConfigError("the text is not UTF-8", where=f"{name}:{line}:1", hint=hint) from error


def _lines(text: str, name: str) -> Iterator[list[Cell]]:
    """Yield the non-empty lines as cells; skip comment lines before the header and `sep=;`."""
    position, line, delimiter, count = 0, 1, "", 0
    while position < len(text):
        end = text.find("\n", position)
        first = text[position : end if end >= 0 else len(text)].rstrip("\r")
        if not delimiter and (not first.strip() or first.startswith("#") or _is_sep(first)):
            delimiter = first[4] if _is_sep(first) else ""
            position, line = (end + 1 if end >= 0 else len(text)), line + 1
            continue
        delimiter = delimiter or max(DELIMITERS, key=first.count)
        cells, position, line = _record(text, position, line, delimiter, name)
        if any(cell.text for cell in cells):
            count += 1
            if count > MAX_ROWS + 1:
                raise ConfigError(f"the table has more than {MAX_ROWS} rows", where=f"{name}:{line}:1")
            yield cells


def _notes(text: str) -> tuple[str, ...]:
    notes: list[str] = []
    for line in text[:MAX_NOTES].splitlines():
        if line.startswith("#"):
            notes.append(line[1:].strip())
        elif line.strip() and not _is_sep(line):
            break
    return tuple(notes)


def _is_sep(line: str) -> bool:
    return len(line) == 5 and line.lower().startswith("sep=") and line[4] in DELIMITERS


def _record(text: str, start: int, line: int, delimiter: str, name: str) -> tuple[list[Cell], int, int]:
    """Read one record from `start`; a quoted cell may hold delimiters and line breaks."""
    cells: list[Cell] = []
    line_start, position = start, start
    while True:
        at = (line, position - line_start + 1)
        if text[position : position + 1] == '"':
            value, position = _quoted(text, position, f"{name}:{at[0]}:{at[1]}")
            breaks = value.count("\n")
            if breaks:
                line, line_start = line + breaks, text.rfind("\n", start, position) + 1
        else:
            value, position = _plain(text, position, delimiter)
        cells.append(Cell(value.strip(), *at))
        if len(cells) > MAX_COLUMNS:
            raise ConfigError(f"the line has more than {MAX_COLUMNS} cells", where=f"{name}:{line}:1")
        following = text[position : position + 1]
        if following == delimiter:
            position += 1
        elif not following:
            return cells, position, line
        elif following == "\n":
            return cells, position + 1, line + 1
        elif text.startswith("\r\n", position):
            return cells, position + 2, line + 1
        else:
            where = f"{name}:{line}:{position - line_start + 1}"
            raise ConfigError("text after a closing quotation mark", where=where, hint='write "" for a quote')


def _quoted(text: str, start: int, where: str) -> tuple[str, int]:
    position = start + 1
    while True:
        end = text.find('"', position)
        if end < 0:
            raise ConfigError("a quotation mark is never closed", where=where)
        if text[end + 1 : end + 2] != '"':
            return text[start + 1 : end].replace('""', '"'), end + 1
        position = end + 2


def _plain(text: str, start: int, delimiter: str) -> tuple[str, int]:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    stop = text.find(delimiter, start, end)
    if stop < 0:
        stop = end - 1 if text[start:end].endswith("\r") and end < len(text) else end
    return text[start:stop], stop


def _headings(
    header: list[Cell], name: str, columns: Mapping[str, Sequence[str]], *, strict: bool
) -> list[str]:
    spellings = {_fold(s): column for column, others in columns.items() for s in (column, *others)}
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        column = spellings.get(_fold(cell.text), "")
        if column and column in names:
            where = f"{name}:{cell.line}:{cell.column}"
            raise ConfigError(f"column '{column}' stands there twice", where=where)
        if strict and cell.text and not column:
            raise _unknown(cell, number, name, spellings)
        names.append(column)
    return names


def _unknown(cell: Cell, number: int, name: str, spellings: Mapping[str, str]) -> ConfigError:
    where = f"{name}:{cell.line}:{cell.column}"
    near = difflib.get_close_matches(_fold(cell.text), spellings, n=1, cutoff=0.6)
    if near:
        return ConfigError(
            f"unknown column '{cell.text[:40]}'; did you mean '{spellings[near[0]]}'?", where=where
        )
    # A table without a heading line has patients where headings should be: do not print the cell.
    known = ", ".join(dict.fromkeys(spellings.values()))
    return ConfigError(f"column {number} has an unknown heading", where=where, hint=f"columns: {known}")


def _fold(heading: str) -> str:
    return "".join(c for c in heading.casefold() if c.isalnum())


def _row(cells: list[Cell], names: list[str], name: str) -> Row:
    if any(cell.text for cell in cells[len(names) :]):
        extra = cells[len(names)]
        where = f"{name}:{extra.line}:{extra.column}"
        hint = "put quotation marks around a cell that holds the delimiter"
        raise ConfigError(f"the line has more cells than the {len(names)} headings", where=where, hint=hint)
    named = {column: cell for column, cell in zip(names, cells, strict=False) if column}
    return Row(line=cells[0].line, cells=named)


def missing(source: Table, column: str) -> ConfigError:
    """Make the error for a column that the table must have."""
    return ConfigError(f"there is no column '{column}'", where=f"{source.name}:1:1")


def day(source: Table, row: Row, column: str) -> date | None:
    """Read a day written year first, with or without a time behind it; None for a blank cell."""
    text = row.text(column)
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError as misfit:
        raise source.wrong(row, column, "needs a date as YYYY-MM-DD") from misfit
