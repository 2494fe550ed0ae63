"""Pin in the directory what governs the vault: the root policy, its lowest version, the keyring.

The keyring's text is kept in the vault under its digest, so that every ingest host finds it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from medsnap.errors import KeyRefused
from medsnap.vault.change import Authority, Edit, change
from medsnap.vault.directory import PINS_POLICY, Directory
from medsnap.vault.policies import keep


def pin_policy(
    vault: Path,
    directory: Directory,
    authority: Authority,
    *,
    policy: str,
    lowest: int,
    ring: str,
    ring_text: bytes,
) -> Directory:
    """Write the next directory with these pins; returns it. Raises KeyRefused for a foreign root key.

    Another root policy than the one pinned is refused: a vault does not change its governing body.
    """
    if directory.policy_root not in (None, policy):
        raise KeyRefused(f"the vault is governed by the policy '{directory.policy_root}'")
    keep(vault, ring, ring_text)

    def finish(base: Directory, _commits: int) -> Directory:
        return dataclasses.replace(
            base,
            policy_root=policy,
            policy_lowest=max(lowest, base.policy_lowest),
            keyring=ring,
            unsigned_allowed=False,
            requires=tuple(dict.fromkeys((*base.requires, PINS_POLICY))),
        )

    return change(vault, directory, authority, lambda _current: Edit(turns=(), finish=finish))
