"""Nights of a tablet from which photos vanish and come back, with copies of them: found by a reader.

The ingest host forgets what is no longer in its dump, so it seals such a photo again. What is asked here is
that nobody is asked twice to look at it, and that it does not leave twice.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import export as make
from tests.e2e.in_process import run
from tests.e2e.two_vaults import OWNER, photo_lists
from tests.helpers import Ran

CAMERA = ("Apple", "iPad13,18")


def shot(
    number: int, form: str = "JPEG", *, moment: str = "", fraction: str = "123", **options: Any
) -> bytes:
    """A picture of its own for each number, with the EXIF of a tablet; `moment` "-" leaves none."""
    from PIL import Image

    image = make.picture((192, 128)).rotate(37 * number).crop((30, 10, 158, 106))
    image.paste(
        (250, 20, 20), (number * 7 % 90, number * 11 % 60, number * 7 % 90 + 30, number * 11 % 60 + 25)
    )
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = CAMERA
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = moment or f"2026:03:02 10:{number:02}:00"
    inner[0x9291] = fraction
    if moment != "-":
        options["exif"] = exif
    return make.encode(image, form, **options)


class Ward:
    """One vault and the tablet's landing folder; each night takes in what lies there."""

    def __init__(self, root: Path) -> None:
        self.root, self._asked = root, 0
        self.detect: tuple[str, ...] = ("--no-detect", "--verify-pixels")  # pictures are decoded, and known
        for name in ("work", "home", "keys", "state", "tablet"):
            (root / name).mkdir()
        photo_lists(root / "work", dict.fromkeys(range(60), 1), without_site=range(0, 60, 5))
        manifest = root / "work" / "manifest.csv"
        rows = manifest.read_text(encoding="utf-8").splitlines()
        heics = [row.replace(".jpg", ".heic") for row in rows[1:]]
        manifest.write_text("\n".join([*rows, *heics, ""]), encoding="utf-8")
        places = ("--recovery-file", "../keys/recovery.key", "--policy", "policy.yaml")
        self.do("vault", "init", "--suite", "x25519", "--no-input", *places, seed="init")

    def do(self, *words: str, seed: str = "", code: int = 0) -> list[dict[str, Any]]:
        out = self.ran(*words, seed=seed).expect(code).out
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def ran(self, *words: str, seed: str = "") -> Ran:
        self._asked += 1
        environment = OWNER.environment(self.root)
        seed = seed or f"{words} {self._asked}"
        return run(words, environment=environment, cwd=self.root / "work", seed=seed)

    def night(self, name: str, **files: bytes) -> dict[str, str]:
        """Take in exactly these files, by the names P1_jpg …; give the objects by name."""
        dump = self.root / "tablet"
        for left in dump.iterdir():
            left.unlink()
        for file, data in files.items():
            (dump / file.replace("_", ".")).write_bytes(data)
        lists = ("--manifest", "manifest.csv", "--devices", "devices.csv", "--people", "people.csv")
        words = ("ingest", str(dump), *lists, *self.detect, "--format", "ndjson")
        found = self.do(*words, seed=name)
        return {r["source"].replace(".", "_"): r["object"] for r in found if r["type"] == "photo"}

    def listed(self, *words: str) -> list[dict[str, Any]]:
        return [r for r in self.do("vault", "ls", *words, "--format", "ndjson") if r["type"] == "photo"]

    def export(self, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
        words = ("export", *words, "--as", "fhir", "-o", "../to-ehr", "--format", "ndjson")
        return {r.get("object", "summary"): r for r in self.do(*words, code=code)}

    @property
    def sent(self) -> int:
        folder = self.root / "to-ehr"
        return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def outcomes(told: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: record["outcome"] for name, record in told.items() if name != "summary"}


def test_what_vanishes_and_returns_is_one_task_and_one_export(ward: Ward) -> None:
    photos = {f"P{n}_jpg": shot(n) for n in range(1, 7)}  # P5 has no body site: a person has to look
    first = ward.night("monday", **photos)
    assert [p["id"] for p in ward.listed("--waiting")] == [first["P5_jpg"]]
    assert list(outcomes(ward.export(code=3)).values()).count("done") == ward.sent == 5
    fresh = ward.night("tuesday", P7_jpg=shot(7))  # the others are gone, and the host forgets them
    again = ward.night("wednesday", **photos)
    assert not set(again.values()) & {*first.values(), *fresh.values()}, "the host cannot know"

    told = ward.export(code=3)
    assert ward.sent == 6
    assert {told[name]["outcome"] for n, name in again.items() if n != "P5_jpg"} == {"repeat"}
    assert {(again[n], first[n]) for n in photos if n != "P5_jpg"} == {
        (name, r["repeat_of"]) for name, r in told.items() if r.get("outcome") == "repeat"
    }
    assert (told["summary"]["repeats"], told["summary"]["done"]) == (5, 6)
    assert [p["id"] for p in ward.listed("--waiting")] == [first["P5_jpg"]]
    assert {p["id"]: p["repeat"]["of"] for p in ward.listed("--repeats")} == {
        again[n]: first[n] for n in photos
    }
    (explained,) = ward.do("policy", "explain", again["P5_jpg"], "--format", "ndjson")
    assert [(r["object"], r["sameness"]) for r in explained["repeats"]] == [(first["P5_jpg"], "same-bytes")]


def test_other_bytes_of_a_shot_a_night_later(ward: Ward) -> None:
    from PIL import Image

    first = ward.night("monday", P1_heic=shot(1, "HEIF"), P2_jpg=shot(2, quality=95))
    ward.export()
    assert ward.sent == 2
    upside = Image.open(io.BytesIO(shot(2))).transpose(Image.Transpose.ROTATE_180)
    exif = Image.open(io.BytesIO(shot(2))).getexif()
    copies = ward.night(
        "tuesday",
        P1_jpg=shot(1, quality=70),  # the phone's own copy of the HEIC
        P2_jpg=make.encode(upside, "JPEG", exif=exif, quality=80),  # turned by hand
        P3_jpg=shot(3, fraction="100"),  # two of a burst: the same second, the same picture but for noise
        P4_jpg=shot(3, fraction="200", moment="2026:03:02 10:03:00", quality=80),
    )
    told = ward.export()
    assert {n: told[copies[n]]["outcome"] for n in copies} == {
        "P1_jpg": "repeat", "P2_jpg": "repeat", "P3_jpg": "done", "P4_jpg": "done",
    }  # fmt: skip
    assert ward.sent == 4
    assert {p["id"]: p["repeat"] for p in ward.listed("--repeats")} == {
        copies[new]: {
            "of": first[old],
            "is": "same-shot",
            "because": ["the same camera model and instant", "the pictures agree"],
        }
        for new, old in (("P1_jpg", "P1_heic"), ("P2_jpg", "P2_jpg"))
    }


def test_a_doubt_is_held_for_a_person_and_his_word_sends_it(ward: Ward) -> None:
    first = ward.night("monday", P1_jpg=shot(1))
    ward.export()
    bare = ward.night("tuesday", P2_jpg=shot(1, moment="-", quality=60))  # as a messenger leaves it: no date
    name = bare["P2_jpg"]
    told = ward.export(code=3)
    assert told[name]["outcome"] == "held"
    assert told[name]["repeat_of"] == first["P1_jpg"]
    assert "a person has to look" in told[name]["reason"]
    assert ward.sent == 1
    assert ward.do("export", "--as", "fhir", "-o", "../to-ehr", "--distinct", "--format", "ndjson", code=2)
    assert outcomes(ward.export(name, "--distinct")) == {name: "done"}
    assert ward.sent == 2
    assert outcomes(ward.export())[name] == "done", "what has left goes again under its own identifiers"
    assert ward.sent == 2


def test_pictures_that_ingest_did_not_compare_are_compared_before_one_is_held(ward: Ward) -> None:
    """Without fractions of the second and without fingerprints: the camera's second alone says little."""
    ward.detect = ("--no-detect",)
    names = ward.night(
        "monday",
        P1_jpg=shot(1, moment="2026:03:02 10:00:00", fraction=""),
        P2_jpg=shot(2, moment="2026:03:02 10:00:00", fraction=""),
        P3_jpg=shot(2, moment="2026:03:02 10:00:00", fraction="", quality=60),
    )
    assert len(ward.listed("--repeats")) == 2
    told = ward.export(code=3)
    by_name = {n: told[made]["outcome"] for n, made in names.items()}
    assert by_name["P1_jpg"] == "done"
    assert sorted((by_name["P2_jpg"], by_name["P3_jpg"])) == ["done", "held"]
    assert ward.sent == 2


def test_who_erases_or_moves_a_photo_hears_of_its_copies(ward: Ward) -> None:
    first = ward.night("monday", P1_jpg=shot(1), P2_jpg=shot(2))
    copy = ward.night("tuesday", P3_jpg=shot(1, quality=60))
    said = f"warning: {copy['P3_jpg'][:8]} is the same shot as one of these, and stays as it is"
    for words in (("erase",), ("move", "--to", "intimate")):
        verb, *more = words
        typed = ("vault", verb, first["P1_jpg"], *more, "--reason", "asked", "-n")
        assert said in ward.ran(*typed).expect(0).err
        assert "the same shot" not in ward.ran(*typed[:3], copy["P3_jpg"], *typed[3:]).expect(0).err
        assert "the same shot" not in ward.ran(*typed[:2], first["P2_jpg"], *typed[3:]).expect(0).err
