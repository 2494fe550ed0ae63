"""Whether a policy is in force for a vault: its signatures, the pinned keyring, what was seen before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._shared import Io
from medsnap.errors import InputMissing

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.keyring import Ring
    from medsnap.policy.signatures import Signature
    from medsnap.policy.standing import Pins, Standing
    from medsnap.vault.directory import Directory

LIMIT = 1 << 20


def sidecar(file: Path) -> Path:
    """Return where the signatures of a policy or keyring lie."""
    from medsnap.policy.signatures import SUFFIX

    return file.with_name(file.name + SUFFIX)


def signatures(file: Path, kept: bytes = b"") -> tuple[tuple[Signature, ...], tuple[str, ...]]:
    """Read the signatures beside a file and those the vault kept; and the lines that are none."""
    from medsnap.policy.signatures import parse

    path = sidecar(file)
    data = path.read_bytes()[: LIMIT + 1] if path.is_file() else b""
    text = data.decode("utf-8", "replace") + "\n" + kept.decode("utf-8", "replace")
    return parse(text, path.name)


def pins(directory: Directory) -> Pins:
    """Return what the directory says of policies."""
    from medsnap.policy.standing import Pins

    return Pins(
        root=directory.policy_root,
        ring=directory.keyring,
        lowest=directory.policy_lowest,
        unsigned_allowed=directory.unsigned_allowed,
    )


def pinned_ring(vault: Path, directory: Directory) -> Ring | None:
    """Return the keyring that the directory pins; None when it pins none. Raises Tampered, PolicyError."""
    from medsnap.policy import keyring
    from medsnap.vault.policies import recall

    if directory.keyring is None:
        return None
    text = recall(vault, directory.keyring)
    if text is None:
        raise InputMissing(
            "the vault's keyring is missing",
            where=f"policies/{directory.keyring}.yaml",
            hint="put it back from a copy of the vault; without it no signature can be judged",
        )
    return keyring.load_text(text.decode("utf-8", "replace"), keyring.FILE)


def judged(io: Io, policy: Policy, file: Path, vault: Path, directory: Directory) -> Standing:
    """Judge a policy for a vault; what is wrong with single signatures is said as warnings."""
    from medsnap.policy.standing import stand
    from medsnap.vault.policies import recall_signatures

    found, problems = signatures(file, recall_signatures(vault, policy.ref.digest))
    standing = stand(policy, pins(directory), pinned_ring(vault, directory), found, io.now)
    refused = standing.tally.refused if standing.tally else ()
    for problem in (*problems, *refused):
        io.warn(f"signature: {problem}")
    return standing


def enforced(
    io: Io, policy: Policy, file: Path, *, vault: Path, directory: Directory, memory: Path
) -> Policy:
    """Return the policy as it may decide in this vault; `memory` is the folder of versions seen.

    Not in force: it is warned of, and every decision quarantines (M16). Raises KeyRefused (77) for a
    version older than one that was in force.
    """
    from medsnap.policy.standing import enforce, refuse_older
    from medsnap.vault import policies, versions

    known = versions.seen(memory).get(policy.ref.policy)
    refuse_older(policy, known.version if known else 0)
    if policy.ref.policy == directory.policy_root:
        refuse_older(policy, directory.policy_lowest)
    standing = judged(io, policy, file, vault, directory)
    if standing.in_force:
        versions.note(memory, policy.ref.policy, policy.ref.version, policy.ref.digest)
        if directory.keyring is not None:
            own = sidecar(file)
            policies.keep_signatures(vault, policy.ref.digest, own.read_bytes() if own.is_file() else b"")
    else:
        io.warn(f"no policy is in force: {standing.why}; photos are sealed and wait, nothing leaves")
    if standing.ends:
        io.warn(standing.ends)
    return enforce(policy, standing)
