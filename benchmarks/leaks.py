"""Leak signs: precision and recall over a table of made paths and files, and flags on real photos.

Run: python benchmarks/leaks.py [FOLDER]. The folder may have a MANIFEST.csv (file, make, …); what is flagged
there is printed with its evidence, to be judged by eye. STRAIGHT names the photos of the test corpus in which
exiftool's full listing shows no other program than the camera's: a flag on one of them is a false alarm.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medsnap import batch
from medsnap.intake import camera, sources
from medsnap.intake.limits import Limits
from medsnap.model.decision import LeakKind
from medsnap.model.photo import Kind, MediaType
from tests.builders import leaks
from tests.builders.leaks import BARE, EDITED, Case

STRAIGHT = frozenset(
    {
        "CanonRaw.cr3",
        "DNG.dng",
        "DSCN0010.jpg",
        "Issue_437_dotnet_.heic",
        "Sony.HIF",
        "Sony_HDR-HC3.jpg",
        "aux_YCbCr.heic",
        "canon-dslr.jpg",
        "corrupted.hif",
        "iphone_15_pro.heic",
        "iphone_hdr_YES.jpg",
        "kodak-dc210.jpg",
        "syn_motion_microvideo.jpg",
        "ultrahdr.jpg",
    }
)
FOREIGN = (  # what another program leaves of a phone's photo, and its truth
    ("exiftool -all=", ["exiftool", "-q", "-all=", "-o", "OUT", "IN"], {BARE}, "jpg"),
    ("jhead -purejpg", ["jhead", "-q", "-purejpg", "OUT"], {BARE}, "jpg"),
    ("jpegtran -copy none", ["jpegtran", "-copy", "none", "-outfile", "OUT", "IN"], {BARE}, "jpg"),
    ("convert", ["convert", "IN", "OUT"], {EDITED}, "jpg"),
    ("convert -strip", ["convert", "IN", "-strip", "OUT"], {BARE, EDITED}, "jpg"),
    ("convert to PNG", ["convert", "IN", "OUT"], {EDITED}, "png"),
    ("convert -resize", ["convert", "IN", "-resize", "50%", "OUT"], {EDITED}, "jpg"),
    ("ffmpeg", ["ffmpeg", "-v", "error", "-i", "IN", "-q:v", "2", "OUT"], {BARE, EDITED}, "jpg"),
    ("mat2 --lightweight", ["mat2", "-L", "--inplace", "OUT"], {BARE}, "jpg"),
    ("exiftool -xmp:title=", ["exiftool", "-q", "-xmp:title=x", "-o", "OUT", "IN"], {EDITED}, "jpg"),
)


def foreign(folder: Path) -> Iterator[tuple[str, Case | None]]:
    """Let each program at hand work on one photo; None where it is not installed."""
    before = folder / "before.jpg"
    before.write_bytes(leaks.own_tables(leaks.phone()))
    for name, command, truth, ending in FOREIGN:
        after = folder / f"{len(name)}-{command[0]}.{ending}"
        if shutil.which(command[0]) is None:
            yield name, None
            continue
        after.unlink(missing_ok=True)
        if "IN" not in command:
            after.write_bytes(before.read_bytes())
        paths = {"IN": str(before), "OUT": str(after)}
        subprocess.run([paths.get(word, word) for word in command], check=False, timeout=60)
        media = MediaType.PNG if ending == "png" else MediaType.JPEG
        yield name, Case(path=after.name, data=after.read_bytes(), media=media, truth=frozenset(truth))


def show(title: str, table: tuple[Case, ...]) -> None:
    """Print precision and recall of each sign, and what went wrong."""
    scores, wrong = leaks.scored(table)
    bearers = {kind: sum(kind in case.truth for case in table) for kind in scores}
    print(f"{title}: {len(table)} files")
    for kind, score in scores.items():
        counts = f"{score.right} right, {score.false} false, {score.missed} missed of {bearers[kind]}"
        print(f"  {kind:16} precision {score.precision:5.1%}  recall {score.recall:5.1%}  ({counts})")
    for case, kind, words in wrong:
        print(f"    {case.path}: {kind}: {words}")


def corpus(folder: Path) -> None:
    """Print each flag on real photos, and count those on photos straight from a camera."""
    flagged: Counter[LeakKind] = Counter()
    alarms: list[str] = []
    photos = straight = with_camera = 0
    for candidate in batch.find([folder], Limits()).candidates:
        if candidate.media.kind is not Kind.PHOTO:
            continue
        photos += 1
        name = candidate.source.path.name
        data = candidate.source.path.read_bytes()
        facts = camera.facts(data, candidate.media)
        signs = sources.found(candidate, facts, data)
        with_camera += facts.has_camera_data
        straight += name in STRAIGHT
        flagged.update({sign.kind for sign in signs})
        for sign in signs:
            print(f"    {name}: {sign.kind}: {sign.because}")
            if name in STRAIGHT:
                alarms.append(f"{name}: {sign.kind}")
    print(f"{folder.name}: {photos} photos, {with_camera} with camera data: "
          + ", ".join(f"{kind} {n}" for kind, n in sorted(flagged.items())))  # fmt: skip
    print(f"  straight from a camera: {straight}; false alarms: {len(alarms)} {'; '.join(alarms)}")


def main() -> None:
    show("made paths and files", leaks.cases())
    with tempfile.TemporaryDirectory() as name:
        made = list(foreign(Path(name)))
    absent = [name for name, case in made if case is None]
    show("after other programs", tuple(case for _, case in made if case is not None))
    print(f"  not installed: {', '.join(absent) or 'none'}")
    for path in map(Path, sys.argv[1:]):
        corpus(path)


if __name__ == "__main__":
    main()
