"""Rings: one file per compartment with the identities of all its epochs, wrapped to its members.

The plaintext is a stock age identity file, so `age -d -i KEY ring > ids; age -d -i ids object`
opens the vault without medsnap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from medsnap.errors import KeyRefused, MedsnapError, Tampered
from medsnap.vault.directory import CompartmentKey
from medsnap.vault.files import read_limited
from medsnap.vault.ids import Random

MAX_RING = 1024 * 1024
_PREFIX = "AGE-SECRET-KEY-"


def ring_text(vault: str, label: str, identities: Sequence[str]) -> bytes:
    """Write the identities of a compartment, oldest epoch first, as an age identity file."""
    lines = [f"# medsnap ring of {label}, vault {vault}"]
    for epoch, identity in enumerate(identities, start=1):
        lines += [f"# epoch {epoch}", identity]
    return ("\n".join(lines) + "\n").encode()


def wrap(text: bytes, recipients: Sequence[str], *, random: Random) -> tuple[bytes, str]:
    """Wrap a ring to members and recovery. Returns the age file and its SHA-256."""
    from medsnap.crypto.age import encrypt_bytes

    data = encrypt_bytes(text, recipients, random=random)
    return data, hashlib.sha256(data).hexdigest()


def identities_in(text: str) -> tuple[str, ...]:
    """Return the age identities of an identity file; comments and blank lines are passed over."""
    return tuple(line.strip() for line in text.splitlines() if line.strip().upper().startswith(_PREFIX))


def unwrap(path: Path, digest: str, identities: Sequence[str]) -> tuple[str, ...] | None:
    """Open a ring: its identities, or None when none of ours opens it (an ordinary case).

    Raises Tampered when the file is not the one that the directory names, KeyRefused never.
    """
    from medsnap.crypto.age import decrypt_bytes

    data = read_limited(path, MAX_RING)
    if hashlib.sha256(data).hexdigest() != digest:
        raise Tampered("a ring is not the file that the directory names", where=str(path))
    try:
        text = decrypt_bytes(data, identities)
    except KeyRefused:
        return None
    return identities_in(text.decode("utf-8", "replace"))


def compartment_identities(
    vault: Path, key: CompartmentKey, identities: Sequence[str]
) -> tuple[str, ...] | None:
    """Open a compartment's ring and keep only identities whose public key stands in the directory."""
    from medsnap.crypto.age import recipient_of

    found = unwrap(vault / "keys" / key.ring, key.ring_sha256, identities)
    if found is None:
        return None
    known = {key.recipient, *key.past}
    try:
        good = tuple(i for i in found if recipient_of(i) in known)
    except MedsnapError:
        good = ()
    if not any(recipient_of(i) == key.recipient for i in good):
        raise Tampered(
            "a ring does not hold the key that the directory names", where=str(vault / "keys" / key.ring)
        )
    return good
