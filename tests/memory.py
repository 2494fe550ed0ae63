"""pytest's `tmp_path` in memory where there is enough: tests make many vaults, each of a thousand folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")
_ENOUGH = 4 << 30  # bytes free; containers often have 64 MiB


def place() -> Path | None:
    """Give a folder in memory; None where the disk must do: none, too little, or no program may run there."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ENOUGH:
        return None
    return None if os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC else _MEMORY


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of this test's own, gone after it."""
    with tempfile.TemporaryDirectory(prefix="medsnap-", dir=place(), ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="module")
def module_path() -> Iterator[Path]:
    """A folder of this module's tests."""
    with tempfile.TemporaryDirectory(prefix="medsnap-", dir=place(), ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()
