"""Run the fuzz targets with atheris, one child process each.

usage: python -m tests.fuzz deep [--seconds N] [--jobs N] [--work DIR] [--logs DIR] [--seeds DIR] [NAME ...]
       python -m tests.fuzz one NAME [arguments of libFuzzer]

What a target learns stays in DIR/NAME; a finding is a file in DIR/found. Files below --seeds (photos
of your own) are taken as first inputs too, and are never copied into the project.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz._target import Target

ROOT = Path(__file__).resolve().parents[2]
NAMES = tuple(sorted(p.stem.removeprefix("fuzz_") for p in Path(__file__).parent.glob("fuzz_*.py")))
SECONDS_AN_INPUT = 20
MEMORY = 3000  # MiB
LARGEST = 1 << 16  # bytes of an input
_DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_COVER = re.compile(r"cov: (\d+) ft: (\d+)")


def load(name: str) -> Target:
    """Import one target."""
    target: Target = importlib.import_module(f"tests.fuzz.fuzz_{name}").TARGET
    return target


def one(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["medsnap"]):
        target = load(name)
        for build in target.seeds():  # loads what is imported late, under instrumentation
            target.check(build)
    atheris.Setup([f"fuzz_{name}", *arguments], target.check)
    atheris.Fuzz()


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one target."""

    name: str
    runs: int
    seconds: int
    cover: str
    slowest: str  # seconds of one input
    memory: str  # MiB at most
    finding: str

    def line(self) -> str:
        """One line of the log."""
        end = f"FINDING: {self.finding}" if self.finding else "no finding"
        return (
            f"{self.name:9} {self.seconds:6} s {self.runs:10} runs  edges/features {self.cover:12} "
            f"slowest {self.slowest:>2} s, {self.memory:>4} MiB  {end}"
        )


def deep(name: str, seconds: int, work: Path, seeds: Path | None) -> Ran:
    """Fuzz one target in a child process for a while."""
    target = load(name)
    known, found = work / name, work / "found"
    known.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for number, data in enumerate(_first(target, seeds)):
        (known / f"seed-{number:04}").write_bytes(data)
    words = work / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    command = [
        sys.executable, "-m", "tests.fuzz", "one", name, str(known), f"-dict={words}",
        f"-max_total_time={seconds}", f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEMORY}",
        f"-max_len={LARGEST}", f"-artifact_prefix={found}/{name}-", "-print_final_stats=1", "-len_control=20",
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    (work / f"{name}.log").write_text(ran.stderr + ran.stdout)
    said = ran.stderr + ran.stdout
    done, cover = _DONE.search(said), _COVER.findall(said)
    finding = "" if ran.returncode == 0 and done else _why(said, ran.returncode)
    runs, took = (int(done[1]), int(done[2])) if done else (0, 0)
    slowest, memory = (_stat(said, what) for what in ("slowest_unit_time_sec", "peak_rss_mb"))
    return Ran(name, runs, took, "/".join(cover[-1]) if cover else "-", slowest, memory, finding)


def _stat(said: str, what: str) -> str:
    found = re.search(rf"stat::{what}:\s+(\d+)", said)
    return found[1] if found else "-"


def _first(target: Target, seeds: Path | None) -> Iterator[bytes]:
    yield from target.seeds()
    yield from (path.read_bytes() for path in target.findings())
    if seeds is not None:
        for path in sorted(p for p in seeds.rglob("*") if p.is_file() and p.stat().st_size <= LARGEST):
            yield path.read_bytes()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _why(said: str, code: int) -> str:
    lines = [ln for ln in said.splitlines() if "Error" in ln or "ALARM" in ln or "ERROR" in ln]
    kept = re.search(r"Test unit written to (\S+)", said)
    where = Path(kept[1]).name if kept else "no file"
    return f"exit {code}, {where}: {lines[0][:160] if lines else 'see the log of the target'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("mode", choices=("deep", "one"))
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=ROOT / ".tools" / "fuzz")
    parser.add_argument("--logs", type=Path, default=ROOT / "benchmarks" / "logs")
    parser.add_argument("--seeds", type=Path)
    parser.add_argument("names", nargs="*")
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3:])
        return 0
    given = parser.parse_args()
    names = given.names or NAMES
    start = datetime.now(UTC)
    with ThreadPoolExecutor(given.jobs) as pool:
        rows = list(
            pool.map(lambda name: deep(name, given.seconds, given.work.resolve(), given.seeds), names)
        )
    lines = [f"fuzzing of {start:%Y-%m-%d %H:%M} UTC, {given.seconds} s a target", *(r.line() for r in rows)]
    given.logs.mkdir(parents=True, exist_ok=True)
    with (given.logs / f"fuzz-{start:%Y-%m-%d}.log").open("a") as log:
        log.write("\n".join(lines) + "\n\n")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if any(row.finding for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
