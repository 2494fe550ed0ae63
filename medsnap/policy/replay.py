"""Make a recorded decision again, byte for byte (policy.md M14). Pure; the policy's text is looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from medsnap.errors import PolicyError
from medsnap.model.codec import canonical
from medsnap.model.decision import OF_VISIT, Decision, Evidence
from medsnap.policy.engine import decide
from medsnap.policy.loading import load_text
from medsnap.policy.nouns import Policy

IN_FORCE = "in_force"
WAIVERS = "waivers."  # of the path of a vote that tells of one


def load(decision: Decision, recall: Callable[[str], bytes | None]) -> Policy | None:
    """Read the policy of a decision by its digest, under the name by which its reasons call it."""
    text = recall(decision.policy.digest)
    if text is None:
        return None
    own = f"{decision.policy.policy}.yaml"
    names = dict.fromkeys((own, *(vote.where.rpartition(":")[0] for vote in decision.votes)))
    for name in names:
        try:
            loaded = load_text(text.decode("utf-8", "replace"), name)
        except PolicyError:
            return None
        said = {vote.path: vote.where for vote in decision.votes}
        if any(where.startswith(f"{name}:") and loaded.where(path) == where for path, where in said.items()):
            return loaded
    return load_text(text.decode("utf-8", "replace"), own)


def under(policy: Policy, decision: Decision) -> Policy:
    """Return the policy as it stood then: signed by whom, and why it was not in force.

    The signatures of then are not judged again here; `policy status` judges those of today.
    """
    ref = decision.policy
    why = next((v.because for v in decision.votes if v.path == IN_FORCE), "")
    return replace(
        policy,
        ref=replace(policy.ref, signed=ref.signed),
        refused=why if not ref.in_force else "",
    )


def same(policy: Policy, evidence: Evidence, recorded: Decision) -> bool:
    """Say whether the evidence comes to the recorded decision again."""
    study = tuple(vote for vote in recorded.votes if vote.because.startswith(OF_VISIT))
    again = decide(policy, evidence, datetime.fromisoformat(recorded.at), study=study)
    # the digest of the evidence as it was written is compared by the caller
    return canonical(replace(again, evidence=recorded.evidence)) == canonical(recorded)


def waived(decision: Decision) -> bool:
    """Say whether a waiver took part."""
    return any(vote.path.startswith(WAIVERS) for vote in decision.votes)
