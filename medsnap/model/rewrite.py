"""The central contract: a new file as an ordered list of kept spans and inserted bytes.

A rewriter only plans; `medsnap.scrub.apply` streams. Kept spans are most of the proof that no
pixel changed: they are the same bytes by construction. Redaction and DICOM use the same type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from medsnap.model.carrier import Carrier
from medsnap.model.photo import MediaType

Buffer: TypeAlias = bytes | bytearray | memoryview  # an mmap is wrapped in a memoryview


@dataclass(frozen=True, slots=True)
class Keep:
    """Copy source[start:stop] unchanged. `coded` marks coded image data (proof of the pixels)."""

    start: int
    stop: int
    coded: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError("Keep needs 0 <= start < stop")


@dataclass(frozen=True, slots=True)
class Insert:
    """Write these bytes, made freshly by the rewriter."""

    data: bytes

    def __post_init__(self) -> None:
        if not self.data:
            raise ValueError("Insert needs bytes")


Step: TypeAlias = Keep | Insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """How to write the new file, what was found, and what rendering depends on.

    `rendering` names each parameter that must be equal before and after (orientation, the ICC
    digest, the frame size …) as text, so that a report can show them.
    """

    media: MediaType
    steps: tuple[Step, ...]
    carriers: tuple[Carrier, ...]
    orientation: int = 1  # EXIF 1-8; 1 where the container rotates by itself (irot, imir)
    rendering: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Length of the new file in bytes."""
        return sum(s.stop - s.start if isinstance(s, Keep) else len(s.data) for s in self.steps)

    def chunks(self, source: Buffer) -> Iterator[Buffer]:
        """Yield the new file piece by piece; kept spans are views, nothing is copied."""
        view = memoryview(source)
        for step in self.steps:
            if isinstance(step, Insert):
                yield step.data
            elif step.stop > len(view):
                raise ValueError("Keep reaches past the end of the source")
            else:
                yield view[step.start : step.stop]
