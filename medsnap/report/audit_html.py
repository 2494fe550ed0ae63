"""An auditor's page as one HTML file: nothing is loaded from elsewhere, and it prints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medsnap.report.escape import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule: id, words, sources, state, what was found, the ids, what to do."""

    id: str
    words: str
    sources: str
    state: str
    found: str
    objects: Sequence[str]
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSheet:
    """What is printed."""

    title: str
    notes: Sequence[str]
    counts: Sequence[tuple[str, int]]
    rows: Sequence[Row]
    sources: Sequence[tuple[str, str]]


MOST_IDS = 12
_CSP = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #5b6570; --line: #cfd6dd; --accent: #0b5563; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 72rem; color: var(--ink);
  font: 15px/1.45 Georgia, "Times New Roman", "Liberation Serif", serif;
  background: #fff; overflow-wrap: anywhere; }
header { border-bottom: 3px solid var(--accent); padding-bottom: .6rem; margin-bottom: 1rem; }
h1 { font-size: 1.65rem; line-height: 1.2; margin: 0; } h2 { font-size: 1.02rem; color: var(--accent); }
header p { margin: .25rem 0 0; color: var(--soft); }
.counts { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: 0 0 1rem; padding: 0; list-style: none; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0;
  border-bottom: 1px solid var(--line); }
th { font-size: .8rem; color: var(--soft); font-weight: normal; }
tr { break-inside: avoid; } thead { display: table-header-group; }
.id, .state, th { overflow-wrap: normal; }
.id { white-space: nowrap; font-weight: bold; } .src { color: var(--soft); font-size: .85em; }
.state { font-weight: bold; } td.state { white-space: nowrap; }
.violation { color: #a11212; } .warn { color: #7a4b00; } .ok { color: #146c2e; }
.not-yet { color: var(--soft); }
code { font: .8em/1.3 "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere; color: var(--soft); }
td:nth-child(2) { width: 36%; }
.first { border-left: 3px solid #a11212; padding: .1rem 0 .1rem 1rem; margin: 0 0 1.25rem; }
.first h2 { margin: 0 0 .25rem; color: #a11212; } .first ul { margin: 0; padding: 0; list-style: none; }
.first li { margin: 0 0 .3rem; }
.todo { margin: .2rem 0 0; } .todo::before { content: "\\2192\\00a0"; }
dl { font-size: .85rem; color: var(--soft);
  display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; }
dd { margin: 0; }
@media (max-width: 44rem) {
  body { padding: 1rem .8rem 2rem; } thead { display: none; }
  tr { display: grid; grid-template-columns: auto 1fr; column-gap: .8rem; padding: .6rem 0;
    border-bottom: 1px solid var(--line); }
  td, td:nth-child(2) { border: 0; padding: 0 0 .15rem; width: auto; grid-column: 1 / -1; }
  td.id { grid-column: 1; grid-row: 1; } td.state { grid-column: 2; grid-row: 1; white-space: normal; }
  table, tbody { display: block; }
}
@media print {
  @page { size: A4; margin: 12mm; } body { font-size: 9.2pt; max-width: none; padding: 0; }
  th, td { padding: 1.2mm 3mm 1.2mm 0; }
}
"""


def render(sheet: AuditSheet) -> str:
    """Return the whole file as text."""
    notes = "".join(f"<p>{_text(note)}</p>" for note in sheet.notes)
    counts = "".join(
        f'<li><span class="state {_name(s)}">{_text(s)}</span> {n}</li>' for s, n in sheet.counts
    )
    rows = "".join(_row(row) for row in sheet.rows)
    first = _first([row for row in sheet.rows if row.state == "violation"])
    sources = "".join(f"<dt>{_text(short)}</dt><dd>{_text(full)}</dd>" for short, full in sheet.sources)
    head = "<tr><th>rule</th><th>what it asks</th><th>state</th><th>what was found</th></tr>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        f"<title>{_text(sheet.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{_text(sheet.title)}</h1>{notes}</header>\n<main>\n"
        f'<ul class="counts">{counts}</ul>\n{first}'
        f"<table><thead>{head}</thead>\n<tbody>\n{rows}</tbody></table>\n"
        f"<h2>Sources</h2>\n<dl>{sources}</dl>\n</main>\n</body>\n</html>\n"
    )


def _first(wrong: Sequence[Row]) -> str:
    """What is violated comes first: nobody reads forty lines to find it."""
    if not wrong:
        return ""
    items = "".join(
        f"<li><b>{_text(row.id)}</b> {_text(row.words)}: {_text(row.found)}"
        + (f" &rarr; {_text(row.todo)}" if row.todo else "")
        + "</li>"
        for row in wrong
    )
    return f'<section class="first"><h2>Violated</h2>\n<ul>{items}</ul></section>\n'


def _row(row: Row) -> str:
    shown = " ".join(row.objects[:MOST_IDS])
    more = f" and {len(row.objects) - MOST_IDS} more" if len(row.objects) > MOST_IDS else ""
    ids = f"<br><code>{_text(shown + more)}</code>" if shown else ""
    todo = f'<p class="todo">{_text(row.todo)}</p>' if row.todo else ""
    return (
        f'<tr><td class="id">{_text(row.id)}</td>'
        f'<td>{_text(row.words)} <span class="src">{_text(row.sources)}</span></td>'
        f'<td class="state {_name(row.state)}">{_text(row.state)}</td>'
        f"<td>{_text(row.found)}{ids}{todo}</td></tr>\n"
    )


def _name(state: str) -> str:
    return re.sub("[^a-z]", "-", state)


def _text(words: str) -> str:
    return escape(clean(words, limit=4000))
