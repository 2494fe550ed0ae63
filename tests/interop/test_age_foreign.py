"""Stock readers open what medsnap seals, and the other way round, around the edges of a chunk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.crypto import age, armor

pyrage = pytest.importorskip("pyrage")
pytestmark = pytest.mark.interop

CHUNK = 65536
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5]
IDENTITIES = [age.generate_identity(os.urandom) for _ in range(3)]
RECIPIENTS = [age.recipient_of(i) for i in IDENTITIES]


def run(*command: str, given: bytes = b"") -> bytes:
    return subprocess.run(command, input=given, capture_output=True, check=True, timeout=300).stdout


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text(f"# a comment\n{IDENTITIES[1]}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("size", SIZES)
def test_age_opens_ours_and_we_open_its(size: int, tool: Callable[[str], str], keys: Path) -> None:
    data = os.urandom(size)
    ours = age.encrypt_bytes(data, RECIPIENTS, random=os.urandom)
    assert run(tool("age"), "-d", "-i", str(keys), given=ours) == data
    assert run(tool("age"), "-d", "-i", str(keys), given=armor.encode(ours)) == data
    to = [word for r in RECIPIENTS for word in ("-r", r)]
    for options in ([], ["-a"]):
        theirs = run(tool("age"), *options, *to, given=data)
        assert all(age.decrypt_bytes(theirs, [i]) == data for i in IDENTITIES)


def test_age_keygen_agrees_on_keys(tool: Callable[[str], str], keys: Path) -> None:
    assert run(tool("age-keygen"), "-y", str(keys)).decode().split() == [RECIPIENTS[1]]
    lines = run(tool("age-keygen")).decode().splitlines()
    assert f"# public key: {age.recipient_of(lines[-1])}" in lines


def test_age_refuses_what_we_altered(tool: Callable[[str], str], keys: Path) -> None:
    ours = bytearray(age.encrypt_bytes(os.urandom(CHUNK), RECIPIENTS, random=os.urandom))
    ours[-1] ^= 1
    with pytest.raises(subprocess.CalledProcessError):
        run(tool("age"), "-d", "-i", str(keys), given=bytes(ours))


@pytest.mark.parametrize("size", SIZES)
def test_pyrage_opens_ours_and_we_open_its(size: int) -> None:
    data = os.urandom(size)
    identities = [pyrage.x25519.Identity.from_str(i) for i in IDENTITIES]
    assert [str(i.to_public()) for i in identities] == RECIPIENTS
    ours = age.encrypt_bytes(data, RECIPIENTS, random=os.urandom)
    assert all(pyrage.decrypt(ours, [i]) == data for i in identities)
    theirs = pyrage.encrypt(data, [i.to_public() for i in identities])
    assert all(age.decrypt_bytes(theirs, [i]) == data for i in IDENTITIES)


def test_pyrage_opens_our_passphrases() -> None:
    # the other way round, pyrage takes as much memory as the machine lets it in a second
    ours = age.encrypt_passphrase(b"ours", "grüße 🙂", random=os.urandom, work_factor=12)
    assert pyrage.passphrase.decrypt(ours, "grüße 🙂") == b"ours"
