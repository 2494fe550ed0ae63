"""Scrub phone-like photos of 12 MP: medsnap beside its peers, whole processes, in the same run.

usage: python benchmarks/scrub.py [--count 400] [--rounds 3] [--dir FOLDER] [--photos FOLDER] [--only WORD]

Every tool runs once to warm the cache and then `--rounds` times; the best round counts. Wall time
is what a person waits for; the CPU time of all its processes tells what a busy machine hides.
Tools that work in place get a fresh copy first, which is not timed: in the table they are spared
the reading and writing of a copy that all others do. `--photos` measures a folder of real JPEGs.
"""

# ruff: noqa: PLC0415 - only what a run needs is imported, and medsnap's own start is measured
from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks._dump import make_heics, make_jpegs

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BEST = (
    *("-q", "-q", "-m", "-all=", "-trailer:all=", "-CommonIFD0=", "--icc_profile:all"),
    *("-tagsfromfile", "@", "-orientation"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One row: `run(source, target)`; `in_place` ones find a copy in target; `share` of the files."""

    name: str
    run: Callable[[Path, Path], None]
    program: str = ""
    in_place: bool = False
    share: int = 1


@dataclass(frozen=True, slots=True)
class Took:
    """The best round: seconds of wall and of CPU, and the bytes that were read."""

    wall: float
    cpu: float
    size: int

    @property
    def rate(self) -> float:
        """MB/s of wall time."""
        return self.size / 1e6 / self.wall

    @property
    def a_core(self) -> float:
        """MB for each second of CPU time."""
        return self.size / 1e6 / max(self.cpu, 0.01)


def call(*command: str | Path) -> None:
    """Run a program without its words."""
    quiet = subprocess.DEVNULL
    subprocess.run([str(c) for c in command], check=True, stdout=quiet, stderr=quiet)


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file())


def exiftool(*options: str, jobs: int = 1) -> Callable[[Path, Path], None]:
    """One process for all files, or one for each core, each with its part of the list."""

    def run(source: Path, target: Path) -> None:
        target.mkdir()
        all_files = files(source)
        with ThreadPoolExecutor(jobs) as pool:
            parts = [all_files[k::jobs] for k in range(jobs)]
            list(pool.map(lambda part: call("exiftool", *options, "-o", f"{target}/", *part), parts))

    return run


def medsnap(jobs: int) -> Callable[[Path, Path], None]:
    command = (sys.executable, "-m", "medsnap", "scrub", "--quiet", "--jobs", str(jobs))
    return lambda source, target: call(*command, source, "-o", target)


def core(source: Path, target: Path) -> None:
    """The library in this process: plan, second reader, SHA-256 in and out, write."""
    from medsnap.scrub import apply, clean

    target.mkdir()
    for path in files(source):
        data = path.read_bytes()
        with (target / path.name).open("wb") as handle:
            apply(clean(data).rewrite, data, handle.write)


def digest(source: Path, _target: Path) -> None:
    for path in files(source):
        hashlib.sha256(path.read_bytes()).hexdigest()


TOOLS = (
    Tool(name="cp -r", run=lambda source, target: call("cp", "-r", source, target)),
    Tool(name="sha256, read once", run=digest),
    Tool(name="medsnap library, one process", run=core),
    Tool(name="medsnap scrub --jobs 1", run=medsnap(1)),
    Tool(name=f"medsnap scrub --jobs {CORES}", run=medsnap(CORES)),
    Tool(name="exiftool, best options", run=exiftool(*BEST), program="exiftool"),
    Tool(name=f"exiftool, best options x {CORES}", run=exiftool(*BEST, jobs=CORES), program="exiftool"),
    Tool(name="exiftool -all=", run=exiftool("-q", "-q", "-m", "-all="), program="exiftool"),
    Tool(
        name=f"exiftool -all= x {CORES}",
        run=exiftool("-q", "-q", "-m", "-all=", jobs=CORES),
        program="exiftool",
    ),
    Tool(
        name="exiv2 rm",
        run=lambda _, target: call("exiv2", "rm", *files(target)),
        program="exiv2",
        in_place=True,
    ),
    Tool(
        name="jhead -purejpg",
        run=lambda _, target: call("jhead", "-purejpg", *files(target)),
        program="jhead",
        in_place=True,
    ),
    Tool(
        name="mat2, a tenth",
        run=lambda _, target: call("mat2", "--inplace", *files(target)),
        program="mat2",
        in_place=True,
        share=10,
    ),
)  # fmt: skip


def measure(tool: Tool, source: Path, work: Path, rounds: int) -> Took:
    """Run once to warm up, then take the best wall time and the best CPU time of the rounds."""
    few = source
    if tool.share > 1:
        few = work / "few"
        few.mkdir(exist_ok=True)
        for path in files(source)[:: tool.share]:
            (few / path.name).exists() or shutil.copyfile(path, few / path.name)
    walls, processors = [], []
    for number in range(rounds + 1):
        target = work / f"out-{number}"
        if tool.in_place:
            shutil.copytree(few, target)
        os.sync()  # what the last one left to write is not this one's
        start, before = time.perf_counter(), _cpu()
        tool.run(few, target)
        walls.append(time.perf_counter() - start)
        processors.append(_cpu() - before)
        shutil.rmtree(target, ignore_errors=True)
    return Took(min(walls[1:]), min(processors[1:]), sum(p.stat().st_size for p in files(few)))


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def table(source: Path, work: Path, rounds: int, only: str) -> dict[str, Took]:
    """Measure and print every tool that is here."""
    took: dict[str, Took] = {}
    for tool in TOOLS:
        if tool.program and shutil.which(tool.program) is None:
            print(f"{tool.name:30} is absent: not measured")
        elif only in tool.name:
            one = took[tool.name] = measure(tool, source, work, rounds)
            print(
                f"{tool.name:30} {one.wall:7.2f} s {one.rate:7.0f} MB/s   "
                f"CPU {one.cpu:7.2f} s {one.a_core:7.0f} MB/s a core",
                flush=True,
            )
    return took


def ratios(took: dict[str, Took]) -> None:
    """Print what the issue asks for, each beside its target."""
    single, every = took.get("medsnap scrub --jobs 1"), took.get(f"medsnap scrub --jobs {CORES}")
    if single is None or every is None:
        return
    plain = took.get("sha256, read once")
    beside = f"; plain SHA-256 of the source alone: {plain.a_core:.0f}" if plain is not None else ""
    print(
        f"a core, second reader on, SHA-256 in and out: {single.a_core:.0f} MB/s of CPU time "
        f"(target 250{beside})"
    )
    rows = (
        ("cp -r", "target 0.3"),
        ("exiftool, best options", "target 5"),
        (f"exiftool, best options x {CORES}", "for information"),
        ("exiftool -all=", "target 1"),
        (f"exiftool -all= x {CORES}", "for information"),
        ("exiv2 rm", "in place, leaves trailers"),
        ("jhead -purejpg", "in place, leaves trailers"),
        ("mat2, a tenth", "changes pixels"),
    )
    for name, target in rows:
        if name in took:
            wall = every.rate / took[name].rate
            a_core = every.a_core / took[name].a_core
            print(f"medsnap, {CORES} cores / {name}: {wall:.2f} of wall, {a_core:.2f} of CPU ({target})")


def heics(work: Path, count: int, rounds: int) -> None:
    """Print the rate of HEICs, in one process."""
    source = work / "heic"
    make_heics(source, count)
    one = measure(Tool(name="HEIC", run=core), source, work, rounds)
    rate = count / one.cpu
    print(f"HEIC, {one.size / 1e6 / count:.1f} MB each: {rate:.0f} files/s of CPU time, a core (target 100)")


_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def clip(work: Path) -> None:
    """Print what a film of 2 GB takes: time, and the memory of the largest process of the command."""
    from tests.unit.test_scrub_movie_large import hour

    source, target = work / "hour.mp4", work / "clean"
    hour(source)
    command = (sys.executable, "-m", "medsnap", "scrub", "--quiet", str(source), "-o", str(target))
    start = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-c", _PEAK, *command], check=True, stdout=subprocess.PIPE, text=True
    )
    took, peak = time.perf_counter() - start, int(ran.stdout) / 1024
    print(
        f"a film of {source.stat().st_size / 1e9:.1f} GB: {took:.1f} s, {peak:.0f} MiB at most (target 150)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs to measure with")
    parser.add_argument("--only", default="", help="measure only tools with this word in their name")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        work = Path(name)
        source = given.photos or work / "jpeg"
        if given.photos is None:
            make_jpegs(source, given.count)
        size = sum(p.stat().st_size for p in files(source))
        print(f"{len(files(source))} JPEGs, {size / 1e6:.0f} MB; {CORES} cores")
        ratios(table(source, work, given.rounds, given.only))
        if given.photos is None and not given.only:
            heics(work, max(given.count // 4, 10), given.rounds)
            clip(work)


if __name__ == "__main__":
    main()
