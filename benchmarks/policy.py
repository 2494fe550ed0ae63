"""Decisions a second, lint of the hospital's policy, diff over 50,000 catalogued photos.

Run: python benchmarks/policy.py. Each figure stands beside the target of docs/POLICY.md; one core.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medsnap import policy
from medsnap.model.decision import DeviceEvidence, Evidence
from medsnap.model.finding import Detector, Reading
from medsnap.model.study import Description
from medsnap.policy.explain import sentences
from tests.builders.decided import decided
from tests.builders.policy import HOSPITAL, MANAGED, NOW, ordinary, unlooked

PHOTOS = 50_000
FACE = Detector(name="centerface", version="1", model="ab" * 32)
TEXT = Detector(name="ppocr-v4", version="4", model="cd" * 32)
BARCODE = Detector(name="zxing-cpp", version="3")
SITES = ["forearm", "hand", "abdomen", "back", "face", "groin", "knee", "foot", "chest", None]


def best(run: Callable[[], float], times: int = 5) -> float:
    return min(run() for _ in range(times))


def rate(evidence: list[Evidence]) -> float:
    def run() -> float:
        start = time.process_time()
        for one in evidence:
            sentences(policy.decide(HOSPITAL, one, NOW))
        return (time.process_time() - start) / len(evidence)

    return 1 / best(run)


def made(dice: random.Random, *, distinct: bool) -> Evidence:
    """One photo of an ordinary clinic; `distinct` gives each its own scores and dates."""
    score = dice.random() if distinct else dice.choice([0.0, 0.05, 0.25, 0.4, 0.95])
    seen = MANAGED.last_seen or date(2026, 11, 20)
    device: DeviceEvidence = replace(
        MANAGED,
        asset=f"WARD-TAB-{dice.randrange(40):02d}",
        last_seen=seen - timedelta(days=dice.randrange(20 if distinct else 2)),
    )
    return Evidence(
        readings=(
            Reading(feature="face", detector=FACE, score=score),
            Reading(feature="text", detector=TEXT, score=dice.random() ** 4 if distinct else 0.0),
            Reading(feature="barcode", detector=BARCODE, score=0.0),
        ),
        device=device,
        description=Description(
            body_site=dice.choice(SITES),
            laterality=dice.choice(["left", "right"]),
            view=dice.choice(["overview", "regional", "close-up"]),
            reason=dice.choice(["assessment", "follow-up", "wound", "injury"]),
        ),
        department=dice.choice(["surgery", "dermatology", "emergency"]),
        patient_age=dice.randrange(95) if distinct else dice.choice([3, 9, 16, 40, 70]),
        listed=True,
        manifest_given=True,
    )


def lint() -> float:
    path = policy.packaged("hospital")
    policy.lint_file(path)  # imports and baseline

    def run() -> float:
        start = time.process_time()
        policy.lint_file(path)
        return time.process_time() - start

    return best(run)


def diff(folder: Path, *, distinct: bool) -> tuple[float, float, int]:
    """Return seconds of the first diff (which reads the batches), of the next, and distinct evidence."""
    dice = random.Random(7)
    vault = decided(folder, folder / "state")
    kinds = set()
    for _ in range(PHOTOS // 5_000):
        evidence = [made(dice, distinct=distinct) for _ in range(5_000)]
        kinds |= set(evidence)
        vault.add(evidence)
    old = policy.packaged("hospital")
    new = folder / "hospital.yaml"
    text = old.read_text("utf-8").replace("version: 4", "version: 5")
    new.write_text(text.replace("suspect_at: 0.20", "suspect_at: 0.30"), "utf-8")
    words = [
        sys.executable, "-m", "medsnap", "policy", "diff", old, new, "--vault", vault.vault, "--key-file",
        vault.owner, "--quiet",
    ]  # fmt: skip
    took = []
    for _ in range(3):
        start = time.perf_counter()
        ran = subprocess.run(
            list(map(str, words)),
            env={
                "MEDSNAP_STATE": str(vault.state),
                "MEDSNAP_CACHE": str(folder / "cache"),
                "HOME": str(folder),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        took.append(time.perf_counter() - start)
        assert ran.returncode == 1, ran.stderr + ran.stdout
    return took[0], min(took[1:]), len(kinds)


def main() -> None:
    print(f"explained decisions, detectors only:       {rate([unlooked()] * 2000):8,.0f} /s  (>= 5,000)")
    print(f"explained decisions, 60 statements each:   {rate([ordinary()] * 2000):8,.0f} /s  (>= 5,000)")
    print(f"lint of hospital.yaml after imports:       {lint() * 1000:8.1f} ms (<= 40)")
    for distinct in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            first, again, kinds = diff(Path(folder), distinct=distinct)
        what = f"policy diff, {PHOTOS:,} photos, {kinds:,} evidences"
        print(f"{what}: {again:.2f} s (< 3); {first:.2f} s the first time, with the catalogue made")


if __name__ == "__main__":
    main()
