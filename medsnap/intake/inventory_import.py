"""A device manager's export to the rows of devices.csv, with what was left out and why (D1, D2).

A row that cannot be understood is left out: its device is then unknown, and its photos wait.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from medsnap.errors import ConfigError
from medsnap.formats import csv_table
from medsnap.formats.csv_table import Row, Table
from medsnap.intake import days
from medsnap.intake.devices import CANONICAL, exported_on, system
from medsnap.intake.mapping import MANAGED, ColumnMapping, fold, words_of

PHONES: Final = frozenset({"ios", "android"})
_DAYS: Final = ("last_seen", "enrolled_from", "enrolled_until")
_MAX_CELL: Final = 120  # characters
_FORMULA: Final = tuple("=+-@\t\r")  # what a spreadsheet would run


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row that is not taken: its line, why, and whether it is a mistake or simply none of ours."""

    line: int
    why: str
    mistake: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The canonical rows, what was left out, cells that said an unknown word, columns not found."""

    rows: tuple[dict[str, str], ...]
    left_out: tuple[LeftOut, ...]
    unread: tuple[tuple[str, tuple[int, ...]], ...]  # column, lines
    missing: tuple[str, ...]  # columns of the mapping whose heading the export lacks
    on: date | None  # the export's own day
    digest: str  # SHA-256 of the export


class _Out(Exception):
    def __init__(self, why: str, *, mistake: bool = True) -> None:
        super().__init__(why)
        self.why, self.mistake = why, mistake


def read(path: Path, mapping: ColumnMapping, order: days.Order | None = None) -> Imported:
    """Read an export. Raises ConfigError where asset or class has no heading, or a day could be two."""
    headings = {fold(h): (h,) for names in mapping.columns.values() for h in names}
    source = csv_table.read(path, headings, strict=False)
    return _Import(source, mapping, order or mapping.dates).run()


class _Import:
    def __init__(self, source: Table, mapping: ColumnMapping, order: days.Order | None) -> None:
        self.source, self.mapping, self.order = source, mapping, order
        there = set(source.columns)
        self.heading = {
            column: next((fold(h) for h in names if fold(h) in there), "")
            for column, names in mapping.columns.items()
        }
        self.unread: dict[str, list[int]] = {}
        self.exported: list[date] = []

    def run(self) -> Imported:
        for needed in ("asset", "class"):
            if not self.heading.get(needed) and needed not in self.mapping.always:
                lacking = csv_table.missing(self.source, needed)
                lacking.hint = f"its heading may be: {', '.join(self.mapping.columns[needed])}"
                raise lacking
        left_out: list[LeftOut] = []
        taken: list[tuple[int, dict[str, str]]] = []
        for row in self.source.rows:
            try:
                taken.append((row.line, self._row(row)))
            except _Out as out:
                left_out.append(LeftOut(line=row.line, why=out.why, mistake=out.mistake))
        kept, doubled = _once(taken)
        said = exported_on(self.source) or max(self.exported, default=None)
        return Imported(
            rows=tuple(kept),
            left_out=tuple(sorted((*left_out, *doubled), key=lambda out: out.line)),
            unread=tuple((column, tuple(lines)) for column, lines in sorted(self.unread.items())),
            missing=tuple(c for c, heading in self.heading.items() if not heading),
            on=said,
            digest=self.source.digest,
        )

    def _text(self, row: Row, column: str) -> str:
        said = row.text(self.heading.get(column, "")) if self.heading.get(column) else ""
        return said or self.mapping.always.get(column, "")

    def _row(self, row: Row) -> dict[str, str]:
        if exported := self._day(row, "exported"):
            self.exported.append(exported)
        name, version = system(self._text(row, "os"), self._text(row, "os_version"))
        if version.casefold().startswith(name) and name:  # "iOS 17.6.1" beside the platform
            name, version = system(version, "")
        if name and name not in PHONES:
            raise _Out("no phone or tablet", mistake=False)
        if self._word(row, MANAGED) == "no":
            raise _Out("the manager says that it is not managed", mistake=False)
        made = {column: self._cell(row, column) for column in CANONICAL}
        made |= {"os": name, "os_version": version[:_MAX_CELL]}
        if not made["asset"]:
            raise _Out("no asset number")
        if made["asset"].startswith(_FORMULA):
            raise _Out("the asset number begins like a formula")
        if not made["class"]:
            raise _Out("neither managed nor personal")
        if made["enrolled_until"] and made["enrolled_until"] < made["enrolled_from"]:
            raise _Out("enrolled until a day before it was enrolled")
        return made

    def _cell(self, row: Row, column: str) -> str:
        if column in _DAYS:
            day = self._day(row, column)
            return day.isoformat() if day else ""
        if words_of(column):
            return self._word(row, column)
        text = "".join(c if c.isprintable() else " " for c in self._text(row, column)).strip()
        if column == "asset" and len(text) > _MAX_CELL:
            raise _Out("the asset number is too long")
        return text[:_MAX_CELL]

    def _word(self, row: Row, column: str) -> str:
        """Translate a word; one that nobody knows is a fact that nobody knows."""
        said = self._text(row, column)
        known = {fold(word): word for word in words_of(column)} | dict(self.mapping.values.get(column, {}))
        found = known.get(fold(said), "")
        if said and not found and fold(said) != "unknown" and column != "cloud_photos":
            self.unread.setdefault(column, []).append(row.line)
        return found

    def _day(self, row: Row, column: str) -> date | None:
        said = row.text(self.heading.get(column, "")) if self.heading.get(column) else ""
        try:
            return days.read(said, self.order)
        except days.TwoDays as two:
            hint = "say --dates mdy or --dates dmy, or 'dates' in the mapping; nothing was written"
            where = f"{self.source.name}:{row.line}:{row.column(self.heading[column])}"
            raise ConfigError(f"a day of '{column}' could be two days", where=where, hint=hint) from two
        except days.NoDay as misfit:
            raise _Out(f"'{column}' {misfit}") from misfit


def _once(taken: Iterable[tuple[int, dict[str, str]]]) -> tuple[list[dict[str, str]], list[LeftOut]]:
    """Keep one row a device: the one seen last. Two that were seen on one day are both left out."""
    by_asset: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, row in taken:
        by_asset.setdefault(row["asset"].casefold(), []).append((line, row))
    kept: list[dict[str, str]] = []
    left_out: list[LeftOut] = []
    for rows in by_asset.values():
        newest = max(row["last_seen"] for _, row in rows)
        winners = [(line, row) for line, row in rows if row["last_seen"] == newest]
        if len(winners) == 1:
            kept.append(winners[0][1])
            why = f"line {winners[0][0]} is the same device, seen later"
            left_out += [LeftOut(line=n, why=why, mistake=False) for n, _ in rows if n != winners[0][0]]
        else:
            lines = ", ".join(str(line) for line, _ in rows)
            why = f"lines {lines} have one asset number, and none was seen last"
            left_out += [LeftOut(line=line, why=why) for line, _ in rows]
    return kept, left_out


def write(rows: Iterable[dict[str, str]], notes: Iterable[str]) -> bytes:
    """Write devices.csv (RFC 4180): the notes as comments, then the canonical columns.

    A cell that a spreadsheet would take for a formula gets a leading quote.
    """
    text = io.StringIO()
    text.writelines(f"# {note}\n" for note in notes)
    made = csv.writer(text, lineterminator="\n")
    made.writerow(CANONICAL)
    made.writerows([*_safe(row)] for row in sorted(rows, key=lambda row: row["asset"].casefold()))
    return text.getvalue().encode("utf-8")


def _safe(row: dict[str, str]) -> Iterator[str]:
    for column in CANONICAL:
        cell = row[column]
        yield f"'{cell}" if cell.startswith(_FORMULA) else cell
