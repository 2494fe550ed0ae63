"""What a night's ingest would do with a dump, in one sentence: `medsnap scan --forecast`.

Each photo counts once: it reaches the record, waits for a person, stays in the vault, is not ours,
or fails. Reasons name the line of the policy, so that people see which line to talk about.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medsnap.errors import UsageError
from medsnap.model.outcome import Failed, Held, Outcome, Skipped
from medsnap.model.photo import MediaType
from medsnap.model.study import MatchState
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.batch import Judged
    from medsnap.model.decision import Decision, Vote
    from medsnap.pipeline import Settled
    from medsnap.policy import Policy

MOST_SHOWN = 6
_QUOTED = re.compile(r"'[^']*'")
_FIGURE = re.compile(r"\d+(?:[.,:-]\d+)*")  # a score, an age, a day, a version
TRAVELS = frozenset(  # what an export can put into FHIR or DICOM; a test asks medsnap.export
    {MediaType.JPEG, MediaType.PNG, MediaType.WEBP, MediaType.HEIC, MediaType.HEIF, MediaType.AVIF}
)
_WHOSE = {
    MatchState.UNMATCHED: "nobody has said whose photo it is",
    MatchState.NEEDS_REVIEW: "whose photo it is has to be confirmed by a person",
    MatchState.CONFLICT: "the statements of whose photo it is contradict each other",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why photos do not reach the record: what says so, its line, and the words."""

    path: str
    where: str
    because: str


@dataclass(slots=True, kw_only=True)
class Forecast:
    """Counts for one target of care; `target` is the first one that the policy names."""

    policy: Policy
    target: str
    leaves: int = 0
    waits: int = 0
    stays: int = 0
    not_ours: int = 0
    failed: int = 0
    targets: Counter[str] = field(default_factory=Counter)
    waiting: Counter[Reason] = field(default_factory=Counter)
    staying: Counter[Reason] = field(default_factory=Counter)

    @property
    def photos(self) -> int:
        """All photos that were looked at."""
        return self.leaves + self.waits + self.stays + self.not_ours + self.failed

    def add(self, outcome: Outcome, judged: Judged | None) -> None:
        """Count one photo of the dump; files that are no photos do not count."""
        if judged is None and not isinstance(outcome, Failed):
            return
        match outcome:
            case Skipped():
                self.not_ours += 1
            case Failed():
                self.failed += 1
            case Held(reason=reason):
                self.waits += 1
                self.waiting[Reason("scrub", self.policy.where("scrub"), reason)] += 1
            case _ if judged is not None and judged.settled is not None:
                self._decided(judged.settled, judged.candidate.media)

    def _decided(self, settled: Settled, media: MediaType) -> None:

        decision, matched = settled.decision, settled.match
        if decision.waits:
            self.waits += 1
            self.waiting[_winner(decision)] += 1
        elif matched.state is not MatchState.MATCHED or matched.patient is None:
            self.waits += 1
            why = _WHOSE.get(matched.state, _WHOSE[MatchState.UNMATCHED])
            self.waiting[Reason("manifest", "", why)] += 1
        elif media not in TRAVELS:
            self.stays += 1
            self.staying[Reason("export", "", f"{media.value} fits neither FHIR nor DICOM yet")] += 1
        else:
            self.targets.update(decision.may_leave_to)
            if self.target in decision.may_leave_to:
                self.leaves += 1
            else:
                self.stays += 1
                self.staying[self._held_back(decision)] += 1

    def _held_back(self, decision: Decision) -> Reason:
        """Give the decision's own sentence about the target, and the line of the target."""
        path = f"exports.{self.target}"
        head = f"{self.target}: "
        why = next((h.removeprefix(head) for h in decision.holds if h.startswith(head)), str(decision.verb))
        return Reason(path, self.policy.where(path), why)

    def sentence(self) -> str:
        """Say it as a person would."""
        parts = [f"{self.leaves:,} would reach {self.target} the same night", _wait(self.waits)]
        if self.stays:
            parts.append(f"{self.stays:,} would stay in the vault")
        if self.not_ours:
            parts.append(f"{self.not_ours:,} {'is' if self.not_ours == 1 else 'are'} not ours")
        if self.failed:
            parts.append(f"{self.failed:,} could not be read")
        photos = "photo" if self.photos == 1 else "photos"
        return f"Of {self.photos:,} {photos} {', '.join(parts[:-1])}, {parts[-1]}."

    def page(self) -> list[Block]:
        """The sentence, then the reasons with their lines."""
        page: list[Block] = [Line(self.sentence(), Tone.TITLE)]
        page += _table("wait", "waits because", self.waiting)
        page += _table("stay", "stays because", self.staying)
        if len(self.targets) > 1:
            rows = tuple((name, f"{n:,}") for name, n in self.targets.most_common())
            page += [Line(), Table(columns=("may leave to", "photos"), rows=rows, right=("photos",))]
        return page

    def data(self) -> dict[str, Any]:
        """The same for programs, with every reason."""
        return {
            "target": self.target,
            "photos": self.photos,
            "leaves": self.leaves,
            "waits": self.waits,
            "stays": self.stays,
            "not_ours": self.not_ours,
            "failed": self.failed,
            "targets": dict(self.targets),
            "waits_because": _listed(self.waiting),
            "stays_because": _listed(self.staying),
            "sentence": self.sentence(),
        }


