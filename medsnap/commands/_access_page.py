"""What was found about access, as tables for people, records for programs, and a page to print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medsnap.commands._access import Access
from medsnap.commands._shared import Format, Io, Result
from medsnap.errors import Exit
from medsnap.model.event import Action
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.audit.access import Right, Sight, Span
    from medsnap.report.tables_html import Sheet

SHORT, MAX_ID = 8, 26  # characters of an id: on a screen, and on paper
_ANY = "*"
_EVERY = "all that the key opened"
_VERBS = {
    Action.OPEN: "opened",
    Action.OPEN_REFUSED: "was refused",
    Action.SHOW: "read the record",
    Action.BREAK_GLASS: "broke the glass",
    Action.CHECK: "opened to check",
    Action.RECOVERY: "used the recovery sheets",
    Action.PROVE: "opened to prove",
}
_NO_PHOTO = "No photo of this patient, as far as your key opens."


def result(io: Io, found: Access) -> Result:
    """Make page, records and exit code; with -o FILE.html the page is written there."""
    for record in _records(found):
        io.record(record)
    notes, warnings = _notes(io, found), _warnings(found)
    to_print = (
        io.output is not None and io.output.suffix.lower() in (".html", ".htm") and io.format is Format.HUMAN
    )
    tables = _tables(found, MAX_ID if to_print else SHORT)
    code = Exit.INTEGRITY if found.broken else Exit.OK
    data = {
        "type": "summary",
        "for": found.question.words,
        "from": found.question.span.first or None,
        "to": found.question.span.last or None,
        "photos": len(found.photos) if found.photos is not None else None,
        "seen": len(found.sights),
        "could": len(found.rights),
        "left": len(found.left),
        "log": found.broken or "consistent",
        "sealed": found.sealed,
        "untold_versions": list(found.untold),
        "from_receipts": found.receipts,
    }
    page: list[Block] = [Line(text, Tone.QUIET) for text in notes]
    page += [Line(text, Tone.BAD if found.broken else Tone.WARN) for text in warnings]
    for table in tables:
        page += [Line(), table]
    if to_print:
        page = _file(io, notes, warnings, tables)
    return Result(page=tuple(page), data=data, exit=code, records="entries")


def _notes(io: Io, found: Access) -> list[str]:
    asked = found.question
    about = f"photos of patient {asked.patient}" if asked.patient is not None else "all photos"
    by = f" by {asked.person}" if asked.person else ""
    groups = ", ".join(found.groups) or "no locked group"
    seen = f"Photos as far as the key opens: {groups}."
    if found.photos is not None:
        seen = f"{len(found.photos)} photos of this patient. {seen}" if found.photos else _NO_PHOTO
    opened = sorted({role for row in found.photos or () for role in row.decision.opened_by})
    by_policy = [f"Through medsnap the policy lets them be opened by: {', '.join(opened) or 'nobody'}."]
    return [
        f"Access to {about}{by}, {_days(asked.span)}. {io.now:%Y-%m-%d %H:%M} UTC.",
        seen,
        *(by_policy if found.photos else ()),
        "The log tells what was done through medsnap; who holds keys and storage needs no medsnap.",
    ]


def _days(span: Span) -> str:
    if span.first and span.first == span.last:
        return f"on {span.first}"
    first, last = span.first or "the beginning", span.last or "now"
    return f"from {first} to {last}"


def _warnings(found: Access) -> list[str]:
    told = []
    if found.broken:
        told.append(f"The log does not verify: {found.broken}.")
    if found.sealed:
        told.append(f"{found.sealed} events do not open with this key: something may be missing here.")
    if found.untold:
        numbers = ", ".join(map(str, found.untold[:5])) + (" …" if len(found.untold) > 5 else "")
        told.append(f"The log does not say who could open what under directory version {numbers}.")
    if found.differs:
        told.append("The members in the directory are not those that the log was last told of.")
    if found.begins and found.question.span.first and found.question.span.first < found.begins[:10]:
        told.append(f"Before {found.begins[:10]} nothing is known.")
    return told


def _tables(found: Access, width: int) -> list[Table]:
    seen = Table(
        title="Who saw",
        columns=("entry", "at (UTC)", "who", "what", "outcome", "photo"),
        rows=tuple(
            (
                str(s.index),
                _time(s.at),
                s.who,
                _done(s),
                s.outcome,
                _photo(s, width),
            )
            for s in found.sights
        ),
        right=("entry",),
        wide="photo",
        empty="nobody, as far as the log tells",
    )
    could = Table(
        title="Who could",
        columns=("who", "locked groups", "roles", "since", "until"),
        rows=tuple(_right(r) for r in found.rights),
        wide="locked groups",
        empty="nobody" if found.photos is None else "-",
    )
    left = Table(
        title="What left",
        columns=("at (UTC)", "who", "target", "purpose", "form", "state", "photo"),
        rows=tuple(
            (_time(x.at), x.who or "-", x.target or "-", x.purpose or "-", x.form, x.state, x.object[:width])
            for x in found.left
        ),
        wide="photo",
        empty="nothing, as far as your key opens"
        if found.receipts
        else "not known: what went with the night's run stands in the locked groups, and your key opens none",
    )
    return [seen, could, left]


def _done(sight: Sight) -> str:
    if sight.action is Action.BREAK_GLASS and sight.outcome != "success":
        return "may not break the glass"
    return _VERBS.get(sight.action, str(sight.action))


def _photo(sight: Sight, width: int) -> str:
    return sight.object[:width] or (_EVERY if sight.action is Action.CHECK else "-")


def _right(right: Right) -> tuple[str, ...]:
    can = right.can
    roles = ["any" if role == _ANY else role for role in can.roles] + (["auditor"] if can.auditor else [])
    since, until = _time(right.since), _time(right.until) or "now"
    return can.name, ", ".join(can.groups) or "-", ", ".join(roles) or "none", since, until


def _time(at: str) -> str:
    return at[:16].replace("T", " ")


def _records(found: Access) -> list[dict[str, object]]:
    seen: list[dict[str, object]] = [
        {"type": "seen", "entry": s.index, "at": s.at, "who": s.who, "action": s.action,
         "outcome": s.outcome, "object": s.object or None}
        for s in found.sights
    ]  # fmt: skip
    could: list[dict[str, object]] = [
        {"type": "could", "who": r.can.name, "compartments": list(r.can.groups), "roles": list(r.can.roles),
         "auditor": r.can.auditor, "since": r.since, "until": r.until or None}
        for r in found.rights
    ]  # fmt: skip
    left: list[dict[str, object]] = [
        {"type": "left", "at": x.at, "who": x.who or None, "object": x.object, "target": x.target or None,
         "purpose": x.purpose or None, "form": x.form, "state": x.state}
        for x in found.left
    ]  # fmt: skip
    return [*seen, *could, *left]


def _file(io: Io, notes: Sequence[str], warnings: Sequence[str], tables: Sequence[Table]) -> list[Block]:
    """Write the page to print, readable by its owner only."""
    from medsnap.platform import write_durably
    from medsnap.report.tables_html import Sheet, render

    path, io.output = io.output, None  # the page below goes to the terminal, not over the file
    if path is None:
        return []
    sheets: list[Sheet] = [
        Sheet(title=t.title, columns=t.columns, rows=t.rows, empty=t.empty) for t in tables
    ]
    text = render("Access to clinical photographs", notes, sheets, bad=" ".join(warnings))
    write_durably(path, text.encode(), mode=0o600)
    return [
        Line(f"The report lies in {path}.", Tone.GOOD),
        *(Line(text, Tone.WARN) for text in warnings),
    ]
