"""What a check found, for people and programs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from medsnap.commands import _glass
from medsnap.commands._shared import Io, Result
from medsnap.errors import Exit
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.commands._at_rest import LogFound
    from medsnap.commands._glass import Glass
    from medsnap.vault.check import CheckReport
    from medsnap.vault.check_open import Opened
    from medsnap.vault.reader import Problem
    from medsnap.vault.repair import Plan
    from medsnap.vault.sample import Sample


BACK: Final = "has come back"  # such a problem says by itself what to do


@dataclass(slots=True, kw_only=True)
class Found:
    """All that a check found out; `by` says who vouches for the directory's root."""

    report: CheckReport
    log: LogFound
    waiting: frozenset[str]
    by: str
    pinned: bool
    plan: Plan | None = None
    glass: Glass | None = None  # a break-glass that has not ended
    opened: Opened | None = None
    copy: bool = False  # nobody ever appended to this log here

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong, each once."""
        opened = self.opened.problems if self.opened else ()
        return list(dict.fromkeys((*self.report.problems, *self.log.problems, *opened)))


def result(io: Io, found: Found, share: Sample | None) -> Result:
    """Make page, records and exit code of a check."""
    report, opened, plan, problems = found.report, found.opened, found.plan, found.problems
    for problem in problems:
        io.record({"type": "problem", "where": problem.where, "what": problem.what})
    for move in plan.moves if plan else ():
        io.record({"type": "move", "from": move.source, "to": move.target, "done": not io.dry_run})
    counts = {"commits": report.commits, "batches": report.batches, "objects": report.objects}
    good = not problems
    facts = [
        *((k, str(v)) for k, v in counts.items()),
        ("log entries", str(found.log.size)),
        ("root key", found.by),
    ]
    if share is not None:
        facts.append(("sample", f"{share.percent:g}%, seed {share.seed}"))
    if opened is not None:
        facts.append(("opened", f"{media(opened.photos, opened.clips)}, {len(opened.failed)} failed"))
    verdict = "Everything fits." if good else f"{some(len(problems), 'problem')}."
    page: list[Block] = [Line(verdict, Tone.GOOD if good else Tone.BAD), Facts(tuple(facts))]
    if report.waiting:
        page.append(Line(f"{report.waiting} objects wait for the next ingest run to commit them.", Tone.WARN))
    page += _glass.lines(found.glass)
    page += _moved(io, plan) + _named(problems, report.strays, plan, copy=found.copy)
    data = {
        "ok": good,
        **counts,
        "waiting": report.waiting,
        "log": found.log.size,
        "remembered": found.log.remembered,
        "root_pinned": found.pinned,
        "sample": {"percent": share.percent, "seed": share.seed} if share else None,
        "opened": {"photos": opened.photos, "clips": opened.clips, "failed": opened.failed}
        if opened
        else None,
        "break_glass": found.glass.data if found.glass else None,
        "moved": len(plan.moves) if plan and not io.dry_run else 0,
        "left": list(plan.left) if plan else [],
    }
    code = Exit.INTEGRITY if not good else Exit.VIOLATION if found.glass and found.glass.over else Exit.OK
    return Result(page=tuple(page), data=data, exit=code, records="problems")


def some(count: int, what: str) -> str:
    """Say how many of something."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def media(photos: int, clips: int) -> str:
    """Say how many photos and clips."""
    return f"{some(photos, 'photo')}, {some(clips, 'clip')}"


def _moved(io: Io, plan: Plan | None) -> list[Block]:
    if plan is None:
        return []
    would = "would be moved" if io.dry_run else "moved; nothing was deleted"
    page: list[Block] = [Line(f"{some(len(plan.moves), 'file')} {would}.")]
    if plan.moves:
        page.append(
            Table(columns=("from", "to"), rows=tuple((m.source, m.target) for m in plan.moves), wide="to")
        )
    if plan.left:
        text = f"{len(plan.left)} files stay where they are: a commit is missing or broken and may name them."
        page.append(Line(text, Tone.WARN))
    return page


def _named(problems: list[Problem], strays: Collection[str], plan: Plan | None, *, copy: bool) -> list[Block]:
    if not problems:
        return []
    rows = tuple((p.where, p.what) for p in problems)
    page: list[Block] = [Table(columns=("where", "what"), rows=rows, wide="what")]
    if plan is None:
        page.append(Line("Nothing was changed."))
    if copy:
        told = "This is a copy: medsnap vault copy goes on where it was cut off, with --reread it mends, too."
        page.append(Line(told))
        return page
    if plan is None and any(p.where in strays for p in problems):
        page.append(Line("medsnap vault check --repair puts aside what belongs to nothing."))
    if any(p.where not in strays and BACK not in p.what for p in problems):
        told = (
            "Put what is broken or missing back from a copy of the vault; medsnap audit ls says who did what."
        )
        page.append(Line(told))
    return page
