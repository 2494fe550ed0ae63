"""Proofs of entries: a verifier written from the standards alone takes them, and nothing that was changed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.audit import proof
from medsnap.audit.log import Log
from medsnap.crypto.note import Verifier, generate
from medsnap.errors import KeyRefused, Malformed, Tampered

ORIGIN = "example.com/log"
SIGNER = generate("example.com/log-key", random.Random(1).randbytes)
OTHER = generate("example.com/thief", random.Random(2).randbytes)
KNOWN = [Verifier.parse(SIGNER.vkey)]


def stranger(text: bytes, origin: str, vkey: str) -> bytes:
    """Verify a proof from c2sp.org/tlog-proof, tlog-checkpoint, signed-note and RFC 6962; return the entry.

    It imports nothing of medsnap: this is what somebody writes who has the pages and a public key.
    """
    proof_lines, _, note = text.decode().partition("\n\n")
    head, *lines = proof_lines.split("\n")
    assert head == "c2sp.org/tlog-proof@v1"
    entry = base64.b64decode(lines.pop(0).removeprefix("extra "), validate=True)
    word, number = lines.pop(0).split(" ")
    index, path = int(number), [base64.b64decode(line, validate=True) for line in lines]
    assert word == "index" and all(len(step) == 32 for step in path)

    body, _, signatures = note.partition("\n\n")
    name, key_hash, key = vkey.split("+", 2)
    public = base64.b64decode(key)
    assert public[0] == 1 and hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] == key_hash
    for line in signatures.splitlines():
        dash, signed_by, blob = line.split(" ")
        raw = base64.b64decode(blob)
        if (dash, signed_by, raw[:4].hex()) == ("—", name, key_hash):
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], body.encode() + b"\n")
            break
    else:
        raise AssertionError("not signed by this key")
    logged, size, root = body.split("\n")[:3]
    assert logged == origin

    def walk(at: int, width: int, rest: list[bytes]) -> bytes:
        if width == 1:
            assert not rest
            return hashlib.sha256(b"\0" + entry).digest()
        left = 1 << (width - 1).bit_length() - 1
        *below, sibling = rest
        if at < left:
            return hashlib.sha256(b"\1" + walk(at, left, below) + sibling).digest()
        return hashlib.sha256(b"\1" + sibling + walk(at - left, width - left, below)).digest()

    assert index < int(size)
    assert walk(index, int(size), path) == base64.b64decode(root)
    return entry


def filled(root: Path, size: int) -> Log:
    log = Log(root, ORIGIN)
    log.append([f"entry {n}".encode() for n in range(size)], SIGNER)
    return log


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 256, 257, 600])
def test_a_stranger_verifies_every_kind_of_place(size: int, tmp_path: Path) -> None:
    log = filled(tmp_path, size)
    for index in sorted({0, size // 2, size - 1, max(0, size - 2), min(255, size - 1)}):
        made = proof.encode(proof.make(log, index, KNOWN))
        assert stranger(made, ORIGIN, SIGNER.vkey) == b"entry %d" % index
        assert proof.verify(made, KNOWN).extra == b"entry %d" % index


def test_what_the_log_has_not_cannot_be_proved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="entry"):
        proof.make(Log(tmp_path / "empty", ORIGIN), 0, KNOWN)
    log = filled(tmp_path / "log", 3)
    for index in (-1, 3):
        with pytest.raises(ValueError, match="entry"):
            proof.make(log, index, KNOWN)


def test_a_log_that_was_changed_gives_no_proof(tmp_path: Path) -> None:
    log = filled(tmp_path, 5)
    path = tmp_path / "tile/entries/000.p/5"
    path.write_bytes(path.read_bytes().replace(b"entry 3", b"entry X"))
    with pytest.raises(Tampered, match="entry 3"):
        proof.make(log, 3, KNOWN)
    assert proof.make(log, 2, KNOWN).extra == b"entry 2"
    with pytest.raises(Tampered):  # signed by a key that the directory does not name
        proof.make(log, 2, [Verifier.parse(OTHER.vkey)])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return proof.encode(proof.make(filled(tmp_path_factory.mktemp("log"), 11), 6, KNOWN))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_changed_byte_proves_anything_else(whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    try:
        found = proof.verify(changed, KNOWN)
    except (Malformed, KeyRefused, Tampered):
        pass
    else:  # a comment in the signature block may change; what is proved may not
        assert (found.extra, found.index) == (b"entry 6", 6)
        assert found.checkpoint.size == 11
    taken: bytes | None = None
    with contextlib.suppress(AssertionError, ValueError, InvalidSignature):
        taken = stranger(changed, ORIGIN, SIGNER.vkey)
    assert taken in (None, b"entry 6")


@pytest.mark.parametrize(
    "text",
    [b"", b"\n\n", b"hello", b"c2sp.org/tlog-proof@v1\n\nx", b"c2sp.org/tlog-proof@v1\nindex 01\n\nx",
     b"c2sp.org/tlog-proof@v1\nextra !\nindex 1\n\nx", b"c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
     b"c2sp.org/tlog-proof@v1\nindex 1\n" + b"\n".join([base64.b64encode(bytes(32))] * 65) + b"\n\nx",
     b"c2sp.org/tlog-proof@v1\nindex 1" + b"\n" * 2 + b"x" * (1 << 20)],
)  # fmt: skip
def test_foreign_texts_are_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        proof.verify(text, KNOWN)


def test_it_has_the_lines_of_the_standard(whole: bytes) -> None:
    lines = whole.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(lines[1].removeprefix("extra ")) == b"entry 6"
    assert lines[2] == "index 6" and lines[7] == "" and lines[8:10] == [ORIGIN, "11"]
    assert all(len(base64.b64decode(line)) == 32 for line in lines[3:7])
    assert json.dumps(whole.decode())  # text throughout
