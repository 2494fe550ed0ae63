"""Photos of real cameras: scrubbed strictly clean by an oracle that shares nothing with medsnap."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.scrub import clean

SUFFIXES = {".heic", ".heif", ".hif", ".avif"}


def originals(corpus: Path) -> list[Path]:
    return sorted(path for path in (corpus / "photos").iterdir() if path.suffix.lower() in SUFFIXES)


@pytest.mark.interop
def test_every_photo_is_strictly_clean_or_refused(
    corpus: Path, checkers: Path, tool: Callable[[str], str], tmp_path: Path
) -> None:
    tool("exiftool")
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    refused = set()
    for path in originals(corpus):
        (before / path.name).symlink_to(path)
        try:
            data = clean(path.read_bytes()).data(path.read_bytes())
        except (Malformed, Unsupported):
            refused.add(path.name)
        else:
            (after / path.name).write_bytes(data)
    run = subprocess.run(
        [sys.executable, str(checkers / "scrub_oracle.py"), str(before), str(after)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    verdicts = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"file"')]
    assert len(verdicts) == len(originals(corpus)) > 0
    wrong = {v["file"]: v["reasons"] for v in verdicts if not v["pass_strict"] and not v.get("missing")}
    assert wrong == {}
    needlessly = {v["file"] for v in verdicts if v.get("missing") and not v["pass_strict"]}
    # Sequences are refused until their issue; every still that decodes has an output.
    assert all("animated" in name for name in needlessly)
    assert refused >= needlessly


@pytest.mark.interop
def test_scrubbing_twice_changes_nothing(corpus: Path) -> None:
    done = 0
    for path in originals(corpus):
        try:
            first = clean(path.read_bytes()).data(path.read_bytes())
        except MedsnapError:
            continue
        assert clean(first).data(first) == first
        done += 1
    assert done
