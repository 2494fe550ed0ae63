"""The README's six commands: a vault, a photo sealed, and the same photo out of it with stock age."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.helpers import ROOT

HEADING = "## A photo in, and out again without medsnap"


def _commands() -> list[str]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(HEADING)[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block, "the README lost its six commands"
    return [line for line in block[1].splitlines() if line]


def test_six_commands_from_nothing_to_a_photo_opened_by_stock_age(
    tool: Callable[[str], str], tmp_path: Path
) -> None:
    tool("age")
    lines = _commands()
    assert len(lines) == 6
    dump = tmp_path / "demo-day" / "day" / "dump"
    dump.mkdir(parents=True)
    Image.effect_noise((80, 60), 30).convert("RGB").save(dump / "IMG_1.jpg")
    (tmp_path / "home").mkdir()
    start = f'set -e; umask 077; medsnap() {{ "{sys.executable}" -m medsnap "$@"; }}\n'
    init, ingest, listing, rings, opening, clean = lines
    script = "\n".join((init, f"{ingest} --no-detect", f"{listing.partition('#')[0]} > listed"))
    _bash(start + script, tmp_path)
    found = (tmp_path / "listed").read_text(encoding="utf-8").splitlines()[1].split()[0]
    _bash(f"{start}{rings}\n{opening.replace('/ID*', f'/{found}*')}\n", tmp_path)
    with Image.open(tmp_path / "photo.jpg") as photo, Image.open(dump / "IMG_1.jpg") as came:
        assert photo.tobytes() == came.tobytes()
    _bash(clean, tmp_path)
    assert not (tmp_path / "ids").exists()


def _bash(script: str, folder: Path) -> None:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "MEDSNAP_STATE": str(folder / "state"),
        "MEDSNAP_CACHE": str(folder / "cache"),
    }
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
