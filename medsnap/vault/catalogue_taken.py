"""What a catalogue takes from one event, so that the event itself need not be held: a million are read."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from medsnap.model.codec import CodecError
from medsnap.model.record import ADD
from medsnap.vault.decisions import sight
from medsnap.vault.entries import Entry, entry_of
from medsnap.vault.repeats import Facts, facts_of


class Photo(NamedTuple):
    """A photo's row: what lists show, what its shot is known by, what a policy sees, and its whole line.

    `evidence` is (digest, canonical JSON), empty without; `study` names rules of its visit.
    """

    entry: Entry
    facts: Facts
    evidence: tuple[str, bytes]
    study: tuple[str, ...]
    raw: bytes


class Beside(NamedTuple):
    """An event that lies beside what it speaks of."""

    compartment: str
    event: dict[str, Any]


class Misfit(NamedTuple):
    """A row that does not count, and why."""

    why: str


Taken: TypeAlias = Photo | Beside | Misfit


def taken(compartment: str, event: dict[str, Any], raw: bytes) -> Taken:
    """Take what is needed from an event that counts; `raw` is its line."""
    if event["event"] != ADD:
        return Beside(compartment, event)
    try:
        entry = entry_of(event, compartment)
        digest, text, study = sight(raw, event)
    except CodecError as misfit:
        return unreadable(misfit)
    return Photo(entry, facts_of(event), (digest, text), study, raw)


def unreadable(misfit: CodecError) -> Misfit:
    """Say that a row cannot be read."""
    return Misfit(f"a row cannot be read by this medsnap ({misfit.where})")
