"""What has to end after a break-glass: epochs whose key was used, and the custodian whose key it was.

The log's clear leaf names both, so nobody needs a key to see that they are due; the next change of
the directory ends them, whatever it was made for (amendment 11).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from medsnap.errors import UsageError
from medsnap.model.event import Due
from medsnap.vault.change import Edit, Turn
from medsnap.vault.directory import WRITER_TERMS, CompartmentKey, Directory, Member, Term, WriterKey


def pending(directory: Directory, told: Iterable[Due]) -> tuple[Due, ...]:
    """Return what of the log's dues has not ended in this directory."""
    found = []
    for due in told:
        epochs = tuple((name, epoch) for name, epoch in due.epochs if _epoch(directory, name) <= epoch)
        if epochs:
            found.append(dataclasses.replace(due, epochs=epochs))
    return tuple(found)


def ends(dues: Iterable[Due]) -> datetime | None:
    """Return when the first of them is over; None where one does not say it in time: it is over."""
    moments = [_time(due.until) for due in dues]
    return None if None in moments else min(m for m in moments if m is not None)


def over(dues: Sequence[Due], now: datetime) -> bool:
    """Say whether the time of one is past, by the clock or by what the log shows: a clock may be put back."""
    end = ends(dues) if dues else now
    if end is None:
        return True
    shown = [moment for due in dues if (moment := _time(due.seen)) is not None]
    return bool(dues) and max((now, *shown)) >= end


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def groups_of(dues: Iterable[Due]) -> tuple[str, ...]:
    """Name the compartments that are due, each once; the auditors' is ""."""
    return tuple(dict.fromkeys(name for due in dues for name, _ in due.epochs))


def custodians_of(directory: Directory, dues: Iterable[Due]) -> tuple[str, ...]:
    """Name the members whose keys were used and who are members still."""
    used = dict.fromkeys(due.used for due in dues if due.used)
    return tuple(name for name in used if directory.member(name) is not None)


def ending(dues: Sequence[Due], edit: Callable[[Directory], Edit]) -> Callable[[Directory], Edit]:
    """Add to a change that it ends what is due. Raises UsageError when nobody would open a group any more."""
    if not dues:
        return edit

    def both(current: Directory) -> Edit:
        wanted = edit(current)
        left = pending(current, dues)
        gone = custodians_of(current, left)
        if not left:
            return wanted
        members = _without(wanted.finish(current, 0).members, gone)
        _somebody_left(members, [key for key in current.compartments if key.name in groups_of(left)])
        turns = {turn.key.name: turn for turn in wanted.turns}
        for name in (*groups_of(left), *_opened(current, gone)):
            key = _key(current, name)
            old = turns.get(name, Turn(key=key, readers=(), fresh=True))
            turns[name] = dataclasses.replace(old, readers=readers_of(members, key), fresh=True)
        lost = {m.recipient for m in current.members if m.name in gone}
        kept = tuple(
            dataclasses.replace(t, readers=tuple(r for r in t.readers if r not in lost))
            for t in turns.values()
        )

        def finish(base: Directory, commits: int) -> Directory:
            after = wanted.finish(base, commits)
            writers = tuple(retired(w, commits) if w.name in gone else w for w in after.writers)
            terms = (WRITER_TERMS,) if any(w.earlier for w in writers) else ()
            return dataclasses.replace(
                after,
                members=_without(after.members, gone),
                writers=writers,
                requires=tuple(dict.fromkeys((*after.requires, *terms))),
            )

        return Edit(turns=kept, finish=finish)

    return both


def retired(writer: WriterKey, commits: int) -> WriterKey:
    """Take a key's verbs away; what it wrote in the first `commits` of the log stays good."""
    if not writer.verbs:
        return writer
    return dataclasses.replace(
        writer, verbs=(), earlier=(*writer.earlier, Term(verbs=writer.verbs, until=commits))
    )


def readers_of(members: Sequence[Member], key: CompartmentKey) -> tuple[str, ...]:
    """Return the recipients of the members who open a compartment, or the auditors' ring."""
    return tuple(m.recipient for m in members if (key.name in m.compartments if key.name else m.auditor))


def _key(directory: Directory, name: str) -> CompartmentKey:
    return directory.compartment(name) if name else directory.auditors_key


def _epoch(directory: Directory, name: str) -> int:
    if not name:
        return directory.auditors_epoch
    return next((key.epoch for key in directory.compartments if key.name == name), 1 << 31)


def _without(members: Sequence[Member], gone: Sequence[str]) -> tuple[Member, ...]:
    return tuple(m for m in members if m.name not in gone)


def _opened(directory: Directory, names: Sequence[str]) -> tuple[str, ...]:
    """Name what members open: who is taken out must not have a ring of the next epoch either."""
    found = [m for m in directory.members if m.name in names]
    groups = tuple(g for m in found for g in m.compartments)
    return (*groups, *([""] if any(m.auditor for m in found) else []))


def _somebody_left(members: Sequence[Member], keys: Sequence[CompartmentKey]) -> None:
    for key in keys:
        if not readers_of(members, key):
            raise UsageError(
                f"the custodian whose key was used is the last member who opens '{key.name}'",
                hint="add another one with this group: vault member add ends the break-glass as well",
            )
