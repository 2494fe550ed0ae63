"""What the commands on members say: facts, what a removal leaves open, who has not confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from medsnap.vault.confirmed import Confirmation
    from medsnap.vault.directory import Directory, Member


def lacking(vkey: str, verbs: Collection[str], roles: Collection[str]) -> list[str]:
    """Say what a member cannot do for want of a signing key, a verb or a role."""
    told = []
    if not vkey:
        told.append("without a signing key medsnap opens nothing for him: what is not logged does not happen")
    elif "log" not in verbs:
        told.append("without the verb 'log' medsnap opens nothing for him: it could not be logged")
    if not roles and "receipt" not in verbs:
        told.append("without a role of the policy no photo exists for him; give --role")
    return told


def meaning(epochs: Mapping[str, int], *, auditor: bool) -> list[str]:
    """Say in plain words what losing these groups does and what it cannot do."""
    lines = [
        f"  {group}: epoch {epoch} begins; he opens nothing sealed in it." for group, epoch in epochs.items()
    ]
    if auditor:
        lines.append("  audit log: its events from now on are sealed to a new key too.")
    if epochs:
        lines += [
            "What he still could:",
            *(
                f"  open photos of '{g}' sealed before epoch {n}, if he copied them or reaches the storage."
                for g, n in epochs.items()
            ),
            "  keep photos and lists that he took out while he was a member.",
            "Take his access to the storage away as well.",
        ]
    return lines


def still_could(epochs: Mapping[str, int]) -> list[str]:
    """Say the same for programs."""
    return [f"photos of '{g}' sealed before epoch {n}" for g, n in epochs.items()]


def state(directory: Directory, hosts: tuple[Confirmation, ...]) -> dict[str, Any]:
    """Return the directory's version and which hosts know it."""
    return {
        "directory": directory.version,
        "hosts": [{"host": h.host, "seen": h.seen, "confirmed": h.done} for h in hosts],
    }


def verbs_of(member: Member, directory: Directory) -> tuple[str, ...]:
    """Return what a member's signing key may do."""
    writer = directory.writer(member.vkey) if member.vkey else None
    return writer.verbs if writer else ()


def roles_of(member: Member) -> str:
    """Return a member's roles as they are shown."""
    from medsnap.vault.directory import EVERY_ROLE

    roles = ["any" if r == EVERY_ROLE else r for r in member.roles]
    return ", ".join([*roles, *(["auditor"] if member.auditor else [])]) or "none"


def facts(member: Member, directory: Directory) -> tuple[tuple[str, str], ...]:
    """Return what a member may, for people."""
    return (
        ("locked groups", ", ".join(member.compartments) or "-"),
        ("roles", roles_of(member)),
        ("verbs", ", ".join(verbs_of(member, directory)) or "-"),
    )


def described(member: Member, directory: Directory) -> dict[str, Any]:
    """Return what a member may, for programs."""
    return {
        "name": member.name,
        "compartments": list(member.compartments),
        "roles": list(member.roles),
        "verbs": list(verbs_of(member, directory)),
        "auditor": member.auditor,
        "recipient": member.recipient,
        "vkey": member.vkey or None,
    }
