"""`medsnap vault break-glass end`: new keys for every group that a custodian's key could open."""

from __future__ import annotations

from typing import Annotated

import typer

from medsnap.commands._directory import RootKeyOption, keeper, pending, remember, unconfirmed
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.report.page import Block, Line, Tone


@command()
def end(
    io: Io,
    *,
    keep_custodian: Annotated[
        bool, typer.Option("--keep-custodian", help="His key file never left his hands: he stays a member.")
    ] = False,
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """End a break-glass: new epochs for all that the custodian's key could open, and he is taken out.

    Photos from then on are sealed to keys that the emergency never saw. The custodian makes a new key and
    is added under another name; until then the group needs another member who opens it.

    Examples:

      medsnap vault break-glass end --vault /srv/vault --root-key-file root.key --key-file owner.key
    """
    from medsnap.vault import membership
    from medsnap.vault.confirmed import confirmations
    from medsnap.vault.due import custodians_of, groups_of

    by = keeper(io, vault, root_key_file, key_file)
    dues = pending(by.vault, by.directory)
    groups = groups_of(dues)
    gone = () if keep_custodian else custodians_of(by.directory, dues)
    data = {"type": "break-glass-end", "groups": [g for g in groups if g], "custodians": list(gone)}
    if not dues:
        page = (Line("No break-glass waits for its end.", Tone.GOOD),)
        return Result(page=page, data=data | {"directory": by.directory.version})
    details = (("compartments", " ".join(g for g in groups if g)), ("custodians", " ".join(gone)))
    with by.refusals(io, "break-glass-end", details):
        authority = by.authority(io, "break-glass-end", details, quiet=True)
        after = membership.end_dues(by.vault, by.directory, authority, keep=keep_custodian)
    remember(io, by, after)
    lines: list[Block] = [Line(f"The break-glass is ended (directory version {after.version}).", Tone.GOOD)]
    lines += [Line(f"  {g}: epoch {after.compartment(g).epoch} begins.") for g in groups if g]
    lines += [Line(f"  {name} is no member any more: his key was used.") for name in gone]
    lines.append(Line("Photos sealed before still open with the keys of before, for whoever kept them."))
    lines += unconfirmed(confirmations(by.vault, after))
    return Result(page=tuple(lines), data=data | {"directory": after.version})
