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
    measured=(
        "a face found in 18 of 18 portraits and groups, every labelled face box covered",
        "a false `face` in 2 of 31 pictures without one (the same wound twice), score 0.55",
    ),
    blind_spots=(
        "faces turned away, behind masks, upside down or blurred are found less often",
        "very small faces: the smallest size was not measured",
        "parts of faces: see partial_face",
        "faces in mirrors, prints, screens and tattoos are found as faces, the kind is not told apart",
    ),
    may_clear=True,
)
PARTIAL: Final = Card(
    name="partial-face",
    version="1.5.0+1",
    feature="partial_face",
    models=(CENTERFACE,),
    settings="CenterFace at 384 pixels and a border of a third; eye cascade at 640 pixels, 10 neighbours",
    measured=(
        "with `face`: 12 of 12 close-ups of eyes, one eye, nose and mouth, lower face",
        "a false part in 8 of 31 pictures without a face, nearly all by the eye cascade at 0.5",
    ),
    blind_spots=(
        "the measured close-ups are crops of portraits: no slit lamp, macro or dilated pupil was seen",
        "a lone ear, lone lips, teeth, hair and profile outlines are not looked for",
        "in an earlier comparison 22 of 120 wounds were called a part of a face",
    ),
    may_clear=False,
)
TEXT: Final = Card(
    name="ppocr-v4",
    version="1.4.4+1",
    feature="text",
    models=(TEXT_DETECTION, TEXT_RECOGNITION, TEXT_DIRECTION),
    settings="long side 2048 pixels; read means 3 letters or digits at 0.60; found and not read scores 0.5",
    measured=(
        "text found in 15 of 15 labels, scenes and documents; 95 % of the words read",
        "no false text in 13 pictures without any; the rule for lone shapes was written after seeing them",
    ),
    blind_spots=(
        "letters under about 11 pixels when the long side is 2048",
        "letters that differ from their ground by less than about 13 grey levels",
        "handwriting was not measured; a short illegible scrawl can pass for a lone shape",
        "lines at about 45 degrees are found and often misread",
        "scripts other than Latin and Chinese are found, not read",
    ),
    may_clear=True,
)
BARCODE: Final = Card(
    name="zxing-cpp",
    version="3+1",
    feature="barcode",
    models=(),
    settings="long side 2048 pixels, then full size around text or a broken symbol; unreadable scores 0.5",
    measured=(
        "19 of 20 pictures with a code, 19 of 20 payloads, every labelled box covered",
        "no false code in 61 pictures without one",
    ),
    blind_spots=(
        "a code too small for 2048 pixels that stands far from any text",
        "codes that are torn, strongly bent or out of focus",
        "a linear code's box is grown to 0.4 of its length: taller bars can stick out",
    ),
    may_clear=True,
)

CARDS: Final = (FACE, PARTIAL, TEXT, BARCODE)
