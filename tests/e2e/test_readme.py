"""The README as a stranger types it: from nothing to a sealed photo and its bundle, prompts answered."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap.demo import dump
from tests.contracts.test_help import shell_lines
from tests.helpers import POLICIES, ROOT, Clinic

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the README's lines are for a shell")

FIRST, LAST = "medsnap vault init", "medsnap export"
ENDS = {"scan": {0, 1, 3}, "ingest": {0, 3}, "export": {0, 3}}  # others end with 0


def _lines() -> list[str]:
    """Give the README's lines from the new vault to the last export."""
    lines = [line for _, line in shell_lines(ROOT / "README.md")]
    starts = [n for n, line in enumerate(lines) if line.startswith(FIRST)]
    assert starts, "the README does not show how to make a vault"
    block = lines[starts[0] :]
    last = max(n for n, line in enumerate(block) if line.startswith(LAST))
    return block[: last + 1]


class _Terminal:
    """A person at a terminal: waits for a question and answers it."""

    def __init__(self, command: str, environment: dict[str, str], cwd: Path) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        self._run = subprocess.Popen(
            ["bash", "-c", command], env=environment, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.said = ""

    def wait_for(self, pattern: str, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not re.search(pattern, self.said) and time.monotonic() < end:
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    self.said += os.read(self._ours, 65536).decode("utf-8", "replace")
                except OSError:  # Linux: the other side is closed
                    break
        assert re.search(pattern, self.said), self.said

    def answer(self, text: str) -> None:
        os.write(self._ours, text.encode() + b"\n")

    def end(self) -> int:
        with contextlib.suppress(AssertionError):
            self.wait_for("\0never")  # until the other side is closed
        code = self._run.wait(300)
        os.close(self._ours)
        return code


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A working folder as the README supposes it: the lists and the policy lie in it, a tablet is there."""
    now = datetime.now(UTC).date()  # commands have no option for the clock
    day = dump.make(tmp_path / "day", seed=3, now=now)
    for source, name in (
        (day.manifest, "today.csv"),
        (day.devices, "devices.csv"),
        (day.people, "people.csv"),
    ):
        shutil.copy(source, tmp_path / name)
    # the packaged policy by its name, in force around today whenever this runs
    span = f"in_force: {{from: {now - timedelta(days=30)}, until: {now + timedelta(days=300)}}}"
    text = (POLICIES / "hospital.yaml").read_text(encoding="utf-8")
    (tmp_path / "hospital").write_text(re.sub(r"(?m)^in_force: .*$", span, text), encoding="utf-8")
    return tmp_path


def _read_sheets(terminal: _Terminal, stick: Path) -> None:
    """Look up the word that is asked for on each of nine sheets; the first answer is wrong."""
    terminal.wait_for(r"recovery-1-of-3.html: word \d+:")
    terminal.answer("wrong")
    terminal.wait_for("this is not word")
    for kind in ("recovery", "recovery-closed", "root"):
        for number in (1, 2, 3):
            name = f"{kind}-{number}-of-3.html"
            terminal.wait_for(rf"{name}: word \d+:")
            asked = re.findall(rf"{name}: word (\d+)", terminal.said)
            words = re.findall(r"<b>(\d+)</b> ([a-z]+)", (stick / name).read_text())
            terminal.answer(dict(words)[asked[-1]])


def test_the_readme_leads_from_nothing_to_a_bundle(home: Path) -> None:
    pytest.importorskip("pty")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {
        "PATH": programs, "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1",
        "MEDSNAP_POLICY": str(home / "hospital"), "MEDSNAP_MODELS": str(home / "no-models"),
    }  # fmt: skip
    stick = home / "stick"
    photo = ""
    for line in _lines():
        words = line.replace("/media/tablet", str(home / "day" / "dump")).replace(" ID ", f" {photo} ")
        terminal = _Terminal(words, environment, home)
        name = words.split()[1]
        if words.startswith(FIRST) and "--recovery-file" not in words:
            terminal.wait_for("recovery sheets")
            terminal.answer(str(stick))
            _read_sheets(terminal, stick)
        code = terminal.end()
        assert code in ENDS.get(name, {0}), f"{line}\nexit {code}\n{terminal.said}"
        assert "Traceback" not in terminal.said, terminal.said
        if " vault ls" in words:
            photo = re.findall(r"(?m)^([a-z2-7]{8,26}) ", terminal.said)[0]
    assert photo
    assert len(list(home.rglob("*.bundle.json"))) >= 8
    assert len(list(home.rglob("*.dcm"))) >= 8
    # a person's key lies apart from the host's folder, readable by nobody else
    [key] = [p for p in home.rglob("*.key") if "keys" in p.parts and p.name != "ingest.key"]
    assert key.stat().st_mode & 0o077 == 0
    assert all(sheet.stat().st_mode & 0o077 == 0 for sheet in (stick, *stick.iterdir()))


def test_the_readme_s_table_of_patients_is_one_that_ingest_reads(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```csv\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "today.csv").write_text(block, encoding="utf-8")
    folder = tmp_path / "dump" / "DCIM" / "101APPLE"
    folder.mkdir(parents=True)
    day = dump.make(tmp_path / "day", seed=3, now=datetime(2026, 3, 2, tzinfo=UTC).date())
    photo = next(p for p in sorted(day.dump.rglob("*.JPG")))
    shutil.copy(photo, folder / "IMG_0001.JPG")
    words = ["scan", tmp_path / "dump", "--policy", "hospital", "--manifest", tmp_path / "today.csv"]
    ran = Clinic(tmp_path / "clinic").run(*words, "--no-detect", "--format", "ndjson")
    assert ran.code in (0, 1), ran
    [record] = [line for line in ran.lines if line["type"] == "photo"]
    assert record["match"] == "matched"
