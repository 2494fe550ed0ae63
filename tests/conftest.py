"""Fixtures for everything that lies outside the project: the corpus and foreign programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.memory import module_path, tmp_path

# No example fails because the machine was busy: costs are judged in CPU seconds, where a test says so.
# CI, which alone requires the tools, tries the same examples each time; at a desk they differ.
settings.register_profile(
    "medsnap",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("MEDSNAP_REQUIRE_TOOLS") == "1",
    print_blob=True,
)
settings.load_profile("medsnap")

__all__ = ["module_path", "tmp_path"]

ROOT = Path(__file__).resolve().parent.parent


def absent(what: str, variable: str) -> None:
    """Skip loudly; fail where the variable is set, as in CI."""
    message = f"{what} is absent; set {variable}=1 to make this a failure"
    if os.environ.get(variable) == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder with real phone photos, labelled features and the age test kit."""
    folder = Path(os.environ.get("MEDSNAP_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (folder / "photos").is_dir():
        absent(f"the corpus ({folder})", "MEDSNAP_REQUIRE_CORPUS")
    return folder


@pytest.fixture(scope="session")
def checkers() -> Path:
    """The folder with the independent checkers."""
    folder = Path(os.environ.get("MEDSNAP_CHECKERS", ROOT.parent / "shared" / "tools"))
    if not folder.is_dir():
        absent(f"the folder of checkers ({folder})", "MEDSNAP_REQUIRE_CORPUS")
    return folder


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a foreign program: `tool("exiftool")` gives its path, or skips (fails in CI)."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            absent(f"the program {name}", "MEDSNAP_REQUIRE_TOOLS")
        return str(path)

    return find
