"""SIGKILL at random moments: after a run to the end the vault is that of an uninterrupted run."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import POLICIES, Clinic, digests, without_ids

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups and SIGKILL")

KILLS = 20


def _portions(photos: list[Path], count: int) -> list[list[Path]]:
    """Share the photos out so that each killed run has something new; pairs of one name stay together."""
    stems = sorted({p.stem for p in photos})
    return [[p for p in photos if p.stem in stems[n::count]] for n in range(count)]


def _run_and_kill(clinic: Clinic, dump: Path, seconds: float) -> float | None:
    """Start a run, kill its whole group after `seconds`; give its seconds if it had ended before."""
    started = time.monotonic()
    command = ("ingest", dump, "--policy", POLICIES / "hospital.yaml", "--no-detect", "--jobs", "2")
    run = clinic.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
    took = None if run.poll() is None else time.monotonic() - started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return took


def test_killed_at_random_moments_it_ends_where_an_uninterrupted_run_ends(
    corpus: Path, tmp_path: Path
) -> None:
    seed = int(os.environ.get("MEDSNAP_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    sys.stderr.write(f"\nMEDSNAP_SEED={seed} repeats the moments of this test\n")
    chance = random.Random(seed)
    photos = sorted((corpus / "photos").iterdir())
    dump = tmp_path / "dump"
    dump.mkdir()
    clinic = Clinic(tmp_path / "killed").init()

    whole = Clinic(tmp_path / "whole").init()
    whole.ingest(corpus / "photos", policy=POLICIES / "hospital.yaml").expect(3)
    probe = Clinic(tmp_path / "probe").init()
    started = time.monotonic()  # how long a run over one portion takes on this machine, right now
    probe.ingest(*_portions(photos, KILLS)[0])
    usual = time.monotonic() - started

    struck = 0
    for portion in _portions(photos, KILLS):
        for photo in portion:
            shutil.copy(photo, dump / photo.name)
        # a tenth of the moments lies before medsnap has begun, some after it has ended
        took = _run_and_kill(clinic, dump, chance.uniform(0.1 * usual, 1.1 * usual))
        struck += took is None
        usual = took or usual  # whatever else runs here, the next moment lies within such a run
    assert struck >= KILLS // 4, "hardly any run was still going when it was to be killed"

    before = digests(dump)
    clinic.ingest(dump, policy=POLICIES / "hospital.yaml").expect(3)
    assert digests(dump) == before == digests(corpus / "photos")
    listed = clinic.listed()
    assert without_ids(listed) == without_ids(whole.listed())
    assert _repeats(listed) == _repeats(whole.listed())
    clinic.run("vault", "check").expect(0)
    clinic.run("audit", "verify").expect(0)
    assert clinic.objects() == {photo["id"] for photo in listed}
    assert not [p for p in (clinic.vault / "tmp").glob("*") if p.is_file()]

    stored = clinic.objects()
    again = clinic.ingest(dump, policy=POLICIES / "hospital.yaml").expect(3)
    assert again.summary["already"] == len(listed)
    assert clinic.objects() == stored


def _repeats(photos: list[dict[str, Any]]) -> int:
    """Count the photos that repeat another; which of two came first depends on the moments of the kills."""
    return sum(photo["repeat"] is not None for photo in photos)
