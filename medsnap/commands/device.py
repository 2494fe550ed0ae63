"""`medsnap device`: what the inventory knows of the devices, and what the policy says of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _lists, _photos
from medsnap.commands._shared import Io, Result, command
from medsnap.errors import Exit, InputMissing
from medsnap.model.decision import DeviceEvidence, DeviceState, Evidence, Person, Verb, Vote
from medsnap.model.photo import CaptureFacts
from medsnap.report.page import Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.intake.devices import Inventory
    from medsnap.policy import Policy


_SHARED = {True: "yes", False: "no", None: "unknown"}


@command()
def ls(io: Io, devices: _photos.DevicesOption = None) -> Result:
    """List the devices of the inventory.

    Examples:

      medsnap device ls --devices devices.csv
    """
    found = _inventory(io, devices)
    rows = []
    for device in found.devices.values():
        system = " ".join(filter(None, (device.os, device.os_version)))
        seen = str(device.last_seen or "")
        state = str(device.state).replace("_", " ") if device.state is not DeviceState.UNKNOWN else ""
        rows.append((device.asset, str(device.device_class), device.owner or "", system, seen, state))
        io.record({"type": "device", "asset": device.asset, "class": device.device_class,
                   "owner": device.owner, "os": device.os, "os_version": device.os_version,
                   "last_seen": seen or None, "state": device.state, "shared": device.shared,
                   "cloud_photos": device.cloud_photos, "last_user": device.last_user,
                   "personal_account": device.personal_account,
                   "enrolled_from": device.enrolled_from,
                   "enrolled_until": device.enrolled_until})  # fmt: skip
    columns = ("asset", "class", "owner", "system", "last seen", "state")
    data = {"type": "summary", "devices": len(rows), "as_of": str(found.on or "") or None}
    page = (
        Table(columns=columns, rows=tuple(rows), empty="no devices"),
        Line(f"as of {found.on}", Tone.QUIET),
    )
    return Result(page=page, data=data, records="devices")


@command()
def check(
    io: Io,
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="The device's asset number.")],
    *,
    devices: _photos.DevicesOption = None,
    policy: _photos.PolicyOption = None,
) -> Result:
    """Say what the policy makes of photos from one device, as the inventory stands today.

    Exit 1 when they would wait for a person. It judges the device alone, no photo.

    Examples:

      medsnap device check WARD-TAB-07 --devices devices.csv --policy hospital
    """
    from medsnap import policy as policies

    loaded = policies.load(_photos.policy_path(io, policy), now=io.now)
    found = _inventory(io, devices)
    _lists.warn_stale(io, loaded, found)
    claimed = found.claim(asset, "--asset", CaptureFacts(), io.now.date())
    votes, unnamed = (_votes(io, loaded, claimed, operator) for operator in (Person(staff_id="-"), None))
    asks = {vote.path for vote in unnamed} - {vote.path for vote in votes}
    waits = any(vote.verb >= Verb.QUARANTINE for vote in votes)
    rows = tuple((str(v.verb), v.path, v.where, v.because) for v in votes)
    system = " ".join(filter(None, (claimed.os, claimed.os_version))) or "not known"
    facts = (("device", asset), ("class", str(claimed.device_class)), ("owner", claimed.owner or "not known"),
             ("system", system), ("state", str(claimed.state)),
             ("photos to a cloud", str(claimed.cloud_photos)),
             ("private account", str(claimed.personal_account)), ("shared", _SHARED[claimed.shared]),
             ("last seen", str(claimed.last_seen or "not known")))  # fmt: skip
    said = "Photos from it wait for a person." if waits else "Nothing about this device holds its photos."
    page = (
        Facts(facts),
        Table(columns=("verb", "says", "where", "because"), rows=rows, wide="because"),
        Line(said, Tone.BAD if waits else Tone.GOOD),
        *((Line("Each of its photos must name an operator of people.csv.", Tone.WARN),) if asks else ()),
    )
    data: dict[str, Any] = {"type": "device", "device": claimed, "waits": waits, "votes": votes}
    data["needs_operator"] = bool(asks)
    return Result(page=page, data=data, exit=Exit.VIOLATION if waits else Exit.OK)


def _votes(io: Io, loaded: Policy, claimed: DeviceEvidence, operator: Person | None) -> list[Vote]:
    """Let the policy judge a device whose photos name this operator."""
    from medsnap import policy as policies

    found = policies.decide(loaded, Evidence(device=claimed, operator=operator), io.now).votes
    return [vote for vote in found if vote.path.startswith("devices.")]


def _inventory(io: Io, devices: Any) -> Inventory:
    from medsnap.intake import devices as inventories

    path = io.need(devices, "devices", "--devices")
    if not path.is_file():
        hint = "make it of the device manager's export: medsnap device import"
        raise InputMissing("the inventory does not exist", where=str(path), hint=hint)
    return inventories.load(path)
