"""Whether a policy is in force for a vault: its signatures, the pinned keyring, what was seen before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands import _kept_signatures
from medsnap.commands._lists import in_office
from medsnap.commands._shared import Io
from medsnap.errors import InputMissing, PolicyError

if TYPE_CHECKING:
    from medsnap.intake.people import People
    from medsnap.policy import Policy
    from medsnap.policy.keyring import Ring
    from medsnap.policy.signatures import Signature
    from medsnap.policy.standing import Pins, Standing
    from medsnap.vault.directory import Directory
    from medsnap.vault.session import Session

LIMIT = 1 << 20


def sidecar(file: Path) -> Path:
    """Return where the signatures of a policy or keyring lie."""
    from medsnap.policy.signatures import SUFFIX

    return file.with_name(file.name + SUFFIX)


def signatures(file: Path | None, kept: bytes = b"") -> tuple[tuple[Signature, ...], tuple[str, ...]]:
    """Read the signatures beside a file and those the vault kept; and the lines that are none."""
    from medsnap.policy.signatures import parse

    path = sidecar(file) if file is not None else None
    data = path.read_bytes()[: LIMIT + 1] if path is not None and path.is_file() else b""
    text = data.decode("utf-8", "replace") + "\n" + kept.decode("utf-8", "replace")
    return parse(text, path.name if path is not None else "the vault")


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


def judged(
    io: Io, policy: Policy, file: Path, vault: Path, directory: Directory, *, people: People | None = None
) -> Standing:
    """Judge a policy for a vault, and its parent; what is wrong with single signatures is warned of."""
    from dataclasses import replace

    from medsnap.policy.standing import stand
    from medsnap.vault.policies import recall_signatures

    ring = pinned_ring(vault, directory)
    found, problems = signatures(file, recall_signatures(vault, policy.ref.digest))
    office = in_office(io, people)
    standing = stand(policy, pins(directory), ring, found, io.now, in_office=office)
    refused = standing.tally.refused if standing.tally else ()
    for problem in (*problems, *refused):
        io.warn(f"signature: {problem}")
    if policy.parent is None:
        return standing
    ref = policy.parent.ref
    kept = recall_signatures(vault, ref.digest) + b"\n" + _of_parent(policy.parent, file)
    above = stand(policy.parent, pins(directory), ring, signatures(None, kept)[0], io.now, in_office=office)
    if above.why and not standing.why:
        return replace(standing, why=f"its parent {ref.policy} {ref.version} is not in force: {above.why}")
    return standing


def _of_parent(parent: Policy, file: Path) -> bytes:
    """Read the signatures that lie beside the parent's file, which lies beside the child's."""
    ref = parent.ref
    names = {f"{ref.policy}@{ref.version}.yaml", f"{ref.policy}-{ref.version}.yaml", f"{ref.policy}.yaml"}
    names |= {path.name for path in file.parent.glob("*.yaml") if _digest(path) == ref.digest}
    beside = (sidecar(file.with_name(name)) for name in sorted(names))
    return b"\n".join(path.read_bytes()[:LIMIT] for path in beside if path.is_file())


def _digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as handle:
        return hashlib.sha256(handle.read(LIMIT)).hexdigest()


def texts(policy: Policy) -> list[tuple[str, str]]:
    """List the texts that a policy's decisions rest on, with their digests: its own and its parents'."""
    parts = (policy, policy.parent, policy.also.parent if policy.also else None)
    return [(part.ref.digest, part.text) for part in parts if part is not None]


def _under_current(io: Io, policy: Policy, file: Path, vault: Path, memory: Path) -> Policy:
    """Read a department's policy also under its parent's version that was in force last (M11)."""
    from medsnap.policy.loading import load_text
    from medsnap.policy.parents import Source, beside
    from medsnap.vault import policies, versions

    parent = policy.parent
    newest = versions.seen(memory).get(policy.root) if parent is not None else None
    if parent is None or newest is None or newest.version <= parent.ref.version:
        return policy
    text = policies.recall(vault, newest.digest)
    if text is None:
        raise InputMissing(
            f"{policy.root} {newest.version} was in force and is not kept in the vault",
            hint="put it back from a copy of the vault: what it tightens counts for its departments too",
        )
    current = Source(name=f"{policy.root}.yaml", text=text.decode("utf-8", "replace"))
    return load_text(policy.text, str(file), now=io.now, parents=beside(file.parent), current=current)


def enforced(
    io: Io,
    policy: Policy,
    file: Path,
    *,
    vault: Path,
    directory: Directory,
    memory: Path,
    people: People | None = None,
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
    policy = _under_current(io, policy, file, vault, memory)
    standing = judged(io, policy, file, vault, directory, people=people)
    for digest, text in texts(policy):
        policies.keep(vault, digest, text.encode())
    if standing.in_force:
        policy = waived(io, policy, file, vault, directory)
        versions.note(memory, policy.ref.policy, policy.ref.version, policy.ref.digest)
        if directory.keyring is not None:
            own = sidecar(file)
            _kept_signatures.keep(vault, policy, own.read_bytes() if own.is_file() else b"")
    else:
        io.warn(f"no policy is in force: {standing.why}; photos are sealed and wait, nothing leaves")
    if standing.ends:
        io.warn(standing.ends)
    return enforce(policy, standing)


def governing(io: Io, session: Session, file: Path) -> Policy:
    """Load the policy as it may decide in a member's vault. Raises PolicyError when it is not in force."""
    from medsnap import policy as policies
    from medsnap.vault import session as sessions

    loaded = enforced(
        io,
        policies.load(file, now=io.now),
        file,
        vault=session.vault,
        directory=session.directory,
        memory=sessions.member_cache(io.settings.cache, session.directory.vault, session.keys),
    )
    if loaded.refused:
        raise PolicyError(
            f"the policy is not in force: {loaded.refused}",
            where=str(file),
            hint="medsnap policy status says who has still to sign",
        )
    return loaded


def waived(io: Io, policy: Policy, file: Path, vault: Path, directory: Directory) -> Policy:
    """Add the waivers beside the policy that count for this vault; their texts are kept like policies."""
    from medsnap.commands._waivers import with_waivers
    from medsnap.vault import policies

    def signed(path: Path) -> tuple[Signature, ...]:
        return signatures(path)[0]

    ring = pinned_ring(vault, directory)
    made = with_waivers(io, policy, file, directory=directory, ring=ring, signatures=signed)
    for waiver in made.waivers:
        policies.keep(vault, waiver.digest, waiver.text.encode())
    return made


def of_decided(io: Io, found: dict[str, Policy], vault: Path, directory: Directory) -> dict[str, Policy]:
    """Judge the policies that decided photos by the signatures that the vault kept (M16).

    Where a keyring is pinned, what was decided without its signatures does not leave.
    """
    from medsnap.policy.standing import enforce, stand
    from medsnap.vault.policies import recall_signatures

    if directory.keyring is None and directory.unsigned_allowed:
        return found
    ring, judged_by = pinned_ring(vault, directory), pins(directory)
    made = {}
    for digest, policy in found.items():
        kept = signatures(None, recall_signatures(vault, digest))[0]
        standing = stand(policy, judged_by, ring, kept, io.now, in_office=in_office(io))
        made[digest] = enforce(policy, standing)
    return made
