"""Which of two values is the stricter, and what is one step milder (policy.md M10, 3.10).

One table serves two ends: a department may not be milder than its parent (E201), and `policy test
--weaken` lowers one line by one step. A path that no row names may not be changed at all: a new key
of the language is strict until somebody says which way it leans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, TypeAlias

from medsnap.model.decision import Verb
from medsnap.policy.kinds import Duration
from medsnap.policy.walk import Item

Path: TypeAlias = tuple[str, ...]


class Unsaid(Enum):
    """What it means that the parent does not say a value."""

    STRICT = "saying anything is milder"
    MILD = "saying anything is stricter"


@dataclass(frozen=True, slots=True)
class Scale:
    """`milder(before, after)` compares; `down(value)` lists the values one step milder."""

    milder: Callable[[object, object], bool]
    down: Callable[[object], tuple[object, ...]] = lambda _: ()
    unsaid: object = Unsaid.STRICT


def _changed(before: object, after: object) -> bool:
    return before != after


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, tuple) else (value,)
    return tuple(str(item.value) if isinstance(item, Item) else str(item) for item in items)


def _as_texts(before: object, after: object) -> bool:
    return _texts(before) != _texts(after)


FREE: Final = Scale(lambda _before, _after: False, unsaid=Unsaid.MILD)
FIXED: Final = Scale(_as_texts)


def words(*mildest_first: str, unsaid: object = Unsaid.STRICT) -> Scale:
    """Make the scale of words in one order."""
    place = {word: at for at, word in enumerate(mildest_first)}

    def down(value: object) -> tuple[object, ...]:
        at = place.get(str(value), 0)
        return (mildest_first[at - 1],) if at else ()

    return Scale(lambda b, a: place.get(str(a), -1) < place.get(str(b), -1), down, unsaid)


def _grown(before: object, after: object) -> bool:
    return not set(_texts(after)) <= set(_texts(before))


def _shrunk(before: object, after: object) -> bool:
    return not set(_texts(before)) <= set(_texts(after))


def _without_one(value: object) -> tuple[object, ...]:
    items = value if isinstance(value, tuple) else ()
    return tuple(items[:at] + items[at + 1 :] for at in range(len(items)))


MAY_SHRINK: Final = Scale(_grown)
MAY_GROW: Final = Scale(_shrunk, _without_one, Unsaid.MILD)


def _length(value: object) -> timedelta:
    """Return a duration's length; one without end is the longest there is."""
    length = value.length if isinstance(value, Duration) else None
    return timedelta.max if length is None else length


def _doubled(value: object) -> tuple[object, ...]:
    days = _length(value) // timedelta(days=1)
    return (Duration(words=f"{2 * days} days", length=timedelta(days=2 * days)),) if 0 < days < 10**6 else ()


SHORTER: Final = Scale(lambda b, a: _length(a) > _length(b), _doubled, Unsaid.MILD)
LONGER: Final = Scale(lambda b, a: _length(a) < _length(b), unsaid=Unsaid.MILD)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _one_less(value: object) -> tuple[object, ...]:
    return (value - 1,) if isinstance(value, int) and value > 1 else ()


HIGHER: Final = Scale(lambda b, a: _number(a) < _number(b), _one_less, Unsaid.MILD)
COUNT: Final = Scale(HIGHER.milder, _one_less, unsaid=1)


def _raised(value: object) -> tuple[object, ...]:
    return (round(_number(value) + 0.1, 4),) if _number(value) < 0.9 else ()


LOWER: Final = Scale(lambda b, a: _number(a) > _number(b), _raised)


def _lowered(value: object) -> tuple[object, ...]:
    return (round(_number(value) - 0.1, 4),) if _number(value) > 0.1 else ()


# Both ways something opens: below it a photo waits, above it a denial needs all reviewers.
CERTAIN: Final = Scale(_changed, _lowered)


def _release(value: object) -> tuple[int, ...]:
    return tuple(part for part in value if isinstance(part, int)) if isinstance(value, tuple) else ()


def _older(value: object) -> tuple[object, ...]:
    first, *_ = _release(value) or (0,)
    return ((first - 1,),) if first > 1 else ()


