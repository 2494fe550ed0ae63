"""The X25519 recipient type (C2SP age, "The X25519 recipient type")."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medsnap.crypto import base64raw, bech32
from medsnap.crypto.header import FILE_KEY, Stanza
from medsnap.crypto.kdf import hkdf
from medsnap.errors import KeyRefused, Malformed

NAME = "X25519"
PUBLIC = "age"
SECRET = "age-secret-key-"  # noqa: S105 - the prefix, not a secret
_KEY = 32
_INFO = b"age-encryption.org/v1/X25519"
ZERO_NONCE = bytes(12)  # each wrap key is used once


def open_body(wrap_key: bytes, body: bytes, where: str) -> bytes | None:
    """Open a wrapped file key; None when the key is not the right one.

    The length is checked first: a body that opens under several keys would be an oracle.
    """
    if len(body) != FILE_KEY + 16:
        raise Malformed("a wrapped file key has the wrong length", where=where)
    try:
        return ChaCha20Poly1305(wrap_key).decrypt(ZERO_NONCE, body, None)
    except InvalidTag:
        return None


class Recipient:
    """A public key `age1…`."""

    name = NAME

    def __init__(self, public: bytes) -> None:
        if len(public) != _KEY:
            raise KeyRefused("the age recipient has the wrong length")
        self._public = public
        self._key = X25519PublicKey.from_public_bytes(public)

    def wrap(self, file_key: bytes, random: Callable[[int], bytes]) -> Stanza:
        """Wrap the file key under a fresh ephemeral share."""
        ephemeral = X25519PrivateKey.from_private_bytes(random(_KEY))
        share = ephemeral.public_key().public_bytes_raw()
        try:
            secret = ephemeral.exchange(self._key)
        except ValueError:
            raise KeyRefused("the age recipient is a weak key (low order)") from None
        wrap_key = hkdf(secret, salt=share + self._public, info=_INFO)
        body = ChaCha20Poly1305(wrap_key).encrypt(ZERO_NONCE, file_key, None)
        return Stanza((NAME, base64raw.encode(share)), body)


class Identity:
    """A secret key `AGE-SECRET-KEY-1…`."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY:
            raise KeyRefused("the age identity has the wrong length")
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self._public = self._key.public_key().public_bytes_raw()

    def recipient(self) -> str:
        """Return the public key."""
        return bech32.encode(PUBLIC, self._public)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Return the file key, or None for a stanza of another key or type; raise Malformed."""
        if stanza.args[0] != NAME:
            return None
        where = "age header, X25519 stanza"
        if len(stanza.args) != 2:
            raise Malformed("needs exactly one argument", where=where)
        share = base64raw.decode(stanza.args[1], where=where)
        if len(share) != _KEY:
            raise Malformed("the share is not 32 bytes long", where=where)
        try:
            secret = self._key.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise Malformed("the share has low order", where=where) from None
        return open_body(hkdf(secret, salt=share + self._public, info=_INFO), stanza.body, where)
