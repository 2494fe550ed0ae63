"""A vault of N made-up photos: reindex, one more commit, find one, first page, searches, and ingest into it.

usage: python benchmarks/catalogue.py [--photos 1000000] [--long] [--dir FOLDER]

The vault has commits, batches and a log entry for each, but no objects. `--long` makes rows as long as
real ones (11 KB); without it they are 1 KB, so that a million fit on a
laptop. Times are CPU seconds of this process unless they say wall. Peer of `find`: restic find over a
repository of as many files is in design notes, 0.5 s at 10,000.
"""

# ruff: noqa: PLC0415 - only what a run needs is imported
from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
import _vault


@contextmanager
def timed(label: str, photos: int = 0) -> Iterator[None]:
    """Print CPU and wall seconds of a block, and photos a second of CPU."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    rate = f", {photos / cpu:,.0f} photos/s" if photos and cpu else ""
    print(f"{label:34} {cpu:9.3f} s CPU {wall:9.3f} s wall{rate}", flush=True)


def many(label: str, calls: list[Callable[[], Any]]) -> None:
    """Print the median and the worst of many short calls, in wall milliseconds."""
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    print(f"{label:34} median {statistics.median(times):.3f} ms, worst {max(times):.3f} ms")


def build(root: Path, photos: int, *, long: bool) -> _vault.Made:
    """Make the vault, without waiting for the disk."""
    from medsnap import disk

    sync, folder = disk.sync, disk.sync_folder
    disk.sync = disk.sync_folder = lambda _: None
    try:
        made = _vault.make(root)
        for done in _vault.fill(made, photos, short=not long):
            if done % 25_600 == 0:
                print(f"\rmade {done:,}", end="", file=sys.stderr, flush=True)
    finally:
        disk.sync, disk.sync_folder = sync, folder
    print(file=sys.stderr)
    return made


def log_commits(made: _vault.Made) -> None:
    """Enter all commits into the audit log, as so many nights would have."""
    from medsnap.audit import events
    from medsnap.audit.log import Log
    from medsnap.crypto.note import Signer
    from medsnap.model.event import Action, AuditEvent
    from medsnap.vault import commits

    event = AuditEvent(action=Action.INGEST, at="2026-01-01T00:00:00Z", actor="ingest-1")
    auditors = [made.directory.auditors]
    names = sorted(p.name for p in (made.vault / "commits").iterdir())
    entries = [events.leaf(event, auditors, os.urandom, commits.digest(made.vault, n))[0] for n in names]
    Log(made.vault / "log", made.directory.origin).append(entries, Signer.parse_private(made.ingest_key))


def ingest_cost(made: _vault.Made, root: Path, photos: int) -> None:
    """Take the same photos into an empty vault and into this one, by turns; the best of three each."""
    from _dump import make_jpegs

    make_jpegs(root / "dump", 40, unique=8)
    best = {"an empty vault": [9e9, 9e9], f"a vault of {photos:,}": [9e9, 9e9]}
    for number in range(3):
        empty = _vault.make(root / f"empty-{number}", tuple(k.name for k in made.directory.compartments))
        for label, into in zip(best, (empty, made), strict=True):
            cost = _ingest(into, root / "dump", number)
            best[label] = [min(a, b) for a, b in zip(best[label], cost, strict=True)]
        shutil.rmtree(root / f"empty-{number}")
    for label, (cpu, wall) in best.items():
        print(f"{'ingest 40 photos, ' + label:34} {cpu:9.3f} s CPU {wall:9.3f} s wall")
    (cpu, wall), (more_cpu, more_wall) = best.values()
    print(f"{'ratio':34} {more_cpu / cpu:9.2f} CPU {more_wall / wall:9.2f} wall", flush=True)


def _ingest(into: _vault.Made, dump: Path, number: int) -> list[float]:
    """Run `medsnap ingest` over photos that this host has not seen; return CPU and wall seconds."""
    for path in dump.iterdir():
        with path.open("ab") as handle:
            handle.write(bytes([number]))  # trailing bytes are removed; another source all the same
    environment = os.environ | {
        "MEDSNAP_STATE": str(into.host.parent),
        "MEDSNAP_CACHE": str(into.host.parent / "cache"),
        "MEDSNAP_VAULT": str(into.vault),
    }
    command = [
        sys.executable,
        "-m",
        "medsnap",
        "ingest",
        dump,
        "--policy",
        "little-clinic",
        "--no-detect",
        "-q",
    ]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3, 5):
        raise SystemExit(f"medsnap ingest ended with {done.returncode}")
    return [after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall]


def measure(made: _vault.Made, root: Path, photos: int) -> None:
    """Time what a member does."""
    from medsnap.vault.catalogue import Catalogue, Filters
    from medsnap.vault.reader import Reader

    def reader() -> Reader:
        return Reader(made.vault, made.directory, made.owner.identities)

    folder = root / "cache"
    catalogue = Catalogue(folder, random=os.urandom)
    with timed("reindex", photos):
        catalogue.refresh(reader())
    catalogue.close()
    size = sum(p.stat().st_size for p in folder.iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'':34} cache {size / 1e6:,.0f} MB, {size / photos:.0f} B a photo; peak {peak:,.0f} MB")
    list(_vault.fill(made, 256, short=True, seed=2))
    catalogue = Catalogue(folder, random=os.urandom)
    with timed("open, take in 256 new", 256):
        catalogue.refresh(reader())
    catalogue.close()
    catalogue = Catalogue(folder, random=os.urandom)
    with timed("open, nothing new"):
        catalogue.refresh(reader())
    with timed("first page of 50"):
        page = catalogue.entries(limit=50)
    assert len(page) == 50
    step = max(1, photos // 200)
    ids = [e.object for e in catalogue.entries(Filters(encounter="E-1"))]
    ids += [
        e.object for n in range(0, photos // 4, step) for e in catalogue.entries(Filters(encounter=f"E-{n}"))
    ]
    many(f"find one by id ({len(ids)})", [lambda i=i: catalogue.find(i) for i in ids])
    many("find one by 8 characters", [lambda i=i: catalogue.find(i[:8]) for i in ids])
    many("whole row of one", [lambda i=i: catalogue.photo(i) for i in ids])
    patients = [f"{n:07}" for n in range(0, photos // 20, max(1, photos // 2000))]
    many("photos of one patient", [lambda m=m: catalogue.entries(Filters(mrn=m)) for m in patients])
    for label, wanted in (
        ("state done", Filters(state="done")),
        ("one body site", Filters(body_site="chest")),
        ("a week", Filters(since="2020-03-01", until="2020-03-07")),
        ("site, words, device, from a day", Filters(
            body_site="foot", text="wound left", device="ward-tab-10", since="2021-01-01")),
        ("nothing found", Filters(text="nowhere")),
    ):  # fmt: skip
        with timed(f"page of 50: {label}"):
            catalogue.entries(wanted, limit=50)
    catalogue.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--long", action="store_true", help="rows as long as real ones")
    parser.add_argument("--dir", type=Path, help="where the vault is made; default: the temporary folder")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=given.dir))
    try:
        with timed(f"made a vault of {given.photos:,}"):
            made = build(root, given.photos, long=given.long)
        with timed("entered its commits into the log"):
            log_commits(made)
        ingest_cost(made, root, given.photos)
        measure(made, root, given.photos)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
