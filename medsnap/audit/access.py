"""What the log tells of access: who saw, who could and when, who sent. Pure; it reads opened events."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from medsnap.model.event import Action, AuditEvent
from medsnap.model.standing import Can, read

# Actions after which somebody may have looked at a photo, or was kept from it.
SIGHT = frozenset(
    {
        Action.OPEN,
        Action.OPEN_REFUSED,
        Action.SHOW,
        Action.BREAK_GLASS,
        Action.CHECK,
        Action.RECOVERY,
        Action.PROVE,
    }
)
# Actions that may have opened all that the key opens, where they name no photo.
EVERYTHING = frozenset({Action.CHECK})
CHANGES = frozenset({Action.INIT, Action.DIRECTORY})
SUCCESS = "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An entry of the log whose event an auditor's key opens."""

    index: int
    event: AuditEvent

    @property
    def day(self) -> str:
        """The day that the event names, UTC."""
        return self.event.at[:10]

    @property
    def who(self) -> str:
        """Who acted; a key's name begins with the vault's id, which says nothing here."""
        return self.event.actor.rpartition("/")[2]

    def detail(self, key: str) -> str:
        """Return a detail, "" when it has none."""
        return next((value for name, value in self.event.details if name == key), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days from `first` to `last`, both included; "" is open."""

    first: str = ""
    last: str = ""

    def holds(self, day: str) -> bool:
        """Say whether a day lies in it."""
        return self.first <= day and (not self.last or day <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Somebody opened a photo or was refused; a check without an `object` all that his key opens."""

    index: int
    at: str
    who: str
    action: Action
    outcome: str
    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What a member could open from one time to another ("" is still so)."""

    can: Can
    since: str
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Photos that somebody began to send out, in a form."""

    index: int
    at: str
    who: str
    form: str
    objects: tuple[str, ...]


def sights(
    entries: Iterable[Opened], span: Span, *, who: str = "", objects: Container[str] | None = None
) -> Iterator[Sight]:
    """List who saw what in a span, in the log's order; of one person, of some photos."""
    for entry in entries:
        event = entry.event
        if event.action not in SIGHT or not span.holds(entry.day) or who not in ("", entry.who):
            continue
        if entry.detail("late"):  # a commit that was entered late: nobody looked at anything
            continue
        for name in event.objects or ("",):
            if objects is None or name in objects or (not name and event.action in EVERYTHING):
                yield Sight(
                    index=entry.index,
                    at=event.at,
                    who=entry.who,
                    action=event.action,
                    outcome=event.outcome,
                    object=name,
                )


def sendings(entries: Iterable[Opened], span: Span, *, who: str = "") -> Iterator[Sending]:
    """List what was begun to be sent out: an event says so before the first file is written."""
    for entry in entries:
        event = entry.event
        begun = event.action is Action.EXPORT and event.outcome == SUCCESS and entry.detail("step") == "begin"
        if begun and span.holds(entry.day) and who in ("", entry.who):
            form = entry.detail("as")
            yield Sending(index=entry.index, at=event.at, who=entry.who, form=form, objects=event.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of the directory as the log announced it before it came into force."""

    number: int
    at: str
    members: tuple[Can, ...]


def versions(entries: Iterable[Opened], newest: int) -> tuple[Version, ...]:
    """List the versions that came into force, oldest first.

    What was announced and then cut off has the number of what came into force in its place later,
    or a higher one than the `newest` that stands in the vault.
    """
    found: dict[int, Version] = {}
    for entry in entries:
        number, members = entry.detail("version"), read(entry.event.details)
        if entry.event.action not in CHANGES or entry.event.outcome != SUCCESS or not members:
            continue
        if number.isascii() and number.isdigit() and int(number[:9]) <= newest:
            found[int(number)] = Version(number=int(number), at=entry.event.at, members=members)
    return tuple(found[number] for number in sorted(found))


def missing(known: Sequence[Version], newest: int) -> tuple[int, ...]:
    """Name versions of the directory of which the log does not say who could open what."""
    told = {version.number for version in known}
    return tuple(number for number in range(1, min(newest, 1_000_000) + 1) if number not in told)


def rights(known: Sequence[Version], span: Span, *, who: str = "") -> tuple[Right, ...]:
    """List who could open what at some time of a span; equal rights of following versions are one."""
    open_: dict[str, Right] = {}
    ended: list[Right] = []
    for version in known:
        now = {can.name: can for can in version.members}
        for name, right in list(open_.items()):
            if now.get(name) != right.can:
                ended.append(dataclasses.replace(right, until=version.at))
                del open_[name]
        for name, can in now.items():
            open_.setdefault(name, Right(can=can, since=version.at))
    found = [r for r in (*ended, *open_.values()) if who in ("", r.can.name) and _overlaps(r, span)]
    return tuple(sorted(found, key=lambda r: (r.can.name, r.since)))


def _overlaps(right: Right, span: Span) -> bool:
    began = not span.last or right.since[:10] <= span.last
    return began and (not right.until or span.first <= right.until[:10])
