"""Consent in the catalogue: statements of patients, each kept once, whichever compartment told of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from medsnap.model.codec import from_json, to_json
from medsnap.model.consent import Consent
from medsnap.model.record import ConsentRow

NAME: Final = "consent"  # what these events lie beside in the catalogue; no photo's id


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """Return a consent event as it is kept. Raises CodecError."""
    kept: dict[str, Any] = to_json(from_json(ConsentRow, event))
    return kept


def statements(events: Iterable[dict[str, Any]]) -> tuple[Consent, ...]:
    """List all statements, by patient, use and day."""
    found = (from_json(ConsentRow, event).consent for event in events)
    return tuple(sorted(found, key=lambda c: (c.issuer, c.mrn, c.use, c.on, c.given)))
