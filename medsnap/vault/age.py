"""The vault's age reader as one call, for outside checkers."""

from __future__ import annotations

from medsnap.crypto import age


def decrypt(data: bytes, identities: list[str], passphrases: list[str]) -> bytes:
    """Open an age file, binary or armoured, with any of the keys: everything or nothing."""
    return age.decrypt_bytes(data, identities, passphrases)
