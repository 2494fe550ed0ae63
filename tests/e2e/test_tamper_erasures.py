"""The beginning of an erasure, made by somebody who has the storage, removes nothing by an officer's hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medsnap.crypto.note import Signer
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.codec import canonical
from medsnap.vault import erasure, erasures
from tests.e2e.tampering import Check, files, first_erased, reader_of
from tests.unit.vault.removals import officer
from tests.unit.vault.world import World

ID = "erased" + "a" * 20


def _begin(world: World, *names: str) -> None:
    (world.vault / "tmp" / f"{ID}.erasing").write_bytes(canonical({"names": names}))


def _there(world: World) -> set[Path]:
    return {p for folder in ("objects", "batches", "commits") for p in files(world.vault / folder)}


@pytest.mark.parametrize("folder", ["objects", "batches"])
def test_what_was_committed_is_not_undone(folder: str, world: World, check: Check) -> None:
    before = _there(world)
    _begin(world, files(world.vault / folder)[0].name)
    with pytest.raises(Tampered, match="what was there before"):
        erasure.finish(world.vault, world.host_directory(), officer(world))
    assert _there(world) == before
    (world.vault / "tmp" / f"{ID}.erasing").unlink()
    assert check().code == 0


def test_what_no_commit_names_is_undone(world: World) -> None:
    left = world.vault / "batches" / ("b" * 26)
    left.write_bytes(b"of an erasure that was cut off")
    _begin(world, left.name)
    assert erasure.finish(world.vault, world.host_directory(), officer(world)) == ()
    assert not left.exists()
    assert erasure.unfinished(world.vault) == {}


def test_a_note_by_the_ingest_key_is_not_finished_by_an_officer(world: World, check: Check) -> None:
    """A stolen ingest key and the storage: what he wants would go, and the log would name the officer."""
    signed = next(iter(reader_of(world).commits()))
    note = first_erased(world, ID)
    signer = Signer.parse_private(world.new.ingest_key)
    erasures.write(world.vault, note, signer, signed.writer)
    _begin(world)
    before, size = _there(world), world.log().size()
    with pytest.raises(KeyRefused, match="may not remove photos"):
        erasure.finish(world.vault, world.host_directory(), officer(world))
    assert (_there(world), world.log().size()) == (before, size)
    assert f"erasures/{ID}" in json.dumps(check().told)
