"""Tables as one HTML file: nothing is loaded from elsewhere, and it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medsnap.report.escape import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A heading over a table; `empty` is said in place of one without rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    note: str = ""


_CSP = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #5b6570; --line: #cfd6dd; --accent: #0b5563; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 72rem; color: var(--ink);
  font: 15px/1.45 Georgia, "Times New Roman", "Liberation Serif", serif;
  background: #fff; overflow-wrap: anywhere; }
header { border-bottom: 3px solid var(--accent); padding-bottom: .6rem; margin-bottom: 1rem; }
h1 { font-size: 1.65rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.1rem; color: var(--accent); margin: 1.6rem 0 .3rem; }
header p, .note { margin: .25rem 0 0; color: var(--soft); } .bad { color: #a11212; font-weight: bold; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid var(--line); }
th { font-size: .8rem; color: var(--soft); font-weight: normal; overflow-wrap: normal; }
tr { break-inside: avoid; } thead { display: table-header-group; }
td { font-variant-numeric: tabular-nums; } .empty { color: var(--soft); font-style: italic; }
@media print {
  @page { size: A4 landscape; margin: 12mm; } body { font-size: 9.2pt; max-width: none; padding: 0; }
  th, td { padding: 1.2mm 3mm 1.2mm 0; } h2 { break-after: avoid; }
}
"""


def render(title: str, notes: Sequence[str], sheets: Sequence[Sheet], *, bad: str = "") -> str:
    """Return the whole file as text; `bad` stands in red above everything."""
    head = "".join(f"<p>{_text(note)}</p>" for note in notes)
    head += f'<p class="bad">{_text(bad)}</p>' if bad else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{_text(title)}</h1>{head}</header>\n<main>\n"
        f"{''.join(map(_sheet, sheets))}</main>\n</body>\n</html>\n"
    )


def _sheet(sheet: Sheet) -> str:
    note = f'<p class="note">{_text(sheet.note)}</p>' if sheet.note else ""
    title = f"<h2>{_text(sheet.title)}</h2>{note}\n"
    if not sheet.rows:
        return f'{title}<p class="empty">{_text(sheet.empty)}</p>\n'
    head = "".join(f"<th>{_text(name)}</th>" for name in sheet.columns)
    rows = "".join("<tr>" + "".join(f"<td>{_text(c)}</td>" for c in row) + "</tr>\n" for row in sheet.rows)
    return f"{title}<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n"


def _text(words: str) -> str:
    return escape(clean(words, limit=4000))
