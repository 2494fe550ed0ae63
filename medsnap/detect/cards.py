"""Detector cards: what each detector is for, what was measured, and what it does not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from medsnap.detect.pins import CENTERFACE, TEXT_DETECTION, TEXT_DIRECTION, TEXT_RECOGNITION, ModelFile
from medsnap.model.finding import Detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One detector: identity, features, models, settings, evidence, limits."""

    name: str
    version: str  # of the model's package, then the revision of medsnap's settings for it
    feature: str
    models: tuple[ModelFile, ...]
    settings: str
    measured: tuple[str, ...]
    blind_spots: tuple[str, ...]
    may_clear: bool  # whether baseline 1 lets its silence count as 'not seen'

    @property
    def digest(self) -> str:
        """Digest of the model that finds; "" where no model is used."""
        return self.models[0].sha256 if self.models else ""

    @property
    def identity(self) -> Detector:
        """The name under which findings and readings are filed."""
        return Detector(name=self.name, version=self.version, model=self.digest)


FACE: Final = Card(
    name="centerface",
    version="1.5.0+1",
    feature="face",
    models=(CENTERFACE,),
    settings="long side 1024 pixels, score at least 0.30, suppression at 0.30",
    measured=(),
    blind_spots=(),
    may_clear=True,
)
PARTIAL: Final = Card(
    name="partial-face",
    version="1.5.0+1",
    feature="partial_face",
    models=(CENTERFACE,),
    settings="CenterFace at 384 pixels and a border of a third; eye cascade at 640 pixels, 10 neighbours",
    measured=(),
    blind_spots=(),
    may_clear=False,
)
TEXT: Final = Card(
    name="ppocr-v4",
    version="1.4.4+1",
    feature="text",
    models=(TEXT_DETECTION, TEXT_RECOGNITION, TEXT_DIRECTION),
    settings="long side 2048 pixels; read means 3 letters or digits at 0.60; found and not read scores 0.5",
    measured=(),
    blind_spots=(),
    may_clear=True,
)
BARCODE: Final = Card(
    name="zxing-cpp",
    version="3+1",
    feature="barcode",
    models=(),
    settings="long side 2048 pixels, then full size around text or a broken symbol; unreadable scores 0.5",
    measured=(),
    blind_spots=(),
    may_clear=True,
)

CARDS: Final = (FACE, PARTIAL, TEXT, BARCODE)
