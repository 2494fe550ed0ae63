"""What commands of officers share: the right, the lock, what was cut off, and which photos are meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medsnap.commands._shared import Io
from medsnap.commands._vault import log_of, member, record
from medsnap.errors import KeyRefused, Locked, NotFound, Tampered, UsageError
from medsnap.model.event import Action
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.photo import ObjectId
    from medsnap.model.record import PhotoRow
    from medsnap.vault.directory import WriterVerb
    from medsnap.vault.erasure import Officer
    from medsnap.vault.erasures import SignedErasure
    from medsnap.vault.session import Session

_MOST = 200  # characters of a reason
_ACTIONS: Final = {"expire": Action.EXPIRE, "erase": Action.ERASE, "move": Action.MOVE}  # by a note's verb

ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept sealed. No names of patients.")
]
PatientOption = Annotated[
    str | None, typer.Option("--patient", metavar="MRN", help="All photos of this patient's number.")
]
IssuerOption = Annotated[
    str, typer.Option("--issuer", metavar="OID|URI", help="Who gave the patient's number.")
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Photos, as vault ls names them.")]


def need(session: Session, verb: WriterVerb) -> None:
    """Refuse a key without the right, before anything is looked up. Raises KeyRefused."""
    writer = session.directory.writer(session.keys.vkey)
    if writer is None or verb not in writer.verbs:
        raise KeyRefused(
            f"the vault's directory does not let this key '{verb}'",
            hint=f"the keeper of the root key gives the verb: medsnap vault member change NAME --verb {verb}",
        )


def reason(text: str, *numbers: str | None) -> str:
    """Check why something is done. Raises UsageError for none, a long one, one with the patient's number."""
    said = " ".join(text.split())
    if not said or len(said) > _MOST or not said.isprintable():
        raise UsageError(f"--reason needs a text of at most {_MOST} characters")
    if any(number and number in said for number in numbers):
        raise UsageError(
            "the patient's number must not stand in the reason", hint="the log names photos by id"
        )
    return said


@contextmanager
def removing(io: Io, vault: Path | None, key_file: Path | None, verb: WriterVerb) -> Iterator[Session]:
    """Open a session in which photos may be removed: nobody else at work, what was cut off finished.

    A dry run takes no lock and finishes nothing. Raises KeyRefused, Locked, Tampered when a part of the
    catalogue cannot be read: a hold may stand in it.
    """
    from medsnap.vault import directory, erasure

    place = io.need(vault, "vault", "--vault")
    directory.load(place)
    with ExitStack() as held:
        if not io.dry_run:
            with member(io, place, key_file) as session:
                need(session, verb)
            held.enter_context(erasure.alone(place))
            if erasure.unfinished(place):
                with member(io, place, key_file) as session:
                    need(session, verb)
                    late = officer(io, session, verb, (("step", "finished later"),))
                    for done in erasure.finish(place, session.directory, late):
                        what = "a move" if done.erasure.added else "an erasure"
                        io.warn(f"{what} that was cut off is finished now: {done.erasure.erasure}")
        session = held.enter_context(member(io, place, key_file))
        need(session, verb)
        if session.reader.incomplete:
            raise Tampered(
                "a part of the catalogue cannot be read, and a legal hold may stand in it",
                hint="medsnap vault check names it; put it back from a copy of the vault",
            )
        yield session


def officer(io: Io, session: Session, verb: WriterVerb, details: tuple[tuple[str, str], ...]) -> Officer:
    """Make the officer of a session: what he removes or moves goes into the log with these details."""
    from medsnap.audit import store
    from medsnap.crypto.note import Signer
    from medsnap.vault.erasure import Officer

    def log(note: SignedErasure) -> None:
        said = note.erasure  # cut off before, it may be another's note, by another verb
        named = (*(o.object for o in said.objects), *(a.object for a in said.added))
        record(io, session, _ACTIONS[said.verb], objects=named, details=details, commit=note.sha256)

    return Officer(
        signer=Signer.parse_private(session.keys.signer),
        verb=verb,
        random=io.random,
        log=log,
        logged=lambda: tuple(store.commits(log_of(session.vault, session.directory))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What was typed: photos by their ids, or all of a patient."""

    ids: tuple[str, ...]
    patient: str | None
    issuer: str

    def check(self) -> None:
        """Raise UsageError unless it is one of both."""
        if bool(self.ids) == (self.patient is not None):
            raise UsageError("name photos by their ids, or --patient", hint="medsnap vault ls shows the ids")


def chosen(session: Session, meant: Meant) -> list[PhotoRow]:
    """Return the photos that are meant, of those that exist for this member. Raises NotFound, UsageError."""
    from medsnap.match import consents

    meant.check()
    if meant.patient is None:
        found = [session.catalogue.photo(one, session.roles) for one in meant.ids]
        return list({row.seal.object: row for row in found}.values())
    by = consents.issuer(meant.issuer) if meant.issuer else None
    wanted = replace(session.known, mrn=consents.number(meant.patient), issuer=by)
    return session.catalogue.photos(wanted)


def still_there(session: Session, objects: Iterable[str]) -> None:
    """Refuse to write of what went while we looked: it would lie on a name that nothing has. Raises Locked.

    Under `turns.turn`: nothing goes before it is written.
    """
    from medsnap.vault import erasures

    gone = erasures.read(session.vault, session.directory).gone  # by whom has the right now
    if gone.intersection(objects):
        raise Locked("a photo was moved or erased meanwhile", hint="look where it is now, and run it again")


def parts(row: PhotoRow) -> tuple[ObjectId, ...]:
    """Return the objects of a photo: its own and its clips'."""
    clips = (c.seal.object for c in row.companions if c.seal is not None)
    return (row.seal.object, *clips)


def rest(session: Session, meant: Meant, before: Collection[str]) -> list[PhotoRow]:
    """Return the photos that are meant but those of `before`. Raises NotFound, UsageError."""
    left = replace(meant, ids=tuple(i for i in meant.ids if i not in before))
    rows = chosen(session, left) if left.ids or left.patient is not None else []
    if left.patient is not None and not rows:
        raise NotFound("no photo of this patient", hint="medsnap vault ls --mrn shows those that you may see")
    return rows


def own_notes(session: Session) -> list[SignedErasure]:
    """Return what this key has signed of erasures and moves."""
    return [n for n in session.reader.ledger.notes if n.writer.vkey == session.keys.vkey]


def erased_by_me(session: Session, ids: Sequence[str]) -> tuple[str, ...]:
    """Return which of these full ids this key has erased before: running it again is no error."""
    notes = [n for n in own_notes(session) if not n.erasure.added]
    mine = {o.object for n in notes for o in n.erasure.objects}
    return tuple(one for one in ids if one in mine)


def headline(went: int, state: str, *, refused: bool) -> Line:
    """Say first how many photos went."""
    return Line(f"{went} photo{'' if went == 1 else 's'} {state}.", Tone.WARN if refused else Tone.GOOD)


def left_before(sent: Sequence[tuple[str, str]], ask: str) -> list[Block]:
    """Show which photos went where before, and what to ask there; nothing when none did."""
    if not sent:
        return []
    rows = tuple((one[:8], target) for one, target in sent)
    table = Table(title="Left before", columns=("photo", "to"), rows=rows, wide="to")
    return [table, Line(ask, Tone.WARN)]


__all__ = ["Meant", "chosen", "erased_by_me", "headline", "left_before", "need", "officer", "own_notes",
           "parts", "reason", "removing", "rest", "still_there"]  # fmt: skip
