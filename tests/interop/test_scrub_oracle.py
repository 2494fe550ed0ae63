"""Real photos through the independent oracle: clean by its strict rules, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.model.photo import MediaType
from medsnap.scrub import scrub
from tests.scrubbing import corpus_scrubbed, verdicts

_MINE = {  # clean at least
    MediaType.JPEG: 59,
    MediaType.PNG: 12,
    MediaType.WEBP: 8,
    MediaType.GIF: 5,
    MediaType.TIFF: 9,
}

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def scrubbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Copies of the corpus' photos of these formats, and what the scrub made of them."""
    source, target = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    corpus_scrubbed(corpus, _MINE, source, target)
    return source, target


def test_the_oracle_finds_nothing(
    scrubbed: tuple[Path, Path], checkers: Path, tool: Callable[[str], str], tmp_path: Path
) -> None:
    tool("exiftool")
    judged = verdicts(checkers / "scrub_oracle.py", *scrubbed, tmp_path / "records.jsonl")
    wrong = [(v["file"], v["reasons"]) for v in judged if not v["pass_strict"] and not v.get("missing")]
    assert wrong == []
    for media, least in _MINE.items():
        name = media.value.removeprefix("image/")
        clean_ones = [v for v in judged if v["format"] == name and v["pass_strict"]]
        assert len(clean_ones) >= least


def test_real_photos_are_scrubbed_once_and_for_all(scrubbed: tuple[Path, Path]) -> None:
    for path in scrubbed[1].iterdir():
        data = path.read_bytes()
        assert scrub(data) == data
