"""What `medsnap scrub` says: one record a file, the counts, the page for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsnap.commands._scrub_work import Done
from medsnap.errors import Exit, worst
from medsnap.model.carrier import Reveals
from medsnap.model.codec import to_json
from medsnap.report.page import Block, Line, Table, Tone

_LISTED = 50  # files without a copy that the page names


def record(done: Done, into: Path | None) -> dict[str, Any]:
    """One record per input: what an outside checker reads."""
    made: dict[str, Any] = {"path": done.job.shown, "outcome": done.outcome}
    report = done.report
    made["removed"] = to_json(report.removed) if report else []
    made["kept"] = to_json(report.kept) if report else []
    made["sha256_in"] = report.sha256_in if report else None
    made["sha256_out"] = report.sha256_out if report else None
    made["pixels_equal"] = report.pixels_equal if report else None
    if report is not None:
        made["media"] = report.media.value
        made["orientation"] = report.orientation
        made["proof"] = report.proof
        written = into is not None and done.output is not None
        made["output"] = str(into / done.output) if into is not None and written and done.output else None
    if done.coded_sha256:
        made["coded_sha256"] = done.coded_sha256
    if done.job.companion_of:
        made["companion_of"] = done.job.companion_of
    if done.reason:
        made["reason"] = done.reason
    if done.hint:
        made["hint"] = done.hint
    return made


@dataclass(slots=True)
class Tally:
    """Counts of a run; only files that got no copy are remembered, so that a large dump stays flat."""

    outcomes: Counter[str] = field(default_factory=Counter)
    removed: Counter[Reveals] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    kept: Counter[Reveals] = field(default_factory=Counter)  # by wish
    companions: int = 0
    stuck: list[Done] = field(default_factory=list)
    exit: Exit = Exit.OK

    def add(self, done: Done) -> None:
        """Count one file."""
        from medsnap.scrub.report import revealed

        self.outcomes[done.outcome] += 1
        self.exit = worst(self.exit, done.exit)
        if done.report is not None:
            self.removed.update(revealed(done.report.carriers))
            told = {what for carrier in done.report.kept for what in carrier.reveals}
            self.kept.update(told & {Reveals.TIME, Reveals.DEVICE})
        elif done.outcome == "skipped":
            self.skipped[done.reason] += 1
            self.companions += bool(done.job.companion_of)
        else:
            self.stuck.append(done)

    def summary(self, *, dry_run: bool) -> dict[str, Any]:
        """The last record: counts only."""
        counts = {name: self.outcomes[name] for name in ("done", "skipped", "held", "failed")}
        removed, kept = (
            {what.value: counted[what] for what in Reveals if counted[what]}
            for counted in (self.removed, self.kept)
        )
        return {
            "type": "summary", "dry_run": dry_run, **counts,
            "companions_dropped": self.companions, "removed": removed, "kept": kept,
        }  # fmt: skip

    def page(self, into: Path | None) -> tuple[Block, ...]:
        """The counts for people, in plain words."""
        clean, total = self.outcomes["done"], self.outcomes.total()
        where = f" into {into}" if into is not None else " (dry run: nothing was written)"
        page: list[Block] = [
            Line(f"{clean} of {total} files scrubbed{where}.", Tone.GOOD if clean else Tone.WARN)
        ]
        rows = tuple((what.value, str(self.removed[what])) for what in Reveals if self.removed[what])
        nothing = "there was nothing to remove"
        if clean:
            page.append(Table(columns=("removed", "photos"), rows=rows, right=("photos",), empty=nothing))
        for what, count in sorted(self.kept.items()):
            page.append(Line(f"kept, written anew: {what.value} in {count}"))
        for stuck in self.stuck[:_LISTED]:
            why = "; ".join(filter(None, (stuck.reason, stuck.hint)))
            page += [Line(f"{stuck.outcome}, no copy: {stuck.job.shown}", Tone.WARN), Line(f"    {why}")]
        if (more := len(self.stuck) - _LISTED) > 0:
            page.append(Line(f"and {more:,} more without a copy: --report FILE names each", Tone.WARN))
        skipped = sorted(self.skipped.items())
        page.extend(Line(f"skipped: {count} ({reason})", Tone.QUIET) for reason, count in skipped)
        return tuple(page)
