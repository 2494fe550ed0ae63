"""Faults that a check, a copy, a key file and a row may show: each is named, and the rest goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from medsnap.crypto.note import Signer
from medsnap.errors import InputMissing, KeyRefused, Locked, NotFound, Tampered
from medsnap.model.codec import CodecError, canonical, to_json
from medsnap.vault import check_open, commits, copy, key_roads, keys, policies
from medsnap.vault.directory import load
from medsnap.vault.entries import entry_of
from medsnap.vault.objects import ObjectDigests
from medsnap.vault.sample import Sample

from .conftest import Kit


def copied(kit: Kit, to: Path) -> copy.CopyReport:
    for folder in ("objects", "batches", "commits", "keys", "tmp"):
        (to / folder).mkdir(parents=True, exist_ok=True)
    return copy.copy(kit.vault, to, load(kit.vault), logged=set(kit.log))


def test_a_copy_names_what_the_source_has_lost_and_takes_the_rest(
    kit: Kit, photos: list[bytes], tmp_path: Path
) -> None:
    one, _ = kit.ingest([(photos[0], "general"), (photos[1], "general")])
    lost = kit.vault / "objects" / one.seal.object[:2] / one.seal.object
    lost.unlink()
    lost.mkdir()  # there, and not to be read
    (kit.vault / "commits" / "what.is.this").write_bytes(b"")
    (kit.vault / "policies").mkdir(exist_ok=True)
    (kit.vault / "policies" / f"{'0' * 64}.yaml").write_text("another text", "utf-8")
    (kit.vault / "policies" / f"{'1' * 64}.sig").write_text("a signature\n", "utf-8")
    report = copied(kit, tmp_path / "copy")
    assert (report.commits, report.objects) == (1, 1)
    said = {p.where: p.what for p in report.problems}
    assert said["commits/what.is.this"] == "is no commit's name"
    assert said[f"objects/{lost.parent.name}/{lost.name}"].startswith("is no ordinary file")
    assert "altered" in said[f"policies/{'0' * 64}.yaml"]
    assert policies.recall_signatures(tmp_path / "copy", "1" * 64) == b"a signature\n"
    assert copied(kit, tmp_path / "copy").present == 1


def test_a_copy_stops_where_rings_and_directory_do_not_fit(kit: Kit, tmp_path: Path) -> None:
    """A ring of another day would make a copy that nobody opens."""
    ring = kit.vault / "keys" / kit.directory.compartments[0].ring
    data = ring.read_bytes()
    ring.write_bytes(data + b"\n")
    with pytest.raises(Tampered, match="not the file that the directory names"):
        copied(kit, tmp_path / "copy")
    ring.unlink()
    with pytest.raises(Locked, match="changed meanwhile"):
        copied(kit, tmp_path / "copy")
    assert not (tmp_path / "copy" / "directory").exists()
    ring.write_bytes(data)
    assert copied(kit, tmp_path / "copy").problems == []


def test_a_sample_opens_its_share_and_counts_each_photo_once(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(p, "general") for p in photos])
    names = {r.seal.object for r in rows}
    whole = check_open.open_all(kit.reader())
    assert (whole.photos, whole.named, whole.failed) == (len(photos), names, [])
    half = Sample(percent=50, seed="x")
    some = check_open.open_all(kit.reader(), half)
    assert (some.photos, some.named) == (sum(map(half.takes, names)), names)
    seal = rows[0].seal
    digests = ObjectDigests(object=seal.object, payload=seal.payload, header=seal.payload)
    draft = commits.Draft(lines={"general": [canonical(rows[0])]}, objects=[digests])
    signer = Signer.parse_private(kit.new.ingest_key)
    kit.log.append(commits.write(kit.vault, kit.directory, draft, signer=signer, random=os.urandom).sha256)
    again = check_open.open_all(kit.reader())
    assert (again.photos, again.failed) == (len(photos), [])


WRONG: list[tuple[str, Any]] = [
    ("seal", []),
    ("at", 7),
    ("media", "image/secret"),
    ("seal.length", True),
    ("seal.object", None),
    ("decision.verb", "open"),
    ("decision.features", {}),
    ("decision.features", [7]),
    ("decision.features", [{"feature": "face"}]),
    ("decision.opened_by", "nurse"),
    ("decision.opened_by", [7]),
    ("match.state", "surely"),
    ("match.patient", "4711"),
    ("match.visit", []),
    ("capture", 7),
]


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_row_that_does_not_fit_is_no_entry(kit: Kit, path: str, value: Any) -> None:
    (row,) = kit.ingest([(b"x", "general")])
    event: dict[str, Any] = to_json(row)
    assert entry_of(event, "general").object == row.seal.object
    *folders, last = path.split(".")
    part = event
    for name in folders:
        part = part[name]
    part[last] = value
    with pytest.raises(CodecError):
        entry_of(event, "general")


def test_what_cannot_be_a_key_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="does not exist"):
        keys.load_file(tmp_path / "none")
    large = tmp_path / "large"
    large.write_bytes(bytes(key_roads.MAX_SECRET + 1))
    large.chmod(0o600)
    with pytest.raises(KeyRefused, match="no key"):
        keys.load_file(large)


def test_an_object_of_another_vault_is_no_photo_of_this_one(kit: Kit, another: Kit) -> None:
    (theirs,) = another.ingest([(os.urandom(9), "general")])
    kit.ingest([(b"ours", "general")])
    with pytest.raises(NotFound):
        kit.reader().open(theirs.seal.object)
