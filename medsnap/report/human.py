"""The only importer of rich: draws pages and progress for people."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from textwrap import fill
from typing import IO, Final

from rich.console import Console, Group
from rich.table import Table as RichTable
from rich.text import Text

from medsnap.report.escape import clean
from medsnap.report.page import Block, Facts, Line, Page, Table, Tone

_STYLES: Final[dict[Tone, str]] = {
    Tone.PLAIN: "",
    Tone.TITLE: "bold",
    Tone.GOOD: "green",
    Tone.WARN: "yellow",
    Tone.BAD: "bold red",
    Tone.QUIET: "dim",
}


def _console(stream: IO[str], width: int | None = None) -> Console:
    # markup and highlight stay off: a file name must never reach rich as markup (rich#3203)
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)


def render(page: Page, stream: IO[str], *, width: int | None = None) -> None:
    """Draw the blocks on a stream; colours only on a terminal (NO_COLOR is honoured)."""
    console = _console(stream, width)
    for before, block in zip((None, *page), page, strict=False):
        if isinstance(before, Facts | Table) and isinstance(block, Table) and block.rows:
            console.print()  # else the heading reads like one more line of what stands above
        _draw(console, block)


def _draw(console: Console, block: Block) -> None:
    match block:
        case Line(text=text, tone=tone):
            console.print(Text(_hanging(clean(text, limit=4000), console.width), style=_STYLES[tone]))
        case Facts(pairs=pairs):
            grid = RichTable.grid(padding=(0, 2))
            grid.add_column(no_wrap=True)
            grid.add_column(overflow="fold")
            for name, value in pairs:
                grid.add_row(Text(clean(name), style="dim"), Text(clean(value)))
            console.print(grid)
        case Table():
            room = _room(block, console.width)
            console.print(_table(block) if room is None else _stacked(block, room, console.width))


def _hanging(text: str, width: int) -> str:
    """Fold a long line that is indented below its own indent; others rich folds."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    if not indent or len(text) <= width:
        return text
    below = {"subsequent_indent": indent, "break_long_words": False, "break_on_hyphens": False}
    return fill(text, width, **below)  # type: ignore[arg-type]


def _table(block: Table) -> RichTable | Text:
    if not block.rows:
        return Text(f"{block.title}: {block.empty}" if block.title else block.empty, style="dim")
    table = RichTable(
        title=clean(block.title) or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in block.columns:
        table.add_column(
            Text(clean(column), style="bold"),
            overflow="fold",
            justify="right" if column in block.right else "left",
            ratio=1 if column == block.wide else None,
            # only the wide column folds: an id or a word cut in two cannot be read or copied
            no_wrap=bool(block.wide) and column != block.wide,
        )
    for row in block.rows:
        table.add_row(*(Text(clean(value)) for value in row))
    return table


_LEAST: Final = 28  # columns that the folding column needs to be read


def _room(block: Table, width: int) -> dict[str, int] | None:
    """Return the widths of the columns that do not fold, when they leave too little for the one that does."""
    if not block.wide or not block.rows:
        return None
    cells = (block.columns, *block.rows)
    widths = {name: max(len(row[i]) for row in cells) for i, name in enumerate(block.columns)}
    needed = widths.pop(block.wide)
    left = width - sum(widths.values()) - 2 * len(widths)
    return widths if left < min(_LEAST, needed) else None


def _stacked(block: Table, widths: dict[str, int], width: int) -> Group:
    """Give each row a line, and the folding column the line below it, indented."""
    lines: list[Text] = [Text(clean(block.title))] if block.title else []
    rows = [(block.columns, "bold"), *((r, "") for r in block.rows)]
    for row, style in rows:
        named = dict(zip(block.columns, row, strict=True))
        cells = [
            clean(named[n]).rjust(w) if n in block.right else clean(named[n]).ljust(w)
            for n, w in widths.items()
        ]
        lines += [Text(line, style=style) for line in _packed(cells, width)]
        if named[block.wide]:
            folded = fill(
                clean(named[block.wide]), min(72, width), initial_indent="    ", subsequent_indent="    "
            )
            lines.append(Text(folded, style=style))
    return Group(*lines)


def _packed(cells: Sequence[str], width: int) -> Iterator[str]:
    """Put cells on as few lines as they need; no cell is cut in two, lines below the first are indented."""
    line = ""
    for cell in cells:
        longer = f"{line}  {cell}" if line else cell
        if line and len(longer.rstrip()) > width:
            yield line.rstrip()
            longer = f"    {cell}"
        line = longer
    yield line.rstrip()


@contextlib.contextmanager
def progress(stream: IO[str], label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal; the callable advances it by one."""
    console = _console(stream)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
