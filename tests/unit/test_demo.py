"""The made-up day: the same bytes each time, and everything in it that it promises."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from medsnap.demo import code128, dump
from medsnap.demo.dump import DemoDay
from medsnap.formats import embedded
from medsnap.intake import camera, devices, people, sources
from medsnap.intake.limits import Limits
from medsnap.intake.walk import walk
from medsnap.match import age, manifest
from medsnap.model.decision import DeviceClass, LeakKind
from medsnap.model.photo import Candidate, CompanionKind, MediaType, Sha256
from medsnap.model.study import Match, MatchState

NOW = date(2026, 3, 2)


def digests(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> DemoDay:
    return dump.make(tmp_path_factory.mktemp("demo"), seed=1, now=NOW)


@pytest.fixture(scope="module")
def candidates(day: DemoDay) -> dict[str, Candidate]:
    found = walk([day.dump], Limits())
    return {c.source.relative.reveal(): c for c in found if isinstance(c, Candidate)}


@pytest.fixture(scope="module")
def matches(day: DemoDay, candidates: dict[str, Candidate]) -> dict[str, Match]:
    listed = manifest.load(day.manifest).over(candidates)
    out = {}
    for name, candidate in candidates.items():
        data = candidate.source.path.read_bytes()
        digest = Sha256(hashlib.sha256(data).hexdigest())
        out[name] = listed.match(name, digest, camera.facts(data, candidate.media))
    return out


def test_the_same_seed_and_day_give_the_same_bytes(day: DemoDay, tmp_path: Path) -> None:
    again = dump.make(tmp_path, seed=1, now=NOW)
    assert digests(again.folder) == digests(day.folder)
    assert {p.stat().st_mtime for p in tmp_path.rglob("*.JPG")} == {
        p.stat().st_mtime for p in day.folder.rglob("*.JPG")
    }


def test_every_shot_is_found_once_and_the_rest_is_left(
    day: DemoDay, candidates: dict[str, Candidate]
) -> None:
    assert set(candidates) == {shot.file for shot in day.shots}
    assert len(list(walk([day.dump], Limits()))) == len(day.shots) + day.beside
    kinds = Counter(c.media for c in candidates.values())
    assert kinds[MediaType.HEIC] == 2
    assert {MediaType.WEBP, MediaType.PNG, MediaType.JPEG} < set(kinds)
    assert [c.kind for x in candidates.values() for c in x.companions] == [CompanionKind.LIVE_CLIP]


def test_photos_tell_what_phones_tell(candidates: dict[str, Candidate]) -> None:
    orientations = set()
    for name, candidate in candidates.items():
        facts = camera.facts(candidate.source.path.read_bytes(), candidate.media)
        if "WARD-TAB-07" in name and "IMG_0426" not in name:
            orientations.add(facts.orientation)
            assert (facts.make, facts.has_gps, facts.has_exposure) == ("Apple", True, True)
            assert facts.captured_at is not None
            assert facts.captured_at.startswith(NOW.isoformat())
    assert orientations == {1, 3, 6, 8}


def test_at_least_ten_are_matched_and_the_doubtful_wait(day: DemoDay, matches: dict[str, Match]) -> None:
    states = Counter(m.state for m in matches.values())
    assert states[MatchState.MATCHED] >= 13
    assert states[MatchState.NEEDS_REVIEW] >= 1
    assert states[MatchState.UNMATCHED] == sum(not shot.listed_by for shot in day.shots)
    child = next(m for name, m in matches.items() if name.endswith("IMG_0422.JPG"))
    assert child.patient is not None
    assert age(child.patient.birth_date, NOW) in (8, 9)


def test_devices_and_people_belong_to_the_dump(day: DemoDay, candidates: dict[str, Candidate]) -> None:
    inventory = devices.load(day.devices)
    for candidate in candidates.values():
        facts = camera.facts(candidate.source.path.read_bytes(), candidate.media)
        evidence = inventory.claim(candidate.landing, "folder", facts, NOW)
        managed = candidate.landing == "WARD-TAB-07"
        assert evidence.device_class is (DeviceClass.MANAGED if managed else DeviceClass.PERSONAL)
        assert evidence.contradictions == ()
    staff = people.load(day.people)
    assert staff.person("r.lind", NOW) is not None
    assert staff.person("o.gone", NOW) is None


def test_leak_signs_are_those_of_the_story(candidates: dict[str, Candidate]) -> None:
    found: dict[str, set[LeakKind]] = {}
    for name, candidate in candidates.items():
        data = candidate.source.path.read_bytes()
        facts = camera.facts(data, candidate.media)
        xmp = None if "IMG_0426" in name else embedded.xmp(data, candidate.media)
        if signs := sources.signs(candidate, facts, xmp):
            found[Path(name).name] = {sign.kind for sign in signs}
    assert found == {
        "Screenshot_20260302-102000.png": {LeakKind.SCREENSHOT, LeakKind.NO_CAMERA_DATA},
        "IMG_0426.JPG": {LeakKind.NO_CAMERA_DATA},
        "IMG-20260302-WA0003.jpg": {LeakKind.MESSAGING_APP, LeakKind.NO_CAMERA_DATA},
    }


def test_pictures_decode_and_the_broken_one_does_not(candidates: dict[str, Candidate]) -> None:
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    broken = []
    for name, candidate in candidates.items():
        try:
            with Image.open(candidate.source.path) as picture:
                picture.load()
        except OSError:
            broken.append(Path(name).name)
    assert broken == ["IMG_0426.JPG"]


def test_the_motion_photo_ends_in_the_film_that_its_xmp_announces(candidates: dict[str, Candidate]) -> None:
    path = next(c.source.path for name, c in candidates.items() if name.endswith(".MP.jpg"))
    data = path.read_bytes()
    at = data.index(b"\x00\x00\x00\x14ftypmp42")
    assert f'Item:Length="{len(data) - at}"'.encode() in data
    assert data[at - 2 : at] == b"\xff\xd9"


def test_code_128_of_a_known_text() -> None:
    # worked by hand from the table of ISO/IEC 15417: start B, "A" (33), check (104 + 33) mod 103 = 34, stop
    assert "".join(map(str, code128.widths("A"))) == "211214" + "111323" + "131123" + "2331112"
    with pytest.raises(ValueError, match="code set B"):
        code128.widths("é")


def test_the_wristbands_barcode_can_be_read(candidates: dict[str, Candidate]) -> None:
    zxingcpp = pytest.importorskip("zxingcpp")
    from PIL import Image

    path = next(c.source.path for name, c in candidates.items() if name.endswith("IMG_0425.JPG"))
    with Image.open(path) as picture:
        assert [code.text for code in zxingcpp.read_barcodes(picture)] == ["0070042"]
