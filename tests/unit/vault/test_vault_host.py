"""The ingest host trusts its pin, and its folder opens nothing."""

from __future__ import annotations

import dataclasses
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from medsnap.crypto.age import decrypt_bytes, generate_identity, recipient_of
from medsnap.crypto.note import Signer, fingerprint, generate
from medsnap.errors import Exit, InputMissing, KeyRefused, MedsnapError
from medsnap.vault import directory as d
from medsnap.vault import history, host, pins
from medsnap.vault.host import Host

from .conftest import NOW, Kit


def _publish(kit: Kit, directory: d.Directory) -> None:
    before = d.load(kit.vault)
    history.keep(kit.vault, before.directory, before.data)
    following = dataclasses.replace(directory, before=d.digest_of(before.data))
    (kit.vault / d.FILE).write_bytes(d.serialise(following, [Signer.parse_private(kit.new.root_key)]))


def _refused(kit: Kit, text: str) -> KeyRefused:
    with pytest.raises(KeyRefused, match=text) as caught:
        kit.host()
    assert caught.value.exit == Exit.REFUSED == 77
    assert caught.value.hint
    return caught.value


def test_a_pinned_host_opens(kit: Kit) -> None:
    assert kit.host().directory == kit.directory


def test_an_unpinned_root_is_refused(kit: Kit) -> None:
    (kit.state / pins.PIN).unlink()
    _refused(kit, "not pinned")


def test_another_vault_in_the_same_place_is_refused(kit: Kit, another: Kit) -> None:
    (kit.vault / d.FILE).write_bytes((another.vault / d.FILE).read_bytes())
    _refused(kit, "another vault")


def test_a_swapped_public_key_is_refused(kit: Kit) -> None:
    thief = recipient_of(generate_identity(os.urandom))
    data = (kit.vault / d.FILE).read_text()
    (kit.vault / d.FILE).write_text(data.replace(kit.directory.compartments[0].recipient, thief))
    _refused(kit, "signature")


def test_an_older_directory_is_refused_after_a_newer_one_was_seen(kit: Kit) -> None:
    old = (kit.vault / d.FILE).read_bytes()
    _publish(kit, dataclasses.replace(kit.directory, version=2))
    assert kit.host().directory.version == 2
    (kit.vault / d.FILE).write_bytes(old)
    _refused(kit, "older")


def test_an_expired_directory_is_refused_for_ingest(kit: Kit) -> None:
    with pytest.raises(KeyRefused, match="expired on 2027-05-01"):
        kit.host(NOW + timedelta(days=366))


def test_a_revoked_signing_key_is_refused(kit: Kit) -> None:
    writers = tuple(w for w in kit.directory.writers if w.name != "ingest-1")
    _publish(kit, dataclasses.replace(kit.directory, version=2, writers=writers))
    _refused(kit, "does not let")


def test_a_key_without_the_verb_add_is_refused(kit: Kit) -> None:
    (kit.state / host.INGEST_KEY).write_text(kit.new.member_signer)
    _refused(kit, "does not let")


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_files_that_others_may_read_are_refused(kit: Kit) -> None:
    kit.state.chmod(0o755)
    _refused(kit, "others")
    kit.state.chmod(0o700)
    (kit.state / host.INGEST_KEY).chmod(0o644)
    _refused(kit, "others")


def test_nothing_on_the_host_opens_anything(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(p, "intimate") for p in photos])
    words: set[str] = set()
    for path in kit.state.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode("latin-1")
            words |= set(re.findall(r"[A-Za-z0-9+/=_.-]{20,}", text))
    assert any("ingest-1" in w for w in words)  # the search does see the host's key
    sealed = [p for p in kit.vault.rglob("*") if p.is_file() and p.parent.name != "commits"]
    opened = 0
    for word in words:
        for path in sealed:
            try:
                decrypt_bytes(path.read_bytes(), [word])
                opened += 1
            except MedsnapError:
                continue
    assert opened == 0
    assert not any(w.upper().startswith("AGE-SECRET-KEY-") for w in words)


def test_another_host_pins_by_fingerprint_only(kit: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    right = fingerprint(kit.directory.root)
    with pytest.raises(KeyRefused, match="another fingerprint"):
        host.pin(folder, kit.vault, right[:-1] + ("0" if right[-1] != "0" else "1"))
    assert not folder.exists()
    pinned = host.pin(folder, kit.vault, right.upper())
    assert (pinned.root, pinned.vault) == (kit.directory.root, kit.directory.vault)
    with pytest.raises(KeyRefused, match="no signing key"):
        Host.open(folder, kit.vault, NOW)


def test_a_pin_is_never_replaced_by_another_root(kit: Kit, another: Kit) -> None:
    with pytest.raises(KeyRefused, match="already"):
        host.pin(kit.state, another.vault, fingerprint(another.directory.root))


def test_pinning_again_never_lowers_the_version(kit: Kit) -> None:
    old = (kit.vault / d.FILE).read_bytes()
    _publish(kit, dataclasses.replace(kit.directory, version=2))
    kit.host()
    (kit.vault / d.FILE).write_bytes(old)
    assert host.pin(kit.state, kit.vault, fingerprint(kit.directory.root)).version == 2


def test_a_vault_that_is_gone_is_said_so(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        Host.open(kit.state, tmp_path / "nowhere", NOW)


def test_a_stranger_s_signing_key_is_refused(kit: Kit) -> None:
    (kit.state / host.INGEST_KEY).write_text(generate("x/ingest-1", os.urandom).private())
    _refused(kit, "does not let")
