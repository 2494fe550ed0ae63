"""Whether a photo's row speaks of what was committed with it, and of nothing else."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any


def fits(compartment: str, event: dict[str, Any], committed: AbstractSet[tuple[str, str]]) -> bool:
    """Say whether a row speaks of objects of its own commit and compartment, and of nothing else."""
    companions = event.get("companions")
    if not companions:
        return _sealed_here(event.get("seal"), compartment, committed)
    if not isinstance(companions, list | tuple) or not all(isinstance(c, dict) for c in companions):
        return False
    seals = [event.get("seal"), *(c["seal"] for c in companions if c.get("seal") is not None)]
    return all(_sealed_here(seal, compartment, committed) for seal in seals)


def _sealed_here(seal: object, compartment: str, committed: AbstractSet[tuple[str, str]]) -> bool:
    if not isinstance(seal, dict) or seal.get("compartment") != compartment:
        return False
    name, payload = seal.get("object"), seal.get("payload")
    return isinstance(name, str) and isinstance(payload, str) and (name, payload) in committed
