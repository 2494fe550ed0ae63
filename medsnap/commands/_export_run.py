"""One run of `medsnap export`: which photos may leave now, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medsnap.commands import _consents, _noted, _repeats
from medsnap.commands._export_page import Tally
from medsnap.commands._shared import Io
from medsnap.commands._vault import record
from medsnap.errors import Locked, NotFound
from medsnap.export.prepare import As, Held
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.commands._second_look import SecondLook
    from medsnap.export.run import Exported
    from medsnap.model.consent import Register
    from medsnap.model.photo import ObjectId, Sha256
    from medsnap.model.receipt import Receipt
    from medsnap.model.record import PhotoRow
    from medsnap.model.repeat import Repeat
    from medsnap.policy import Export, Policy
    from medsnap.vault.session import Session

GONE: Final = "it was erased or moved while this ran"
OTHERS: Final = "it became another patient's or visit's while this ran: run it again"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leaving:
    """A photo that may go, and where."""

    row: PhotoRow
    policy: Policy
    target: Export
    kind: str  # of file

    @property
    def object(self) -> ObjectId:
        """Name the photo."""
        return self.row.seal.object

    @property
    def goal(self) -> _repeats.Goal:
        """Name the receiver and the kind of file."""
        return self.target.name, self.kind


def count(vault: Path) -> int:
    """Count the commits that lie in a vault; none is ever removed."""
    from medsnap.vault.files import names

    return len(names(vault / "commits"))


@dataclass(slots=True, kw_only=True)
class Run:
    """What the command was asked for, and what became of the photos so far."""

    io: Io
    session: Session
    as_: As
    tally: Tally
    known: dict[str, Policy]  # by digest
    agreed: Register  # what patients agreed to, as of today
    consent: Path | None  # the register that the run brought along
    distinct: bool  # whoever named the photos says that none of them repeats another
    commits: int  # of the vault, before it was opened
    own: int = 0  # commits of ours since the last look
    changed: bool = False  # somebody else wrote or removed since this began: each photo is looked at again

    @property
    def _roles(self) -> frozenset[str] | None:
        return None if self.session.may_send else self.session.roles

    def sorted_out(self, rows: Iterable[PhotoRow], name: str | None) -> Iterator[Leaving]:
        """Yield what may leave; say of the rest why not."""
        from medsnap.export.run import KINDS, choose

        for row in rows:
            policy = self.known.get(row.decision.policy.digest)
            if policy is None:
                ref = f"{row.decision.policy.policy} {row.decision.policy.version}"
                self.hold(row, f"its policy ({ref}) is not at hand; give the file with --policy")
                continue
            found = choose(row, policy, self.as_, name, self.io.now)
            if isinstance(found, Held):
                self.hold(row, found.reason)
            elif (reason := _consents.stopped(row, policy, found, self.agreed, self.io)) is not None:
                self.hold(row, reason)
            else:
                yield Leaving(row=row, policy=policy, target=found, kind=KINDS[self.as_])

    def look_again(self) -> None:
        """Bring the catalogue up to date, and remember whether anybody else wrote or removed anything.

        Commits are counted as they lie in the vault: the file of the catalogue is shared with other runs of
        the same member, who may have taken them in. Raises Locked where the directory is another now.
        """
        from medsnap.vault.directory import load

        session = self.session
        if load(session.vault).directory.version != session.directory.version:
            raise Locked("the vault's directory changed meanwhile", hint="run it again")
        commits, notes = self.commits + self.own, len(session.reader.ledger.notes)
        self.commits, self.own = count(session.vault), 0
        session.catalogue.refresh(session.reader)
        others = self.commits != commits or len(session.reader.ledger.notes) != notes
        self.changed |= others or session.reader.incomplete

    def still(self, part: Sequence[Leaving]) -> list[Leaving]:
        """Look at the vault again and return what may leave now; say of the rest why not.

        What is as it was comes back as the same thing; what was decided anew and may leave even so, as
        another. Raises as `look_again`, and Tampered where a part of the vault cannot be read.
        """
        self.look_again()
        if not self.changed:
            return list(part)
        session = self.session
        agreed = _consents.known(self.io, session, self.consent)
        found: list[Leaving] = []
        for one in part:
            row = self._now(one.object)
            if row is None:
                self.hold(one.row, GONE)
            elif row == one.row and agreed == self.agreed:
                found.append(one)
            elif row.match != one.row.match:
                self.hold(row, OTHERS)
            else:
                self.agreed = agreed
                again = list(self.sorted_out([row], one.target.name))
                found += [one] if again and row == one.row else again
        self.agreed = agreed
        return found

    def _now(self, name: ObjectId) -> PhotoRow | None:
        try:
            return self.session.catalogue.photo(name, self._roles)
        except NotFound:
            return None

    def once(self, look: SecondLook) -> _repeats.Once[Leaving]:
        """Let each shot leave once. A photo that is gone meanwhile repeats nothing."""
        catalogue, roles = self.session.catalogue, self._roles

        def repeats(name: ObjectId) -> Sequence[Repeat]:
            try:
                return () if self.distinct else catalogue.repeats(name, roles)
            except NotFound:
                return ()

        return _repeats.Once(
            repeats=repeats, receipts=self.receipts, look=lambda one, doubt: look(one.row, doubt)
        )

    def receipts(self, name: ObjectId) -> Sequence[Receipt]:
        """List where a photo went; of one that is gone meanwhile nothing is known."""
        try:
            return self.session.catalogue.receipts(name)
        except NotFound:
            return ()

    def log(self, step: str, objects: tuple[str, ...], commit: Sha256 | None) -> None:
        """Write a step of this run into the audit log."""
        details = (("step", step), ("as", self.as_.value), *((("distinct", "yes"),) if self.distinct else ()))
        record(self.io, self.session, Action.EXPORT, objects=objects, details=details, commit=commit)

    def log_stayed(self, objects: Iterable[str]) -> None:
        """Write that photos of which the log says that they are about to leave did not."""
        if named := tuple(sorted(objects)):
            details = (("step", "stayed"), ("as", self.as_.value))
            record(self.io, self.session, Action.EXPORT, objects=named, outcome="held", details=details)

    # ── what is said ─────────────────────────────────────────────────────────────────────────

    def say_all(self, leaving: Sequence[Leaving]) -> None:
        """Say what would leave, and what would stay as a repeat."""
        from medsnap.commands._second_look import SecondLook

        with SecondLook(session=self.session) as look:
            once = self.once(look)
            for turn in once.turns(leaving, self.say_repeat):
                for one in turn:
                    once.left.add((one.object, one.goal))
                    self.say_done(one, None)
                self.tally.written += len(turn)

    def say_repeat(self, one: Leaving, repeat: Repeat) -> None:
        """Count and say a photo of which the same shot left; hold one where nobody can be sure."""
        said = {"repeat_of": repeat.object, "is": repeat.sameness, "because": repeat.because}
        if not repeat.sameness.sure:
            self.tally.doubts.append((one.object, repeat.object))
            self.hold(one.row, _repeats.reason(repeat), said)
            return
        self.tally.repeats += 1
        self.say(one.row, {"outcome": "repeat", "target": one.target.name, **said})

    def note_held(self, *, named: bool) -> None:
        """Write into the log that photos were kept back; with their ids when they were asked for by id."""
        if self.tally.held:
            details = (("step", "held"), ("as", self.as_.value), ("photos", str(self.tally.held)))
            objects = tuple(self.tally.stayed) if named else ()
            _noted.note(
                self.io,
                self.session.vault,
                self.session.directory,
                [self.session.keys],
                Action.EXPORT,
                outcome="held",
                objects=objects,
                details=details,
            )

    def hold(self, row: PhotoRow, reason: str, more: dict[str, Any] | None = None) -> None:
        """Count and say a photo that stays."""
        self.tally.hold(reason)
        self.tally.stayed.append(row.seal.object)
        self.say(row, {"outcome": "held", "reason": reason, **(more or {})})

    def say_done(self, one: Leaving, made: Exported | None) -> None:
        """Say a photo that left, or would leave when nothing was made."""
        entry: dict[str, Any] = {"outcome": "done", "target": one.target.name}
        if made is None:
            self.say(one.row, entry | {"outcome": "would leave"})
            return
        ids = made.receipt.identifiers
        entry |= {
            "file": made.files[0][0],
            "sha256": made.receipt.digest,
            "kind": made.receipt.kind,
            "study_uid": ids.study_uid,
            "sop_uid": ids.sop_uid,
            "document": ids.document,
            "derived": made.derived,
            "how": made.how,
        }
        self.say(one.row, entry)

    def say(self, row: PhotoRow, entry: dict[str, Any]) -> None:
        """Give the record of one photo."""
        self.io.record({"type": "photo", "object": row.seal.object, **entry})
