"""`medsnap device import`: a device manager's export becomes the inventory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._shared import Io, Result, command, writable
from medsnap.errors import Exit, InputMissing, UsageError
from medsnap.report.page import Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.intake.inventory_import import Imported


@command(dry_run=True, output=False)
def import_(
    io: Io,
    export: Annotated[Path, typer.Argument(metavar="CSV", help="The export of the device manager.")],
    *,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME|FILE",
            help="intune, jamf, soti, workspace-one, or a TOML file (MEDSNAP_DEVICE_PROFILE).",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The inventory to write: devices.csv."),
    ] = None,
    dates: Annotated[
        str, typer.Option("--dates", metavar="[mdy|dmy]", help="What comes first in a day like 3/9/2026.")
    ] = "",
    exported_on: Annotated[
        str,
        typer.Option(
            "--exported-on", metavar="YYYY-MM-DD", help="The day of the export, if it does not say."
        ),
    ] = "",
) -> Result:
    """Make the inventory of a device manager's export, and say what was left out, line by line.

    A device that is left out counts as unknown, so its photos wait. Exit 3 when a row has a mistake.

    Examples:

      medsnap device import devices-export.csv --profile intune -o devices.csv

      medsnap device import list.csv --profile our-manager.toml --dates dmy --dry-run
    """
    from medsnap.intake import inventory_import, mapping
    from medsnap.platform import write_durably

    order = _order(dates)
    said = _said_day(exported_on)
    name = profile or io.settings.get("device_profile")
    if not name:
        names = ", ".join(mapping.packaged_names())
        hint = f"give one of {names}, or a TOML file; or set MEDSNAP_DEVICE_PROFILE"
        raise UsageError("--profile is missing", hint=hint)
    chosen = mapping.load(name)
    if not export.is_file():
        raise InputMissing("the export does not exist", where=str(export))
    if to is None and not io.dry_run:
        raise UsageError("--output is missing", hint="give -o devices.csv, or --dry-run to look only")
    if to is not None:
        writable(to)
        if to.exists() and to.samefile(export):
            raise UsageError("the inventory would replace the export", hint="name another file with -o")
    found = inventory_import.read(export, chosen, order)
    day = said or found.on
    if day and day > io.now.date() + timedelta(days=1):  # a day for clocks of another zone
        io.warn(f"the day of the export, {day}, lies in the future: the inventory would look fresh too long")
    if not found.rows:
        raise InputMissing("no device of the export can be taken", where=str(export), hint=_first(found))
    notes = [f"device inventory of medsnap, made of an export of {chosen.name} (sha256 {found.digest})"]
    notes += [f"exported on {day}"] if day else []
    if to is not None and not io.dry_run:
        write_durably(to, inventory_import.write(found.rows, notes), mode=0o600)
    return _imported(io, found, None if io.dry_run else to, str(day or ""))


def _order(said: str) -> Any:
    from medsnap.intake.days import Order

    if said and said not in tuple(Order):
        raise UsageError("--dates needs mdy or dmy")
    return Order(said) if said else None


def _said_day(said: str) -> Any:
    from datetime import date

    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        raise UsageError("--exported-on needs a day", hint="write it like 2026-03-09") from None


def _first(found: Imported) -> str:
    return f"line {found.left_out[0].line}: {found.left_out[0].why}" if found.left_out else "it has no rows"


def _imported(io: Io, found: Imported, output: Path | None, day: str) -> Result:
    for out in found.left_out:
        io.record({"type": "left_out", "line": out.line, "why": out.why, "mistake": out.mistake})
    for column, lines in found.unread:
        listed = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
        io.warn(
            f"'{column}' says a word that the mapping does not know (line {listed}): counted as not known"
        )
    if found.missing:
        io.warn(f"the export has no heading for: {', '.join(found.missing)}; these are not known")
    if not day:
        io.warn("W305 the export does not say of which day it is; give --exported-on")
    mistakes = sum(out.mistake for out in found.left_out)
    rows = tuple((str(out.line), out.why) for out in found.left_out)
    where = f"written to {output}" if output else "nothing was written"
    page = (
        Facts(
            (("devices", str(len(found.rows))), ("left out", str(len(rows))), ("as of", day or "not known"))
        ),
        Table(
            columns=("line", "left out because"),
            rows=rows,
            right=("line",),
            wide="left out because",
            empty="every row was understood",
        ),
        Line(where, Tone.GOOD if output else Tone.QUIET),
    )
    data = {"type": "summary", "taken": len(found.rows), "left_out": len(rows), "mistakes": mistakes,
            "as_of": day or None, "output": str(output) if output else None,
            "missing": list(found.missing)}  # fmt: skip
    return Result(page=page, data=data, exit=Exit.PARTIAL if mistakes else Exit.OK, records="left_out_rows")
