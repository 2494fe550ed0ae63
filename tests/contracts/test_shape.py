"""The shape of the code: small files that say what they are, layers that hold, imports that travel."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

PACKAGE = ROOT / "medsnap"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400
POSIX_ONLY = ("fcntl", "pwd", "resource", "grp", "termios")
OF_EXTRAS = ("onnxruntime", "cv2", "rapidocr", "zxingcpp", "numpy", "jpeglib")  # absent in a core install


def test_no_file_written_by_hand_is_long() -> None:
    assert len(FILES) > 100
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    tables = {name for name in lengths if name.endswith("_tables.py")}
    assert not {name: n for name, n in lengths.items() if n > LONGEST and name not in tables}


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in FILES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed here")
    ran = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout, ran.stdout


_IMPORT_ALL = """
import importlib, json, pkgutil, sys

blocked = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} does not exist here", name=name)

for name in blocked & set(sys.modules):
    del sys.modules[name]
sys.meta_path.insert(0, Absent())
import medsnap
failed, count = {}, 0
for module in pkgutil.walk_packages(medsnap.__path__, "medsnap."):
    if module.name.endswith("__main__"):
        continue
    count += 1
    try:
        importlib.import_module(module.name)
    except BaseException as problem:
        failed[module.name] = repr(problem)
print(json.dumps({"count": count, "failed": failed}))
"""


@pytest.mark.parametrize("blocked", [POSIX_ONLY, OF_EXTRAS], ids=["posix-only", "extras"])
def test_every_module_imports_without(blocked: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, json.dumps(blocked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["count"] > 100
    assert told["failed"] == {}
