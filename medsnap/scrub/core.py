"""What every rewriter shares: what may stay, and the assembly of a Rewrite step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from medsnap.errors import Unsupported
from medsnap.model.carrier import Carrier, CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Insert, Keep, Rewrite, Step

MAX_STEPS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubKeep:
    """What a scrub may leave in the file beside the picture itself.

    Orientation and profile are needed to render it. Time and device go into the same fresh Exif, in
    JPEG, PNG, WebP and HEIF; elsewhere they are removed, and the report's proof says so.
    """

    orientation: bool = True  # as a freshly written Exif with this one tag
    icc: bool = True  # the colour profile, byte for byte
    icc_text: bool = True  # its free text too; else it is written anew with what rendering needs
    captured_at: Literal["remove", "keep", "day"] = "remove"  # DateTimeOriginal
    device: Literal["remove", "keep"] = "remove"  # Make and Model
    audio: bool = True  # the sound of a clip
    moving_alpha: bool = False  # the transparency of a moving picture, a second track (docs/adr/0009)

    @property
    def from_exif(self) -> bool:
        """Say whether anything of the old Exif is kept beyond the orientation."""
        return self.captured_at != "remove" or self.device != "remove"


@dataclass(slots=True)
class Assembly:
    """Collects the steps and carriers of one Rewrite; adjoining spans of one sort are merged."""

    steps: list[Step] = field(default_factory=list)
    carriers: list[Carrier] = field(default_factory=list)
    rendering: list[tuple[str, str]] = field(default_factory=list)
    looks: int = 64  # payloads still to be read for what they reveal: a file may hold 100,000 of them

    def look(self) -> bool:
        """Say whether one more payload may be read for its report; removal never depends on it."""
        self.looks -= 1
        return self.looks >= 0

    def keep(self, start: int, stop: int, *, coded: bool = False) -> None:
        """Keep source[start:stop]; an empty span is nothing."""
        if start >= stop:
            return
        last = self.steps[-1] if self.steps else None
        if isinstance(last, Keep) and last.stop == start and last.coded == coded:
            self.steps[-1] = Keep(last.start, stop, coded)
            return
        self._add(Keep(start, stop, coded))

    def insert(self, data: bytes) -> None:
        """Write fresh bytes; none is nothing."""
        if not data:
            return
        last = self.steps[-1] if self.steps else None
        if isinstance(last, Insert):
            self.steps[-1] = Insert(last.data + data)
            return
        self._add(Insert(data))

    def carrier(
        self,
        kind: CarrierKind,
        where: str,
        start: int,
        stop: int,
        *,
        action: CarrierAction = CarrierAction.REMOVED,
        reveals: tuple[Reveals, ...] = (),
    ) -> None:
        """Note what was found at source[start:stop], and what becomes of it."""
        self.carriers.append(
            Carrier(kind=kind, where=where, offset=start, size=stop - start, action=action, reveals=reveals)
        )

    def render(self, name: str, value: str) -> None:
        """Note a parameter that rendering depends on; the second reader compares it."""
        self.rendering.append((name, value))

    def finish(self, media: MediaType, *, orientation: int = 1) -> Rewrite:
        """Return the finished Rewrite."""
        return Rewrite(
            media=media,
            steps=tuple(self.steps),
            carriers=tuple(self.carriers),
            orientation=orientation,
            rendering=tuple(self.rendering),
        )

    def _add(self, step: Step) -> None:
        if len(self.steps) >= MAX_STEPS:
            raise Unsupported(
                f"the file falls into more than {MAX_STEPS} pieces",
                hint="such a file is not made by a camera; look at it with a format checker",
            )
        self.steps.append(step)


def tail_kind(data: Buffer, start: int) -> tuple[CarrierKind, Reveals]:
    """Say what the bytes after the end of a picture are: a clip, another picture, or anything."""
    tail = bytes(memoryview(data)[start:])
    if b"ftyp" in tail or b"MotionPhoto_Data" in tail:
        return CarrierKind.MOTION_VIDEO, Reveals.VIDEO
    if b"\xff\xd8\xff" in tail or b"IDAT" in tail:
        return CarrierKind.SECONDARY_IMAGE, Reveals.IMAGE
    if not tail.strip(b"\x00"):
        return CarrierKind.PADDING, Reveals.OTHER
    return CarrierKind.TRAILER, Reveals.OTHER
