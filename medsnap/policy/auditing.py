"""What an auditor asks of a vault, as small checks: photos and a policy in, one verdict out. Pure.

A check that needs what was not read says so; nothing that was not looked at is "ok".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from medsnap.model.decision import Verb, Vote
from medsnap.model.finding import State
from medsnap.model.receipt import Receipt
from medsnap.model.record import PhotoRow
from medsnap.policy.engine import decide
from medsnap.policy.nouns import Policy
from medsnap.policy.waiver import Waiver


class Verdict(StrEnum):
    """What became of a rule."""

    OK = "ok"
    VIOLATION = "violation"
    WARN = "warn"
    NOT_YET = "not yet"  # medsnap cannot check it


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The verdict on one rule, what was found, which photos, and what to do."""

    verdict: Verdict
    found: str
    objects: tuple[str, ...] = ()
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One photo: its row with the newest decision, where it went, what the policy would vote today."""

    row: PhotoRow
    receipts: tuple[Receipt, ...] = ()
    votes: tuple[Vote, ...] = ()

    @property
    def object(self) -> str:
        """The photo's id."""
        return str(self.row.seal.object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A stored photo that was opened and decoded for the audit; "" and None: nothing wrong, not known."""

    object: str
    problem: str = ""  # it does not open, decode, or is another than its row speaks of
    size: tuple[int, int] | None = None  # stored raster, pixels
    orientation: int | None = None
    profile: bool | None = None  # carries a colour profile
    pixels: str | None = None  # sha256, as PhotoRow.pixels
    left: tuple[str, ...] = ()  # what a scrub would still remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file of a target's folder that carries the name of a receipt, and what is wrong with it."""

    object: str
    target: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is audited. `refused` says why the policy is not in force, `log` what is wrong with it.

    None is what was not looked at: no photo opened, no later dump, no folder of a target named.
    """

    policy: Policy
    photos: tuple[Audited, ...]
    now: datetime
    signed: str = "unsigned"
    refused: str = ""
    log: str = ""
    waivers: tuple[Waiver, ...] = ()  # those beside the policy, ended ones too
    opened: tuple[Opened, ...] | None = None
    dumped: frozenset[str] | None = None  # sha256 of the files that lie on a device or in its dump
    missing: frozenset[str] = frozenset()  # ids of the catalogue whose object the vault lacks
    sent: tuple[Sent, ...] | None = None
    on_hold: frozenset[str] = frozenset()  # ids of photos that a legal hold is on
    shots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # photos of one shot, by id
    erased: int = 0  # objects that were expired or erased, each named by a signed note of the log


Check: TypeAlias = Callable[[Case], Answer]


def audited(policy: Policy, row: PhotoRow, receipts: Iterable[Receipt]) -> Audited:
    """Ask the policy again about a photo, as of the time of its decision."""
    votes: tuple[Vote, ...] = ()
    if row.evidence is not None:
        votes = decide(policy, row.evidence, datetime.fromisoformat(row.decision.at)).votes
    return Audited(row=row, receipts=tuple(receipts), votes=votes)


def judge(bad: list[str], good: str, wrong: str, todo: str, as_: Verdict = Verdict.VIOLATION) -> Answer:
    """Answer for photos: these are wrong, or all is good."""
    if not bad:
        return Answer(verdict=Verdict.OK, found=good)
    return Answer(verdict=as_, found=f"{photos_said(len(bad))}: {wrong}", objects=tuple(bad), todo=todo)


def photos_said(count: int) -> str:
    """Write "3 photos"."""
    return f"{count} photo{'' if count == 1 else 's'}"


def held(*paths: str) -> Check:
    """Every photo for which these paths vote was decided at least as strictly."""

    def check(case: Case) -> Answer:
        bad, for_it, unknown = [], 0, 0
        for photo in case.photos:
            unknown += not photo.votes
            votes = [v for v in photo.votes if v.verb > Verb.ACCEPT and _under(v.path, paths)]
            for_it += bool(votes)
            if any(_milder(case.policy, photo.row, vote) for vote in votes):
                bad.append(photo.object)
        if unknown and not bad:
            words = f"{photos_said(unknown)} kept no evidence and cannot be judged again"
            return Answer(verdict=Verdict.WARN, found=words, todo="take them in again with this medsnap")
        unlooked = [p.object for p in case.photos if _unlooked(p.row, paths)]
        if unlooked and not bad:
            todo = "a person looks (review), or ingest with detectors"
            return judge(unlooked, "", "nobody has looked for it yet", todo, Verdict.WARN)
        good = (
            f"{photos_said(len(case.photos))} looked at, {for_it or 'none'} locked or waiting because of it"
        )
        wrong = "decided milder than this policy says"
        return judge(bad, good, wrong, "medsnap policy apply decides them again and tightens")

    return check


def _under(path: str, wanted: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in wanted)


def _unlooked(row: PhotoRow, paths: tuple[str, ...]) -> bool:
    """Say whether one of these features was not looked for: then "ok" would be a guess."""
    names = {path.removeprefix("features.") for path in paths if path.startswith("features.")}
    unknown = (State.NOT_CHECKED, State.NOT_ASSESSABLE)
    return any(f.feature in names and f.state in unknown for f in row.decision.features)


def _milder(policy: Policy, row: PhotoRow, vote: Vote) -> bool:
    decision = row.decision
    return decision.verb < vote.verb or policy.rank(decision.compartment) < policy.rank(vote.compartment)
