"""Decisions made again after a photo was sealed, and the evidence they are made on, in the catalogue.

A photo's own row stays as it was committed; what was decided later lies beside it. `photo.decide`
may only tighten; only `photo.open`, which needs a signer with that right, may open. Neither moves a
photo: a decision for another locked group than the one the photo lies in is not taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from medsnap.errors import Tampered
from medsnap.model.codec import CodecError, from_json
from medsnap.model.decision import BY_PERSON, OF_VISIT, Decision, from_outside
from medsnap.model.record import DECIDE, OPEN, DecisionRow, MoveRow
from medsnap.vault.catalogue_store import Store
from medsnap.vault.entries import Entry

_EVIDENCE: Final = b'"evidence":{'
_AFTER: Final = b',"findings":'  # what follows it in a row
_VISIT: Final = OF_VISIT.encode()
_PERSON: Final = BY_PERSON.encode()
KINDS: Final = frozenset({DECIDE, OPEN})


@dataclass(frozen=True, slots=True)
class Sighting:
    """One photo as a policy would see it again: digest of its evidence ("" when none is kept), the
    rules by which other photos of its visit spoke, and what holds now."""

    object: str
    compartment: str
    verb: str
    evidence: str
    study: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """An event that came after a photo's own row. `taken` is None while a decision waits for its photo."""

    number: int
    compartment: str
    event: dict[str, Any]
    taken: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What judging the waiting decisions gave: why the last does not count, and the entry that changed."""

    problem: str = ""
    number: int = 0
    entry: Entry | None = None
    cell: bytes = b""


def beside(store: Store, name: str) -> list[Later]:
    """Return the events that lie beside a photo, in order."""
    found = []
    query = "SELECT n, cell FROM later WHERE tag = ? ORDER BY n"
    for number, cell in store.db.execute(query, (store.name_tag(name),)).fetchall():
        kept = json.loads(store.open(cell, "later", number))
        if kept["name"] != name:
            raise Tampered("a cell stands at another photo's name")
        found.append(
            Later(number=number, compartment=kept["compartment"], event=kept["event"], taken=kept["taken"])
        )
    return found


def name_at(store: Store, number: int) -> str:
    """Return whose event stands under a number."""
    return str(json.loads(store.read("later", number))["name"])


def write(store: Store, name: str, later: Later) -> None:
    """Keep an event beside its photo."""
    kept = {"name": name, "compartment": later.compartment, "event": later.event, "taken": later.taken}
    cell = store.seal(json.dumps(kept, separators=(",", ":")).encode(), "later", later.number)
    store.db.execute(
        "INSERT OR REPLACE INTO later VALUES (?, ?, ?)", (later.number, store.name_tag(name), cell)
    )


def read(event: dict[str, Any]) -> DecisionRow:
    """Read a decision event. Raises CodecError."""
    return from_json(DecisionRow, event)


def settle(store: Store, name: str) -> Settled:
    """Judge the decisions that wait for their photo."""
    from medsnap.vault.catalogue_cells import pack, whole
    from medsnap.vault.catalogue_search import named

    photo = next(named(store, name), None)
    if photo is None:
        return Settled()
    number, entry, block, slot = photo
    events = [e for e in beside(store, name) if e.event["event"] in KINDS]
    before = newest(events) or _decision_of(json.loads(whole(store, block, slot)))
    problem, changed = "", False
    for waiting in events:
        if waiting.taken is not None:
            continue
        after = read(waiting.event).decision
        problem = _refused(entry.compartment, waiting, before, after)
        write(store, name, replace(waiting, taken=not problem))
        if not problem:
            before, changed = after, True
    if not changed:
        return Settled(problem=problem)
    entry = replace(entry, verb=str(before.verb), opened_by=before.opened_by)
    return Settled(problem=problem, number=number, entry=entry, cell=pack(entry, block, slot))


def newest(events: list[Later]) -> Decision | None:
    """Return the decision that holds, of those made after the sealing; None when none counts."""
    counted = [e for e in events if e.taken]
    return read(counted[-1].event).decision if counted else None


def _refused(place: str, waiting: Later, before: Decision, after: Decision) -> str:
    if waiting.compartment != place or after.compartment != place:
        return "a decision was ignored: it speaks of another locked group than the photo lies in"
    if waiting.event["event"] != OPEN and opens(before, after):
        return "a decision was ignored: it opens a photo, and its signer may only tighten"
    return ""


def opens(before: Decision, after: Decision) -> bool:
    """Say whether a decision lets anybody see or get more than the one before it."""
    return (
        after.verb < before.verb
        or after.compartment != before.compartment
        or not set(after.may_leave_to) <= set(before.may_leave_to)
        or not set(after.opened_by) <= set(before.opened_by)
    )


def of_photo(row: dict[str, Any], events: list[Later]) -> tuple[Decision, ...]:
    """Return a photo's decisions in order, that of its sealing first, wherever it lay then."""
    moves = from_json(tuple[MoveRow, ...], row.get("moves") or [], "moves")
    before = (d for move in moves for d in move.decisions)
    return (*before, _decision_of(row), *(read(e.event).decision for e in events if e.taken))


def sight(raw: bytes, row: Mapping[str, Any]) -> tuple[str, bytes, tuple[str, ...]]:
    """Return a row's evidence as digest and canonical JSON ("" without), and the rules of its study.

    `raw` is the line that `row` was read from. It is canonical JSON: its keys are sorted, and no quote stands
    in a text unescaped. So the evidence is cut out, and it is the right one if it has the digest that the
    row's own decision names; else it is encoded anew, which costs ten times as much. Raises CodecError.
    """
    digest, text = "", b""
    if isinstance(row.get("evidence"), dict):
        start, end = raw.find(_EVIDENCE), raw.find(_AFTER)
        text = raw[start + len(_EVIDENCE) - 1 : end] if 0 <= start < end else b""
        digest = hashlib.sha256(text).hexdigest()
        if not text or digest != _named(row):
            text = _encoded(row)
            digest = hashlib.sha256(text).hexdigest()
    return digest, text, study_paths(row) if _VISIT in raw or _PERSON in raw else ()


def _named(row: Mapping[str, Any]) -> object:
    decision = row.get("decision")
    return decision.get("evidence") if isinstance(decision, dict) else None


def _encoded(row: Mapping[str, Any]) -> bytes:
    try:
        return evidence_of(row).encode()
    except UnicodeEncodeError:  # half of a surrogate pair; one row of a hostile writer must not stop all
        raise CodecError("evidence", "holds what is no text") from None


def evidence_of(row: Mapping[str, Any]) -> str:
    """Return the evidence of a row as canonical JSON; "" for a row without."""
    found = row.get("evidence")
    if not isinstance(found, dict):
        return ""
    # `canonical`, of what is JSON already: turning a thousand values into themselves takes most of the time
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def study_paths(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the rules whose votes came from other photos of the visit, and where a person moved it."""
    decision = row.get("decision")
    votes = decision.get("votes") if isinstance(decision, dict) else None
    found = (v for v in votes if isinstance(v, dict)) if isinstance(votes, list) else ()
    return tuple(sorted({str(v.get("path")) for v in found if from_outside(str(v.get("because")))}))


def _decision_of(row: dict[str, Any]) -> Decision:
    return from_json(Decision, row["decision"])
