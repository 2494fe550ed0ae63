"""What the second reader stands on: signed notes, a log's root, age with the suite of the keys."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

import pyrage
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.interop import age_hybrid


class Refused(Exception):
    """What SPEC.md, "What a reader refuses", tells to refuse."""


def need(fact: object, why: str) -> None:
    if not fact:
        raise Refused(why)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def opened(note: bytes, vkeys: Iterable[str]) -> tuple[str, set[str]]:
    """Give the text of a signed note and the known keys that signed it."""
    body, found, lines = note.rpartition(b"\n\n")
    need(found, "no signed note")
    text, signed = body + b"\n", set()
    for vkey in vkeys:
        name, key_id, packed = vkey.split("+", 2)
        raw = base64.b64decode(packed, validate=True)
        need(raw[:1] == b"\x01" and len(raw) == 33, "no Ed25519 key")
        need(sha256(f"{name}\n".encode() + raw)[:8] == key_id, "a key id is wrong")
        for line in lines.decode().splitlines():
            dash, signer, value = line.split(" ")
            signature = base64.b64decode(value, validate=True)
            if (dash, signer, signature[:4].hex()) == ("—", name, key_id):
                try:
                    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text)
                except InvalidSignature:
                    raise Refused("a signature is wrong") from None
                signed.add(vkey)
    return text.decode(), signed


def recipient_of(identity: str) -> str:
    if identity.startswith(age_hybrid.SECRET):
        return age_hybrid.recipient_of(identity)
    return str(pyrage.x25519.Identity.from_str(identity).to_public())


def decrypt(data: bytes, identities: list[str]) -> bytes | None:
    """Open with the suite of the keys: pyrage knows x25519 only."""
    if any(i.startswith(age_hybrid.SECRET) for i in identities):
        try:
            return age_hybrid.decrypt(data, identities)
        except InvalidTag:
            raise Refused("a seal is broken") from None
    keys = [pyrage.x25519.Identity.from_str(i) for i in identities]
    try:
        return bytes(pyrage.decrypt(data, keys)) if keys else None
    except pyrage.DecryptError as problem:
        if "No matching keys" in str(problem):
            return None
        raise Refused(str(problem)) from None


def identities_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]


def merkle(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()
