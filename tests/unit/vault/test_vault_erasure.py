"""Erasing: nothing of a photo is left in the vault, nothing else is touched, and the log can tell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from medsnap.crypto.note import Signer
from medsnap.errors import KeyRefused, MedsnapError, NotFound
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import HoldRow, PhotoRow, ReceiptRow, ReleaseRow
from medsnap.vault import batches, check, erasure, erasures, membership, objects, proofs
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.change import Authority
from medsnap.vault.directory import WriterVerb
from medsnap.vault.erasure import Officer
from medsnap.vault.keys import Keys
from medsnap.vault.member_writer import MemberWriter

from .conftest import Kit


def officer(kit: Kit, keys: Keys | None = None, verb: str = WriterVerb.ERASE) -> Officer:
    return Officer(
        signer=Signer.parse_private((keys or kit.owner).signer or ""),
        verb=verb,
        random=os.urandom,
        log=lambda note: kit.log.append(note.sha256),
        logged=lambda: set(kit.log),
    )


def erase(kit: Kit, *rows: PhotoRow, keys: Keys | None = None, verb: str = WriterVerb.ERASE) -> None:
    directory = kit.host().directory
    wanted = {row.seal.object for row in rows}
    with erasure.alone(kit.vault):
        erasure.erase(kit.vault, directory, kit.reader(keys), wanted, officer(kit, keys, verb))


def receipt(kit: Kit, row: PhotoRow) -> None:
    sent = Receipt(
        object=row.seal.object, target="ehr", kind="fhir-r4", at="2026-05-01T12:00:00+00:00",
        identifiers=Identifiers(study_uid="1", series_uid="2", sop_uid="3", document="4"),
        digest=Sha256("0" * 64),
    )  # fmt: skip
    write(kit, [(row.seal.compartment, ReceiptRow(receipt=sent))])


def write(kit: Kit, rows: Sequence[tuple[str, object]], keys: Keys | None = None) -> None:
    writer = MemberWriter(
        kit.vault, kit.host().directory, keys or kit.owner, random=os.urandom,
        log=lambda commit, _: kit.log.append(commit),
    )  # fmt: skip
    for compartment, row in rows:
        writer.add(compartment, row)
    writer.commit()


def ids(kit: Kit, keys: Keys | None = None) -> list[str]:
    catalogue = Catalogue(None, random=os.urandom)
    reader = kit.reader(keys)
    catalogue.refresh(reader)
    assert reader.problems == []
    return sorted(e.object for e in catalogue.entries())


def clean(kit: Kit) -> check.CheckReport:
    report = check.check(kit.vault, root_vkey=kit.directory.root, logged=kit.log)
    assert report.problems == []
    return report


def plain(kit: Kit) -> bytes:
    """All plaintext of all batches that lie in the vault, whoever names them."""
    reader = kit.reader()
    found = b""
    for path in (kit.vault / "batches").iterdir():
        for identities in reader._rings.values():
            try:
                found += b"\n".join(
                    line for _, line in batches.lines(path.read_bytes(), identities, where="")
                )
            except MedsnapError:
                continue
    return found


def test_nothing_of_an_erased_photo_is_left_and_the_others_stay(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photo, "intimate" if n % 2 else "general") for n, photo in enumerate(photos)])
    receipt(kit, rows[1])
    receipt(kit, rows[2])
    sizes = sorted(p.stat().st_size for p in (kit.vault / "batches").iterdir())
    gone = rows[1]
    assert gone.seal.object.encode() in plain(kit)

    erase(kit, gone)

    assert gone.seal.object.encode() not in plain(kit)
    assert not objects.path_of(kit.vault, gone.seal.object).exists()
    assert ids(kit) == sorted(row.seal.object for row in rows if row is not gone)
    assert sorted(p.stat().st_size for p in (kit.vault / "batches").iterdir()) == sizes
    with pytest.raises(NotFound):
        kit.reader().open(gone.seal.object)
    for row, photo in zip(rows, photos, strict=True):
        if row is not gone:
            assert kit.reader().open(row.seal.object) == photo
    report = clean(kit)
    assert (len(report.ledger.gone), report.objects) == (1, len(rows) - 1)
    assert not list((kit.vault / "tmp").iterdir())


def test_the_note_says_which_batch_became_which_and_stands_in_the_log(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos])
    before = {p.name for p in (kit.vault / "batches").iterdir()}
    erase(kit, rows[0])
    erase(kit, rows[3])  # of a batch that was replaced before
    one, two = erasures.read(kit.vault, kit.directory, lambda: {c: n for n, c in enumerate(kit.log)}).notes
    assert kit.log[-2:] == [one.sha256, two.sha256]
    assert one.erasure.replaced[0].batch in before
    assert two.erasure.replaced[0].batch == one.erasure.replaced[0].by
    assert (one.writer.name, one.erasure.verb) == ("owner", "erase")
    assert ids(kit) == sorted(r.seal.object for r in rows[1:3] + rows[4:])
    clean(kit)


def test_a_catalogue_on_disk_forgets_the_photo_and_its_file(
    kit: Kit, photos: list[bytes], tmp_path: Path
) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos])
    catalogue = Catalogue(tmp_path / "cache", random=os.urandom)
    catalogue.refresh(kit.reader())
    [before] = (tmp_path / "cache").glob("catalogue-*")
    erase(kit, rows[0])
    catalogue.close()
    catalogue = Catalogue(tmp_path / "cache", random=os.urandom)
    catalogue.refresh(kit.reader())
    assert catalogue.count() == len(rows) - 1
    with pytest.raises(NotFound):
        catalogue.photo(rows[0].seal.object)
    [after] = (tmp_path / "cache").glob("catalogue-*")
    assert after != before
    catalogue.refresh(kit.reader())
    catalogue.close()
    assert list((tmp_path / "cache").glob("catalogue-*")) == [after]  # made anew once, not each time


def test_who_lacks_the_verb_erases_nothing(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photos[0], "general")])
    nobody = kit.member("nobody", "general", verbs=("log", "receipt", "expire"))
    before = kit.files()
    with pytest.raises(KeyRefused, match="erase"):
        erase(kit, rows[0], keys=nobody)
    before["directory"] = (kit.vault / "directory").read_bytes()
    after = {k: v for k, v in kit.files().items() if k not in ("lock", "holds.lock")}
    assert after == {k: v for k, v in before.items() if k not in ("lock", "holds.lock")}


def test_a_note_without_the_right_counts_for_nothing(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photos[0], "general")])
    guest = kit.member("guest", "general", verbs=("log",))
    signer = Signer.parse_private(guest.signer or "")
    directory = kit.host().directory
    writer = directory.writer(signer.vkey)
    assert writer is not None
    note = erasures.Erasure(
        erasure="a" * 26, vault=directory.vault, directory=directory.version, verb="erase",
        objects=(objects.digests_of(kit.vault, rows[0].seal.object),), replaced=(),
    )  # fmt: skip
    signed = erasures.write(kit.vault, note, signer, writer)
    kit.log.append(signed.sha256)
    reader = kit.reader()
    assert reader.open(rows[0].seal.object) == photos[0]
    assert [p.what for p in reader.problems] == ["an erasure was ignored: its signer may not remove photos"]
    report = check.check(kit.vault, root_vkey=kit.directory.root, logged=kit.log)
    assert f"erasures/{'a' * 26}" in [p.where for p in report.problems]
    assert not report.whole


def test_what_comes_back_from_an_older_copy_is_named_and_taken_out_again(
    kit: Kit, photos: list[bytes]
) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos])
    old = kit.files()
    erase(kit, rows[0])
    for name, data in old.items():
        path = kit.vault / name
        if not path.exists():
            path.write_bytes(data)
    assert ids(kit) == sorted(r.seal.object for r in rows[1:])  # even so no reader sees it
    report = check.check(kit.vault, root_vkey=kit.directory.root, logged=kit.log)
    assert report.returned == [rows[0].seal.object]
    assert len(report.problems) == 2  # the object and its batch
    assert report.strays == []
    ledger = erasures.read(kit.vault, kit.directory)
    assert erasure.apply(kit.vault, ledger.only(kit.log)) == 1
    assert erasure.apply(kit.vault, ledger.only(kit.log)) == 0
    clean(kit)


def test_an_erased_source_does_not_come_in_again(kit: Kit, photos: list[bytes]) -> None:
    [row] = kit.ingest([(photos[0], "general")])
    erase(kit, row)
    with kit.writer() as writer:
        known = writer.known(row.source_sha256)
    assert known is not None
    assert known.state == "erased"


def test_holds_count_from_any_compartment_until_released(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photos[0], "general"), (photos[1], "intimate")])
    legal = kit.member("legal", "general", verbs=("hold", "log"))
    on_patient = HoldRow(id="b" * 26, reason="a court asks", at="2026-05-01", mrn="4711")
    on_photo = HoldRow(id="c" * 26, reason="an inquiry", at="2026-05-02", object=rows[1].seal.object)
    write(kit, [(g, on_patient) for g in ("general", "identifiable", "intimate")], keys=legal)
    write(kit, [("intimate", on_photo)])

    def bound() -> list[list[str]]:
        catalogue = Catalogue(None, random=os.urandom)
        catalogue.refresh(kit.reader())
        return [[h.row.reason for h in catalogue.holds() if h.binds(row)] for row in rows]

    assert bound() == [["a court asks"], ["a court asks", "an inquiry"]]
    write(
        kit, [(g, ReleaseRow(id="b" * 26, reason="over", at="2026-05-03")) for g in ("general", "intimate")]
    )
    assert bound() == [[], ["an inquiry"]]


def test_a_hold_by_a_key_without_the_verb_does_not_count(kit: Kit, photos: list[bytes]) -> None:
    [row] = kit.ingest([(photos[0], "general")])
    guest = kit.member("guest", "general", verbs=("log", "receipt"))
    with pytest.raises(KeyRefused):
        write(
            kit,
            [("general", HoldRow(id="d" * 26, reason="x", at="", object=ObjectId(row.seal.object)))],
            guest,
        )


def test_what_an_officer_erased_stays_erased_when_he_leaves_and_his_key_erases_no_more(
    kit: Kit, photos: list[bytes]
) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos])
    legal = kit.member("legal", "general", verbs=("erase", "log"))
    erase(kit, rows[0], keys=legal)
    authority = Authority(
        root_key=kit.new.root_key,
        identities=kit.owner.identities,
        random=os.urandom,
        announce=lambda after: len(kit.log),
    )
    membership.remove(kit.vault, kit.host().directory, "legal", authority)
    with pytest.raises(KeyRefused):
        erase(kit, rows[1], keys=legal)
    signer, directory = Signer.parse_private(legal.signer or ""), kit.host().directory
    retired = directory.writer(signer.vkey)
    assert retired is not None
    late = erasures.Erasure(
        erasure="b" * 26, vault=directory.vault, directory=directory.version, verb="erase",
        objects=(objects.digests_of(kit.vault, rows[1].seal.object),), replaced=(),
    )  # fmt: skip
    kit.log.append(erasures.write(kit.vault, late, signer, retired).sha256)
    reader = kit.reader()
    catalogue = Catalogue(None, random=os.urandom)
    catalogue.refresh(reader)
    assert sorted(e.object for e in catalogue.entries()) == sorted(r.seal.object for r in rows[1:])
    assert [p.where for p in reader.problems] == [f"erasures/{'b' * 26}"]


def test_rows_sealed_before_a_new_epoch_are_erased_under_it(kit: Kit, photos: list[bytes]) -> None:
    rows = kit.ingest([(photo, "general") for photo in photos])
    authority = Authority(root_key=kit.new.root_key, identities=kit.owner.identities, random=os.urandom)
    membership.new_epoch(kit.vault, kit.host().directory, ["general"], authority)
    erase(kit, rows[0])
    assert ids(kit) == sorted(r.seal.object for r in rows[1:])
    assert kit.reader().open(rows[1].seal.object) == photos[1]


def test_a_proof_counts_for_present_members_and_present_keys(kit: Kit) -> None:
    guest = kit.member("guest", "general", verbs=("log",))
    for keys, proven in ((guest, {"general"}), (kit.owner, {"general", "identifiable", "intimate"})):
        directory, signer = kit.host().directory, Signer.parse_private(keys.signer or "")
        proofs.prove(kit.vault, directory, kit.reader(keys), signer, at="", random=os.urandom)
        assert proofs.proven(kit.vault, directory) == proven
    authority = Authority(root_key=kit.new.root_key, identities=kit.owner.identities, random=os.urandom)
    membership.new_epoch(kit.vault, kit.host().directory, ["intimate"], authority)
    assert proofs.proven(kit.vault, kit.host().directory) == {"general", "identifiable"}
    [proof, *_] = (kit.vault / "proofs").iterdir()
    proof.write_bytes(proof.read_bytes().replace(b'"general"', b'"intimate"', 1))
    assert "intimate" not in proofs.proven(kit.vault, kit.host().directory)
