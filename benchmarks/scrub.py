"""Scrub N phone-like JPEGs of 12 MP: medsnap beside cp -r, exiftool and plain SHA-256.

usage: python benchmarks/scrub.py [--count 100] [--dir FOLDER] [--photos FOLDER]

Every tool runs once to warm the cache and then `--rounds` times; the best round counts. The photos
are made here (noise over gradients, Exif with GPS, maker note and thumbnail, ICC, a motion clip
behind every tenth), so no foreign file is needed. `--photos` measures real ones instead: exiftool
takes longer over their maker notes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import piexif
from PIL import Image, ImageCms

from medsnap.scrub import apply, clean

WIDTH, HEIGHT = 4032, 3024


def photo(seed: int) -> bytes:
    """Return one JPEG of 12 MP like a phone's: about 2.5 MB."""
    made = random.Random(seed)
    noise = Image.effect_noise((WIDTH // 2, HEIGHT // 2), 28).resize((WIDTH, HEIGHT))
    tint = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).rotate(90 * made.randrange(4))
    picture = Image.merge("RGB", (noise, Image.blend(noise, tint, 0.5), tint.resize((WIDTH, HEIGHT))))
    small = io.BytesIO()
    picture.resize((320, 240)).save(small, "JPEG", quality=70)
    tags = {
        "0th": {
            piexif.ImageIFD.Make: b"Maker",
            piexif.ImageIFD.Model: b"Phone 15",
            piexif.ImageIFD.Orientation: made.choice((1, 3, 6, 8)),
        },
        "Exif": {
            piexif.ExifIFD.DateTimeOriginal: b"2025:03:04 05:06:07",
            piexif.ExifIFD.BodySerialNumber: b"F00%d" % made.randrange(10**9),
            piexif.ExifIFD.MakerNote: made.randbytes(4000),
        },
        "GPS": {
            piexif.GPSIFD.GPSLatitudeRef: b"N",
            piexif.GPSIFD.GPSLatitude: ((54, 1), (41, 1), (made.randrange(6000), 100)),
        },
        "1st": {},
        "thumbnail": small.getvalue(),
    }
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82, exif=piexif.dump(tags), icc_profile=profile)
    clip = b"\x00\x00\x00\x18ftypmp42" + bytes(12) + made.randbytes(400_000) if seed % 10 == 0 else b""
    return out.getvalue() + clip


def make(folder: Path, count: int) -> None:
    """Write `count` photos; ten pictures are made and repeated."""
    folder.mkdir()
    made = [photo(seed) for seed in range(min(count, 10))]
    for number in range(count):
        (folder / f"IMG_{number:04}.jpg").write_bytes(made[number % len(made)])


def best(run: Callable[[Path], None], work: Path, rounds: int) -> tuple[float, float]:
    """Return the least wall time and the least CPU time (children too) of several rounds, in seconds."""
    walls, processors = [], []
    for number in range(rounds + 1):
        target = work / f"out-{number}"
        start, before = time.perf_counter(), sum(os.times()[:4])
        run(target)
        walls.append(time.perf_counter() - start)
        processors.append(sum(os.times()[:4]) - before)
        shutil.rmtree(target, ignore_errors=True)
    return min(walls[1:]), min(processors[1:])


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)


def exiftool(source: Path, target: Path) -> None:
    """Run exiftool at its best: one process, everything out, ICC and orientation kept."""
    options = [
        "-q",
        "-q",
        "-m",
        "-all=",
        "-trailer:all=",
        "-CommonIFD0=",
        "--icc_profile:all",
        "-tagsfromfile",
        "@",
        "-orientation",
    ]
    target.mkdir()
    subprocess.run(["exiftool", *options, "-o", f"{target}/", str(source)], check=False)


def medsnap_command(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "medsnap", "scrub", str(source), "-o", str(target), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def medsnap_core(source: Path, target: Path) -> None:
    """Run the core in this process: plan, second reader, SHA-256 in and out, write."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        data = path.read_bytes()
        with (target / path.name).open("wb") as handle:
            apply(clean(data).rewrite, data, handle.write)


def digest(source: Path, _target: Path) -> None:
    for path in sorted(source.iterdir()):
        hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs to measure with")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        work = Path(name)
        source = given.photos or work / "photos"
        if given.photos is None:
            make(source, given.count)
        size = sum(p.stat().st_size for p in source.iterdir())
        print(f"{len(list(source.iterdir()))} JPEGs, {size / 1e6:.1f} MB")
        tools: dict[str, Callable[[Path, Path], None]] = {
            "cp -r": copy,
            "sha256 (read once)": digest,
            "medsnap core": medsnap_core,
            "medsnap scrub": medsnap_command,
        }
        if shutil.which("exiftool"):
            tools["exiftool"] = exiftool
        else:
            print("exiftool is absent: not measured")
        times = {n: best(lambda t, run=run: run(source, t), work, given.rounds) for n, run in tools.items()}
        for tool, (wall, cpu) in times.items():
            rate, a_core = size / 1e6 / wall, size / 1e6 / max(cpu, 0.01)
            print(f"{tool:20} {wall:7.2f} s {rate:8.0f} MB/s   CPU {cpu:6.2f} s {a_core:8.0f} MB/s a core")
        ours = times["medsnap scrub"]
        print(f"medsnap scrub / cp -r, wall: {times['cp -r'][0] / ours[0]:.2f} (target 0.3)")
        if "exiftool" in times:
            wall, cpu = (theirs / mine for theirs, mine in zip(times["exiftool"], ours, strict=True))
            print(f"medsnap scrub / exiftool: wall {wall:.1f}, CPU {cpu:.1f} (target 5)")


if __name__ == "__main__":
    main()
