"""What is cut off at every step of recovery and break-glass: new sheets, and the end."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from medsnap.crypto.age import recipient_of
from medsnap.model.event import Due
from medsnap.vault import membership, renewal
from medsnap.vault.change import Authority
from medsnap.vault.recovery import GENERAL
from medsnap.vault.renewal import Renewal
from medsnap.vault.rings import compartment_identities

from .world import World

DUE = Due(epochs=(("general", 1), ("identifiable", 1)), used="guest")
_made: dict[str, Renewal] = {}  # by vault: the sheets of the first try are those of every further one


def renewed(world: World, authority: Authority, put_aside: Callable[[World], None]) -> bool:
    """Put new recovery secrets into force unless they are: what a person does who looks and tries again."""
    before = world.host_directory()
    new = _made.setdefault(before.vault, renewal.prepare(before, (GENERAL,), (), os.urandom))
    if renewal.planned(before, new).recovery != before.recovery:
        renewal.renew(world.vault, before, new, authority)
    put_aside(world)
    return True


def new_sheets_open(world: World) -> None:
    world.shoot(2)
    world.ingest()
    assert world.stored() == world.expected(1, 2)
    directory = world.host_directory()
    [(_, identity)] = _made[directory.vault].identities
    assert directory.recovery == recipient_of(identity)
    for key in (*directory.compartments, directory.auditors_key):
        assert key.epoch == 2
        assert len(compartment_identities(world.vault, key, [identity]) or ()) == 2
        assert compartment_identities(world.vault, key, [world.new.recovery_identity]) is None


def ended(world: World, authority: Authority, put_aside: Callable[[World], None]) -> bool:
    before = world.host_directory()
    if before.member("guest") is not None:
        membership.end_dues(world.vault, before, dataclasses.replace(authority, due=(DUE,)))
    put_aside(world)
    return True
