"""SIGKILL at every durable step: after a re-run the vault is that of an uninterrupted run."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from medsnap.model.photo import Sha256
from medsnap.vault import check
from medsnap.vault.writer import Writer
from tests.strikes import arm

from .conftest import COMPARTMENTS, NOW, Kit, digest, make

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

PHOTOS = [bytes([n]) * (2000 + n) for n in range(7)]
EVERY = 1 if os.environ.get("MEDSNAP_DEEP") == "1" else 13  # lines
STEPS = ("fsync", "link", "replace", "unlink", "open", "rename", "mkdir")


def _log(kit: Kit) -> Path:
    return kit.root / "log.txt"


def _logged(kit: Kit) -> set[Sha256]:
    try:
        return {Sha256(line) for line in _log(kit).read_text().split()}
    except FileNotFoundError:
        return set()


def _append(kit: Kit, commit: Sha256) -> None:
    with _log(kit).open("a") as handle:
        handle.write(commit + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def _run(kit: Kit) -> None:
    """What the pipeline does: everything that is not known yet, commits in between and at the end."""
    with Writer(
        kit.host(),
        now=lambda: NOW,
        random=os.urandom,
        log=lambda commit, ids: _append(kit, commit),
        logged=lambda: _logged(kit),
    ) as writer:
        for n, photo in enumerate(PHOTOS):
            if writer.known(digest(photo)) is None:
                name = COMPARTMENTS[n % len(COMPARTMENTS)]
                writer.add(name, kit.row(writer, photo, name, f"IMG_{n}.jpg"))
            if n == 3:
                writer.commit()
        writer.commit()


def _child(work: Callable[[], None], arm: Callable[[], None]) -> int:
    """Run in a forked child; returns the signal that ended it, 0 when it ran through."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            arm()
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed by itself"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _arm(countdown: int) -> None:
    """Die before the n-th step that changes something on the disk."""
    counted = arm(countdown, STEPS)

    class Counted(sqlite3.Connection):
        execute = counted(sqlite3.Connection.execute)

    real_connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: real_connect(*a, factory=Counted, **k)  # type: ignore[assignment]


def _view(kit: Kit) -> list[tuple[str, str, str]]:
    """Everything in the catalogue but ids and times."""
    reader = kit.reader()
    found = sorted(
        (compartment, str(event["source_name"]), str(event["source_sha256"]))
        for compartment, event in reader.rows()
    )
    for _, event in reader.rows():
        assert digest(reader.open(event["seal"]["object"])) == event["source_sha256"]
    assert reader.problems == []
    return found


def _after_re_run(kit: Kit, expected: list[tuple[str, str, str]]) -> None:
    _run(kit)
    assert _view(kit) == expected
    report = check.check(kit.vault, root_vkey=kit.directory.root, logged=_logged(kit))
    assert report.problems == []
    assert report.objects == len(PHOTOS)
    assert len(_log(kit).read_text().split()) == len(_logged(kit)) == report.commits
    assert not list((kit.vault / "tmp").glob("*.part"))


class Interrupted(BaseException):
    """What a signal handler raises, between any two lines."""


def _interrupt(countdown: int) -> Callable[..., Any]:
    """Trace the writer's modules and raise at the n-th line, once."""
    left = countdown

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if Path(frame.f_code.co_filename).name not in ("writer.py", "journal.py", "commits.py"):
            return None
        if event == "line" and frame.f_code.co_name != "_forget":
            left -= 1
            if left == 0:
                raise Interrupted
        return trace

    return trace


def _interrupted_run(kit: Kit, countdown: int) -> bool:
    """One run as the batch loop does it: whatever happens, what was added is committed at the end."""
    with Writer(
        kit.host(),
        now=lambda: NOW,
        random=os.urandom,
        log=lambda commit, ids: _append(kit, commit),
        logged=lambda: _logged(kit),
    ) as writer:
        before = sys.gettrace()  # of a coverage measurement: it went blind here for all later tests
        sys.settrace(_interrupt(countdown))
        try:
            for n, photo in enumerate(PHOTOS[:2]):
                name = COMPARTMENTS[n]
                writer.add(name, kit.row(writer, photo, name, f"IMG_{n}.jpg"))
            writer.commit()
        except Interrupted:
            return True
        finally:
            sys.settrace(before)
            writer.commit()
    return False


def test_interrupted_between_any_two_lines_and_committed_then(
    tmp_path: Path, expected: list[tuple[str, str, str]]
) -> None:
    line = 1
    while True:
        kit = make(tmp_path / f"kit{line}")
        if not _interrupted_run(kit, line):
            break
        done = check.check(kit.vault, root_vkey=kit.directory.root, logged=_logged(kit))
        assert [p for p in done.problems if "orphan" not in p.what] == []
        _after_re_run(kit, expected)
        line += EVERY
    assert line > 60


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    kit = make(tmp_path_factory.mktemp("whole") / "kit")
    _run(kit)
    assert len(_view(kit)) == len(PHOTOS)
    return _view(kit)


def test_killed_before_any_step_and_run_again(tmp_path: Path, expected: list[tuple[str, str, str]]) -> None:
    step, ended = 1, 0
    while ended < 1:
        kit = make(tmp_path / f"kit{step}")
        ended += _child(lambda: _run(kit), lambda: _arm(step)) == 0  # noqa: B023 - runs at once
        _after_re_run(kit, expected)
        step += 7 if step > 40 else 2
    assert step > 100, "the countdown never reached the middle of a run"


def test_killed_again_and_again_in_one_vault(tmp_path: Path, expected: list[tuple[str, str, str]]) -> None:
    dice = random.Random(20260501)
    kit = make(tmp_path / "kit")
    kills = sum(
        _child(lambda: _run(kit), lambda: _arm(dice.randint(5, 60))) == signal.SIGKILL for _ in range(12)
    )
    assert kills >= 5
    _after_re_run(kit, expected)
