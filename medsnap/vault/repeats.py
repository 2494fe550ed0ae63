"""Judge whether two photos are one shot. Pure; what is not known never makes two photos one.

Only what the camera wrote tells two shots of one wound apart: pictures of a burst are as alike as two
copies of one. So the picture alone never proves anything; it confirms the clock, or raises a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from medsnap.model.likeness import distance
from medsnap.model.repeat import Comparison, Sameness, Shot

# Bits of 255 in which two fingerprints differ. Measured: the same picture as HEIC, as messenger copy,
# turned, brighter: 95 of 100 within 26; other pictures: above 50, most about 116 (docs/adr/0011).
LIKE: Final = 32
CLOSE: Final = 12  # alone it says something only this near
SMALLEST: Final = 64  # pixels, short side
_FINE: Final = re.compile(r"\d{2,9}")  # tenths of a second do not tell a burst apart
_DIGITS: Final = 32  # of a digest: 128 bits are enough to know a photo again
_NOTHING: Final[Mapping[str, Any]] = {}
Facts: TypeAlias = list[Any]  # of one photo, in the order of `facts_of`
_DIFFERENT: Final = Comparison(Sameness.DIFFERENT)


def compare(one: Shot, other: Shot) -> Comparison:
    """Say what two photos are to each other. Symmetric; the reasons are in words for people.

    Where lists name different patients, a doubt is no doubt any more: a ward has many tablets of one
    model. But what is surely one shot is said to be of two patients: a person has to look.
    """
    found = _compared(one, other)
    if not (one.patient and other.patient) or one.patient == other.patient:
        return found
    if found.sameness.sure:
        return Comparison(Sameness.MAYBE, (*found.because, "the lists name different patients"))
    return _DIFFERENT


def _compared(one: Shot, other: Shot) -> Comparison:
    if one.source and one.source == other.source:
        return Comparison(Sameness.BYTES, ("the same file came twice",))
    if _apart(one, other):
        return _DIFFERENT
    if one.tiny or other.tiny:
        return _DIFFERENT  # an icon, a blank: equal by chance, and no camera makes them
    if one.plaintext and one.plaintext == other.plaintext:
        return Comparison(Sameness.BYTES, ("the files differ only in what was removed from them",))
    if one.pixels and one.pixels == other.pixels:
        return Comparison(Sameness.SHOT, ("every pixel is the same",))
    return _by_moment(one, other) if _one_second(one, other) else _by_picture(one, other)


def _by_moment(one: Shot, other: Shot) -> Comparison:
    """Judge two photos that one kind of camera took within one second."""
    bits = distance(one.likeness, other.likeness)
    exact = _one_instant(one, other)
    when = "the same camera model and " + ("instant" if exact else "second")
    if bits is None:
        return Comparison(Sameness.MAYBE, (when, "the pictures were not compared"))
    if bits <= LIKE:
        words = (when, "the pictures agree")
        return Comparison(Sameness.SHOT if exact else Sameness.MAYBE, words)
    return Comparison(Sameness.MAYBE, (when, "the pictures differ")) if exact else _DIFFERENT


def _by_picture(one: Shot, other: Shot) -> Comparison:
    """Judge two photos of which at least one does not say when, or by what, it was taken."""
    bits = distance(one.likeness, other.likeness)
    if bits is None or bits > CLOSE:
        return _DIFFERENT
    return Comparison(Sameness.MAYBE, ("the pictures agree", "nothing else tells"))


def _apart(one: Shot, other: Shot) -> bool:
    """Say whether the cameras themselves tell the shots apart."""
    if not (one.moment and other.moment):
        return False
    if one.moment != other.moment or _differ(one.offset, other.offset) or _differ(one.camera, other.camera):
        return True
    a, b = _fine(one), _fine(other)
    return bool(a and b) and not _agree(a, b)


def _differ(a: str, b: str) -> bool:
    return bool(a and b) and a != b


def _one_second(one: Shot, other: Shot) -> bool:
    return bool(one.moment and one.camera) and (one.moment, one.camera) == (other.moment, other.camera)


def _one_instant(one: Shot, other: Shot) -> bool:
    a, b = _fine(one), _fine(other)
    return bool(a and b) and _agree(a, b)


def _fine(shot: Shot) -> str:
    """Return the fraction of the second; "" where it is none, or the zeros of a clock without one."""
    digits = shot.subsecond
    return digits if _FINE.fullmatch(digits) and digits.strip("0") else ""


def _agree(a: str, b: str) -> bool:
    """Compare fractions of a second as far as both go: editors cut digits off."""
    length = min(len(a), len(b))
    return a[:length] == b[:length]


def keys(facts: Facts) -> Iterator[tuple[str, str]]:
    """Name what two photos have in common when they are to be compared: (kind, value), two of a photo."""
    source, plaintext, make, model, moment = facts[0], facts[1], facts[6], facts[7], facts[8]
    if isinstance(moment, str) and moment:
        yield "moment", f"{make}\n{model}\n{moment}"
    else:
        yield "source", f"{source}"
    yield "plaintext", f"{plaintext}"


def facts_of(event: Mapping[str, Any]) -> Facts:
    """Take from a photo.add event what its shot is known by, unread: a million are taken in at once."""
    capture, seal = event.get("capture") or _NOTHING, event["seal"]
    match = event["match"]
    patient = match.get("patient") or _NOTHING
    return [
        event["source_sha256"][:_DIGITS],
        _text(seal.get("plaintext"))[:_DIGITS],
        event.get("pixels"),
        event.get("likeness"),
        event.get("width"),
        event.get("height"),
        capture.get("make"),
        capture.get("model"),
        capture.get("captured_at"),
        capture.get("subsecond"),
        capture.get("offset"),
        patient.get("issuer"),
        patient.get("mrn"),
    ]


def shot_of(facts: Facts) -> Shot:
    """Read what `facts_of` took; what does not fit counts as not known."""
    source, plaintext, pixels, likeness, width, height, make, model, moment, *rest = facts
    subsecond, offset, issuer, number = rest
    sizes = [side for side in (width, height) if isinstance(side, int)]
    camera = (_text(make), _text(model))
    return Shot(
        source=_text(source),
        plaintext=_text(plaintext),
        pixels=_text(pixels),
        likeness=_text(likeness),
        tiny=bool(sizes) and min(sizes) < SMALLEST,
        camera="\n".join(camera) if any(camera) else "",
        moment=_text(moment),
        subsecond=_text(subsecond),
        offset=_text(offset),
        patient=(_text(issuer), _text(number)) if number else None,
    )


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""
