"""Both suites, both ways, with the peers: Debian's age, pyrage (x25519) and npm age-encryption (both).

The npm package is the only one of them that knows the hybrid suite; `make test` puts it, pinned by
digest, into .tools/npm.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.crypto import age
from medsnap.model.seal import Suite
from medsnap.vault import directory, keys
from tests.conftest import ROOT, absent
from tests.helpers import Clinic

pytestmark = pytest.mark.interop
CHUNK = 65536
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5)
Peer = Callable[..., bytes]


@pytest.fixture(scope="module")
def npm(tool: Callable[[str], str]) -> Peer:
    """Run npm's age-encryption: `npm("decrypt", identity, given=…)`."""
    modules = Path(os.environ.get("MEDSNAP_NODE_MODULES", ROOT / ".tools" / "npm" / "node_modules"))
    if not (modules / "age-encryption").is_dir():
        absent("npm's age-encryption (make test installs it)", "MEDSNAP_REQUIRE_TOOLS")
    program = Path(__file__).with_name("age_peer.mjs")

    def run(verb: str, *words: str, given: bytes = b"") -> bytes:
        command = [tool("node"), str(program), str(modules), verb, *words]
        return subprocess.run(command, input=given, capture_output=True, check=True, timeout=300).stdout

    return run


@pytest.mark.parametrize("suite", list(Suite))
def test_npm_opens_ours_and_we_open_its(suite: Suite, npm: Peer) -> None:
    identities = [age.generate_identity(os.urandom, suite=suite) for _ in range(2)]
    recipients = [age.recipient_of(i) for i in identities]
    for size in SIZES:
        data = os.urandom(size)
        ours = age.encrypt_bytes(data, recipients, random=os.urandom)
        assert npm("decrypt", identities[size % 2], given=ours) == data
    theirs = npm("encrypt", *recipients, given=data)
    assert all(age.decrypt_bytes(theirs, [i]) == data for i in identities)


@pytest.mark.parametrize("suite", list(Suite))
def test_npm_and_we_agree_on_keys(suite: Suite, npm: Peer) -> None:
    identity, recipient = npm("keygen", suite.value).decode().split()
    assert age.recipient_of(identity) == recipient
    assert age.suite_of(recipient) is suite


@pytest.mark.parametrize("suite", list(Suite))
def test_npm_refuses_what_was_altered(suite: Suite, npm: Peer) -> None:
    identity = age.generate_identity(os.urandom, suite=suite)
    ours = bytearray(age.encrypt_bytes(b"x" * 100, [age.recipient_of(identity)], random=os.urandom))
    ours[-1] ^= 1
    with pytest.raises(subprocess.CalledProcessError):
        npm("decrypt", identity, given=bytes(ours))


def _age(tool: Callable[[str], str], key: Path, data: bytes) -> bytes:
    command = [tool("age"), "-d", "-i", str(key)]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=300).stdout


@pytest.mark.parametrize("suite", list(Suite))
def test_a_whole_vault_opens_with_a_peer(
    suite: Suite, npm: Peer, tool: Callable[[str], str], tmp_path: Path
) -> None:
    """Key file → ring → photo, as docs/SPEC.md says, without medsnap."""
    from PIL import Image

    clinic = Clinic(tmp_path / "clinic").init("--suite", suite.value)
    dump = tmp_path / "dump"
    dump.mkdir()
    Image.effect_noise((64, 48), 50).save(dump / "IMG_1.png")
    clinic.ingest(dump).expect(0)
    [photo] = clinic.listed()
    held = keys.load_file(clinic.recovery)
    named = directory.load(clinic.vault).directory
    assert named.suite is suite
    ring = (clinic.vault / "keys" / named.compartment(photo["compartment"]).ring).read_bytes()
    sealed = (clinic.vault / "objects" / photo["id"][:2] / photo["id"]).read_bytes()
    text = npm("decrypt", *held.identities, given=ring)
    ids = [line for line in text.decode().splitlines() if line.startswith("AGE-SECRET-KEY-")]
    plain = npm("decrypt", *ids, given=sealed)
    clinic.run("vault", "open", photo["id"], "-o", tmp_path / "out.png").expect(0)
    assert plain[: photo["length"]] == (tmp_path / "out.png").read_bytes()
    if suite is Suite.X25519:
        (tmp_path / "ids").write_bytes(text)
        assert _age(tool, clinic.recovery, ring) == text
        assert _age(tool, tmp_path / "ids", sealed) == plain
