"""Take N unique phone-like JPEGs of 12 MP in: medsnap without detectors beside restic, age and cp.

usage: python benchmarks/ingest.py [--count 100] [--rounds 3] [--dir FOLDER]

medsnap does the whole path here: walk, camera facts, scrub with the second reader, match, decide,
seal with every object fsynced, catalogue rows, commit, log. restic and age only encrypt. Each tool
ends with its data durable (`sync` where it does not do that itself); the best round counts.
With `--photos-per-second` the detectors run too, one figure, no peer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _dump import make_jpegs


def make(folder: Path, count: int) -> int:
    """Write `count` different photos; return the bytes. No two share a picture (restic finds repeats)."""
    make_jpegs(folder, count, unique=count)
    return sum(p.stat().st_size for p in folder.iterdir())


def run(*command: str | Path, **environment: str) -> None:
    """Run one command quietly; exit codes that mean 'photos wait' are fine."""
    done = subprocess.run(
        [str(c) for c in command], env=os.environ | environment, stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode not in (0, 3, 5):
        raise SystemExit(f"{command[0]} ended with {done.returncode}")


class Medsnap:
    """medsnap with a vault of its own for each round."""

    def __init__(self, *options: str) -> None:
        self.options = options

    def prepare(self, work: Path) -> None:
        self.environment = {
            "MEDSNAP_STATE": str(work / "state"),
            "MEDSNAP_CACHE": str(work / "cache"),
            "MEDSNAP_VAULT": str(work / "vault"),
        }
        keys = ("--key-file", work / "owner.key", "--recovery-file", work / "recovery.txt")
        run(sys.executable, "-m", "medsnap", "vault", "init", "--no-input", "-q", *keys, **self.environment)

    def measure(self, source: Path, work: Path) -> None:
        del work
        ingest = (sys.executable, "-m", "medsnap", "ingest", source, "--policy", "hospital", "-q")
        run(*ingest, *self.options, **self.environment)


class Restic:
    """One backup into a fresh repository, compression off."""

    def prepare(self, work: Path) -> None:
        self.environment = {"RESTIC_PASSWORD": "benchmark", "RESTIC_REPOSITORY": str(work / "repo")}
        run("restic", "init", "-q", **self.environment)

    def measure(self, source: Path, work: Path) -> None:
        del work
        run("restic", "backup", "-q", "--compression", "off", source, **self.environment)
        run("sync")


class Age:
    """One age process a file, then sync."""

    def prepare(self, work: Path) -> None:
        run("age-keygen", "-o", work / "key")
        public = subprocess.run(
            ["age-keygen", "-y", work / "key"], capture_output=True, check=True, text=True
        )
        self.recipient = public.stdout.strip()
        (work / "out").mkdir()

    def measure(self, source: Path, work: Path) -> None:
        for path in sorted(source.iterdir()):
            run("age", "-r", self.recipient, "-o", work / "out" / path.name, path)
        run("sync")


class Copy:
    """cp -r and sync: what the disk gives."""

    def prepare(self, work: Path) -> None:
        del work

    def measure(self, source: Path, work: Path) -> None:
        run("cp", "-r", source, work / "out")
        run("sync")


def best(tool: Medsnap | Restic | Age | Copy, source: Path, root: Path, rounds: int) -> float:
    """Return the least wall time, each round in a fresh folder; preparation is not timed."""
    times = []
    for number in range(rounds):
        work = root / f"{type(tool).__name__}-{number}"
        work.mkdir()
        tool.prepare(work)
        run("sync")
        start = time.perf_counter()
        tool.measure(source, work)
        times.append(time.perf_counter() - start)
        shutil.rmtree(work)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument("--detect", type=int, default=12, help="photos for the run with detectors; 0: none")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        root = Path(name)
        source = root / "photos"
        size = make(source, given.count)
        print(f"{given.count} JPEGs of 12 MP, {size / 1e6:.1f} MB, {len(os.sched_getaffinity(0))} cores")
        tools: dict[str, Callable[[], Medsnap | Restic | Age | Copy]] = {
            "cp -r + sync": Copy,
            "medsnap ingest": lambda: Medsnap("--no-detect"),
        }
        for program, peer in (("restic", Restic), ("age", Age)):
            if shutil.which(program):
                tools[f"{program} + sync"] = peer
            else:
                print(f"{program} is absent: not measured")
        times = {label: best(tool(), source, root, given.rounds) for label, tool in tools.items()}
        for label, seconds in times.items():
            print(f"{label:18} {seconds:7.2f} s {size / 1e6 / seconds:8.0f} MB/s")
        ours = times["medsnap ingest"]
        for label, seconds in times.items():
            if label != "medsnap ingest":
                print(f"medsnap ingest / {label}: {seconds / ours:.2f}")
        if given.detect:
            few = root / "few"
            few.mkdir()
            for path in sorted(source.iterdir())[: given.detect]:
                shutil.copy(path, few)
            seconds = best(Medsnap(), few, root, 1)
            print(f"medsnap ingest with detectors: {len(list(few.iterdir())) / seconds:.2f} photos/s")


if __name__ == "__main__":
    main()
