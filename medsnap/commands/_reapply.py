"""`vault erase --reapply`: an older copy came back; by a ledger some of it is gone, or lies elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medsnap.commands import _in_force, _moves, _officer, vault_ledger
from medsnap.commands._photos import policy_path
from medsnap.commands._shared import Io, Result
from medsnap.commands._vault import log_of, member
from medsnap.errors import Exit, UsageError
from medsnap.report.page import Block, Line, Tone

if TYPE_CHECKING:
    from medsnap.model.photo import ObjectId
    from medsnap.model.record import PhotoRow
    from medsnap.vault.erasures import SignedErasure
    from medsnap.vault.moved import Fate
    from medsnap.vault.reader import Reader
    from medsnap.vault.session import Session

_REASON: Final = "the ledger was applied again"


@dataclass(slots=True, kw_only=True)
class Due:
    """What an outside ledger asks of what lies here: objects to erase, to move, and those it cannot tell."""

    erase: set[ObjectId] = field(default_factory=set)
    move: dict[ObjectId, Fate] = field(default_factory=dict)
    locked: set[ObjectId] = field(default_factory=set)


def due(notes: Sequence[SignedErasure], reader: Reader) -> Due:
    """Sort what notes name by what became of it, without what the vault's own ledger says."""
    from medsnap.vault.moved import Lost, whereabouts

    found = Due()
    for name, now in whereabouts(notes, reader.fate).items():
        if name in reader.ledger.gone:
            continue
        if now is Lost.ERASED:
            found.erase.add(name)
        elif isinstance(now, Lost):
            found.locked.add(name)
        else:
            found.move[name] = now.fate
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed beside --reapply."""

    ledger: Path | None
    policy: str | None
    key_file: Path | None


def reapply(io: Io, session: Session, asked: Asked) -> Result:
    """Take out or move again what by the vault's own ledger, or one kept elsewhere, must not lie here."""
    from medsnap.audit import store
    from medsnap.commands.vault_erase import carry_out
    from medsnap.vault import erasure, objects
    from medsnap.vault.directory import WriterVerb

    def lies(names: Iterable[ObjectId]) -> set[ObjectId]:
        return {o for o in names if objects.path_of(session.vault, o).exists()}

    own = session.reader.ledger.only(set(store.commits(log_of(session.vault, session.directory))))
    back = sorted(lies(own.gone))
    notes = vault_ledger.read(asked.ledger, session.directory) if asked.ledger else ()
    wanted = due(notes, session.reader)
    photos = session.catalogue.photos()
    rows = [row for row in photos if wanted.erase.intersection(_officer.parts(row))]
    elsewhere = [row for row in photos if _elsewhere(row, wanted)]
    if elsewhere:
        _officer.need(session, WriterVerb.MOVE)
        _need_policy(io, asked)
    if not io.dry_run:
        erasure.apply(session.vault, own)
        carry_out(io, session, rows, WriterVerb.ERASE, (("reason", _REASON),))
    moved = _moved(io, session, elsewhere, wanted, asked)
    mine = {part for row in photos for part in _officer.parts(row)}
    left = {row.seal.object for row in elsewhere} - moved
    locked = left | lies(wanted.locked | ((wanted.erase | wanted.move.keys()) - mine))
    return _result(io, [*back, *(row.seal.object for row in rows)], sorted(moved), len(locked))


def _elsewhere(row: PhotoRow, wanted: Due) -> bool:
    fate = wanted.move.get(row.seal.object)
    return fate is not None and fate.to != row.seal.compartment


def _need_policy(io: Io, asked: Asked) -> None:
    if asked.policy is None and not io.settings.get("policy"):
        raise UsageError(
            "photos came back that had been moved to another locked group: a policy has to decide them again",
            hint="run it again with --policy FILE; nothing was changed",
        )


def _moved(io: Io, session: Session, rows: Sequence[PhotoRow], wanted: Due, asked: Asked) -> set[ObjectId]:
    """Move what lies where it must not, one move of then after the other; returns what goes."""
    from medsnap.vault.directory import WriterVerb
    from medsnap.vault.moved_lines import Why

    went: set[ObjectId] = set()
    fates = {id(fate): fate for fate in (wanted.move[row.seal.object] for row in rows)}
    for fate in fates.values():
        with member(io, session.vault, asked.key_file) as again:
            policy = _in_force.governing(io, again, policy_path(io, asked.policy))
            some = [row for row in rows if wanted.move[row.seal.object] is fate]
            wish = _moves.Wish(to=fate.to, reason=fate.reason, may_open=True)
            made = _moves.plan(again, policy, some, wish, io.now)
            went.update(go.row.seal.object for go in made.go)
            if made.go and not io.dry_run:
                details = (("to", fate.to), ("reason", _REASON), ("policy", policy.ref.digest))
                officer = _officer.officer(io, again, WriterVerb.MOVE, details)
                why = Why(at=io.now.isoformat(timespec="seconds"), by=again.actor, reason=fate.reason)
                _moves.carry_out(made, fate.to, again, why, officer)
    return went


def _result(io: Io, erased: Sequence[ObjectId], moved: Sequence[ObjectId], locked: int) -> Result:
    from medsnap.commands.vault_erase import AFTER

    would = "would be " if io.dry_run else ""
    for state, some in (("erased", erased), ("moved", moved)):
        for one in some:
            io.record({"type": "photo", "object": one, "state": f"{would}{state}"})
    count = len(erased)
    were = "would be taken" if io.dry_run else "were taken" if count != 1 else "was taken"
    page: list[Block] = [
        Line(f"{count} erased photo{'' if count == 1 else 's'} had come back and {were} out.", Tone.GOOD)
    ]
    if moved:
        done = f"{would or 'they were '}moved again"
        text = f"{len(moved)} had come back to a locked group that they had left: {done}."
        page.append(Line(text, Tone.GOOD))
    if locked:
        text = f"{locked} more lie in locked groups that your key does not open: another officer has to."
        page.append(Line(text, Tone.BAD))
    if count and not io.dry_run:
        page += [Line(), Line(AFTER[0], Tone.QUIET)]
    data = {
        "type": "summary",
        "returned": count,
        "moved": len(moved),
        "locked": locked,
        "dry_run": io.dry_run,
    }
    return Result(page=tuple(page), data=data, exit=Exit.PARTIAL if locked else Exit.OK, records="photos")
