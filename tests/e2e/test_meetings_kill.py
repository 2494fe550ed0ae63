"""An export killed at every step of the disk: run again, each photo has left once, under one identity."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from medsnap.cli import root
from medsnap.commands._main import run
from tests.e2e.ward import Ward
from tests.strikes import arm

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
EVERY = 1 if os.environ.get("MEDSNAP_DEEP") == "1" else 29  # steps
STEPS = ("fsync", "link", "replace", "unlink", "open", "rename", "mkdir", "rmdir")


def _killed(ward: Ward, before: int) -> bool:
    """Kill an export before that step; False when it had ended by then."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            arm(before, STEPS)
            code = run(root(), ward.export())
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed by itself"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_killed_at_any_step_each_photo_leaves_once(ward: Ward) -> None:
    whole = ward.folder.with_name("whole")
    shutil.copytree(ward.folder, whole)
    step = 1
    while _killed(ward, step):
        found = {name for name in ward.files() if name.endswith(".json")}
        receipts = {p: {r["identifiers"]["document"] for r in ward.receipts(p)} for p in ward.ids}
        sent = {f"{d.removeprefix('urn:uuid:')}.bundle.json" for known in receipts.values() for d in known}
        assert found <= sent, "a file without a receipt"
        again = ward.run(*ward.export()).expect(0)
        assert ward.files() == {p["file"] for p in again.photos}
        assert all(len({r["identifiers"]["document"] for r in ward.receipts(p)}) == 1 for p in ward.ids)
        ward.run("vault", "check", "--repair", "--open").expect(0)
        ward.run("vault", "check").expect(0)
        ward.run("audit", "verify").expect(0)
        shutil.rmtree(ward.folder)
        shutil.copytree(whole, ward.folder)
        step += EVERY
    assert step > 2 * EVERY
