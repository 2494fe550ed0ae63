"""Programs that others wrote judge what leaves: jpegtran, dciodvfy, DCMTK, and two FHIR validators."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medsnap.errors import MedsnapError, Unsupported
from medsnap.export.dicom import wrap
from medsnap.export.fhir import bundle, bundle_json
from medsnap.export.ids import Numbers, allot
from medsnap.export.prepare import As, Held, Prepared, prepare
from medsnap.export.site import Code, Site
from medsnap.model.photo import CaptureFacts, MediaType
from medsnap.model.record import PhotoRow
from medsnap.model.study import Description, Patient, Visit
from medsnap.raster.jpeg_dct import upright
from tests.builders import export as make

pytestmark = pytest.mark.interop
pytest.importorskip("jpeglib")

Tool = Callable[[str], str]
SITE = Site(name="Little Clinic")
TURNS = {
    1: (), 2: ("-flip", "horizontal"), 3: ("-rotate", "180"), 4: ("-flip", "vertical"), 5: ("-transpose",),
    6: ("-rotate", "90"), 7: ("-transverse",), 8: ("-rotate", "270"),
}  # fmt: skip
CODINGS: dict[str, dict[str, Any]] = {
    "444": {"subsampling": 0},
    "422": {"subsampling": 1},
    "420": {"subsampling": 2},
    "grey": {"mode": "L"},
    "progressive": {"subsampling": 2, "progressive": True},
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [(96, 64), (101, 67), (96, 67), (101, 64), (40, 48)], ids=str)
def test_jpegtran_turns_and_refuses_the_same(tool: Tool, size: tuple[int, int], coding: str) -> None:
    options = dict(CODINGS[coding])
    photo = make.jpeg(size, options.pop("mode", "RGB"), **options)
    for orientation, arguments in TURNS.items():
        command = [tool("jpegtran"), "-copy", "icc", "-perfect", *arguments]
        theirs = subprocess.run(command, input=photo, capture_output=True, check=False)
        try:
            ours = upright(photo, orientation)
        except Unsupported:
            assert theirs.returncode != 0, orientation
            continue
        assert theirs.returncode == 0, orientation
        expected, shown = (Image.open(io.BytesIO(d)) for d in (theirs.stdout, ours))
        assert (shown.size, shown.tobytes()) == (expected.size, expected.tobytes()), orientation


def _files(
    row: PhotoRow, photo: bytes, code: Code | None
) -> tuple[bytes | None, Prepared | None, bytes, Prepared]:
    """Give the DICOM file (None when it is held) and the bundle, with what they were made of."""
    ids = allot([row], [], target="t", kind="k", random=make.stream())[row.seal.object]
    ready = prepare(row, photo, as_=As.FHIR)
    assert isinstance(ready, Prepared), ready
    made = bundle_json(bundle(ready, row, ids, now=make.NOW, site=SITE, site_code=code))
    dicom = prepare(row, photo, as_=As.DICOM)
    if isinstance(dicom, Held):
        return None, None, made, ready
    numbers = Numbers(study=1, series=1, instance=1)
    try:
        data = wrap(dicom, row, ids, now=make.NOW, site=SITE, numbers=numbers, site_code=code)
    except MedsnapError:
        return None, None, made, ready
    return data, dicom, made, ready


def _check_dicom(
    tool: Tool, checkers: Path, folder: Path, data: bytes, jpeg: bytes | None, *, unknown_side: bool = False
) -> None:
    """Judge one file; dciodvfy warns of a side that is empty because nobody knows it."""
    for name in ("dciodvfy", "dcmdump", "dcmj2pnm"):
        tool(name)
    file = folder / "x.dcm"
    file.write_bytes(data)
    command = ["bash", str(checkers / "check_dicom.sh"), str(file)]
    if jpeg is not None:
        (folder / "x.jpg").write_bytes(jpeg)
        command.append(str(folder / "x.jpg"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    strict = subprocess.run([tool("dciodvfy"), str(file)], capture_output=True, text=True, check=False)
    said = [line for line in strict.stderr.splitlines() if not (unknown_side and "<Laterality>" in line)]
    assert said == ["VLPhotographicImage"]


def _check_fhir(checkers: Path, folder: Path, bundles: list[tuple[bytes, bytes]]) -> None:
    """Judge (bundle, photo) pairs by the MHD rules, which contain the others, in one run."""
    command = [sys.executable, str(checkers / "check_fhir.py"), "--mhd"]
    for number, (made, sent) in enumerate(bundles):
        (folder / f"{number}.json").write_bytes(made)
        (folder / f"{number}.bin").write_bytes(sent)
        command += ["--photo", str(folder / f"{number}.bin"), str(folder / f"{number}.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == len(bundles)


def _rows() -> dict[str, tuple[PhotoRow, bytes]]:
    found: dict[str, tuple[PhotoRow, bytes]] = {}

    def add(name: str, photo: bytes, media: MediaType = MediaType.JPEG, **changes: Any) -> None:
        found[name] = (make.row(photo, media, **changes), photo)

    add("profile", make.jpeg(subsampling=2, icc_profile=make.profile()))
    add("grey", make.jpeg(mode="L"))
    add("odd size", make.jpeg((91, 61), subsampling=2))
    add("progressive", make.jpeg(progressive=True))
    add("turned", make.jpeg(subsampling=1), orientation=6)
    add("turned, odd", make.jpeg((91, 61), subsampling=2), orientation=6)
    add("png", make.encode(make.picture((91, 61)), "PNG", icc_profile=make.profile()), MediaType.PNG)
    add("grey png", make.encode(make.picture(mode="L"), "PNG"), MediaType.PNG)
    add("webp", make.encode(make.picture(), "WEBP", quality=80), MediaType.WEBP)
    add("heic", make.encode(make.picture(), "HEIF"), MediaType.HEIC)
    add("avif", make.encode(make.picture(), "AVIF"), MediaType.AVIF)
    bare = make.match(
        patient=Patient(mrn="ü 7", issuer="https://clinic.example/mrn"),
        visit=Visit(), description=Description(), operator=None,
    )  # fmt: skip
    facts = CaptureFacts(captured_at="2026-03-05T10:11:12")
    unknown = make.decision(features=())
    add("bare", make.jpeg(quality=70), match=bare, capture=facts, device=None, decision=unknown)
    words = Description(body_site="Fuß\\^=", laterality="both", view="v" * 300, reason="<b>&\n")
    add("words", make.jpeg(quality=71), match=make.match(description=words, operator="Müller^=x" * 20))
    return found


def test_validators_accept_every_kind(tool: Tool, checkers: Path, tmp_path: Path) -> None:
    bundles = []
    for name, (row, photo) in _rows().items():
        code = Code("14975008", "Forearm") if row.match.description.body_site == "forearm" else None
        data, dicom, made, ready = _files(row, photo, code)
        assert data is not None, name
        assert dicom is not None, name
        unchanged = photo if dicom.bitstream == photo else None
        _check_dicom(tool, checkers, tmp_path, data, unchanged, unknown_side=name == "bare")
        bundles.append((made, ready.bitstream))
    _check_fhir(checkers, tmp_path, bundles)


@pytest.mark.parametrize("coding", ["444", "420", "grey"])
def test_dcmtk_shows_the_picture_that_pillow_shows(tool: Tool, tmp_path: Path, coding: str) -> None:
    options = dict(CODINGS[coding])
    photo = make.jpeg((96, 64), options.pop("mode", "RGB"), **options)
    data, _, _, _ = _files(make.row(photo), photo, None)
    assert data is not None
    (tmp_path / "x.dcm").write_bytes(data)
    # +Mw… windows are for CT: MONOCHROME2 needs the full range, colour ignores it
    window = ["+Ww", "127.5", "255"] if coding == "grey" else []
    command = [tool("dcmj2pnm"), "+op", *window, str(tmp_path / "x.dcm"), str(tmp_path / "x.ppm")]
    subprocess.run(command, check=True, capture_output=True)
    theirs = Image.open(tmp_path / "x.ppm").convert("RGB").tobytes()
    ours = Image.open(io.BytesIO(photo)).convert("RGB").tobytes()
    # DCMTK replicates subsampled chroma, Pillow interpolates it; wrong colours would differ by far more
    limit = 4 if coding != "420" else 40
    assert max(abs(a - b) for a, b in zip(theirs, ours, strict=True)) <= limit


_FEW = (
    4  # of each format, the smallest: the validators are slow; test_export.py judges what the command makes
)
_ALL = 1000


@pytest.mark.parametrize("most", [_FEW, pytest.param(_ALL, marks=pytest.mark.slow)], ids=["few", "all"])
def test_the_corpus_leaves_or_is_held_with_a_reason(
    tool: Tool, corpus: Path, checkers: Path, tmp_path: Path, most: int
) -> None:
    from medsnap.formats.sniff import sniff
    from medsnap.scrub import clean

    accepted = {MediaType.JPEG, MediaType.PNG, MediaType.WEBP, MediaType.HEIC, MediaType.HEIF, MediaType.AVIF}
    left: Counter[MediaType] = Counter()
    bundles = []
    for path in sorted((corpus / "photos").iterdir(), key=lambda p: (p.stat().st_size, p.name)):
        source = path.read_bytes()
        media = sniff(source)
        if media not in accepted or left[media] >= most:
            continue
        try:
            scrubbed = clean(source, media)
        except MedsnapError:
            continue
        photo = scrubbed.data(source)
        row = make.row(photo, media, orientation=scrubbed.rewrite.orientation)
        if isinstance(prepare(row, photo, as_=As.FHIR), Held):
            continue
        data, dicom, made, ready = _files(row, photo, None)
        bundles.append((made, ready.bitstream))
        if data is not None and dicom is not None:
            _check_dicom(tool, checkers, tmp_path, data, photo if dicom.bitstream == photo else None)
            left[media] += 1
    assert left.total() >= (40 if most == _ALL else 4 * _FEW)
    _check_fhir(checkers, tmp_path, bundles)
