"""The directory: only what the root signed counts."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import pytest

from medsnap.crypto.note import Signer, generate, sign_note
from medsnap.errors import InputMissing, KeyRefused, Malformed, MedsnapError
from medsnap.vault import directory as d

from .conftest import NOW, Kit


def _root(kit: Kit) -> Signer:
    return Signer.parse_private(kit.new.root_key)


def _changed(kit: Kit, **fields: object) -> bytes:
    """Sign a directory whose JSON has other fields."""
    text = d.text_of(kit.directory)
    head, _, body = text.partition("\n")
    return sign_note(f"{head}\n{json.dumps({**json.loads(body), **fields}, indent=1)}\n", [_root(kit)])


def test_what_the_root_signed_reads_back(kit: Kit) -> None:
    read = d.verify(d.load(kit.vault).data, root_vkey=kit.directory.root)
    assert read == kit.directory
    assert [k.name for k in read.compartments] == ["general", "identifiable", "intimate"]
    assert d.load(kit.vault).auditors == kit.directory.auditors
    assert set(d.load(kit.vault).log_vkeys) == {w.vkey for w in kit.directory.writers}


def test_any_changed_byte_is_refused(kit: Kit) -> None:
    data = d.load(kit.vault).data
    for place in range(0, len(data), 7):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises((KeyRefused, Malformed)):
            d.verify(bytes(broken), root_vkey=kit.directory.root)


def test_another_root_cannot_sign(kit: Kit) -> None:
    import os

    thief = generate(f"{kit.directory.vault}/root", os.urandom)
    data = d.serialise(dataclasses.replace(kit.directory, root=thief.vkey), [thief])
    with pytest.raises(KeyRefused, match="another root"):
        d.verify(data, root_vkey=kit.directory.root)
    forged = d.serialise(kit.directory, [thief])
    with pytest.raises(KeyRefused, match="signature"):
        d.verify(forged, root_vkey=kit.directory.root)


def test_an_ignored_field_is_no_error_and_a_needed_one_is(kit: Kit) -> None:
    root = kit.directory.root
    assert d.verify(_changed(kit, colour="green"), root_vkey=root) == kit.directory
    with pytest.raises(KeyRefused, match="format 2"):
        d.verify(_changed(kit, format=2), root_vkey=root)
    with pytest.raises(KeyRefused, match="key table"):
        d.verify(_changed(kit, requires=["key table"]), root_vkey=root)


@pytest.mark.parametrize(
    "fields",
    [
        {"vault": "../../etc"},
        {"auditors_ring": "../x.age"},
        {"expires": "2030-01-01T00:00:00"},
        {"expires": "soon"},
        {"compartments": "general"},
        {"version": True},
        {"suite": "rot13"},
    ],
    ids=lambda f: f"{next(iter(f))}={f[next(iter(f))]}",
)
def test_a_field_that_cannot_be_is_malformed(kit: Kit, fields: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        d.parse(_changed(kit, **fields))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"x", b"medsnap directory\n{}\n\n", b"[" * 100_000 + b"\n\n"])
def test_rubbish_is_malformed_or_refused(data: bytes) -> None:
    with pytest.raises(MedsnapError):
        d.parse(data)


def test_no_vault_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="no medsnap vault"):
        d.load(tmp_path)


def test_expiry_is_a_moment(kit: Kit) -> None:
    assert not kit.directory.expired(NOW + timedelta(days=364))
    assert kit.directory.expired(NOW + timedelta(days=365))
