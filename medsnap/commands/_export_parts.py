"""Photos leave a handful at a time: logged, made, looked at once more, receipts kept, then the files named.

What was made is held back until, in a turn of our own, the vault says that it may still leave and has the
receipts. So nothing leaves after it was erased, moved or closed, and none under two identities: a kill
before the commit leaves nothing behind, and after it the next run sends the same again.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from medsnap.commands import _repeats
from medsnap.commands._export_run import GONE, Leaving, Run
from medsnap.commands._staging import Staging
from medsnap.commands._vault import record
from medsnap.errors import KeyRefused, NotFound, Tampered
from medsnap.export.ids import Numbering
from medsnap.export.prepare import Held
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.export.isolated import Preparer
    from medsnap.export.run import Exported
    from medsnap.model.photo import ObjectId
    from medsnap.model.receipt import Identifiers
    from medsnap.model.record import PhotoRow
    from medsnap.vault.member_writer import MemberWriter

_AT_ONCE: Final = 32  # photos between two commits of receipts
_Numbers: TypeAlias = defaultdict[_repeats.Goal, Numbering]


def send(run: Run, leaving: Sequence[Leaving], into: Path) -> None:
    """Send photos, as the only one who sends to these receivers.

    Raises KeyRefused before anything has left, Locked, CannotCreate; what has left by then has its receipt.
    """
    from medsnap.commands._second_look import SecondLook
    from medsnap.export.isolated import Preparer
    from medsnap.vault import turns

    writer = _writer(run)
    session, goals = run.session, dict.fromkeys(one.goal for one in leaving)
    with ExitStack() as held:
        held.enter_context(turns.sending(session.vault, goals))
        run.look_again()  # what another run has just sent keeps its identity
        vault_id = session.directory.vault
        staged = {
            goal: held.enter_context(Staging(into=into, mark=turns.mark(vault_id, *goal))) for goal in goals
        }
        advance = held.enter_context(run.io.progress("export", len(leaving)))
        sender = _Sender(
            run=run,
            writer=writer,
            staged=staged,
            identifiers=_identifiers(run, leaving),
            preparer=held.enter_context(Preparer()),
        )
        once = run.once(held.enter_context(SecondLook(session=session)))
        for part in _repeats.parts(once.turns(leaving, run.say_repeat), _AT_ONCE):
            once.left.update((one.object, one.goal) for one in sender.sent(part, advance))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    one: Leaving
    made: Exported


@dataclass(slots=True, kw_only=True)
class _Sender:
    """Sends parts; `numbers` count what has left."""

    run: Run
    writer: MemberWriter
    staged: dict[_repeats.Goal, Staging]
    identifiers: dict[ObjectId, Identifiers]
    preparer: Preparer
    numbers: _Numbers = field(default_factory=lambda: defaultdict(Numbering))

    def sent(self, part: Sequence[Leaving], advance: Callable[[], None]) -> list[Leaving]:
        """Send a part and return what of it has left; what changed meanwhile is made anew, or stays."""
        run, left = self.run, self.run.still(part)
        begun = tuple(one.object for one in left)
        if left:
            run.log("begin", begun, None)
        left = self._sent(left, advance)
        run.log_stayed(set(begun) - {one.object for one in left})
        return left

    def _sent(self, left: list[Leaving], advance: Callable[[], None]) -> list[Leaving]:
        from medsnap.vault import turns

        run = self.run
        while left:
            numbers = copy.deepcopy(self.numbers)
            ready = self._ready(left, numbers, advance)
            with turns.turn(run.session.vault):
                left = run.still([one.one for one in ready])
                if len(left) == len(ready) and all(a is b.one for a, b in zip(left, ready, strict=True)):
                    self._release(ready)
                    self.numbers = numbers
                    return left
            for staging in self.staged.values():
                staging.drop()
        return []

    def _ready(self, part: Sequence[Leaving], numbers: _Numbers, advance: Callable[[], None]) -> list[_Made]:
        """Make the files of a part, where nobody finds them yet; say of the rest why it stays."""
        found = []
        for one in part:
            photo = self._opened(one.row)
            made = self._made(one, photo, numbers[one.goal]) if photo is not None else None
            if isinstance(made, Held):
                self.run.hold(one.row, made.reason)
            elif made is not None:
                for name, data in made.files:
                    self.staged[one.goal].put(name, data)
                numbers[one.goal].take(one.row)
                found.append(_Made(one=one, made=made))
            advance()
        return found

    def _release(self, ready: Sequence[_Made]) -> None:
        """Keep the receipts, then let the files be found; in a turn of ours."""
        from medsnap.model.record import ReceiptRow

        for one in ready:
            self.writer.add(one.one.row.seal.compartment, ReceiptRow(receipt=one.made.receipt))
        self.run.own += self.writer.commit() is not None
        for staging in self.staged.values():
            staging.release()
        for one in ready:
            self.run.tally.written += 1
            self.run.say_done(one.one, one.made)

    def _opened(self, row: PhotoRow) -> bytes | None:
        """Open a photo; one that does not verify is said and counted, and the others go on."""
        run = self.run
        try:
            return run.session.reader.open_seal(row.seal)
        except NotFound:
            run.hold(row, GONE)
        except Tampered as broken:
            details = (("step", "open"), ("as", run.as_.value))
            named = (row.seal.object,)
            record(run.io, run.session, Action.EXPORT, objects=named, outcome=broken.id, details=details)
            run.tally.failed += 1
            run.io.warn(f"{row.seal.object}: {broken.message}")
            run.say(row, {"outcome": "failed", "reason": broken.message})
        return None

    def _made(self, one: Leaving, photo: bytes, numbering: Numbering) -> Exported | Held:
        from medsnap.export.run import export_photo
        from medsnap.export.site import Site

        settings = self.run.io.settings
        return export_photo(
            one.row,
            photo,
            target=one.target,
            as_=self.run.as_,
            identifiers=self.identifiers[one.object],
            numbers=numbering.peek(one.row),
            now=self.run.io.now,
            site=Site(name=settings.get("site.name"), oid=settings.get("site.oid")),
            policy=one.policy,
            preparing=self.preparer,
        )


def _writer(run: Run) -> MemberWriter:
    """Make the writer of receipts. Raises KeyRefused before anything has left."""
    from medsnap.model.record import RECEIPT
    from medsnap.vault.member_writer import MemberWriter
    from medsnap.vault.rights import VERB_FOR

    session = run.session
    writer = MemberWriter(
        session.vault,
        session.directory,
        session.keys,
        random=run.io.random,
        log=lambda commit, objects: run.log("receipts", objects, commit),
    )
    own = session.directory.writer(session.keys.vkey)
    if own is None or VERB_FOR[RECEIPT] not in own.verbs:
        raise KeyRefused(
            "the vault's directory does not let this key export photos",
            hint="the keeper of the root key gives the verb: medsnap vault member add … --verb receipt",
        )
    return writer


def _identifiers(run: Run, leaving: Sequence[Leaving]) -> dict[ObjectId, Identifiers]:
    """Give identifiers, apart for each target; earlier receipts keep theirs."""
    from medsnap.export.ids import allot
    from medsnap.export.run import KINDS

    groups: dict[str, list[PhotoRow]] = {}
    for one in leaving:
        groups.setdefault(one.target.name, []).append(one.row)
    made: dict[ObjectId, Identifiers] = {}
    for name, rows in groups.items():
        earlier = [r for row in rows for r in run.receipts(row.seal.object)]
        made |= allot(rows, earlier, target=name, kind=KINDS[run.as_], random=run.io.random)
    return made
