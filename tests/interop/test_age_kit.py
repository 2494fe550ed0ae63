"""The C2SP/CCTV vectors, strict: right bytes, or an error for people and no byte."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from medsnap.errors import KeyRefused, Malformed, MedsnapError, Tampered, TooLarge, Unsupported
from medsnap.vault.age import decrypt

ERRORS: dict[str, tuple[type[MedsnapError], ...]] = {
    "no match": (KeyRefused,),
    "HMAC failure": (Tampered,),
    "header failure": (Malformed, Unsupported, TooLarge, Tampered),  # Tampered: cut off before the nonce
    "armor failure": (Malformed,),
    "payload failure": (Tampered,),
}


@dataclass(slots=True)
class Vector:
    expect: str = ""
    payload: str = ""
    identities: list[str] = field(default_factory=list)
    passphrases: list[str] = field(default_factory=list)
    data: bytes = b""


def read(path: Path) -> Vector:
    head, _, body = path.read_bytes().partition(b"\n\n")
    vector = Vector(data=body)
    for line in head.decode().split("\n"):
        key, _, value = line.partition(": ")
        if key in ("expect", "payload"):
            setattr(vector, key, value)
        elif key in ("identity", "passphrase"):
            (vector.identities if key == "identity" else vector.passphrases).append(value)
        elif key == "compressed":
            assert value == "zlib"
            vector.data = zlib.decompress(body)
        else:
            assert key in ("file key", "armored", "comment"), key
    return vector


@pytest.mark.interop
def test_every_vector(corpus: Path) -> None:
    paths = sorted(p for p in (corpus / "age-testkit" / "vectors").iterdir() if not p.suffix)
    assert len(paths) == 143
    wrong: list[str] = []
    for path in paths:
        vector = read(path)
        try:
            plain = decrypt(vector.data, vector.identities, vector.passphrases)
        except MedsnapError as refused:
            if not isinstance(refused, ERRORS.get(vector.expect, ())):
                wrong.append(f"{path.name}: {vector.expect}, got {type(refused).__name__} {refused}")
        else:
            if vector.expect != "success" or hashlib.sha256(plain).hexdigest() != vector.payload:
                wrong.append(f"{path.name}: {vector.expect}, got {len(plain)} bytes")
    assert wrong == []
