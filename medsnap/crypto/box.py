"""Small sealed cells under one symmetric key: ChaCha20-Poly1305 with a random nonce (RFC 8439)."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medsnap.errors import Tampered

NONCE = 12
OVERHEAD = NONCE + 16  # bytes that a cell is longer than what is in it


class Box:
    """Seal and open cells; `place` is bound in, so that a cell moved elsewhere does not open.

    Nonces are random, 96 bits: good for 2**32 cells under one key, a vault of 1e6 photos needs 2**23.
    """

    def __init__(self, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)

    def seal(self, data: bytes, place: bytes, random: Callable[[int], bytes]) -> bytes:
        """Return nonce, ciphertext and tag."""
        nonce = random(NONCE)
        return nonce + self._aead.encrypt(nonce, data, place)

    def open(self, cell: bytes, place: bytes) -> bytes:
        """Return what was sealed for this place. Raises Tampered."""
        if len(cell) < OVERHEAD:
            raise Tampered("a sealed cell is cut off")
        try:
            return self._aead.decrypt(cell[:NONCE], cell[NONCE:], place)
        except InvalidTag:
            raise Tampered("a sealed cell was altered or moved") from None
