"""Find the policies that travel with medsnap."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medsnap.errors import InputMissing

BASELINE: Final = "baseline-1"


def packaged(name: str) -> Path:
    """Return the path of a packaged policy ("hospital" or "hospital.yaml"). Raises InputMissing.

    An installed wheel carries them beside this module; a checkout keeps them in `policies/`.
    """
    here = Path(__file__).resolve().parent
    stem = name.removesuffix(".yaml")
    for folder in (here / "data" / "policies", here.parent.parent / "policies"):
        found = folder / f"{stem}.yaml"
        if Path(stem).name == stem and found.is_file():
            return found
    raise InputMissing(
        f"no packaged policy is called '{stem[:60]}'", hint="packaged: " + ", ".join(packaged_names())
    )


def packaged_names() -> tuple[str, ...]:
    """List the packaged policies."""
    here = Path(__file__).resolve().parent
    folders = (here / "data" / "policies", here.parent.parent / "policies")
    found = {p.stem for folder in folders for p in folder.glob("*.yaml") if not p.stem.endswith(".test")}
    return tuple(sorted(found))
