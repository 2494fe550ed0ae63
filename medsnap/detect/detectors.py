"""All detectors behind one door: look at a photo, get findings, and a reading for every feature.

A detector that is absent, altered or fails gives a reading that says so; it never gives silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from medsnap.detect import cards, models
from medsnap.detect.frames import several_frames
from medsnap.detect.picture import Picture
from medsnap.errors import DetectorError, MedsnapError, Tampered
from medsnap.model.finding import Detector, Finding, Reading, State
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer

MAX_PIXELS: Final = 200_000_000
SMALLEST: Final = 48  # pixels, short side: below it silence means nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the detectors say of one photo; regions are fractions of width by height, upright.

    `problem` says why there was no picture to look at.
    """

    width: int
    height: int
    findings: tuple[Finding, ...] = ()
    readings: tuple[Reading, ...] = ()
    problem: str | None = None
    likeness: str | None = None  # fingerprint of the picture (medsnap.model.likeness)


class Seeker(Protocol):
    """A detector of one feature; it may use what others found before it."""

    @property
    def identity(self) -> Detector:
        """Name, version and model digest."""

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return boxes; raise DetectorError rather than return a silence that was no look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Absent:
    state: State
    because: str


@dataclass(slots=True)
class Detectors:
    """The detectors of one worker process; each opens at the first look. Not shared by threads."""

    folder: Path | None
    _open: dict[str, Seeker | _Absent] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path | None) -> Detectors:
        """Make the detectors over an installed model folder; None where there is none."""
        return cls(folder)

    def look(self, data: Buffer, media: MediaType, *, max_pixels: int = MAX_PIXELS) -> Look:
        """Decode the photo once, upright, and ask every detector. Bad input never raises."""
        from medsnap.raster import arrays
        from medsnap.raster.decode import upright
        from medsnap.raster.likeness import fingerprint

        try:
            image = upright(data, media, max_pixels=max_pixels)
        except MedsnapError as problem:
            because = "the picture could not be decoded"
            return Look(width=0, height=0, readings=_unlooked(because), problem=problem.message)
        known_by = fingerprint(image)
        try:
            picture = Picture(arrays.from_image(image))
        except ImportError:
            width, height = image.size
            return Look(
                width=width,
                height=height,
                readings=_unlooked(_NO_EXTRA, State.NOT_CHECKED),
                likeness=known_by,
            )
        findings: tuple[Finding, ...] = ()
        readings: tuple[Reading, ...] = ()
        doubt = _doubt(picture, data, media)
        for card in cards.CARDS:
            found, reading = self._ask(card, picture, findings, doubt)
            findings += found
            readings += (reading,)
        return Look(
            width=picture.width,
            height=picture.height,
            findings=findings,
            readings=readings,
            likeness=known_by,
        )

    def _ask(
        self, card: cards.Card, picture: Picture, before: tuple[Finding, ...], doubt: str
    ) -> tuple[tuple[Finding, ...], Reading]:
        seeker = self._seeker(card)
        if isinstance(seeker, _Absent):
            return (), _reading(card, state=seeker.state, because=seeker.because)
        try:
            found = seeker.find(picture, before)
        except ImportError:
            return (), _reading(card, state=State.NOT_CHECKED, because=_NO_EXTRA)
        except DetectorError as problem:
            return (), _reading(card, state=State.NOT_ASSESSABLE, because=problem.message)
        if not found and doubt:
            return (), _reading(card, state=State.NOT_ASSESSABLE, because=doubt)
        return found, _reading(card, score=max((f.score for f in found), default=0.0))

    def _seeker(self, card: cards.Card) -> Seeker | _Absent:
        if card.name not in self._open:
            self._open[card.name] = _opened(card, self.folder)
        return self._open[card.name]


_NO_EXTRA: Final = "the detect extra is not installed"


def _opened(card: cards.Card, folder: Path | None) -> Seeker | _Absent:
    if card.models and folder is None:
        return _Absent(state=State.NOT_CHECKED, because="no model installed")
    try:
        loaded = [models.load(folder, m.name) for m in card.models] if folder is not None else []
        return _OPENERS[card.name](loaded)
    except ImportError:
        return _Absent(state=State.NOT_CHECKED, because=_NO_EXTRA)
    except Tampered:
        return _Absent(state=State.NOT_ASSESSABLE, because="model altered")
    except models.NotInstalled:
        return _Absent(state=State.NOT_CHECKED, because="no model installed")
    except DetectorError as problem:
        return _Absent(state=State.NOT_ASSESSABLE, because=problem.message)


def _face(loaded: list[bytes]) -> Seeker:
    from medsnap.detect.face import CenterFace, Faces

    return Faces(CenterFace(loaded[0]), cards.FACE.identity)


def _partial(loaded: list[bytes]) -> Seeker:
    from medsnap.detect.face import CenterFace
    from medsnap.detect.partial import Parts

    return Parts(CenterFace(loaded[0]), cards.PARTIAL.identity)


def _text(loaded: list[bytes]) -> Seeker:
    from medsnap.detect.text import Text

    return Text(loaded[0], loaded[1], loaded[2], cards.TEXT.identity)


def _barcode(loaded: list[bytes]) -> Seeker:  # noqa: ARG001 -- needs no model
    from medsnap.detect.barcode import Barcodes

    return Barcodes(cards.BARCODE.identity)


_OPENERS: Final[dict[str, Callable[[list[bytes]], Seeker]]] = {
    cards.FACE.name: _face,
    cards.PARTIAL.name: _partial,
    cards.TEXT.name: _text,
    cards.BARCODE.name: _barcode,
}


def _doubt(picture: Picture, data: Buffer, media: MediaType) -> str:
    """Say why finding nothing would prove nothing; "" where it is evidence."""
    if min(picture.width, picture.height) < SMALLEST:
        return f"the picture is too small to judge (under {SMALLEST} pixels)"
    if several_frames(data, media):
        return "only the first frame was looked at"
    return ""


def _reading(
    card: cards.Card, *, score: float | None = None, state: State | None = None, because: str = ""
) -> Reading:
    return Reading(feature=card.feature, detector=card.identity, score=score, state=state, because=because)


def _unlooked(because: str, state: State = State.NOT_ASSESSABLE) -> tuple[Reading, ...]:
    return tuple(_reading(card, state=state, because=because) for card in cards.CARDS)
