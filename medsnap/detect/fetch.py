"""Two ways to get a pinned wheel: the ordinary package client, or a folder that holds it already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from medsnap.detect.models import Fetch
from medsnap.detect.pins import Wheel
from medsnap.errors import DetectorError, InputMissing

TIMEOUT: Final = 600  # seconds


def from_index(wheel: Wheel, folder: Path) -> Path:
    """Download one wheel with pip, from the index that this Python is configured for.

    Raises DetectorError when pip is absent or cannot get it.
    """
    # --ignore-requires-python: rapidocr-onnxruntime 1.4.4 says < 3.13, but only its data files are used.
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
        "--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--quiet",
        "--dest", str(folder),
        f"{wheel.package}=={wheel.version}",
    ]  # fmt: skip
    hint = f"on a machine with a network fetch {wheel.file}, then: medsnap models install --from FOLDER"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise DetectorError(
            f"{wheel.package} {wheel.version} could not be fetched in time", hint=hint
        ) from problem
    path = folder / wheel.file
    if done.returncode or not path.is_file():
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next(
            (line for line in reversed(said) if "ERROR" in line or "No module" in line), "no reason given"
        )
        raise DetectorError(
            f"pip could not fetch {wheel.package} {wheel.version}: {reason.strip()}", hint=hint
        )
    return path


def from_folder(source: Path) -> Fetch:
    """Use wheels that lie in `source`. The fetch raises InputMissing naming the file it wants."""

    def fetch(wheel: Wheel, folder: Path) -> Path:  # noqa: ARG001 -- nothing to put there
        path = source / wheel.file
        if not path.is_file():
            raise InputMissing(
                f"{wheel.file} is not in the folder",
                where=str(source),
                hint=f"pip download --no-deps --ignore-requires-python {wheel.package}=={wheel.version}",
            )
        return path

    return fetch
