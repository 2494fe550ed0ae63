"""Audit checks of what left the vault (S4, C2, E1-E3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from medsnap.model.study import MatchState
from medsnap.policy.auditing import Answer, Audited, Case, Verdict, judge, photos_said

SAME_NIGHT = timedelta(days=1)


def times_shifted(case: Case) -> Answer:
    """S4: what left for another purpose than care went to a target that shifts the times."""
    plain = {e.name for e in case.policy.exports if e.purpose != "care" and e.dates != "shift"}
    bad = [p.object for p in case.photos if any(r.target in plain for r in p.receipts)]
    todo = "recall them; say 'dates: shift' for this target"
    return judge(bad, "nothing left for another purpose with its true times", "left with the true time", todo)


def other_uses(case: Case) -> Answer:
    """C2: what left for another purpose than care was allowed to."""
    other = {e.name for e in case.policy.exports if e.purpose != "care"}
    bad = [
        p.object
        for p in case.photos
        if any(r.target in other and r.target not in p.row.decision.may_leave_to for r in p.receipts)
    ]
    sent = sum(r.target in other for p in case.photos for r in p.receipts)
    good = f"{sent} files left for another purpose than care"
    return judge(bad, good, "went out for a purpose that the decision does not allow", "recall them")


def reached(case: Case) -> Answer:
    """E1: what may go to the record has a receipt, the same night, it or another photo of the shot."""
    care = {e.name for e in case.policy.exports if e.purpose == "care"}
    arrived = {p.object for p in case.photos if any(r.target in care for r in p.receipts)}
    late: list[str] = []
    fresh: list[str] = []
    for photo in case.photos:
        row = photo.row
        due = row.state == "done" and row.match.state is MatchState.MATCHED
        if (
            due
            and care & set(row.decision.may_leave_to)
            and arrived.isdisjoint((photo.object, *case.shots.get(photo.object, ())))
        ):
            overdue = case.now - datetime.fromisoformat(row.at) > SAME_NIGHT
            (late if overdue else fresh).append(photo.object)
    todo = "medsnap export sends them"
    if fresh and not late:
        return judge(fresh, "", "sealed within a day, may leave and did not yet", todo, Verdict.WARN)
    sent = sum(bool(p.receipts) for p in case.photos)
    return judge(
        late, f"{photos_said(sent)} left; none that may leave is waiting", "may leave and did not", todo
    )


def carried(case: Case) -> Answer:
    """E2."""

    def bad(photo: Audited) -> bool:
        for receipt in photo.receipts:
            export = case.policy.export(receipt.target)
            if export is None or photo.row.decision.compartment not in export.may_carry:
                return True
        return False

    found = [p.object for p in case.photos if bad(p)]
    good = "what left lies in groups that its target may carry"
    return judge(found, good, "went to a target that may not carry it", "recall them; see vault show ID")


def labels(case: Case) -> Answer:
    """E3: files of the targets' folders, read again: labels on each part, flags as in the catalogue."""
    left = sum(len(p.receipts) for p in case.photos)
    if not left:
        return Answer(verdict=Verdict.OK, found="nothing has left")
    if case.sent is None:
        return Answer(
            verdict=Verdict.NOT_YET,
            found=f"{left} files left and were not read again",
            todo="name the folders of the targets with --sent DIR",
        )
    bad = [s for s in case.sent if s.problems]
    if bad:
        said = "; ".join(dict.fromkeys(problem for s in bad for problem in s.problems))
        return judge([s.object for s in bad], "", said, "send them again and tell the receiver")
    if len(case.sent) < left:
        words = f"{len(case.sent)} of {left} files lie in these folders; their labels are right"
        todo = "the others were fetched already: ask the receiver for them"
        return Answer(verdict=Verdict.WARN, found=words, todo=todo)
    good = f"{len(case.sent)} files read again: labels on resource and document, flags as in the catalogue"
    return Answer(verdict=Verdict.OK, found=good)
