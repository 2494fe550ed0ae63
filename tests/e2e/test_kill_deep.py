"""200 SIGKILLs of ingest in one vault, at random moments, with a dated log. By hand: `make deep`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest

from medsnap import __version__
from tests.builders import jpeg as j
from tests.helpers import ROOT, Clinic, digests, sha256

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups and SIGKILL"),
]

KILLS = int(os.environ.get("MEDSNAP_KILLS", "200"))
ROUNDS = 10  # after each the vault is brought to its end and checked
PHOTOS = 6  # new ones before each kill
LARGEST = 400_000  # bytes of a photo that is copied from the corpus


def _photos(corpus: Path) -> Iterator[bytes]:
    """Photos of the corpus over and over, each with a comment of its own."""
    small = [p for p in sorted((corpus / "photos").glob("*.jpg")) if p.stat().st_size < LARGEST]
    for number, path in enumerate(cycle(small)):
        data = path.read_bytes()
        yield data[:2] + j.segment(0xFE, b"copy %d" % number) + data[2:]


class Log:
    """A line for each kill, in benchmarks/logs."""

    def __init__(self, seed: int) -> None:
        folder = ROOT / "benchmarks" / "logs"
        folder.mkdir(exist_ok=True)
        self._path = folder / f"kills-{datetime.now(UTC):%Y-%m-%d}.log"
        self._path.write_text(
            f"# medsnap {__version__}: SIGKILL of `medsnap ingest` at random moments, one vault\n"
            f"# repeat the moments with MEDSNAP_SEED={seed}\n"
            "# kill  after (s)  objects  in the vault's tmp\n"
        )

    def add(self, line: str) -> None:
        with self._path.open("a") as handle:
            handle.write(line + "\n")


def _killed(clinic: Clinic, dump: Path, seconds: float) -> float | None:
    """Start a run and kill its whole group; returns how long it took where it ended before that."""
    command = ("ingest", dump, "--policy", "hospital", "--no-detect", "--jobs", "1")
    started = time.monotonic()
    run = clinic.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return None
    return time.monotonic() - started


def _whole(clinic: Clinic, dump: Path, sources: dict[str, str]) -> Counter[str]:
    """Run to the end: every source once in the vault, nothing else there, seals and log in order."""
    clinic.ingest(dump, timeout=600).expect(0)
    assert digests(dump) == sources
    clinic.run("vault", "check").expect(0)
    clinic.run("audit", "verify").expect(0)
    listed = clinic.listed()
    assert clinic.objects() == {photo["id"] for photo in listed}
    assert Counter(photo["source"] for photo in listed) == Counter(list(sources))
    assert not [p for p in (clinic.vault / "tmp").glob("*") if p.is_file()]
    return Counter(str(photo["state"]) for photo in listed)


def test_two_hundred_kills_lose_and_double_nothing(corpus: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("MEDSNAP_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    chance, log = random.Random(seed), Log(seed)
    clinic = Clinic(tmp_path / "clinic", more={"PYTHONPATH": str(ROOT)}).init()  # the code beside this test
    dump, photos = tmp_path / "dump", _photos(corpus)
    dump.mkdir()
    sources: dict[str, str] = {}
    usual, kills = 3.0, 0
    while kills < KILLS:
        for _ in range(PHOTOS):
            path = dump / f"IMG_{len(sources):05d}.jpg"
            path.write_bytes(next(photos))
            sources[path.name] = sha256(path)
        # most moments lie where photos are sealed, some before the first step and after the last one
        share = chance.uniform(0.4, 1.05) if chance.random() < 0.85 else chance.uniform(0, 1.5)
        seconds = share * usual
        took = _killed(clinic, dump, seconds)
        usual = usual * 1.02 if took is None else (usual + took) / 2  # the machine is busy, or is not
        if took is not None:
            log.add(f"#  {seconds:14.2f}  the run had ended before")
            continue
        kills += 1
        left = sum(1 for p in (clinic.vault / "tmp").rglob("*") if p.is_file())
        log.add(f"{kills:6}  {seconds:9.2f}  {len(clinic.objects()):7}  {left}")
        if kills % (KILLS // ROUNDS or 1) == 0:
            states = _whole(clinic, dump, sources)
            found = f"{len(sources)} sources, {dict(states)}; check 0, verify 0, none twice"
            log.add(f"# run to its end: {found}")
            sys.stderr.write(f"\n{kills} kills\n")
    log.add(f"# {kills} kills while it ran: {len(sources)} sources, nothing lost, nothing twice")
