"""Where a photo's camera data contradict the device that it is claimed to be from (policy M18, D3).

EXIF can contradict a claim, never prove it: anybody can write EXIF. So nothing here ever adds trust.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from medsnap.model.photo import CaptureFacts

if TYPE_CHECKING:
    from medsnap.intake.devices import Device

_VERSION = re.compile(r"\d{1,3}(\.\d{1,3}){0,3}")
_APPLE_CODE = re.compile(r"(iphone|ipad|ipod)\d+,\d+")
SLACK = timedelta(days=1)  # clocks and time zones


def contradictions(device: Device, facts: CaptureFacts, today: date) -> Iterator[str]:
    """Go through what the file says against its being from this device, in words without names."""
    yield from _make_and_model(device, facts)
    yield from _enrolled(device, facts, today)
    yield from clock(facts, today)


def clock(facts: CaptureFacts, today: date) -> Iterator[str]:
    """Say so when the camera's clock is ahead; it needs no device for that."""
    taken = _day(facts)
    if taken and taken > today + SLACK:
        yield "the camera's clock says a day in the future"


def _enrolled(device: Device, facts: CaptureFacts, today: date) -> Iterator[str]:
    """A photo from before or after the time in which the device was enrolled is from no enrolled device."""
    taken = _day(facts)
    day, what = (taken, "the photo was taken on") if taken else (today, "today is")
    if device.enrolled_from and day < device.enrolled_from:
        yield f"enrolled from {device.enrolled_from} on, {what} {day}"
    if device.enrolled_until and day > device.enrolled_until:
        yield f"enrolled until {device.enrolled_until}, {what} {day}"


def _make_and_model(device: Device, facts: CaptureFacts) -> Iterator[str]:
    if facts.make and device.make and not _same_make(facts.make, device.make):
        yield f"camera says make {facts.make[:40]}, inventory says {device.make[:40]}"
    elif facts.model and device.model and not _same_model(facts.model, device.model):
        yield f"camera says model {facts.model[:40]}, inventory says {device.model[:40]}"
    if facts.make and device.os:
        apple = facts.make.casefold() == "apple"
        if apple != (device.os == "ios") and device.os in ("ios", "android"):
            yield f"camera says make {facts.make[:40]}, inventory says {device.os}"
    if device.os == "ios" and facts.make and facts.make.casefold() == "apple":
        yield from _newer(device, facts)


def _newer(device: Device, facts: CaptureFacts) -> Iterator[str]:
    """iOS writes its version as Software. An old photo may name an older one; a newer one than the
    inventory saw after the photo was taken is impossible."""
    written, known = _version(facts.software), _version(device.os_version)
    taken = _day(facts)
    if written is None or known is None or written <= known:
        return
    if taken is None or device.last_seen is None or taken <= device.last_seen:
        yield f"camera says iOS {facts.software}, inventory says {device.os_version} on a later day"


def _day(facts: CaptureFacts) -> date | None:
    try:
        return date.fromisoformat(facts.captured_at[:10]) if facts.captured_at else None
    except ValueError:
        return None


def _version(text: str | None) -> tuple[int, ...] | None:
    if not text or not _VERSION.fullmatch(text.strip()):
        return None  # Android writes a build name there, which says nothing of the version
    numbers = [int(n) for n in text.strip().split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9,]+", " ", text.casefold()).split())


def _same_make(camera: str, inventory: str) -> bool:
    a, b = _plain(camera), _plain(inventory)
    return a in b or b in a or a.split()[0] == b.split()[0] if a and b else True


def _same_model(camera: str, inventory: str) -> bool:
    """Compare with each of the models of the cell ("SM-S911B|Galaxy S23") that can be compared."""
    verdicts = [_verdict(_plain(camera), _plain(one)) for one in re.split(r"[|/]", inventory)]
    known = [verdict for verdict in verdicts if verdict is not None]
    return any(known) or not known


def _verdict(a: str, b: str) -> bool | None:
    """Names compare with names and codes with codes; 'sm s911b' says nothing of 'galaxy a54': None."""
    codes = [bool(_APPLE_CODE.fullmatch(model)) for model in (a, b)]
    if any(codes):  # 'ipad13,4' and 'ipad pro' are of one family, which is all that can be said
        return a == b if all(codes) else (None if a[:4] == b[:4] else False)
    return None if _is_code(a) != _is_code(b) else a in b or b in a


def _is_code(model: str) -> bool:
    """'sm s911b' and 'kb2003' are codes; 'galaxy s23' and 'pixel 8' are names."""
    return bool(re.fullmatch(r"(sm|rmx|cph|xt|gt|m|v)? ?[a-z]{0,3}\d{3,}[a-z0-9]*", model))
