"""A member sees his compartments; everything else is absent; what was changed is named."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from medsnap.crypto.age import decrypt_bytes
from medsnap.crypto.note import Signer
from medsnap.errors import KeyRefused, NotFound, Tampered
from medsnap.model.codec import canonical
from medsnap.vault import batches, commits, objects
from medsnap.vault import directory as d
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.ids import random_id
from medsnap.vault.keys import Keys
from medsnap.vault.reader import Reader
from medsnap.vault.session import member_cache, open_session, trusted

from .conftest import Kit


def _error(reader: Reader, object_id: str) -> tuple[str, str, str, int]:
    with pytest.raises(NotFound) as caught:
        reader.open(object_id)
    return caught.value.message, caught.value.where, caught.value.hint, caught.value.exit


def test_hidden_is_absent(kit: Kit, photos: list[bytes]) -> None:
    hidden, seen = kit.ingest([(photos[3], "intimate"), (photos[4], "general")])
    reader = kit.reader(kit.member("nurse", "general"))
    assert reader.compartments == ("general",)
    assert [e["seal"]["object"] for _, e in reader.rows()] == [seen.seal.object]
    assert reader.open(seen.seal.object) == photos[4]
    absent = random_id(os.urandom)
    assert _error(reader, hidden.seal.object) == _error(reader, absent) == _error(reader, "../../etc/passwd")
    with pytest.raises(NotFound):
        reader.open_seal(hidden.seal)
    assert reader.problems == []


def test_a_view_is_the_same_with_and_without_hidden_photos(
    kit: Kit, photos: list[bytes], tmp_path: Path
) -> None:
    nurse = kit.member("nurse", "general")
    (row,) = kit.ingest([(photos[0], "general")])

    def view() -> object:
        catalogue = Catalogue(tmp_path / "none", random=os.urandom)
        catalogue.refresh(kit.reader(nurse))
        return catalogue.photos(), catalogue.studies(), catalogue.receipts(row.seal.object)

    before = view()
    kit.ingest([(p, "intimate") for p in photos[1:]])
    assert view() == before


def test_a_stranger_opens_nothing(kit: Kit, another: Kit, photos: list[bytes]) -> None:
    kit.ingest([(photos[0], "general")])
    reader = kit.reader(another.owner)
    assert reader.compartments == () and list(reader.rows()) == [] and reader.problems == []


def test_recovery_opens_everything(kit: Kit, photos: list[bytes]) -> None:
    kit.member("nurse", "general")  # rings were rewrapped: recovery must still be in them
    (row,) = kit.ingest([(photos[0], "general")])
    reader = kit.reader(Keys(identities=(kit.new.recovery_identity,)))
    assert reader.compartments == ("general", "identifiable", "intimate")
    assert reader.open(row.seal.object) == photos[0]


def test_two_objects_swapped_are_found(kit: Kit, photos: list[bytes]) -> None:
    one, two = kit.ingest([(photos[3], "general"), (photos[3] + b"x", "general")])
    a, b = (objects.path_of(kit.vault, r.seal.object) for r in (one, two))
    data = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(data)
    with pytest.raises(Tampered, match="not the one"):
        kit.reader().open(one.seal.object)


def test_a_missing_object_of_the_catalogue_is_an_integrity_failure(kit: Kit, photos: list[bytes]) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    objects.path_of(kit.vault, row.seal.object).unlink()
    with pytest.raises(Tampered, match="missing"):
        kit.reader().open(row.seal.object)


def test_a_broken_batch_is_reported_never_passed_over(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(photos[0], "general")])
    for path in (kit.vault / "batches").iterdir():
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    reader = kit.reader()
    assert list(reader.rows()) == []
    assert any("batch" in p.what for p in reader.problems)


def test_a_changed_ring_is_reported(kit: Kit) -> None:
    path = kit.vault / "keys" / kit.directory.compartments[0].ring
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    reader = kit.reader()
    assert "general" not in reader.compartments
    assert any("ring" in p.what for p in reader.problems)


def test_a_commit_by_a_stranger_is_ignored_and_reported(kit: Kit, photos: list[bytes]) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    thief = dataclasses.replace(
        kit.directory, writers=(d.WriterKey(name="t", vkey=_signer(kit, "t").vkey, verbs=("add",)),)
    )
    forged = dataclasses.replace(row, source_name="forged.jpg")
    _commit(kit, thief, _signer(kit, "t"), forged)
    reader = kit.reader()
    assert [e["source_name"] for _, e in reader.rows()] == ["IMG_0.jpg"]
    assert any("no writer" in p.what for p in reader.problems)


def test_an_event_without_the_verb_is_ignored_and_reported(kit: Kit, photos: list[bytes]) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    owner = Signer.parse_private(kit.new.member_signer)
    _commit(kit, kit.directory, owner, dataclasses.replace(row, source_name="forged.jpg"))
    reader = kit.reader()
    assert [e["source_name"] for _, e in reader.rows()] == ["IMG_0.jpg"]
    assert any("may not 'add'" in p.what for p in reader.problems)


def test_a_row_whose_object_is_in_no_commit_is_ignored(kit: Kit, photos: list[bytes]) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    ingest = Signer.parse_private(kit.new.ingest_key)
    _commit(kit, kit.directory, ingest, row)  # its commit names no object
    reader = kit.reader()
    assert len(list(reader.rows())) == 1
    assert any("does not fit" in p.what for p in reader.problems)


def _signer(kit: Kit, name: str) -> Signer:
    return Signer(name=name, seed=bytes(32))


def _commit(kit: Kit, directory: d.Directory, signer: Signer, row: object) -> None:
    draft = commits.Draft(lines={"general": [canonical(row)]})
    signed = commits.write(kit.vault, directory, draft, signer=signer, random=os.urandom)
    kit.log.append(signed.sha256)


def test_a_batch_moved_into_another_commit_is_refused(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(photos[0], "general")])
    (name,) = (p.name for p in (kit.vault / "commits").iterdir())
    commit = commits.read(kit.vault, name, kit.directory).commit
    data = batches.seal(
        batches.text([batches.head(kit.directory.vault, "a" * 26, "general")]),
        4096,
        kit.directory.compartments[0].recipient,
        random=os.urandom,
    )
    signed = dataclasses.replace(commits.read(kit.vault, name, kit.directory))
    (ref,) = (
        b for b in commit.batches if _opens(kit, (kit.vault / "batches" / b.batch).read_bytes(), "general")
    )
    (kit.vault / "batches" / ref.batch).write_bytes(data)
    moved = dataclasses.replace(
        commit,
        batches=tuple(
            dataclasses.replace(b, sha256=commits.sha256_of(data)) if b == ref else b for b in commit.batches
        ),
    )
    reader = kit.reader()
    assert list(reader.events(dataclasses.replace(signed, commit=moved))) == []
    assert any("belongs elsewhere" in p.what for p in reader.problems)


def _opens(kit: Kit, data: bytes, name: str) -> bool:
    from medsnap.vault.rings import compartment_identities

    identities = compartment_identities(kit.vault, kit.directory.compartment(name), kit.owner.identities)
    try:
        decrypt_bytes(data, identities or ())
    except KeyRefused:
        return False
    return True


def test_a_session_refuses_an_older_directory(kit: Kit, photos: list[bytes], tmp_path: Path) -> None:
    kit.ingest([(photos[0], "general")])

    def look() -> int:
        with open_session(
            kit.vault, kit.owner, state=tmp_path / "s", cache=tmp_path / "c", random=os.urandom
        ) as opened:
            assert opened.actor == "owner"
            return len(opened.catalogue.photos())

    old = (kit.vault / d.FILE).read_bytes()
    assert look() == 1
    kit.member("nurse", "general")
    assert look() == 1
    (kit.vault / d.FILE).write_bytes(old)
    with pytest.raises(KeyRefused, match="older"):
        look()


def test_a_session_needs_a_root_to_trust(kit: Kit, another: Kit, tmp_path: Path) -> None:
    bare = Keys(identities=kit.owner.identities)
    other = dataclasses.replace(kit.owner, root_vkey=another.directory.root)
    for keys, text in ((bare, "not pinned"), (other, "another root")):
        with (
            pytest.raises(KeyRefused, match=text),
            open_session(kit.vault, keys, state=tmp_path / "s", cache=tmp_path / "c", random=os.urandom),
        ):
            pass
    assert not (member_cache(tmp_path / "c", kit.directory.vault, bare)).exists()


def test_reading_goes_on_after_expiry(kit: Kit) -> None:
    expired = dataclasses.replace(kit.directory, expires="2026-04-30T00:00:00+00:00")
    (kit.vault / d.FILE).write_bytes(d.serialise(expired, [Signer.parse_private(kit.new.root_key)]))
    assert trusted(kit.vault, kit.owner, state=kit.state, cache=kit.root / "cache") == expired
