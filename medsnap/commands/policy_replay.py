"""`medsnap policy replay`: prove that every recorded decision follows from its evidence and its policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import Exit
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.decision import Decision, Evidence
    from medsnap.policy import Policy

FOLLOWS = "follows"
BROKEN = ("does not follow", "the evidence is not what was decided on")
MOST_SHOWN = 50


@command()
def replay(io: Io, vault: VaultOption = None, key_file: KeyOption = None) -> Result:
    """Make every recorded decision again, from its evidence and its policy, and compare byte for byte.

    Exit 4 when one does not follow; exit 3 when one cannot be made again (no evidence, no policy).

    Examples:

      medsnap policy replay --vault /srv/vault --key-file me.key
    """
    from medsnap.vault import policies

    tally: Counter[str] = Counter()
    wrong: list[tuple[str, str]] = []
    with member(io, vault, key_file) as session:
        again = _Again(texts=policies.texts(session.vault))
        digests = {s.object: s.evidence for s in session.catalogue.sightings()}
        for row in session.catalogue.photos(session.known):
            name = row.seal.object
            for decision in session.catalogue.decided(name):
                outcome = again.outcome(row.evidence, decision, digests[name])
                tally[outcome] += 1
                if outcome != FOLLOWS:
                    wrong.append((name, outcome))
                    io.record({"type": "photo", "object": name, "at": decision.at, "outcome": outcome})
    return _result(tally, wrong)


@dataclass(slots=True, kw_only=True)
class _Again:
    """Decides again; what a policy reads like is worked out once."""

    texts: dict[str, str]
    _known: dict[tuple[str, ...], tuple[Policy, ...]] = field(default_factory=dict)

    def outcome(self, evidence: Evidence | None, decision: Decision, digest: str) -> str:
        """Return "follows", or what keeps that from being shown."""
        from medsnap.policy.replay import same, waived

        if evidence is None:
            return "no evidence is kept"
        if digest != decision.evidence:
            return BROKEN[1]
        policies = self._policies(decision)
        if not policies:
            return "its policy is not in the vault"
        for policy in policies:
            ways = waived(policy, decision, self.texts)
            if ways is None:
                return "a waiver that it rests on is not in the vault"
            if any(same(policy, evidence, decision, waivers) for waivers in ways):
                return FOLLOWS
        return BROKEN[0]

    def _policies(self, decision: Decision) -> tuple[Policy, ...]:
        from medsnap.policy.replay import readings

        files = sorted({vote.where.rpartition(":")[0] for vote in decision.votes})
        key = (decision.policy.digest, decision.policy.effective, *files)
        if key not in self._known:
            self._known[key] = readings(decision, self.texts)
        return self._known[key]


def _result(tally: Counter[str], wrong: Iterable[tuple[str, str]]) -> Result:
    bad = sum(tally[name] for name in BROKEN)
    page: list[Block] = [Facts((("decisions", str(tally.total())), ("follow", str(tally[FOLLOWS]))))]
    rows = tuple(wrong)[:MOST_SHOWN]
    if rows:
        page.append(Table(columns=("photo", "why"), rows=rows, wide="why"))
    if bad:
        page.append(Line("A record was changed, or this medsnap decides otherwise than that one.", Tone.BAD))
    elif rows:
        page.append(Line("What cannot be made again proves nothing, for or against.", Tone.WARN))
    else:
        page.append(Line("Every decision follows from its evidence and its policy.", Tone.GOOD))
    data = {
        "type": "summary",
        "decisions": tally.total(),
        "follow": tally[FOLLOWS],
        "outcomes": dict(tally),
    }
    code = Exit.INTEGRITY if bad else Exit.PARTIAL if rows else Exit.OK
    return Result(page=tuple(page), data=data, exit=code, records="photos")
