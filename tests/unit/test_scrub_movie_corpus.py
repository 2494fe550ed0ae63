"""Real clips and sequences through the independent oracle and another player's eyes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.formats.sniff import sniff
from medsnap.model.photo import MediaType
from medsnap.scrub import clean
from tests.scrubbing import corpus_scrubbed, verdicts

MOVING = {MediaType.MP4, MediaType.MOV, MediaType.HEIF_SEQUENCE, MediaType.AVIF_SEQUENCE}

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def scrubbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Copies of the corpus' clips and sequences, and what the scrub made of them."""
    source, target = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    corpus_scrubbed(corpus, MOVING, source, target)
    return source, target


def test_the_oracle_finds_nothing(
    scrubbed: tuple[Path, Path], checkers: Path, tool: Callable[[str], str], tmp_path: Path
) -> None:
    tool("exiftool")
    judged = verdicts(checkers / "scrub_oracle.py", *scrubbed, tmp_path / "records.jsonl")
    done = [v for v in judged if not v.get("missing")]
    wrong = [(v["file"], v["reasons"]) for v in done if not v["pass_strict"]]
    assert wrong == []
    assert len(done) >= 5
    assert {v["pixels"] for v in done} == {"identical"}


def test_what_is_refused_nobody_can_play(scrubbed: tuple[Path, Path], tool: Callable[[str], str]) -> None:
    source, target = scrubbed
    for path in source.iterdir():
        moving_alpha = sniff(path.read_bytes()) is MediaType.AVIF_SEQUENCE  # held by choice
        if not (target / path.name).exists() and not moving_alpha:
            assert frames(tool("ffprobe"), path) == []


def test_another_player_decodes_the_same_frames(
    scrubbed: tuple[Path, Path], tool: Callable[[str], str]
) -> None:
    source, target = scrubbed
    ffmpeg = tool("ffmpeg")
    for path in target.iterdir():
        if sniff(path.read_bytes()) in (MediaType.MP4, MediaType.MOV):
            assert decoded(ffmpeg, path) == decoded(ffmpeg, source / path.name)


def frames(ffprobe: str, path: Path) -> list[str]:
    """List the packets of the first video stream that a player finds."""
    wanted = ["-select_streams", "v:0", "-show_entries", "packet=size", "-of", "csv=p=0"]
    ran = subprocess.run([ffprobe, "-v", "quiet", *wanted, path], check=False, capture_output=True, text=True)
    return ran.stdout.split()


def decoded(ffmpeg: str, path: Path) -> str:
    """Decode picture and sound and give a digest of each frame."""
    streams = ["-map", "0:v?", "-map", "0:a?", "-f", "framemd5", "-"]
    ran = subprocess.run(
        [ffmpeg, "-v", "error", "-i", path, *streams], check=False, capture_output=True, text=True
    )
    return "\n".join(line for line in ran.stdout.splitlines() if not line.startswith("#"))


def test_real_clips_are_scrubbed_once_and_for_all(scrubbed: tuple[Path, Path]) -> None:
    for path in scrubbed[1].iterdir():
        data = path.read_bytes()
        assert clean(data).data(data) == data
