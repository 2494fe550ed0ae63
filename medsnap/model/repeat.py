"""Whether two photos of a vault are one shot, and what is known of each to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medsnap.model.photo import ObjectId


class Sameness(StrEnum):
    """What two photos are to each other, the surest first."""

    BYTES = "same-bytes"  # the same file, or the same once its metadata was gone
    SHOT = "same-shot"  # other bytes of one moment of one camera, and the pictures agree
    MAYBE = "may-be-same-shot"  # something says so, not enough: a person has to look
    DIFFERENT = "different"  # nothing says that they are one

    @property
    def sure(self) -> bool:
        """Say whether it is one shot without anybody having to look."""
        return self in (Sameness.BYTES, Sameness.SHOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What a photo's row says of its moment and its picture; "" and None: not known."""

    source: str  # SHA-256 of the file as it came
    plaintext: str  # SHA-256 of what is sealed
    pixels: str = ""  # SHA-256 of the decoded picture
    likeness: str = ""  # see medsnap.model.likeness
    tiny: bool = False  # so few pixels that two shots may be equal by chance
    camera: str = ""  # make and model
    moment: str = ""  # local time to the second, by the camera
    subsecond: str = ""  # digits after it
    offset: str = ""  # "+01:00"
    patient: tuple[str, str] | None = None  # issuer and number, where a list says whose it is


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two photos are to each other, and why, in words."""

    sameness: Sameness
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Another photo of the caller's that is, or may be, the same shot."""

    object: ObjectId
    sameness: Sameness
    because: tuple[str, ...]
    earlier: bool  # it was committed before the one that was asked for
    verb: str  # of the decision that holds for it now
