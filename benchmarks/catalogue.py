"""A vault of N made-up photos: reindex, one more commit, find one, first page, searches, and ingest into it.

usage: python benchmarks/catalogue.py [--photos 1000000] [--long] [--dir FOLDER]

The vault has commits, batches and a log entry for each, but no objects. `--long` makes rows as long as
real ones (8 KB, four locked groups); without it they are 2 KB in two groups, so that a million fit on a
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
        made = _vault.make(root, _vault.GROUPS if long else _vault.GROUPS[:2])
        for done in _vault.fill(made, photos, short=not long):
            if done % 25_600 == 0:
                print(f"\rmade {done:,}", end="", file=sys.stderr, flush=True)
    finally:
        disk.sync, disk.sync_folder = sync, folder
    print(file=sys.stderr)
    return made


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
        measure(made, root, given.photos)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
