"""`medsnap vault rotate`: a new epoch of a locked group's key."""

from __future__ import annotations

from typing import Annotated

import typer

from medsnap.commands._directory import RootKeyOption, keeper, remember, unconfirmed
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.errors import UsageError
from medsnap.report.page import Block, Line, Tone


@command(dry_run=True)
def rotate(
    io: Io,
    compartment: Annotated[
        list[str] | None, typer.Argument(metavar="GROUP…", help="Locked groups whose key is changed.")
    ] = None,
    *,
    auditors: Annotated[bool, typer.Option("--auditors", help="Change the audit log's key too.")] = False,
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Begin a new epoch: photos from now on are sealed to a new key, for the same members.

    Do it when the key of a group may be known to others: after break-glass, or when a member's machine
    was lost (his own key is changed by removing him and adding him anew). Photos sealed before stay
    under the old key.

    Examples:

      medsnap vault rotate intimate --vault /srv/vault --root-key-file recovery.key
    """
    from medsnap.vault import membership
    from medsnap.vault.confirmed import confirmations

    groups = tuple(dict.fromkeys(compartment or ()))
    if not groups and not auditors:
        raise UsageError("no locked group was named", hint="medsnap vault member ls shows them")
    by = keeper(io, vault, root_key_file, key_file)
    before, after = by.directory, by.directory
    known = [key.name for key in before.compartments]
    if unknown := [name for name in groups if name not in known]:
        raise UsageError(f"there is no locked group '{unknown[0]:.40}'", hint=f"one of: {', '.join(known)}")
    epochs = {name: before.compartment(name).epoch + 1 for name in groups}
    if not io.dry_run:
        details = (("compartments", " ".join(groups)),)
        with by.refusals(io, "rotate", details):
            authority = by.authority(io, "rotate", details)
            after = membership.new_epoch(by.vault, before, groups, authority, auditors=auditors)
        remember(io, by, after)
    hosts = confirmations(by.vault, after)
    head = (
        Line("Nothing was changed. It would do this:", Tone.WARN)
        if io.dry_run
        else Line(f"The keys are changed (directory version {after.version}).", Tone.GOOD)
    )
    page: list[Block] = [head]
    page += [
        Line(f"  {name}: epoch {n} begins. Photos sealed before it still open with the key of before.")
        for name, n in epochs.items()
    ]
    if auditors:
        page.append(Line(f"  audit log: epoch {before.auditors_epoch + 1} begins."))
    page += unconfirmed(hosts) if not io.dry_run else []
    data = {
        "type": "rotated",
        "dry_run": io.dry_run,
        "epochs": epochs,
        "auditors_epoch": before.auditors_epoch + 1 if auditors else None,
        "directory": after.version,
        "hosts": [{"host": h.host, "seen": h.seen, "confirmed": h.done} for h in hosts],
    }
    return Result(page=tuple(page), data=data)
