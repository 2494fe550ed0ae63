"""File names are patient data: on stdout, in sealed files, and nowhere else."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import Clinic, Ran, mere_mortal

NAME = "Zzsentinel_Anna_Beispiel"
# in clear, folded, and as it would stand inside encoded text
TRACES = {
    "as it is": NAME.encode(),
    "its first half": b"Zzsentinel",
    "its second half": b"Anna_Beispiel",
    "base64": base64.b64encode(NAME.encode() + b".jpg")[:30],
    "hex": NAME.encode().hex().encode(),
    "UTF-16": NAME.encode("utf-16-le"),
}


def _traces(text: bytes) -> list[str]:
    folded = text.lower()
    return [name for name, trace in TRACES.items() if trace.lower() in folded]


def _traces_of(clinic: Clinic) -> dict[str, list[str]]:
    """Look into every file and file name of vault, host folder and cache."""
    found = {}
    for folder in (clinic.vault, clinic.state, clinic.root / "cache", clinic.root / "home"):
        for path in folder.rglob("*"):
            text = str(path.relative_to(clinic.root)).encode()
            text += path.read_bytes() if path.is_file() else b""
            if said := _traces(text):
                found[str(path)] = said
    return found


def _quiet(ran: Ran) -> None:
    assert _traces(ran.err.encode()) == [], ran.err
    assert "Traceback" not in ran.err


@pytest.fixture
def dump(tmp_path: Path) -> Iterator[Path]:
    """Names that say who is in the picture, on folders and on files that go wrong in each way."""
    folder = tmp_path / f"{NAME}_dump" / f"{NAME}_2026"
    folder.mkdir(parents=True)
    good = folder / f"{NAME}.jpg"
    Image.effect_noise((80, 60), 30).convert("RGB").save(good, comment=NAME.encode())
    whole = good.read_bytes()
    (folder / f"{NAME}_cut.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / f"{NAME}_corrupt.jpg").write_bytes(whole[:40] + bytes(range(256)) * 4)
    (folder / f"{NAME}_corrupt.heic").write_bytes(b"\0\0\0\x18ftypheic" + os.urandom(300))
    (folder / f"{NAME}_corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(90))
    (folder / f"{NAME}_film.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + os.urandom(50))
    (folder / f"{NAME}.txt").write_text(NAME)
    (folder / f"{NAME}_empty.jpg").write_bytes(b"")
    (folder / f"{NAME}_link.jpg").symlink_to(folder / f"{NAME}_gone.jpg")
    yield folder.parent
    for path in folder.parent.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    made = Clinic(tmp_path / "clinic").init()
    assert "MEDSNAP_DEBUG" not in made.environment
    return made


@pytest.mark.parametrize("form", ["human", "json", "ndjson"])
def test_an_ingest_that_goes_wrong_names_nobody(form: str, clinic: Clinic, dump: Path) -> None:
    unreadable = dump / f"{NAME}_unreadable.jpg"
    unreadable.write_bytes(next(dump.rglob(f"{NAME}.jpg")).read_bytes() + b"\0")
    unreadable.chmod(0)
    words = ("ingest", dump, "--policy", "hospital", "--format", form, "--verify-pixels", "-v", "-v")
    for _ in range(2):
        ran = clinic.run(*words, wrapper=mere_mortal()).expect(3)
        _quiet(ran)
        assert _traces(ran.out.encode()), "records say which source they speak of"
    assert _traces_of(clinic) == {}
    listed = clinic.run("vault", "ls", "--format", "json").expect(0)
    assert _traces(listed.out.encode()), "the owner does see the name"
    assert _traces_of(clinic) == {}, "the owner's cache holds it in clear"
    for command in (["vault", "check"], ["audit", "verify"], ["audit", "ls"], ["doctor"]):
        ran = clinic.run(*command).expect(0)
        assert _traces(ran.out.encode() + ran.err.encode()) == [], command


@pytest.mark.parametrize("closed", ["vault/tmp", "vault", "host"])
def test_a_vault_that_cannot_be_written_names_nobody(closed: str, clinic: Clinic, dump: Path) -> None:
    place = clinic.root / closed
    for folder in (place, *(p for p in place.iterdir() if p.is_dir())):
        folder.chmod(0o500)
    ran = clinic.ingest(dump, wrapper=mere_mortal())
    assert ran.code in (73, 74, 77), ran
    _quiet(ran)
    assert _traces(str(ran.lines[-1]).encode()) == [], ran.lines[-1]
    assert _traces_of(clinic) == {}


def test_other_commands_that_go_wrong_name_nobody(clinic: Clinic, dump: Path) -> None:
    to = clinic.root / "to"
    for words in (
        ["scan", dump, "--policy", "hospital"],
        ["classify", dump],
        ["scrub", dump, "-o", to],
        ["scrub", dump, "-o", to, "--verify-pixels", "--format", "ndjson"],
        ["ingest", dump, "--policy", "hospital", "--dry-run"],
    ):
        ran = clinic.run(*words)
        assert ran.code in (1, 3, 73), ran
        _quiet(ran)
    assert _traces_of(clinic) == {}


def test_a_defect_names_nobody(clinic: Clinic, dump: Path, tmp_path: Path) -> None:
    """An exception whose text is a file name: the place in the code is told, the text is not."""
    patch = tmp_path / "patch"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(
        "import medsnap.batch\n"
        "def broken(*given):\n"
        f"    raise ValueError('cannot do {NAME}.jpg', given)\n"
        "medsnap.batch.find = broken\n"
    )
    environment = {**clinic.environment, "PYTHONPATH": str(patch)}
    for form in ("human", "ndjson"):
        words = ("ingest", dump, "--policy", "hospital", "--format", form)
        ran = clinic.run(*words, environment=environment).expect(70)
        assert _traces(ran.out.encode() + ran.err.encode()) == [], ran
        assert "medsnap.commands.ingest" in ran.out + ran.err, "the place in the code helps to mend it"
    assert _traces_of(clinic) == {}
