"""OpenSSH's signatures: real ssh-keygen as the other side, hardware keys built by hand, broken bytes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.crypto import ed25519, sshsig
from medsnap.crypto.sshsig import SshKey
from medsnap.errors import KeyRefused, Malformed, MedsnapError

SEED = bytes(range(32))
NAMESPACE = "medsnap-policy"
MESSAGE = b"what was read is what was signed"


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def key_blob(public: bytes, application: bytes | None = None) -> bytes:
    kind = b"ssh-ed25519" if application is None else b"sk-ssh-ed25519@openssh.com"
    return string(kind) + string(public) + (b"" if application is None else string(application))


def to_sign(namespace: str = NAMESPACE, message: bytes = MESSAGE, hashed: str = "sha512") -> bytes:
    digest = hashlib.new(hashed, message).digest()
    return b"SSHSIG" + string(namespace.encode()) + string(b"") + string(hashed.encode()) + string(digest)


def sshsig_blob(
    *,
    seed: bytes = SEED,
    application: bytes | None = None,
    flags: int = 1,
    namespace: str = NAMESPACE,
    message: bytes = MESSAGE,
    hashed: str = "sha512",
) -> bytes:
    public = ed25519.public_of(seed)
    signed = to_sign(namespace, message, hashed)
    tail = b""
    if application is not None:
        tail = bytes([flags]) + (7).to_bytes(4, "big")
        signed = hashlib.sha256(application).digest() + tail + hashlib.sha256(signed).digest()
    kind = b"ssh-ed25519" if application is None else b"sk-ssh-ed25519@openssh.com"
    signature = string(kind) + string(ed25519.sign(seed, signed)) + tail
    head = b"SSHSIG" + (1).to_bytes(4, "big") + string(key_blob(public, application))
    return head + string(namespace.encode()) + string(b"") + string(hashed.encode()) + string(signature)


PLAIN = SshKey(public=ed25519.public_of(SEED))
TOKEN = SshKey(public=ed25519.public_of(SEED), application="ssh:")


@pytest.mark.parametrize("hashed", ["sha256", "sha512"])
def test_own_signatures_verify(hashed: str) -> None:
    assert sshsig.verify(PLAIN, sshsig_blob(hashed=hashed), NAMESPACE, MESSAGE)
    assert sshsig.verify(TOKEN, sshsig_blob(application=b"ssh:", hashed=hashed), NAMESPACE, MESSAGE)


@pytest.mark.parametrize(
    ("key", "blob"),
    [
        (PLAIN, sshsig_blob(namespace="file")),
        (PLAIN, sshsig_blob(message=b"another")),
        (PLAIN, sshsig_blob(seed=bytes(32))),
        (PLAIN, sshsig_blob(application=b"ssh:")),
        (TOKEN, sshsig_blob()),
        (TOKEN, sshsig_blob(application=b"ssh:", flags=0)),
        (TOKEN, sshsig_blob(application=b"ssh:other")),
    ],
    ids=["namespace", "message", "key", "token for plain", "plain for token", "untouched", "application"],
)
def test_what_is_not_this_signature_does_not_verify(key: SshKey, blob: bytes) -> None:
    assert not sshsig.verify(key, blob, NAMESPACE, MESSAGE)


def test_a_hardware_key_made_for_a_web_site_is_refused() -> None:
    text = base64.b64encode(key_blob(ed25519.public_of(SEED), b"https://example.org")).decode()
    with pytest.raises(KeyRefused, match="not made for ssh"):
        SshKey.parse(f"sk-ssh-ed25519@openssh.com {text}")


@pytest.mark.parametrize(
    "public",
    [b"\x01" + bytes(31), bytes(32), bytes.fromhex("ec" + "ff" * 30 + "7f"), b"\xff" * 32],
    ids=["neutral", "order four", "order two", "not canonical"],
)
def test_weak_keys_are_refused(public: bytes) -> None:
    text = base64.b64encode(key_blob(public)).decode()
    with pytest.raises(KeyRefused):
        SshKey.parse(f"ssh-ed25519 {text}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-rsa AAAA",
        "ssh-ed25519 ****",
        "ssh-ed25519 " + base64.b64encode(key_blob(PLAIN.public)[:-1]).decode(),
        "ssh-ed25519 " + base64.b64encode(key_blob(PLAIN.public) + b"x").decode(),
        "ssh-ed25519 " + base64.b64encode(key_blob(PLAIN.public, b"ssh:")).decode(),
    ],
)
def test_broken_public_keys_are_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        SshKey.parse(text)


def test_a_public_key_survives_its_text() -> None:
    assert SshKey.parse(PLAIN.text + " somebody@host") == PLAIN
    assert SshKey.parse(TOKEN.text) == TOKEN


@pytest.mark.parametrize("cut", range(0, len(sshsig_blob()), 7))
def test_a_cut_signature_is_malformed(cut: int) -> None:
    with pytest.raises(Malformed):
        sshsig.verify(PLAIN, sshsig_blob()[:cut], NAMESPACE, MESSAGE)


def test_bytes_after_the_signature_are_malformed() -> None:
    with pytest.raises(Malformed):
        sshsig.verify(PLAIN, sshsig_blob() + b"\0", NAMESPACE, MESSAGE)


@given(st.integers(0, len(sshsig_blob()) - 1), st.integers(1, 255))
def test_no_changed_byte_verifies_or_crashes(place: int, flip: int) -> None:
    blob = bytearray(sshsig_blob())
    blob[place] ^= flip
    with contextlib.suppress(MedsnapError):
        assert not sshsig.verify(PLAIN, bytes(blob), NAMESPACE, MESSAGE)


@given(st.text(max_size=200))
def test_no_text_crashes(text: str) -> None:
    for read in (sshsig.unarmour, SshKey.parse):
        with contextlib.suppress(MedsnapError):
            read(text)


def test_ssh_keygen_signs_and_we_verify(tool: Callable[[str], str], tmp_path: Path) -> None:
    program, key = tool("ssh-keygen"), tmp_path / "id"
    subprocess.run([program, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for namespace, fits in ((NAMESPACE, True), ("file", False)):
        made = subprocess.run(
            [program, "-Y", "sign", "-n", namespace, "-f", key],
            input=MESSAGE,
            capture_output=True,
            check=True,
        )
        public = SshKey.parse((tmp_path / "id.pub").read_text("utf-8"))
        blob = sshsig.unarmour(made.stdout.decode())
        assert sshsig.verify(public, blob, NAMESPACE, MESSAGE) is fits
        assert not sshsig.verify(public, blob, NAMESPACE, MESSAGE + b".")


def test_ssh_keygen_verifies_what_we_build(tool: Callable[[str], str], tmp_path: Path) -> None:
    body = base64.b64encode(sshsig_blob()).decode()
    lines = [body[i : i + 70] for i in range(0, len(body), 70)]
    armoured = "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])
    (tmp_path / "sig").write_text(armoured, "utf-8")
    (tmp_path / "who").write_text(f"p.wahl {PLAIN.text}\n", "utf-8")
    subprocess.run(
        [tool("ssh-keygen"), "-Y", "verify", "-n", NAMESPACE, "-f", tmp_path / "who", "-I", "p.wahl", "-s",
         tmp_path / "sig"],
        input=MESSAGE, capture_output=True, check=True,
    )  # fmt: skip
    assert sshsig.unarmour(armoured) == sshsig_blob()


@pytest.mark.parametrize("body", ["AA*A", "AAB=", "A", "AAAA AAAA", "é"])
def test_armour_with_broken_base64_is_refused(body: str) -> None:
    text = f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n"
    with pytest.raises(Malformed, match="base64 of the signature is broken"):
        sshsig.unarmour(text)
