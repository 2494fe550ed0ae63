"""The role that `--as` names: one that a policy of the vault or its directory knows, else a usage error.

Roles are no secret: they stand in the clear in the policy and in the directory, so naming them tells
nothing of a photo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medsnap.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from medsnap.policy import Policy
    from medsnap.vault.session import Session


def asked(session: Session, role: str | None) -> frozenset[str] | None:
    """Return the role to answer for, None where none was given. Raises UsageError for an unknown one."""
    if role is None:
        return None
    known = _known(session)
    if known and role not in known:
        from medsnap.policy.findings import meant

        raise UsageError(
            f"no policy of this vault knows the role '{role}'{meant(role, known)}",
            hint=f"name one of: {', '.join(sorted(known))}",
        )
    return frozenset({role})


def _known(session: Session) -> frozenset[str]:
    """Collect the roles of the vault's policies and members; none where the vault keeps no policy."""
    found = {role for rules in _policies(session.vault) for role in _of(rules)}
    if found:
        found |= {role for member in session.directory.members for role in member.roles}
    return frozenset(found - {"*"})


def _policies(vault: Path) -> list[Policy]:
    """Load what the vault keeps; a department's policy defines no roles of its own, and needs its parent."""
    from medsnap import policy
    from medsnap.vault.policies import texts

    loaded = []
    for digest, text in texts(vault).items():
        try:
            loaded.append(policy.load_text(text, f"{digest}.yaml"))
        except PolicyError:  # a keyring, or a department's
            continue
    return loaded


def _of(rules: Policy) -> set[str]:
    from medsnap.policy.board_words import section

    roles = {role for compartment in rules.compartments for role in compartment.open_to}
    roles.update(rules.review.by)
    for word in ("open_to", "tell"):
        roles.update(section(rules, "break_glass").get(word, ()))
    return roles
