"""`medsnap vault recovery renew`: new sheets, and new keys that the old ones never open."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands._directory import RootKeyOption, keeper, remember, unconfirmed
from medsnap.commands._recovery import FormOption, SheetForm, read_back, sheet_file, write_sheets
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.commands._vault_init import VALID_FOR
from medsnap.errors import UsageError
from medsnap.report.page import Block, Facts, Line, Tone

if TYPE_CHECKING:
    from medsnap.commands._directory import Keeper
    from medsnap.vault.directory import Directory
    from medsnap.vault.renewal import Renewal
    from medsnap.vault.sheets import Sheet


@command(output=False)
def renew(
    io: Io,
    folder: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the new sheets go.")],
    *,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SET", help="recovery, recovery-closed or root; repeat it."),
    ] = None,
    compartment_never: Annotated[
        list[str] | None,
        typer.Option("--compartment-never", metavar="GROUP", help="Close this group to break-glass as well."),
    ] = None,
    form: FormOption = SheetForm.HTML,
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Make new recovery sheets: after one was lost or seen, or when a group is to be closed to break-glass.

    Each locked group of the set begins a new epoch, wrapped to the new sheets only. Photos sealed before
    still open with two old sheets for whoever copied the vault. It needs the root key and a key that opens
    these groups. `--set root` makes a new root key, which the old one signs for: hosts and members follow.
    With it the directory is good for ten years more.

    Examples:

      medsnap vault recovery renew --set recovery -o /media/stick --root-key-file root.key

      medsnap vault recovery renew --set root -o /media/stick --root-key-file root.key --key-file owner.key

      medsnap vault recovery renew --compartment-never intimate -o /media/stick --root-key-file root.key
    """
    from medsnap.vault import renewal
    from medsnap.vault.confirmed import confirmations

    if not sets and not compartment_never:
        raise UsageError("nothing to renew was named", hint="give --set, or --compartment-never")
    by = keeper(io, vault, root_key_file, key_file)
    until = (io.now + VALID_FOR).isoformat(timespec="seconds")
    new = renewal.prepare(by.directory, sets or (), compartment_never or (), io.random, expires=until)
    kinds = new.secrets.kinds
    details = (("sets", " ".join(kinds)),)
    with by.refusals(io, "recovery-renew", details):
        authority = by.authority(io, "recovery-renew", details)
        made = _write(io, folder, by, new, form)
        try:
            after = renewal.renew(by.vault, by.directory, new, authority)
        except BaseException:
            for sheet in made:  # these secrets never came into force
                with contextlib.suppress(OSError):
                    sheet_file(folder, sheet, form).unlink()
            raise
    remember(io, by, after)
    page: list[Block] = [
        Line(f"The new sheets are in force (directory {after.version}); burn the old ones.", Tone.GOOD),
        Facts(
            (
                ("sheets", f"{folder}: {len(made)}, of {', '.join(kinds)}; any two of a set are needed"),
                ("closed to break-glass", ", ".join(after.closed) or "-"),
            )
        ),
    ]
    if new.identities:
        page.append(
            Line("Photos sealed before still open with two of the old sheets, for whoever copied the vault.")
        )
    page += _new_root(by.directory, after)
    hosts = confirmations(by.vault, after)
    page += unconfirmed(hosts) if new.identities else unconfirmed(hosts, "trust the old root alone")
    files = [str(sheet_file(folder, sheet, form)) for sheet in made]
    return Result(page=tuple(page), data=_data(after, files, kinds))


def _new_root(before: Directory, after: Directory) -> list[Block]:
    """Say what a new root means for whoever trusts the one of before."""
    from medsnap.crypto.note import fingerprint

    if after.root == before.root:
        return []
    return [
        Facts((("new root", fingerprint(after.root)), ("good until", after.expires[:10]))),
        Line("Hosts and members follow to it by themselves, for the old root has signed the change."),
        Line(
            "Who stole the old root key can still deceive those who have not: let each host take a photo in"
            " and each member look in soon. A new machine has to be given the new fingerprint.",
            Tone.WARN,
        ),
        Line(
            "In a key file kept for a new machine put the new public key behind '# medsnap-root:'; it is the"
        ),
        Line("value of \"root\" in the file 'directory' of the vault."),
    ]


def _data(after: Directory, files: list[str], kinds: tuple[str, ...]) -> dict[str, object]:
    from medsnap.crypto.note import fingerprint

    return {
        "type": "recovery-renewed",
        "sheets": files,
        "sets": list(kinds),
        "closed": list(after.closed),
        "directory": after.version,
        "root": fingerprint(after.root),
        "root_vkey": after.root,
        "expires": after.expires,
    }


def _write(io: Io, folder: Path, by: Keeper, new: Renewal, form: SheetForm) -> list[Sheet]:
    """Write the sheets and read them back before anything depends on them."""
    from medsnap.vault import renewal

    target = renewal.planned(by.directory, new)
    made = write_sheets(io, folder, new.secrets, target, form)
    read_back(io, folder, made, target, form)
    return made
