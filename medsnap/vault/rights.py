"""Whether an event of a commit counts: its signer had the right to it, and it speaks of its own commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from medsnap.model.record import ADD, CONSENT, DECIDE, HOLD, OPEN, RECEIPT, RELEASE
from medsnap.vault.directory import WriterKey, WriterVerb
from medsnap.vault.fitting import fits

VERB_FOR = {
    ADD: WriterVerb.ADD,
    RECEIPT: WriterVerb.RECEIPT,
    DECIDE: WriterVerb.DECIDE,
    OPEN: WriterVerb.OPEN,
    CONSENT: WriterVerb.CONSENT,
    HOLD: WriterVerb.HOLD,
    RELEASE: WriterVerb.HOLD,
}


@dataclass(slots=True, kw_only=True)
class Judge:
    """Say of one commit's events why they do not count.

    `place` gives the commit's place in the log, None where that does not name it; `unordered` says whether
    the log cannot be used. `gone` was taken out of the vault, `committed` are (object, payload) pairs.
    """

    writer: WriterKey
    place: Callable[[], int | None]
    unordered: Callable[[], bool]
    gone: AbstractSet[str]
    committed: AbstractSet[tuple[str, str]]
    doubtful: bool = False  # an event may have counted before the log was cut
    _of_kind: dict[str, str] = field(default_factory=dict)

    def refused(self, compartment: str, event: dict[str, Any]) -> str | None:
        """Say why an event does not count; None if it does, "" where nothing is said: it is gone."""
        if self.gone and subject(event) in self.gone:
            return ""
        kind = str(event.get("event", ""))
        why = self._of_kind.get(kind)
        if why is None:
            why = self._of_kind[kind] = self._no_right(kind)
        if not why and kind == ADD and not fits(compartment, event, self.committed):
            return "a row was ignored: it does not fit its commit"
        return why or None

    def _no_right(self, kind: str) -> str:
        """Say why no event of a kind counts in this commit; "" where its signer had the right to it."""
        verb = VERB_FOR.get(kind)
        if verb is None:
            return "holds an event that this medsnap does not know; it was passed over"
        place = self.place()
        if verb not in self.writer.verbs_at(place):
            self.doubtful |= place is None and self.writer.had(verb)  # a hold, of a log that was cut?
            return f"an event was ignored: its signer may not '{verb}'"
        if kind == OPEN and (self.unordered() or place is None):
            return "a decision that opens was ignored: the log does not say what came after it"
        return ""


def subject(event: Mapping[str, Any]) -> str | None:
    """Name the photo that an event speaks of; None for one that speaks of none."""
    holder = {ADD: "seal", RECEIPT: "receipt"}.get(str(event.get("event", "")))
    part = event.get(holder) if holder else event
    found = part.get("object") if isinstance(part, dict) else None
    return found if isinstance(found, str) else None
