"""How many photos a second become DICOM: medsnap beside DCMTK's img2dcm, same photos, same run.

    python benchmarks/export.py [PHOTOS]

Both write to the same disk. img2dcm starts one process a photo, as it is used; medsnap takes them all
in one process, and its imports count. The rows stand ready, as they do in a catalogue. The photos are
12-megapixel JPEGs made here.
"""

# ruff: noqa: PLC0415 - importing is part of what is measured
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medsnap.model.record import PhotoRow

ROWS: dict[Path, PhotoRow] = {}
NOW = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)


def photos(count: int, folder: Path) -> list[Path]:
    from PIL import Image

    noise = Image.effect_noise((1008, 756), 40).resize((4032, 3024))
    made = []
    for number in range(count):
        image = Image.merge("RGB", (noise, noise.rotate(180), noise))
        path = folder / f"{number}.jpg"
        image.save(path, quality=88 + number % 6, subsampling=2)
        made.append(path)
    return made


def rows(files: list[Path]) -> dict[Path, PhotoRow]:
    from tests.builders.export import row

    return {path: row(path.read_bytes()) for path in files}


def medsnap(files: list[Path], out: Path) -> None:
    from medsnap.export.dicom import wrap
    from medsnap.export.ids import Numbers, allot
    from medsnap.export.prepare import As, Prepared, prepare
    from medsnap.export.site import Site

    numbers = Numbers(study=1, series=1, instance=1)
    for path in files:
        photo = path.read_bytes()
        row = ROWS[path]
        ids = allot([row], [], target="pacs", kind="dicom", random=os.urandom)[row.seal.object]
        ready = prepare(row, photo, as_=As.DICOM)
        assert isinstance(ready, Prepared)
        data = wrap(ready, row, ids, now=NOW, site=Site(), numbers=numbers)
        (out / f"{ids.sop_uid}.dcm").write_bytes(data)


def bundles(files: list[Path], out: Path) -> None:
    from medsnap.export.fhir import bundle, bundle_json
    from medsnap.export.ids import allot
    from medsnap.export.prepare import As, Prepared, prepare
    from medsnap.export.site import Site

    for number, path in enumerate(files):
        photo = path.read_bytes()
        row = ROWS[path]
        ids = allot([row], [], target="ehr", kind="fhir-r4", random=os.urandom)[row.seal.object]
        ready = prepare(row, photo, as_=As.FHIR)
        assert isinstance(ready, Prepared)
        (out / f"{number}.bundle.json").write_bytes(
            bundle_json(bundle(ready, row, ids, now=NOW, site=Site()))
        )


def img2dcm(files: list[Path], out: Path) -> None:
    for path in files:
        subprocess.run(["img2dcm", "-vlp", "-q", str(path), str(out / f"{path.stem}.dcm")], check=True)


def sha256(files: list[Path], out: Path) -> None:
    del out
    for path in files:
        hashlib.sha256(path.read_bytes()).hexdigest()


def measure(name: str, work: Callable[[list[Path], Path], None], files: list[Path], folder: Path) -> float:
    out = folder / name.replace(" ", "-")
    out.mkdir()
    start = time.perf_counter()
    work(files, out)
    spent = time.perf_counter() - start
    total = sum(f.stat().st_size for f in files) / 1e6
    print(f"{name:34} {len(files) / spent:8.1f} photos/s {total / spent:8.1f} MB/s")
    shutil.rmtree(out)
    return len(files) / spent


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="medsnap-bench-") as name:
        folder = Path(name)
        files = photos(count, folder)
        ROWS.update(rows(files))
        print(f"{count} JPEGs of 12 MP, {sum(f.stat().st_size for f in files) / count / 1e6:.1f} MB each")
        measure("plain sha256 of the input", sha256, files, folder)
        ours = measure("medsnap, DICOM, import included", medsnap, files, folder)
        measure("medsnap, FHIR bundle", bundles, files, folder)
        if shutil.which("img2dcm"):
            theirs = measure("img2dcm -vlp", img2dcm, files, folder)
            print(f"medsnap wraps {ours / theirs:.1f} times as fast as img2dcm")
        else:
            print("img2dcm is not installed (Debian: dcmtk): no comparison")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
