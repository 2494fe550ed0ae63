"""No hostage: Debian's `age` and a text editor give photos, names and metadata back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.vault import directory
from tests.helpers import Clinic, clinic_lists, options

pytestmark = pytest.mark.interop

# one of each format that medsnap scrubs; small ones
NAMED = ("jpg", "png", "webp", "heic")


@pytest.fixture(scope="module")
def photos(corpus: Path) -> list[Path]:
    found = []
    for suffix in NAMED:
        files = sorted((corpus / "photos").glob(f"*.{suffix}"), key=lambda p: (p.stat().st_size, p.name))
        found += files[len(files) // 2 : len(files) // 2 + 3]
    assert len(found) >= 2 * len(NAMED)
    return found


def _age(tool: Callable[[str], str], identity: Path, sealed: Path) -> bytes | None:
    """Open one file with stock age; None when the identity does not fit."""
    ran = subprocess.run(
        [tool("age"), "-d", "-i", str(identity), str(sealed)], capture_output=True, timeout=120, check=False
    )
    if ran.returncode and b"no identity matched" in ran.stderr:
        return None
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def test_age_and_head_give_the_scrubbed_photo_and_a_readable_batch(
    photos: list[Path], tool: Callable[[str], str], tmp_path: Path
) -> None:
    clinic = Clinic(tmp_path / "clinic").init("--suite", "x25519")
    dump = tmp_path / "dump"
    dump.mkdir()
    for photo in photos:
        (dump / photo.name).write_bytes(photo.read_bytes())
    lists = clinic_lists(tmp_path, dump.iterdir())
    ran = clinic.ingest(dump, *options(lists), policy=lists["policy"])
    done = {p["source"] for p in ran.photos if p["outcome"] == "done"}
    assert len(done) >= len(NAMED), ran.out

    # what medsnap makes of the same files without a vault
    scrubbed = tmp_path / "scrubbed"
    clinic.run("scrub", dump, "-o", scrubbed, "--format", "json")

    # the owner's key opens the rings, the rings open the rest: nothing of medsnap is used
    rings = {}
    for key in directory.load(clinic.vault).directory.compartments:
        text = _age(tool, clinic.key, clinic.vault / "keys" / key.ring)
        assert text is not None
        rings[key.name] = tmp_path / f"{key.name}.ring"
        rings[key.name].write_bytes(text)
    listed = clinic.listed()
    assert {p["source"] for p in listed if p["verb"] != "safeguard"} >= done
    for photo in listed:
        name = photo["source"]
        if name not in done:
            continue
        sealed = clinic.vault / "objects" / photo["id"][:2] / photo["id"]
        plain = _age(tool, rings[photo["compartment"]], sealed)
        assert plain is not None
        assert plain[: photo["length"]] == (scrubbed / name).read_bytes(), name
        assert not plain[photo["length"] :].strip(b"\0"), name
        assert (dump / name).read_bytes() != plain[: photo["length"]] or name.endswith("png"), name

    told = set()
    heads = set()
    for batch in (clinic.vault / "batches").iterdir():
        opened = [(n, text) for n, ring in rings.items() if (text := _age(tool, ring, batch)) is not None]
        [(name, text)] = opened
        first, *events = [json.loads(line) for line in text.decode("utf-8").splitlines() if line]
        assert first["compartment"] == name
        heads.add(name)
        told |= {(event["source_name"], event["seal"]["object"]) for event in events}
    assert heads == set(rings)
    assert told == {(p["source"], p["id"]) for p in listed}


def test_the_recovery_sheet_opens_with_age_too(tool: Callable[[str], str], tmp_path: Path) -> None:
    clinic = Clinic(tmp_path / "clinic").init("--suite", "x25519")
    for ring in (clinic.vault / "keys").iterdir():
        text = _age(tool, clinic.recovery, ring)
        assert text is not None
        assert b"\nAGE-SECRET-KEY-1" in text
