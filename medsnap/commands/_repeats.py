"""Each shot leaves once: what repeats a photo that left, or leaves in this turn, stays in the vault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

from medsnap.commands._shared import Io
from medsnap.errors import UsageError
from medsnap.model.decision import Verb
from medsnap.model.repeat import Repeat, Sameness
from medsnap.report.page import Block, Line, Tone
from medsnap.vault.ids import SHORT

if TYPE_CHECKING:
    from medsnap.model.photo import ObjectId
    from medsnap.model.receipt import Receipt
    from medsnap.vault.session import Session

WAITS: Final = (str(Verb.QUARANTINE), str(Verb.SAFEGUARD))  # a person has to look
WORDS: Final = {
    Sameness.BYTES: "the same photo",
    Sameness.SHOT: "the same shot",
    Sameness.MAYBE: "maybe the same shot",
}
_WARNINGS: Final = 20
Goal: TypeAlias = tuple[str, str]  # name of the target, kind of file


class Going(Protocol):
    """A photo that may leave, and where to."""

    @property
    def object(self) -> ObjectId: ...
    @property
    def goal(self) -> Goal: ...


T = TypeVar("T", bound=Going)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once(Generic[T]):
    """Ask the caller's own catalogue what repeats what; `repeats` and `receipts` are its answers.

    `look` judges a doubt again where it counts; None is what it says of two shots.
    """

    repeats: Callable[[ObjectId], Sequence[Repeat]]
    receipts: Callable[[ObjectId], Sequence[Receipt]]
    look: Callable[[T, Repeat], Repeat | None]
    left: set[tuple[ObjectId, Goal]] = field(default_factory=set)  # in this turn

    def turns(self, going: Sequence[T], stays: Callable[[T, Repeat], None]) -> Iterator[list[T]]:
        """Yield lists of photos of which no two are one shot, until each has left or stays.

        What leaves is put into `left` by the caller before the next list is asked for: where a photo
        cannot be sent after all, its copy gets its turn.
        """
        waiting = list(going)
        while waiting:
            now: list[T] = []
            later: list[T] = []
            taken: set[tuple[ObjectId, Goal]] = set()
            for one in waiting:
                repeats = [] if self._sent(one.object, one.goal) else self.repeats(one.object)
                counted = (
                    r for r in repeats if self._sent(r.object, one.goal) or (r.object, one.goal) in taken
                )
                gone = next((r for c in counted if (r := self._judged(one, c)) is not None), None)
                if gone is not None and self._sent(gone.object, one.goal):
                    stays(one, gone)
                elif gone is not None:
                    later.append(one)
                else:
                    taken.add((one.object, one.goal))
                    now.append(one)
            yield now
            waiting = later

    def _judged(self, one: T, repeat: Repeat) -> Repeat | None:
        return repeat if repeat.sameness.sure else self.look(one, repeat)

    def _sent(self, name: ObjectId, goal: Goal) -> bool:
        if (name, goal) in self.left:
            return True
        return any((r.target, r.kind) == goal for r in self.receipts(name))


def parts(turns: Iterator[list[T]], size: int) -> Iterator[list[T]]:
    """Cut turns into parts of so many photos at most."""
    for turn in turns:
        for start in range(0, len(turn), size):
            yield turn[start : start + size]


def reason(repeat: Repeat) -> str:
    """Say why a photo stays that may be the shot of one that left; which one, the record says."""
    return (
        f"may be the same shot as one that left ({', '.join(repeat.because)}):"
        " a person has to look, and sends it with --distinct if it is not"
    )


def only_named(distinct: bool, selector: Sequence[str]) -> None:
    """Refuse --distinct for photos that nobody named: who says that has looked at them. Raises UsageError."""
    if distinct and (not selector or list(selector) == ["all"]):
        raise UsageError("--distinct needs the ids of the photos that you have looked at")


def left_behind(io: Io, session: Session, going: Iterable[ObjectId]) -> None:
    """Warn of photos that stay while the same shot goes: erased or locked away it would still be there."""
    gone = dict.fromkeys(going)
    stay: dict[ObjectId, Repeat] = {}
    for name in gone:
        repeats = session.catalogue.repeats(name, session.roles)
        stay |= {r.object: r for r in repeats if r.object not in gone and r.object not in stay}
    for repeat in list(stay.values())[:_WARNINGS]:
        io.warn(f"{repeat.object[:SHORT]} is {WORDS[repeat.sameness]} as one of these, and stays as it is")
    if len(stay) > _WARNINGS:
        io.warn(f"and {len(stay) - _WARNINGS} more: medsnap vault ls --repeats")


def lines(repeats: Sequence[Repeat]) -> tuple[Block, ...]:
    """Say in sentences what one photo repeats, or is repeated by."""
    return tuple(Line(_line(r), Tone.QUIET if r.sameness.sure else Tone.WARN) for r in repeats)


def _line(repeat: Repeat) -> str:
    what = {
        Sameness.BYTES: "The same photo as",
        Sameness.SHOT: "The same shot as",
        Sameness.MAYBE: "May be the same shot as",
    }[repeat.sameness]
    when = "before" if repeat.earlier else "after"
    return f"{what} {repeat.object[:SHORT]}, sealed {when} it: {', '.join(repeat.because)}."


def task(verb: str, repeats: Sequence[Repeat]) -> tuple[Block, ...]:
    """Say that a photo that waits is no task of its own when an earlier one is the same shot."""
    first = next((r for r in repeats if r.earlier and r.sameness.sure), None)
    if first is None or verb not in WAITS:
        return ()
    return (Line(f"It is no task of its own: look at {first.object[:SHORT]}.", Tone.QUIET),)