RELEASE: Final = Scale(lambda b, a: _release(a) < _release(b), _older)
UNLOOKED: Final = words("send", "wait", unsaid="wait")  # as it is for a record: see unlooked_unsaid
_SEND: Final = words("send", "quarantine", unsaid="quarantine")
_SCRUB: Final = words("keep", "catalogue", "remove", unsaid="remove")

# A "*" stands for one free name. The first row that fits counts.
_ROWS: Final[tuple[tuple[str, Scale], ...]] = (
    ("title", FREE),
    ("policy", FREE),
    ("version", FREE),
    ("medsnap", FREE),
    ("extends", FREE),
    ("department", FREE),
    ("in_force.grace", SHORTER),
    ("in_force.*", FREE),
    ("vocabulary.required", MAY_GROW),
    ("vocabulary.view", FREE),
    ("vocabulary.reason", FREE),
    ("vocabulary.when_missing.*", _SEND),
    ("vocabulary.body_site.codes", FREE),
    ("vocabulary.body_site.also_called.*", Scale(_changed, unsaid=Unsaid.MILD)),
    ("devices.inventory_max_age", SHORTER),
    ("devices.state", words("any", "in_use")),
    ("devices.cloud_photos", words("any", "not_on", "off")),
    ("devices.personal_account", words("any", "not_present", "none")),
    ("devices.operator", words("any", "if_shared", "unless_own")),
    ("devices.managed.os_at_least.*", RELEASE),
    ("devices.managed.seen_within", SHORTER),
    ("software.not_older_than", SHORTER),
    ("software.at_least", Scale(RELEASE.milder, RELEASE.down, Unsaid.MILD)),
    ("manifest.may_clear", MAY_SHRINK),
    ("scrub.*", _SCRUB),
    ("detection.certain_at", CERTAIN),
    ("detection.suspect_at", LOWER),
    ("detection.person_looks", words("when_unsure", "before_opening", "every_photo")),
    ("detection.cannot_appear_in.*", MAY_SHRINK),
    ("detection.may_clear.*", MAY_SHRINK),
    ("review.within", SHORTER),
    ("consent.*.need", words("implied", "verbal", "written")),
    ("consent.*.show", words("original", "redacted", unsaid="redacted")),
    ("consent.*.reviewers", COUNT),
    ("break_glass.open_to", MAY_SHRINK),
    ("break_glass.lasts", Scale(SHORTER.milder)),
    ("break_glass.tell", MAY_GROW),
    ("break_glass.never", MAY_GROW),
    ("retention.keep", LONGER),
    ("retention.minors_until_age", HIGHER),
    ("retention.off_the_device_within", SHORTER),
    ("exports.*.as", MAY_SHRINK),
    ("exports.*.may_carry", MAY_SHRINK),
    ("exports.*.dates", words("keep", "shift", unsaid="keep")),
    ("exports.*.patient_portal", words("release", "hold", unsaid="hold")),
    ("exports.*.unlooked", UNLOOKED),
    ("exports.*.heic_as", FREE),
)
_TABLE: Final = tuple((tuple(pattern.split(".")), scale) for pattern, scale in _ROWS)


def unlooked_unsaid(forms: tuple[str, ...]) -> str:
    """Say what becomes of photos that nobody has looked at where a target does not say it (M6).

    A record labels what it takes and knows who treats; an archive or a folder shows all to whoever opens it.
    """
    return "send" if "fhir-r4" in forms else "wait"


def scale(path: Path) -> Scale:
    """Return the scale of a value; where no row names it, any change counts as milder."""
    for pattern, found in _TABLE:
        if len(pattern) == len(path) and all(p in ("*", k) for p, k in zip(pattern, path, strict=True)):
            return found
    return FIXED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a rule does to a photo: verb, place of its compartment, reviewers."""

    verb: Verb
    rank: int
    reviewers: int


def reach(item: Item, ranks: Mapping[str, int]) -> Reach:
    """Return what a rule record does; without a verb it waits (M8)."""
    do, to, people = item.get("do"), item.get("to"), item.get("reviewers")
    return Reach(
        verb=do.value if do is not None and isinstance(do.value, Verb) else Verb.QUARANTINE,
        rank=ranks.get(str(to.value), -1) if to is not None else -1,
        reviewers=people.value if people is not None and isinstance(people.value, int) else 1,
    )
