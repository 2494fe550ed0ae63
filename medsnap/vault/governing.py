"""Pin in the directory what governs the vault: the root policy, its lowest version, the keyring.

The keyring's text is kept in the vault under its digest, so that every ingest host finds it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from medsnap.errors import KeyRefused
from medsnap.platform import write_durably
from medsnap.vault.directory import FILE, PINS_POLICY, Directory, serialise
from medsnap.vault.files import io_errors
from medsnap.vault.policies import keep


def pin_policy(
    vault: Path, directory: Directory, *, root_key: str, policy: str, lowest: int, ring: str, ring_text: bytes
) -> Directory:
    """Write the next directory with these pins; returns it. Raises KeyRefused for a foreign root key.

    Another root policy than the one pinned is refused: a vault does not change its governing body.
    """
    from medsnap.crypto.note import Signer

    root = Signer.parse_private(root_key)
    if root.vkey != directory.root:
        raise KeyRefused("this is not the root key of this vault", hint="it stands on the recovery sheet")
    if directory.policy_root not in (None, policy):
        raise KeyRefused(f"the vault is governed by the policy '{directory.policy_root}'")
    keep(vault, ring, ring_text)
    new = dataclasses.replace(
        directory,
        version=directory.version + 1,
        policy_root=policy,
        policy_lowest=max(lowest, directory.policy_lowest),
        keyring=ring,
        unsigned_allowed=False,
        requires=tuple(dict.fromkeys((*directory.requires, PINS_POLICY))),
    )
    with io_errors(vault):
        write_durably(vault / FILE, serialise(new, [root]))
    return new
