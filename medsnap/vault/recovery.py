"""The secrets of recovery, 32 bytes each: what stands on sheets, and the keys that it becomes.

Three sets of sheets, so that who can open cannot sign, and the groups that break-glass never opens
need other people (amendment 11): *recovery* opens every other locked group, *recovery-closed* these,
*root* signs the directory and opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medsnap.errors import KeyRefused
from medsnap.model.seal import Suite
from medsnap.vault.keys import Keys

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer
    from medsnap.vault.directory import Directory

GENERAL = "recovery"
CLOSED = "recovery-closed"
ROOT = "root"
KINDS = (GENERAL, CLOSED, ROOT)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recovered:
    """The secrets that sheets gave back, by what they are in this vault's directory."""

    secrets: Mapping[str, bytes]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of GENERAL, CLOSED, ROOT are there, in this order."""
        return tuple(kind for kind in KINDS if kind in self.secrets)

    def __repr__(self) -> str:
        return f"Recovered({', '.join(self.kinds)})"


def secret_of(identity: str) -> bytes:
    """Return the 32 bytes of an age identity. Raises KeyRefused, Malformed."""
    from medsnap.crypto import bech32

    return bech32.decode(identity.strip())[1]


def identity_of(secret: bytes, suite: Suite) -> str:
    """Return the age identity of 32 bytes."""
    from medsnap.crypto.age import generate_identity

    return generate_identity(lambda _size: secret, suite=suite)


def signer_of(identity: str, vault: str, name: str) -> Signer:
    """Return the signing key that goes with a recovery identity: it logs what the identity opens.

    It is derived, so that the sheets carry one secret only.
    """
    from medsnap.crypto.kdf import hkdf
    from medsnap.crypto.note import generate

    seed = hkdf(secret_of(identity), salt=vault.encode(), info=b"medsnap log key of " + name.encode())
    return generate(f"{vault}/{name}", lambda _size: seed)


def root_of(secret: bytes, vault: str) -> Signer:
    """Return the root's signing key of 32 bytes."""
    from medsnap.crypto.note import generate

    return generate(f"{vault}/{ROOT}", lambda _size: secret)


def secrets_in(keys: Keys, directory: Directory) -> Recovered:
    """Return the secrets that stand in a key file, by what they are in the directory."""
    from medsnap.crypto.note import Signer

    found = [secret_of(identity) for identity in keys.identities]
    if keys.root_key:
        found.append(Signer.parse_private(keys.root_key).seed)
    return recognised(found, directory)


def recognised(secrets: Iterable[bytes], directory: Directory) -> Recovered:
    """Say what each secret is in this vault. Raises KeyRefused for one that is nothing in it."""
    known: dict[str, bytes] = {}
    for secret in secrets:
        kind = kind_of(secret, directory)
        if kind is None:
            raise KeyRefused(
                "these sheets belong to another vault, or to a set that was replaced",
                hint="vault id and day stand on each sheet",
            )
        known[kind] = secret
    return Recovered(secrets=known)


def kind_of(secret: bytes, directory: Directory) -> str | None:
    """Say what 32 bytes are in this vault; None for nothing."""
    from medsnap.crypto.age import recipient_of

    recipient = recipient_of(identity_of(secret, directory.suite))
    if recipient in directory.recoveries:
        return GENERAL if recipient == directory.recovery else CLOSED
    return ROOT if root_of(secret, directory.vault).vkey == directory.root else None


def keys_of(found: Recovered, directory: Directory) -> Keys:
    """Return the keys that secrets become: identities, a key for the log, the root's key if given."""
    kinds = [kind for kind in (GENERAL, CLOSED) if kind in found.secrets]
    identities = tuple(identity_of(found.secrets[kind], directory.suite) for kind in kinds)
    signer = signer_of(identities[0], directory.vault, kinds[0]).private() if kinds else ""
    root = root_of(found.secrets[ROOT], directory.vault).private() if ROOT in found.secrets else ""
    return Keys(
        identities=identities,
        signer=_listed(signer, directory),
        root_key=root,
        root_vkey=directory.root,
        vault=directory.vault,
        member=kinds[0] if kinds else ROOT,
    )


def _listed(signer: str, directory: Directory) -> str:
    """Drop a derived log key that the directory does not name: vaults of before had another one."""
    from medsnap.crypto.note import Signer

    known = bool(signer) and Signer.parse_private(signer).vkey in directory.log_vkeys
    return signer if known else ""


def opens(kind: str, directory: Directory) -> tuple[str, ...]:
    """Return the locked groups whose rings are wrapped to a set of sheets."""
    names = tuple(key.name for key in directory.compartments)
    if kind == ROOT:
        return ()
    return tuple(name for name in names if (name in directory.closed) == (kind == CLOSED))
