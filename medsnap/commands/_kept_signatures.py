"""The signatures that a vault keeps of its policies: which to keep, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import MedsnapError

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.keyring import Ring
    from medsnap.vault.reader import Problem

_SIG = ".sig"


def keep(vault: Path, policy: Policy, text: bytes) -> None:
    """Keep those signatures of a policy that verify under a keyring of this vault."""
    from medsnap.policy.kept_signatures import worth_keeping
    from medsnap.policy.signatures import of_policy
    from medsnap.vault import policies

    rings = _rings(_texts(vault))
    good = worth_keeping(text.decode("utf-8", "replace"), of_policy(policy), rings)
    policies.keep_signatures(vault, policy.ref.digest, good)


def problems(vault: Path) -> Iterator[Problem]:
    """Judge every signature file of a vault; what is wrong with policies themselves others tell."""
    from medsnap.vault import policies
    from medsnap.vault.files import names
    from medsnap.vault.reader import Problem

    kept = [name for name in names(vault / policies.FOLDER) if name.endswith(_SIG)]
    texts = _texts(vault) if kept else {}
    rings = _rings(texts)
    for name in kept:
        where = f"{policies.FOLDER}/{name}"
        try:
            data = policies.recall_signatures(vault, name.removesuffix(_SIG))
        except MedsnapError:
            continue
        for what in _faults(name.removesuffix(_SIG), data, texts, rings):
            yield Problem(where, what)


def _texts(vault: Path) -> dict[str, str]:
    """Read the policies and keyrings that are whole."""
    from medsnap.vault import policies
    from medsnap.vault.files import names

    found: dict[str, str] = {}
    for name in names(vault / policies.FOLDER):
        digest, _, kind = name.partition(".")
        try:
            text = policies.recall(vault, digest) if kind == "yaml" else None
        except MedsnapError:
            continue
        if text is not None:
            found[digest] = text.decode("utf-8", "replace")
    return found


def _faults(digest: str, data: bytes, texts: Mapping[str, str], rings: list[Ring]) -> Iterator[str]:
    from medsnap.policy.kept_signatures import faults
    from medsnap.policy.loading import load_text
    from medsnap.policy.replay import kept_parents
    from medsnap.policy.signatures import of_policy

    text = texts.get(digest)
    if text is None:
        yield "signatures of a policy that is missing or was altered"
        return
    try:
        policy = load_text(text, "policy.yaml", parents=kept_parents(texts, "parent.yaml"))
    except MedsnapError:
        yield "signatures of a policy that this medsnap cannot read, so nobody can judge them"
        return
    yield from faults(data, of_policy(policy), rings)


def _rings(texts: Mapping[str, str]) -> list[Ring]:
    """Read the keyrings among the kept texts."""
    from medsnap.policy import keyring

    found = []
    for text in texts.values():
        try:
            if keyring.is_ring(text):
                found.append(keyring.load_text(text, keyring.FILE))
        except MedsnapError:
            continue
    return found
