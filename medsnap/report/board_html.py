"""A policy for the board as one HTML file: nothing loaded from elsewhere, two pages when printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medsnap.report.escape import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is printed: chapters of (sentence, line), the seats that sign, and what identifies the file."""

    title: str
    subtitle: str
    notes: tuple[str, ...]
    chapters: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    seats: Sequence[tuple[str, str]]  # seat, who may sign
    foot: str


_CSP = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #5b6570; --line: #cfd6dd; --accent: #0b5563; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 76rem; color: var(--ink);
  font: 15px/1.45 Georgia, "Times New Roman", "Liberation Serif", serif;
  background: #fff; overflow-wrap: anywhere; }
header { border-bottom: 3px solid var(--accent); margin-bottom: 1rem; padding-bottom: .6rem; }
h1 { font-size: 1.65rem; line-height: 1.2; margin: 0; }
header p { margin: .25rem 0 0; color: var(--soft); }
main { columns: 2 26rem; column-gap: 2.25rem; }
section { break-inside: auto; margin: 0 0 .9rem; }
h2 { font-size: 1.02rem; margin: 0 0 .25rem; color: var(--accent); break-after: avoid; }
ul { list-style: none; margin: 0; padding: 0; }
li { margin: 0 0 .32rem; break-inside: avoid; orphans: 2; widows: 2; }
.where { color: var(--soft); font: .74em/1.2 "DejaVu Sans Mono", Consolas, monospace; white-space: nowrap; }
.long { white-space: normal; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin-top: .5rem; }
th, td { border-bottom: 1px solid var(--line); text-align: left; vertical-align: bottom;
  padding: .5rem .6rem .3rem 0; }
th { font-size: .8rem; color: var(--soft); font-weight: normal; }
td.blank { width: 34%; } td.date { width: 16%; }
footer { margin-top: .75rem; color: var(--soft); font-size: .78rem; overflow-wrap: anywhere; }
.sign { break-inside: avoid; margin-top: 1rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .8rem 2rem; } td.blank, td.date, th.blank, th.date { display: none; }
}
@media print {
  @page { size: A4; margin: 11mm 12mm; }
  body { font-size: 9.1pt; line-height: 1.27; max-width: none; padding: 0; }
  main { columns: 2; column-gap: 7mm; }
  header { margin-bottom: 2.5mm; padding-bottom: 1.5mm; } h1 { font-size: 14pt; } h2 { font-size: 10pt; }
  section { margin-bottom: 2mm; } li { margin-bottom: .7mm; }
  th, td { padding: 1.6mm 2mm .6mm 0; } footer { margin-top: 2mm; }
}
"""


def render(sheet: Sheet) -> str:
    """Return the whole file as text."""
    body = "".join(_chapter(title, sentences) for title, sentences in sheet.chapters)
    notes = "".join(f"<p>{_text(note)}</p>" for note in sheet.notes)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        f"<title>{_text(sheet.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{_text(sheet.title)}</h1><p>{_text(sheet.subtitle)}</p>{notes}</header>\n"
        f"<main>\n{body}</main>\n{_seats(sheet.seats)}<footer>{_text(sheet.foot)}</footer>\n</body>\n</html>\n"
    )


def _text(words: str) -> str:
    return escape(clean(words, limit=4000))


def _chapter(title: str, sentences: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<li>{_text(text)} {_where(where)}</li>\n" for text, where in sentences)
    return f"<section><h2>{_text(title)}</h2>\n<ul>\n{items}</ul></section>\n"


def _where(where: str) -> str:
    style = "where long" if len(where) > 28 else "where"
    return f'<span class="{style}">{_text(where)}</span>' if where else ""


def _seats(seats: Sequence[tuple[str, str]]) -> str:
    if not seats:
        return ""
    rows = "".join(
        f'<tr><td>{_text(seat)}</td><td>{_text(who)}</td><td class="blank"></td><td class="date"></td></tr>\n'
        for seat, who in seats
    )
    head = (
        '<tr><th>seat</th><th>who may sign</th><th class="blank">signed</th><th class="date">date</th></tr>'
    )
    return f'<section class="sign"><h2>Signatures</h2><table>{head}\n{rows}</table></section>\n'
