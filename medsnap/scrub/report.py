"""What a scrub found, did and proved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medsnap.model.carrier import Carrier, CarrierAction, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubReport:
    """The record of one scrub; it holds no value of any tag."""

    media: MediaType
    sha256_in: str
    sha256_out: str
    size_in: int  # bytes
    size_out: int
    carriers: tuple[Carrier, ...]
    orientation: int  # EXIF 1-8
    rendering: tuple[tuple[str, str], ...]
    pixels_equal: bool | None  # None: not decoded; the coded bytes are the same
    proof: str  # in words

    @property
    def removed(self) -> tuple[Carrier, ...]:
        """Return the carriers that are gone or were written anew."""
        return tuple(c for c in self.carriers if c.action is not CarrierAction.KEPT)

    @property
    def kept(self) -> tuple[Carrier, ...]:
        """Return the carriers that stayed."""
        return tuple(c for c in self.carriers if c.action is CarrierAction.KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """A proven scrub: how to write the new file, and the report."""

    rewrite: Rewrite
    report: ScrubReport

    def data(self, source: Buffer) -> bytes:
        """Build the new file from the same source bytes."""
        return b"".join(self.rewrite.chunks(source))


def revealed(carriers: Iterable[Carrier]) -> tuple[Reveals, ...]:
    """Return what removed carriers gave away, each once, in the order of Reveals."""
    said = {what for c in carriers if c.action is not CarrierAction.KEPT for what in c.reveals}
    return tuple(what for what in Reveals if what in said and what is not Reveals.RENDERING)
