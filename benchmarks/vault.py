"""Seal N photos of 3 MB, each made durable by its own fsync: medsnap's vault beside restic, borg and age.

usage: python benchmarks/vault.py [--count 100] [--megabytes 3] [--rounds 3] [--dir FOLDER]

The vault's own loop, without looking at the photos: read, hash, encrypt, write, journal, fsync of file and
folder, sealed row, commit, log. restic and borg keep one repository and sync once, at the end; age is one
process a file. The bytes are random, so nothing can be compressed or found twice. The best round counts; CPU
seconds (user and system, children included) are of that round.
"""

# ruff: noqa: PLC0415 - only what a run needs is imported
from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
import _vault


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one round: wall, user, system."""

    wall: float
    user: float
    system: float


def run(*command: str | Path, **environment: str) -> None:
    """Run one command quietly; it must end well."""
    subprocess.run(
        [str(c) for c in command],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def measured(work: Callable[[], None]) -> Cost:
    """Time one call, its child processes included."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    work()
    wall = time.perf_counter() - start
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    pairs = list(zip(before, after, strict=True))
    user = sum(b.ru_utime - a.ru_utime for a, b in pairs)
    return Cost(wall, user, sum(b.ru_stime - a.ru_stime for a, b in pairs))


def seal_all(source: Path, made: _vault.Made) -> None:
    """Seal every file of a folder as ingest does, once it is known what is in it."""
    from medsnap.audit import store
    from medsnap.audit.log import Log
    from medsnap.batch import AHEAD
    from medsnap.model.event import Action, AuditEvent
    from medsnap.model.photo import MediaType, Sha256
    from medsnap.vault.host import Host
    from medsnap.vault.sealing import Sealing
    from medsnap.vault.writer import Writer

    now = datetime.now(UTC)
    opened = Host.open(made.host, made.vault, now)
    log = Log(made.vault / "log", opened.directory.origin)

    def entered(commit: Sha256, objects: tuple[str, ...]) -> None:
        event = AuditEvent(action=Action.INGEST, at=now.isoformat(), actor="ingest-1", objects=objects)
        auditors = [opened.directory.auditors]
        store.record(log, event, auditors=auditors, signer=opened.signer, random=os.urandom, commit=commit)

    clock = lambda: now  # noqa: E731
    under_way: deque[tuple[int, Sealing]] = deque()
    with Writer(opened, now=clock, random=os.urandom, log=entered) as writer:

        def taken_in(most: int) -> None:
            while len(under_way) > most:
                number, sealing = under_way.popleft()
                writer.add("general", _vault.row(writer.finish(sealing), number))

        for number, path in enumerate(sorted(source.iterdir())):
            with path.open("rb") as handle:
                data = handle.read()
            taken_in(AHEAD)
            sealing = writer.begin(
                [data],
                source=Sha256(f"{number:064x}"),
                compartment="general",
                media=MediaType.JPEG,
                length=len(data),
                aside=True,
            )
            under_way.append((number, sealing))
        taken_in(0)
        writer.commit()


class Medsnap:
    """The vault's loop in this process."""

    def prepare(self, work: Path) -> None:
        self.made = _vault.make(work)

    def measure(self, source: Path, work: Path) -> None:
        del work
        seal_all(source, self.made)


class Restic:
    """One backup into a fresh repository, compression off."""

    def prepare(self, work: Path) -> None:
        self.environment = {
            "RESTIC_PASSWORD": "benchmark",
            "RESTIC_REPOSITORY": str(work / "repo"),
            "RESTIC_CACHE_DIR": str(work / "cache"),
        }
        run("restic", "init", "-q", **self.environment)

    def measure(self, source: Path, work: Path) -> None:
        del work
        run("restic", "backup", "-q", "--compression", "off", source, **self.environment)
        run("sync")


class Borg:
    """One archive in a fresh repository, compression off."""

    def prepare(self, work: Path) -> None:
        self.environment = {"BORG_PASSPHRASE": "benchmark", "BORG_BASE_DIR": str(work / "borg")}
        run("borg", "init", "-e", "repokey-blake2", work / "repo", **self.environment)

    def measure(self, source: Path, work: Path) -> None:
        run("borg", "create", "-C", "none", f"{work / 'repo'}::day", source, **self.environment)
        run("sync")


class Age:
    """One age process a file, then sync."""

    def prepare(self, work: Path) -> None:
        run("age-keygen", "-o", work / "key")
        public = subprocess.run(
            ["age-keygen", "-y", str(work / "key")], capture_output=True, check=True, text=True
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


Tool = Medsnap | Restic | Borg | Age | Copy


def best(make: Callable[[], Tool], source: Path, root: Path, rounds: int) -> Cost:
    """Return the round of the least wall time, each in a fresh folder; preparation is not timed."""
    costs = []
    for number in range(rounds):
        work = root / f"{make.__name__}-{number}"
        work.mkdir()
        tool = make()
        tool.prepare(work)
        run("sync")
        costs.append(measured(lambda: tool.measure(source, work)))  # noqa: B023
        shutil.rmtree(work)
    return min(costs, key=lambda cost: cost.wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--megabytes", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="on the disk to measure; default: the temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        root = Path(name)
        source = root / "photos"
        source.mkdir()
        for number in range(given.count):
            (source / f"IMG_{number:04}.jpg").write_bytes(os.urandom(int(given.megabytes * 1e6)))
        size = given.count * int(given.megabytes * 1e6) / 1e6
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        print(f"{given.count} files of {given.megabytes} MB, {cores} cores, load {os.getloadavg()[0]:.1f}")
        tools: dict[str, Callable[[], Tool]] = {"cp -r + sync": Copy, "medsnap vault": Medsnap}
        for program, peer in (("restic", Restic), ("borg", Borg), ("age", Age)):
            if shutil.which(program):
                tools[f"{program} + sync"] = peer
            else:
                print(f"{program} is absent: not measured")
        costs = {label: best(tool, source, root, given.rounds) for label, tool in tools.items()}
        for label, cost in costs.items():
            print(
                f"{label:14} {cost.wall:6.2f} s {size / cost.wall:6.0f} MB/s"
                f"   CPU {cost.user:5.2f} user {cost.system:5.2f} sys"
            )
        ours = costs.pop("medsnap vault")
        for label, cost in costs.items():
            print(f"medsnap vault is {cost.wall / ours.wall:.2f} times as fast as {label}")


if __name__ == "__main__":
    main()
