"""What became of the photos of an export: counted, and said at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medsnap.commands._shared import Io, Result
from medsnap.errors import Exit
from medsnap.export.prepare import As
from medsnap.report.page import Block, Facts, Line, Table, Tone
from medsnap.vault.ids import SHORT

_SHOWN = 20  # doubts


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the photos."""

    written: int = 0
    held: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    stayed: list[str] = field(default_factory=list)
    repeats: int = 0
    doubts: list[tuple[str, str]] = field(default_factory=list)  # held: which, and which it may repeat

    def hold(self, reason: str) -> None:
        self.held += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def exit(self) -> Exit:
        if self.failed:
            return Exit.INTEGRITY
        return Exit.PARTIAL if self.held else Exit.OK


def result(io: Io, tally: Tally, into: Path, as_: As) -> Result:
    """Return the page and the last record of the command."""
    word = "would leave" if io.dry_run else "written"
    page: list[Block] = [Facts(((word, str(tally.written)), ("stay here", str(tally.held))))]
    if tally.repeats:
        page += [Line(_not_twice(tally.repeats), Tone.QUIET), Line()]
    if tally.failed:
        page.append(Line(f"{tally.failed} photos did not verify and were not exported.", Tone.BAD))
    if tally.reasons:
        ordered = sorted(tally.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        page.append(
            Table(
                title="Why photos stay",
                columns=("photos", "reason"),
                rows=tuple((str(n), r) for r, n in ordered),
                right=("photos",),
                wide="reason",
            )
        )
    if tally.doubts:
        page += [Line(), _doubts(tally.doubts), Line()]
    if tally.written and not io.dry_run:
        what = "bundles" if as_ is As.FHIR else "DICOM files"
        page.append(Line(f"The {what} lie in {into}; they hold patient data.", Tone.GOOD))
    data = {
        "type": "summary",
        "as": as_.value,
        "done": tally.written,
        "held": tally.held,
        "repeats": tally.repeats,
        "failed": tally.failed,
        "reasons": tally.reasons,
    }
    return Result(page=tuple(page), data=data, exit=tally.exit, records="photos")


def _doubts(doubts: Sequence[tuple[str, str]]) -> Table:
    """Name the photos that a person has to compare; JSON has all of them."""
    shown = tuple((one[:SHORT], other[:SHORT]) for one, other in doubts[:_SHOWN])
    more = f" ({len(doubts) - _SHOWN} more in --format json)" if len(doubts) > _SHOWN else ""
    return Table(title="Look at both" + more, columns=("photo", "may be the shot of"), rows=shown)


def _not_twice(repeats: int) -> str:
    photos = (
        "1 photo is the same shot as one" if repeats == 1 else f"{repeats} photos are the same shots as some"
    )
    return f"{photos} that left: not sent twice."
