"""Who steals the ingest host opens nothing, and ingest seals to nobody but those whom the root names."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from medsnap.crypto import age, bech32
from medsnap.crypto.note import Signer, generate
from medsnap.errors import MedsnapError
from medsnap.vault import directory, keys, membership
from tests.helpers import Clinic, digests

_WORD = re.compile(rb"[!-~]{8,}")


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small photos of our own: no corpus is needed here."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("dump")
    for n in range(4):
        Image.new("RGB", (64, 48), (40 * n, 90, 200 - 40 * n)).save(folder / f"IMG_000{n}.jpg", quality=90)
    return folder


@pytest.fixture
def clinic(tmp_path: Path, dump: Path) -> Clinic:
    made = Clinic(tmp_path / "clinic").init()
    made.ingest(dump).expect(0)
    return made


def _decoded(word: bytes) -> Iterator[bytes]:
    for decode in (base64.b64decode, base64.urlsafe_b64decode, bytes.fromhex):
        for text in (word, word + b"=", word + b"==", word.rpartition(b"+")[2], word.rpartition(b":")[2]):
            try:
                yield decode(text.decode())  # type: ignore[operator]
            except (ValueError, binascii.Error):
                continue


def _secrets(texts: list[bytes]) -> tuple[set[str], set[str]]:
    """Turn whatever a thief finds into age identities and passphrases to try."""
    words = {word for text in texts for word in _WORD.findall(text)}
    words |= {part for word in words for part in re.split(rb"[\"',=:/+\s]", word) if len(part) >= 8}
    words |= {line.strip() for text in texts for line in text.splitlines() if line.strip()}
    raw = {text for word in words for text in _decoded(word)}
    scalars = {
        text[at : at + 32] for text in raw for at in {0, 1, 5, len(text) - 32} if 0 <= at <= len(text) - 32
    }
    scalars |= {hashlib.sha512(seed).digest()[:32] for seed in scalars}  # an Ed25519 seed as X25519 key
    identities = {bech32.encode("age-secret-key-", scalar).upper() for scalar in scalars}
    named = {word.decode().upper() for word in words if word.upper().startswith(b"AGE-SECRET-KEY-")}
    return identities | set(filter(_usable, named)), {word.decode("utf-8", "replace") for word in words}


def _usable(identity: str) -> bool:
    """One text that is no identity would end every attempt before it began."""
    try:
        return bool(age.recipient_of(identity))
    except MedsnapError:
        return False


def _sealed(clinic: Clinic) -> list[Path]:
    return [
        p
        for p in clinic.vault.rglob("*")
        if p.is_file() and p.read_bytes().startswith(b"age-encryption.org/")
    ]


def _opens(data: bytes, identities: list[str], passphrases: list[str]) -> bool:
    try:
        age.decrypt_bytes(data, identities, passphrases)
    except MedsnapError:
        return False
    return True


def test_nothing_of_the_host_opens_anything(clinic: Clinic, dump: Path) -> None:
    host = [p.read_bytes() for p in clinic.state.rglob("*") if p.is_file()]
    environment = [f"{k}={v}".encode() for k, v in clinic.host_environment.items()]
    identities, passphrases = _secrets([*host, *environment])
    sealed = _sealed(clinic)
    # rings of 4 groups and the auditors, 4 photos, a batch for each group, 2 log entries
    assert len(sealed) == 5 + 4 + 4 + 2
    seed = Signer.parse_private((clinic.host / "ingest.key").read_text().strip())
    assert seed.vkey, "the one secret that the host has is a signing key"
    assert all(map(_usable, identities))
    assert len(identities) >= 4, "the search found no key material, not even the signing key"
    for path in sealed:
        data = path.read_bytes()
        assert b"-> scrypt " not in data[:2000], "a passphrase could be guessed"
        assert not _opens(data, sorted(identities), sorted(passphrases)), path

    # the search itself works: given the owner's file among the rest it opens the rings
    found, _ = _secrets([*host, clinic.key.read_bytes()])
    rings = [p for p in sealed if p.parent.name == "keys"]
    assert all(_opens(p.read_bytes(), sorted(found), []) for p in rings)


def test_rows_that_wait_in_the_journal_do_not_open_either(clinic: Clinic, dump: Path) -> None:
    rows = sqlite3.connect(clinic.host / "journal").execute("SELECT count(*) FROM pending").fetchone()
    assert rows == (0,)
    text = b"".join(p.read_bytes() for p in clinic.state.rglob("*") if p.is_file())
    for photo in dump.iterdir():
        assert photo.name.encode() not in text


@pytest.mark.parametrize("given", ["nothing", "ingest.key", "pin.json", "journal"])
def test_commands_refuse_who_has_only_the_host(clinic: Clinic, given: str) -> None:
    some_object = min(clinic.objects())
    option = [] if given == "nothing" else ["--key-file", str(clinic.host / given)]
    before = digests(clinic.vault)
    for command in (
        ["vault", "ls"],
        ["vault", "show", some_object],
        ["vault", "open", some_object, "-o", "x"],
    ):
        ran = clinic.run(*command, *option, environment=clinic.host_environment).expect(77)
        assert ran.out == "", command
    assert not (clinic.root / "x").exists()
    assert digests(clinic.vault) == before


def _refused(clinic: Clinic, dump: Path, **more: object) -> str:
    """Ingest must end with 77 and leave vault and journal as they were."""
    stored, journal = digests(clinic.vault), clinic.state / "journal"
    new = dump.parent / "new"
    new.mkdir(exist_ok=True)
    (new / "NEW.jpg").write_bytes((dump / "IMG_0000.jpg").read_bytes() + b"\0")
    ran = clinic.ingest(new, **more)  # type: ignore[arg-type]
    ran.expect(77)
    assert digests(clinic.vault) == stored
    assert not journal.exists()
    assert ran.lines[-1]["error"]["id"] == "vault.key-refused"
    return str(ran.lines[-1]["error"]["message"])


def test_a_swapped_public_key_is_refused(clinic: Clinic, dump: Path) -> None:
    path = clinic.vault / "directory"
    mine = age.recipient_of(age.generate_identity(os.urandom))
    theirs = directory.load(clinic.vault).directory.compartment("general").recipient
    text = path.read_bytes()
    assert text.count(theirs.encode()) == 1
    path.write_bytes(text.replace(theirs.encode(), mine.encode()))
    assert "signature" in _refused(clinic, dump)


def test_a_directory_signed_by_another_root_is_refused(clinic: Clinic, dump: Path) -> None:
    named = directory.load(clinic.vault).directory
    thief = generate(f"{named.vault}/root", os.urandom)
    mine = age.recipient_of(age.generate_identity(os.urandom))
    swapped = tuple(dataclasses.replace(key, recipient=mine) for key in named.compartments)
    forged = dataclasses.replace(named, compartments=swapped, root=thief.vkey, version=9)
    (clinic.vault / "directory").write_bytes(directory.serialise(forged, [thief]))
    assert "root" in _refused(clinic, dump)
    # and with the right root's name on the thief's signature
    forged = dataclasses.replace(forged, root=named.root)
    (clinic.vault / "directory").write_bytes(directory.serialise(forged, [thief]))
    _refused(clinic, dump)


def test_an_older_directory_put_back_is_refused(clinic: Clinic, dump: Path) -> None:
    sheet = keys.load_file(clinic.recovery)
    old = (clinic.vault / "directory").read_bytes()
    membership.add_member(
        clinic.vault,
        directory.verify(old, root_vkey=sheet.root_vkey),
        opener=sheet.identities,
        root_key=sheet.root_key,
        name="photo-desk",
        compartments=("general",),
        verbs=("receipt", "log"),
        random=os.urandom,
    )
    clinic.ingest(dump).expect(0)  # sees version 2
    (clinic.vault / "directory").write_bytes(old)
    assert "older" in _refused(clinic, dump)


def test_an_unpinned_root_is_refused(clinic: Clinic, dump: Path) -> None:
    elsewhere = {**clinic.environment, "MEDSNAP_STATE": str(clinic.root / "other-host")}
    assert "not pinned" in _refused(clinic, dump, environment=elsewhere)
    pin = clinic.host / "pin.json"
    pin.rename(clinic.root / "pin.json")
    assert "not pinned" in _refused(clinic, dump)


def test_a_pin_without_signing_key_is_refused(clinic: Clinic, dump: Path) -> None:
    (clinic.host / "ingest.key").rename(clinic.root / "ingest.key")
    assert "signing key" in _refused(clinic, dump)


def test_a_host_folder_open_to_others_is_refused(clinic: Clinic, dump: Path) -> None:
    clinic.host.chmod(0o755)
    assert "others" in _refused(clinic, dump)


def test_ingest_does_not_sign_on_top_of_a_log_that_was_put_back(clinic: Clinic, tmp_path: Path) -> None:
    """Whoever writes the storage puts yesterday's log back: this host remembers today's (4)."""
    import shutil

    from PIL import Image

    before = tmp_path / "yesterday"
    shutil.copytree(clinic.vault / "log", before)
    more = tmp_path / "more"
    more.mkdir()
    Image.new("RGB", (64, 48), "teal").save(more / "IMG_0100.jpg")
    clinic.ingest(more).expect(0)
    shutil.rmtree(clinic.vault / "log")
    shutil.copytree(before, clinic.vault / "log")
    Image.new("RGB", (64, 48), "plum").save(more / "IMG_0101.jpg")
    ran = clinic.ingest(more)
    ran.expect(4)
    assert (clinic.vault / "log" / "checkpoint").read_bytes() == (before / "checkpoint").read_bytes()
