"""Tables on narrow terminals: nothing runs over the edge, no cell is cut in two."""

from __future__ import annotations

from io import StringIO

import pytest

from medsnap.report import human
from medsnap.report.page import Table

COLUMNS = ("id", "captured", "state", "verb", "locked group", "match", "study")
ROW = ("jdjy3kr4", "2026-11-24 08:40", "done", "quarantine", "identifiable", "matched", "0070063 · E-26-1004")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_row_takes_as_many_lines_as_it_needs(width: int) -> None:
    out = StringIO()
    human.render((Table(columns=COLUMNS, rows=(ROW, ROW), wide="study"),), out, width=width)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for cell in ROW:
        assert sum(cell in line for line in lines) == 2, cell
    assert sum(line.startswith("jdjy3kr4") for line in lines) == 2
    assert all(line.startswith(("jdjy3kr4", "id", "    ")) for line in lines), "what is below is indented"
