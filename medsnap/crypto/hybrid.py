"""The hybrid post-quantum recipient type (C2SP age, "The MLKEM768-X25519 … recipient type").

HPKE base mode with ML-KEM-768 and X25519. The encapsulation's randomness is the library's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from medsnap.crypto import base64raw, bech32
from medsnap.crypto.header import FILE_KEY, Stanza
from medsnap.errors import KeyRefused, Malformed, Unsupported

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

NAME = "mlkem768x25519"
PUBLIC = "age1pq"
SECRET = "age-secret-key-pq-"  # noqa: S105 - the prefix, not a secret
_SEED = 32
_MLKEM_PUBLIC = 1184
_ENCAPSULATED = 1120  # ML-KEM-768 ciphertext 1088, X25519 share 32
_SHARE = 32
_INFO = b"age-encryption.org/mlkem768x25519"


def _suite() -> Suite:
    try:
        from cryptography.hazmat.primitives import hpke
    except ImportError:
        raise Unsupported(
            "this installation of cryptography has no hybrid keys", hint="install cryptography >= 47"
        ) from None
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class Recipient:
    """A public key `age1pq1…`."""

    name = NAME

    def __init__(self, public: bytes) -> None:
        if len(public) != _MLKEM_PUBLIC + 32:
            raise KeyRefused("the hybrid age recipient has the wrong length")
        self._suite = _suite()
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

        try:
            self._key = MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
                X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
            )
        except (ValueError, UnsupportedAlgorithm):
            raise KeyRefused("the hybrid age recipient is no valid key") from None

    def wrap(self, file_key: bytes, random: Callable[[int], bytes]) -> Stanza:
        """Wrap the file key with HPKE SealBase."""
        try:
            sealed = self._suite.encrypt(file_key, self._key, _INFO)
        except ValueError:
            raise KeyRefused("the hybrid age recipient is a weak key (low order)") from None
        return Stanza((NAME, base64raw.encode(sealed[:_ENCAPSULATED])), sealed[_ENCAPSULATED:])


class Identity:
    """A secret key `AGE-SECRET-KEY-PQ-1…`: a seed of 32 bytes for both halves."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _SEED:
            raise KeyRefused("the hybrid age identity has the wrong length")
        self._suite = _suite()
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

        expanded = hashlib.shake_256(seed).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self._x25519 = x25519
        self._key = MLKEM768X25519PrivateKey(mlkem, x25519)

    def recipient(self) -> str:
        """Return the public key."""
        return bech32.encode(PUBLIC, self._public)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Return the file key, or None for a stanza of another key or type; raise Malformed."""
        if stanza.args[0] != NAME:
            return None
        where = "age header, mlkem768x25519 stanza"
        if len(stanza.args) != 2:
            raise Malformed("needs exactly one argument", where=where)
        encapsulated = base64raw.decode(stanza.args[1], where=where)
        if len(encapsulated) != _ENCAPSULATED or len(stanza.body) != FILE_KEY + 16:
            raise Malformed("the encapsulated or the wrapped key has the wrong length", where=where)
        try:
            return self._suite.decrypt(encapsulated + stanza.body, self._key, _INFO)
        except (InvalidTag, ValueError):
            self._refuse_low_order(encapsulated[-_SHARE:], where)
            return None

    def _refuse_low_order(self, share: bytes, where: str) -> None:
        """Tell a share that nobody makes honestly from a stanza of another key: HPKE does not."""
        try:
            self._x25519.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise Malformed("the share has low order", where=where) from None
