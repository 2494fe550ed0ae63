"""A recovery sheet as one printed page: self-contained HTML, black on white, nothing loaded."""

from __future__ import annotations

from html import escape

from medsnap.vault.sheets import Sheet

_STYLE = """\
@page { size: A4; margin: 14mm 16mm }
* { box-sizing: border-box }
body { font: 10.5pt/1.35 "Helvetica Neue", Arial, sans-serif; color: #000; background: #fff;
       max-width: 178mm; margin: 0 auto; padding: 4mm 0 }
h1 { font-size: 17pt; margin: 0 0 3mm; padding-bottom: 2mm; border-bottom: 1.5pt solid #000 }
dl { display: grid; grid-template-columns: 18mm 1fr; gap: 1mm 3mm; margin: 0 0 4mm }
dt { font-weight: bold } dd { margin: 0 }
dd.mono { font-family: "DejaVu Sans Mono", Consolas, monospace; font-size: 9.5pt; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse; table-layout: fixed; margin: 0 }
td { border: .6pt solid #777; padding: 1.5mm 2mm; font: 14pt "DejaVu Sans Mono", Consolas, monospace;
     white-space: nowrap }
td b { display: inline-block; width: 10mm; font: 9pt Arial, sans-serif; color: #555; text-align: right;
       padding-right: 2mm }
.mark { font-size: 8pt; color: #777; margin: 1mm 0 }
ul { margin: 3mm 0 0; padding-left: 5mm } li { margin: .8mm 0 }
table, ul { break-inside: avoid }
"""
_MONO = ("vault", "root")


def html(sheet: Sheet) -> str:
    """Write a sheet as a page of its own; `vault.sheets.parse` reads it back."""
    facts = "\n".join(
        f"<dt>{escape(label)}:</dt><dd{' class=mono' if label in _MONO else ''}>{escape(value)}</dd>"
        for label, value in sheet.facts
    )
    rows = "\n".join(
        "<tr>" + "".join(f"<td><b>{n}</b> {escape(word)}</td>" for n, word in row) + "</tr>"
        for row in sheet.rows
    )
    advice = "\n".join(f"<li>{escape(line)}</li>" for line in sheet.advice)
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(sheet.title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<h1>{escape(sheet.title)}</h1>
<dl>
{facts}
</dl>
<p class="mark">words:</p>
<table>
{rows}
</table>
<p class="mark">end of words</p>
<ul>
{advice}
</ul>
</body>
</html>
"""
