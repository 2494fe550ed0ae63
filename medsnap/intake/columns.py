"""The columns that a table must have, and what else they may be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medsnap.formats import csv_table


def require(source: csv_table.Table, columns: Mapping[str, Sequence[str]], *needed: str) -> None:
    """Raise ConfigError for the first needed column that the table lacks; the hint has its spellings."""
    for name in needed:
        if name not in source.columns:
            lacking = csv_table.missing(source, name)
            lacking.hint = f"its heading may be: {', '.join((name, *columns[name]))}"
            raise lacking
