"""What a command loads: a help page must not wait for a picture library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import POLICIES, Clinic

HEAVY = {
    "PIL", "pillow_heif", "piexif", "pydicom", "keyring", "cv2", "onnxruntime", "numpy", "rapidocr",
    "zxingcpp", "jpeglib",
}  # fmt: skip
FOR_HELP = HEAVY | {"cryptography", "yaml", "sqlite3"}

# runs a command as the console script does, then says which watched modules are loaded and who asked first
_CHILD = """
import json, sys

watched, out = set(json.loads(sys.argv[1])), sys.argv[2]
chains = {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in watched and name not in chains:
            frame, chain = sys._getframe(1), []
            while frame is not None:
                module = frame.f_globals.get("__name__", "")
                if "importlib" not in module:
                    chain.append(f"{module}:{frame.f_lineno}")
                frame = frame.f_back
            chains[name] = " < ".join(chain)

sys.meta_path.insert(0, Watch())
sys.argv = ["medsnap", *sys.argv[3:]]
code = None
try:
    from medsnap.cli import main
    main()
except SystemExit as end:
    code = end.code
loaded = {name: chains.get(name, "?") for name in sorted(watched & set(sys.modules))}
with open(out, "w") as handle:
    json.dump({"code": code, "loaded": loaded}, handle)
"""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A small vault with one photo in it."""
    made = Clinic(tmp_path_factory.mktemp("clinic")).init()
    photo = made.root / "dump.png"
    Image.new("RGB", (40, 30), (90, 20, 20)).save(photo)
    made.ingest(photo).expect(0)
    return made


CASES = {
    "--help": (["--help"], FOR_HELP),
    "--version": (["--version"], FOR_HELP | {"rich"}),
    "vault --help": (["vault", "--help"], FOR_HELP),
    "a typing error": (["ingset"], FOR_HELP),
    "policy lint": (["policy", "lint", str(POLICIES / "hospital.yaml")], HEAVY | {"cryptography", "sqlite3"}),
    "audit verify": (["audit", "verify"], HEAVY | {"yaml"}),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_needed_is_loaded(case: str, clinic: Clinic, tmp_path: Path) -> None:
    words, forbidden = CASES[case]
    out = tmp_path / "loaded.json"
    child = [sys.executable, "-c", _CHILD, json.dumps(sorted(forbidden)), str(out), *words]
    ran = subprocess.run(
        child, env=clinic.environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert out.exists(), ran.stderr
    told = json.loads(out.read_text())
    assert told["code"] in ({2} if case == "a typing error" else {0, None}), ran.stdout + ran.stderr
    assert told["loaded"] == {}, "\n".join(f"{name}: {chain}" for name, chain in told["loaded"].items())


def test_the_watcher_sees(tmp_path: Path) -> None:
    """A command that does load a picture library is caught by the same child."""
    photo, out = tmp_path / "a.png", tmp_path / "loaded.json"
    Image.new("RGB", (8, 8)).save(photo)
    words = ["scrub", str(photo), "-o", str(tmp_path / "to"), "--verify-pixels"]
    child = [sys.executable, "-c", _CHILD, json.dumps(["typer", "hashlib"]), str(out), *words]
    subprocess.run(child, env=Clinic(tmp_path).environment, capture_output=True, timeout=300, check=False)
    assert "medsnap.cli" in json.loads(out.read_text())["loaded"]["typer"]
