"""The fuzz targets themselves: every seed, every kept finding, and a few thousand blind mutations."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.__main__ import NAMES, load


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_findings_of(name: str) -> None:
    target = load(name)
    first = [*target.seeds(), *(path.read_bytes() for path in target.findings())]
    assert len(first) >= 4
    for data in first:
        target.check(data)


@pytest.mark.parametrize("name", NAMES)
def test_blind_mutations_of(name: str) -> None:
    target, dice = load(name), random.Random(name)
    seeds = [*target.seeds(), *(path.read_bytes() for path in target.findings())]
    for _ in range(300):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(data))
            piece = dice.choice((bytes((dice.randrange(256),)), dice.choice(target.words), b""))
            data[at : at + dice.randint(0, 8)] = piece
            data = data or bytearray(b"\xff")
        target.check(bytes(data))


def test_a_finding_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    target = load("jpeg")
    monkeypatch.setattr("medsnap.scrub.jpeg._TABLES", None)
    with pytest.raises(TypeError):
        target.check(next(iter(target.seeds())))