def forecast(policy: Policy) -> Forecast:
    """Begin a forecast for the policy's first target of care. Raises UsageError when it has none."""
    target = next((export.name for export in policy.exports if export.purpose == "care"), None)
    if target is None:
        raise UsageError(
            "this policy sends no photo anywhere for care, so there is nothing to forecast",
            where=policy.where("exports") or policy.ref.policy,
            hint="name a target under 'exports', or run scan without --forecast",
        )
    return Forecast(policy=policy, target=target)


def _winner(decision: Decision) -> Reason:
    """Give the first reason. Its words go without numbers, else every photo had one of its own."""
    vote = next((v for v in decision.votes if v.path == decision.decided_by), decision.votes[0])
    return Reason(vote.path, vote.where, _plain(vote))


def _plain(vote: Vote) -> str:
    """Keep words without their figures, and without what one photo's row said: both differ for each photo."""
    words = vote.because
    if vote.path == "detection.suspect_at":
        named = sorted({part.split(" ", 1)[0].replace("_", " ") for part in words.split("; ")})
        return f"in doubt: {', '.join(named)}"
    if vote.path.startswith("vocabulary."):
        words = _QUOTED.sub("…", words.partition("; nearest")[0])
    return _FIGURE.sub("…", words)


def _wait(count: int) -> str:
    return f"{count:,} {'waits' if count == 1 else 'wait'} for a person"


def _table(verb: str, title: str, counted: Counter[Reason]) -> list[Block]:
    if not counted:
        return []
    ordered = _ordered(counted)
    rows = tuple((f"{n:,}", r.path, r.where.rpartition("/")[2], r.because) for r, n in ordered[:MOST_SHOWN])
    table = Table(
        columns=("photos", title, "line", "in words"), rows=rows, right=("photos",), wide="in words"
    )
    rest = sum(n for _, n in ordered[MOST_SHOWN:])
    more = (
        [Line(f"{rest:,} more {verb} for other reasons; --format json lists all", Tone.QUIET)] if rest else []
    )
    return [Line(), table, *more]


def _ordered(counted: Counter[Reason]) -> list[tuple[Reason, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0].path, item[0].because))


def _listed(counted: Counter[Reason]) -> list[dict[str, Any]]:
    return [
        {"path": r.path, "where": r.where, "because": r.because, "photos": n} for r, n in _ordered(counted)
    ]
