"""Signatures of `ssh-keygen -Y sign` (OpenSSH PROTOCOL.sshsig) and public keys of OpenSSH, read by hand.

Only Ed25519, plain or on a hardware key: one algorithm, one check for weak keys. A hardware key
must have asked for a touch.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from medsnap.crypto import ed25519
from medsnap.errors import KeyRefused, Malformed

PLAIN = "ssh-ed25519"
HARDWARE = "sk-ssh-ed25519@openssh.com"  # PROTOCOL.u2f
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASHES = ("sha256", "sha512")
_TOUCHED = 0x01  # flag "user present" of CTAP
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
MAX_TEXT = 16_384  # characters of an armoured signature or of a key


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """An Ed25519 public key of OpenSSH; `application` is set for a hardware key ("ssh:")."""

    public: bytes
    application: str | None = None

    @classmethod
    def parse(cls, text: str) -> SshKey:
        """Read `ssh-ed25519 AAAA… comment`; raise KeyRefused for other kinds, broken and weak keys."""
        words = text.split()
        raw = _unbase64(words[1]) if 2 <= len(words) <= 16 and len(text) <= MAX_TEXT else None
        if raw is None or words[0] not in (PLAIN, HARDWARE):
            raise KeyRefused(
                "this is no Ed25519 public key of OpenSSH",
                hint="make one: ssh-keygen -t ed25519, or -t ed25519-sk for a hardware key",
            )
        try:
            key = _key(raw)
        except Malformed as broken:
            raise KeyRefused("the OpenSSH public key is broken") from broken
        if _kind(key) != words[0]:
            raise KeyRefused("the OpenSSH public key is not of the kind it says")
        return key

    @property
    def text(self) -> str:
        """The key as one line without a comment."""
        return f"{_kind(self)} {base64.b64encode(_blob(self)).decode('ascii')}"


def verify(key: SshKey, signature: bytes, namespace: str, message: bytes) -> bool:
    """Say whether an SSHSIG blob is this key's signature of the message in this namespace.

    Raises Malformed for bytes that are no SSHSIG of version 1, KeyRefused for a weak key.
    """
    ed25519.check_public(key.public)
    made = _parse(signature)
    if made.key != key or made.namespace != namespace.encode():
        return False
    digest = hashlib.new(made.hash, message).digest()
    signed = _MAGIC + b"".join(
        map(_string, (made.namespace, made.reserved, made.hash.encode("ascii"), digest))
    )
    if key.application is None:
        return ed25519.verify(key.public, made.raw, signed)
    if not made.flags & _TOUCHED:
        return False
    told = (
        hashlib.sha256(key.application.encode()).digest()
        + bytes([made.flags])
        + made.counter.to_bytes(4, "big")
        + hashlib.sha256(signed).digest()
    )
    return ed25519.verify(key.public, made.raw, told)


def signer(signature: bytes) -> SshKey:
    """Return the key that an SSHSIG blob says it was made with. Raises Malformed, KeyRefused."""
    return _parse(signature).key


def unarmour(text: str) -> bytes:
    """Return the blob between the lines that ssh-keygen writes. Raises Malformed."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(text) > MAX_TEXT or len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise Malformed("this is no signature of ssh-keygen", hint="its first line is " + _BEGIN)
    raw = _unbase64("".join(lines[1:-1]))
    if raw is None:
        raise Malformed("the base64 of the signature is broken")
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The parts of an SSHSIG blob."""

    key: SshKey
    namespace: bytes
    reserved: bytes
    hash: str
    raw: bytes  # 64 bytes
    flags: int = 0
    counter: int = 0


def _parse(blob: bytes) -> _Made:
    cursor = _Cursor(blob)
    if cursor.take(len(_MAGIC)) != _MAGIC or cursor.number() != _VERSION:
        raise Malformed("is no SSHSIG of version 1", where="byte 0")
    key = _key(cursor.string())
    namespace, reserved = cursor.string(), cursor.string()
    hashed = cursor.string().decode("ascii", "replace")
    inner = _Cursor(cursor.string())
    cursor.end()
    if hashed not in _HASHES:
        raise Malformed("the signature names an unknown hash")
    kind = inner.string().decode("ascii", "replace")
    raw = inner.string()
    flags, counter = (inner.take(1)[0], inner.number()) if key.application is not None else (0, 0)
    inner.end()
    if kind != _kind(key) or len(raw) != ed25519.SIGNATURE:
        raise Malformed("the signature does not fit its key")
    return _Made(
        key=key, namespace=namespace, reserved=reserved, hash=hashed, raw=raw, flags=flags, counter=counter
    )


def _key(blob: bytes) -> SshKey:
    """Parse a public key blob (RFC 8709, PROTOCOL.u2f). Raises Malformed, KeyRefused."""
    cursor = _Cursor(blob)
    kind = cursor.string().decode("ascii", "replace")
    if kind not in (PLAIN, HARDWARE):
        raise KeyRefused("the key is no Ed25519 key")
    public = cursor.string()
    application = cursor.string().decode("utf-8", "replace") if kind == HARDWARE else None
    cursor.end()
    if application is not None and not application.startswith("ssh:"):
        # a key made for a web site could be made to sign by that site
        raise KeyRefused("the hardware key was not made for ssh")
    ed25519.check_public(public)
    return SshKey(public=public, application=application)


def _kind(key: SshKey) -> str:
    return PLAIN if key.application is None else HARDWARE


def _blob(key: SshKey) -> bytes:
    blob = _string(_kind(key).encode()) + _string(key.public)
    return blob if key.application is None else blob + _string(key.application.encode())


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _unbase64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw).decode("ascii") == text else None


class _Cursor:
    """Walks bytes of the SSH wire encoding (RFC 4251, section 5)."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise Malformed("the signature or key ends too early", where=f"byte {self._at}")
        self._at += count
        return found

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def end(self) -> None:
        if self._at != len(self._data):
            raise Malformed("something follows the signature or key", where=f"byte {self._at}")
