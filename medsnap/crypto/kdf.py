"""HKDF-SHA-256 for one block of output (RFC 5869), and HMAC-SHA-256 (RFC 2104)."""

from __future__ import annotations

import hmac

KEY = 32  # bytes of every derived key


def hkdf(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """Derive 32 bytes: extract, then the first block of expand (RFC 5869, sections 2.2 and 2.3)."""
    extracted = hmac.digest(salt or bytes(KEY), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")
