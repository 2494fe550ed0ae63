"""The proof itself: a rewriter that went wrong gets no output through."""

from __future__ import annotations

import sys

import pytest

from medsnap.errors import MedsnapError, NotClean, PixelsChanged, TooLarge, Unsupported
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Insert, Keep, Rewrite, Step
from medsnap.scrub import clean, registry
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.registry import Facts
from tests.builders import jpeg as j
from tests.builders import png as p

DATA = j.base()


class Planner:
    """A rewriter that returns what it is told, and a second reader that accepts all."""

    def __init__(
        self, *steps: Step, orientation: int = 1, rendering: Facts = (), facts: Facts | None = None
    ) -> None:
        self.rewrite = Rewrite(
            media=MediaType.JPEG, steps=steps, carriers=(), orientation=orientation, rendering=rendering
        )
        self.facts = facts

    def plan(self, data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
        return self.rewrite

    def account(self, data: Buffer, media: MediaType) -> Facts | None:
        return self.facts


def prove(monkeypatch: pytest.MonkeyPatch, planner: Planner, *, verify: bool = False) -> None:
    monkeypatch.setattr(registry, "planner", lambda media: planner)
    monkeypatch.setattr(registry, "guesser", lambda media: None)
    monkeypatch.setattr(registry, "second_reader", lambda media: planner)
    clean(DATA, MediaType.JPEG, verify_pixels=verify)


_ALL = Keep(0, len(DATA), True)
WRONG: dict[str, tuple[Planner, type[MedsnapError]]] = {
    "coded data in another order": (Planner(Keep(40, 60, True), Keep(2, 40, True)), NotClean),
    "coded data twice": (Planner(Keep(2, 40, True), Keep(2, 40, True)), NotClean),
    "another orientation": (Planner(_ALL, orientation=6, facts=(("orientation", "1"),)), NotClean),
    "an orientation that was not planned": (Planner(_ALL, facts=(("orientation", "8"),)), NotClean),
    "another profile": (Planner(_ALL, rendering=(("icc", "a"),), facts=(("icc", "b"),)), NotClean),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rewrite_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planner, kind = WRONG[name]
    with pytest.raises(kind):
        prove(monkeypatch, planner)


def test_changed_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Planner(Insert(j.base(size=(24, 17))))
    with pytest.raises(PixelsChanged):
        prove(monkeypatch, other, verify=True)
    prove(monkeypatch, Planner(_ALL), verify=True)


def test_a_lost_profile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotClean):
        prove(monkeypatch, Planner(_ALL, rendering=(("icc", "a"),), facts=(("orientation", "1"),)))


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["medsnap.scrub.apply"], "MAX_STILL", 100)
    with pytest.raises(TooLarge):
        clean(DATA)


@pytest.mark.parametrize("media", sorted(set(MediaType) - set(registry.FORMATS)))
def test_formats_without_a_rewriter_are_refused(media: MediaType) -> None:
    with pytest.raises(Unsupported):
        clean(p.picture(), media)
