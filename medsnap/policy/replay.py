"""Make a recorded decision again, byte for byte (policy.md M14). Pure: the kept policies are given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Final

from medsnap.errors import PolicyError
from medsnap.model.codec import canonical
from medsnap.model.decision import Decision, Evidence, from_outside
from medsnap.policy.engine import decide
from medsnap.policy.loading import load_text
from medsnap.policy.nouns import Policy
from medsnap.policy.packaged import BASELINE
from medsnap.policy.parents import Parents, Source
from medsnap.policy.waiver import PREFIX, Waiver
from medsnap.policy.waiver_file import kept_waiver

IN_FORCE: Final = "in_force"
MOST_NAMES: Final = 4  # file names that one decision's reasons give: own, parent, baseline
_WAIVER: Final = re.compile(r"^waiver:[ ]", re.MULTILINE)
_EXTENDS: Final = re.compile(r"^extends:[ ]+([a-z0-9][a-z0-9-]{0,62})@", re.MULTILINE)


def readings(decision: Decision, texts: Mapping[str, str]) -> tuple[Policy, ...]:
    """Read the policy of a decision from the kept texts (by digest), with the parent it had then.

    The reasons tell the names of the files but not which is whose, so a policy may read in several
    ways; those with another effective digest than the decision's are left out.
    """
    text = texts.get(decision.policy.digest)
    if text is None:
        return ()
    said = (vote.where.rpartition(":")[0] for vote in decision.votes)
    known = dict.fromkeys((*said, f"{decision.policy.policy}.yaml"))
    names = [n for n in known if n and n != f"{BASELINE}.yaml"]  # what a person said has no file
    found = (
        made
        for own, above in product(names[:MOST_NAMES], repeat=2)
        for made in _under(text, own, above, texts)
        if made.ref.effective == decision.policy.effective
    )
    return tuple(found)


def _under(text: str, own: str, above: str, texts: Mapping[str, str]) -> Iterator[Policy]:
    """Read a text alone, or under its pinned parent and each that may have been the current one."""
    extends = _EXTENDS.search(text)
    if extends is None and own != above:
        return
    later = [t for t in texts.values() if extends is not None and _says(t, extends[1])]
    for current in (None, *(Source(name=above, text=t) for t in later)):
        try:
            yield load_text(text, own, parents=kept_parents(texts, above), current=current)
        except PolicyError:
            continue


def kept_parents(texts: Mapping[str, str], name: str) -> Parents:
    """Look for a parent among kept texts; it is printed by `name`."""

    def find(policy: str, version: int) -> Source | None:
        at = re.compile(rf"^version:[ ]+{version}[ ]*(?:#.*)?$", re.MULTILINE)
        for text in texts.values():
            if _says(text, policy) and at.search(text):
                return Source(name=name, text=text)
        return None

    return find


def _says(text: str, policy: str) -> bool:
    return re.search(rf"^policy:[ ]+{re.escape(policy)}[ ]*(?:#.*)?$", text, re.MULTILINE) is not None


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


def same(policy: Policy, evidence: Evidence, recorded: Decision, waivers: tuple[Waiver, ...] = ()) -> bool:
    """Say whether the evidence comes to the recorded decision again."""
    study = tuple(vote for vote in recorded.votes if from_outside(vote.because))
    at = datetime.fromisoformat(recorded.at)
    again = decide(under(policy, recorded), evidence, at, study=study, waivers=waivers)
    # the digest of the evidence as it was written is compared by the caller
    return canonical(replace(again, evidence=recorded.evidence)) == canonical(recorded)


def waived(
    policy: Policy, decision: Decision, texts: Mapping[str, str]
) -> tuple[tuple[Waiver, ...], ...] | None:
    """Return the waivers that took part, in each way their kept texts allow; None when one is missing."""
    ways: list[list[Waiver]] = []
    for vote in decision.votes:
        if vote.path.startswith(PREFIX):
            name = vote.where.rpartition(":")[0]
            read = (kept_waiver(t, name, policy) for t in texts.values() if _WAIVER.search(t))
            ways.append([w for w in read if w is not None and w.id == vote.path.removeprefix(PREFIX)])
    return tuple(product(*ways)) if all(ways) else None
