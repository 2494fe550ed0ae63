"""The waivers beside a policy (`waivers/*.yaml`): which of them count for a vault (policy.md M12)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._lists import in_office
from medsnap.commands._shared import Io
from medsnap.errors import MedsnapError, PolicyError
from medsnap.report.page import Block, Facts, Line, Tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from medsnap.pipeline import Rules
    from medsnap.policy import Policy
    from medsnap.policy.keyring import Ring
    from medsnap.policy.nouns import Seat
    from medsnap.policy.signatures import Signature, Subject
    from medsnap.policy.waiver import Waiver
    from medsnap.vault.directory import Directory

FOLDER = "waivers"
MOST = 200


def seats(policy: Policy) -> tuple[Seat, ...]:
    """Return the seats that sign a policy's waivers: named by the root, with its quorum."""
    root = policy.parent or policy
    named = root.waiver_limits.signed_by if root.waiver_limits else ()
    return tuple(seat for seat in root.seats if seat.name in named)


def beside(io: Io, policy: Policy, file: Path) -> tuple[tuple[Path, Waiver], ...]:
    """Read the waivers beside a policy's file; one that is wrong is warned of and counts for nothing."""
    from medsnap.policy.waiver_file import load_waiver

    found = []
    for path in sorted((file.parent / FOLDER).glob("*.yaml"))[:MOST]:
        try:
            made = load_waiver(path, policy, now=io.now)
        except MedsnapError as wrong:
            io.warn(f"waiver {path.name}: {wrong.message}; it lifts nothing")
            continue
        if made.until < io.now.date():
            io.warn(f"waiver {made.id}: it ended on {made.until}; remove {path.name}")
        else:
            found.append((path, made))
    return tuple(found)


def with_waivers(
    io: Io,
    policy: Policy,
    file: Path,
    *,
    directory: Directory | None,
    ring: Ring | None,
    signatures: Callable[[Path], tuple[Signature, ...]],
) -> Policy:
    """Return the policy with the waivers that its seats have signed; without a pinned keyring, all.

    `directory` is None where a dump is only looked at: there is no vault then whose keyring could count.
    """
    counted = []
    for path, made in beside(io, policy, file):
        missing = _missing(io, policy, made, directory=directory, ring=ring, found=signatures(path))
        if missing:
            io.warn(f"waiver {made.id}: {missing}; it lifts nothing")
        else:
            counted.append(made)
    return replace(policy, waivers=tuple(counted)) if counted else policy


def ahead(io: Io, rules: Rules, file: Path, vault: Path | None = None) -> Rules:
    """Count the waivers beside the policy in a look ahead (scan, classify, a dry run), as ingest will.

    Where this machine is set to a vault, its pinned keyring says which are signed; else all count, as for
    an unsigned policy. Errors of a vault that was named are raised; one that is only set may be away.
    """
    from medsnap.commands._in_force import signatures

    directory, ring = None, None
    try:
        directory, ring = _keyring(io, vault)
    except MedsnapError:
        if vault is not None:
            raise
    policy = with_waivers(
        io, rules.policy, file, directory=directory, ring=ring, signatures=lambda path: signatures(path)[0]
    )
    return replace(rules, policy=policy)


def _keyring(io: Io, vault: Path | None) -> tuple[Directory | None, Ring | None]:
    from medsnap.commands._directory import seen_directory
    from medsnap.commands._in_force import pinned_ring

    place = vault if vault is not None else io.settings.path("vault")
    if place is None:
        return None, None
    directory, _ = seen_directory(io, place)
    return directory, pinned_ring(place, directory)


def _missing(
    io: Io,
    policy: Policy,
    waiver: Waiver,
    *,
    directory: Directory | None,
    ring: Ring | None,
    found: tuple[Signature, ...],
) -> str:
    """Say which signatures are missing."""
    from medsnap.policy.signatures import of_waiver, tally

    if directory is None:
        return ""
    if directory.keyring is None:
        return "" if directory.unsigned_allowed else "the vault allows nothing unsigned"
    wanted = seats(policy)
    if ring is None or not wanted:
        return "the policy names nobody who signs waivers"
    counted = tally(of_waiver(waiver), wanted, ring, found, io.now.date(), in_office=in_office(io))
    gaps = [f"{s.seat} ({len(s.signed)} of {s.needed})" for s in counted.seats if not s.complete]
    return "signatures are missing: " + ", ".join(gaps) if gaps else ""


def paper(io: Io, file: Path, text: str) -> tuple[Subject, dict[str, tuple[str, ...]], tuple[Block, ...]]:
    """Lay a waiver out to be signed: what is signed, who may, how it reads. Raises PolicyError."""
    from medsnap.policy.signatures import of_waiver
    from medsnap.policy.waiver_file import load_waiver, policy_of

    policy = policy_of(file, text)
    if policy is None:
        raise PolicyError(
            "the waiver's policy is not found",
            where=str(file),
            hint="keep the waiver in 'waivers/' beside the policy; 'medsnap policy lint' tells more",
        )
    made = load_waiver(file, policy, now=io.now)
    narrow = made.narrow
    said = {"department": narrow.department, "device": narrow.device, "view": narrow.view}
    said |= {"reason": narrow.reason, "body site": narrow.body_site}
    page = (
        Line(f"waiver {made.id} of {made.policy}", Tone.TITLE),
        Facts(
            (
                ("lifts", f"{made.rule} ({policy.where(made.rule)})"),
                ("for", ", ".join(f"{name} {value}" for name, value in said.items() if value)),
                ("until", str(made.until)),
                ("because", made.because),
            )
        ),
    )
    return of_waiver(made), {seat.name: seat.people for seat in seats(policy)}, page
