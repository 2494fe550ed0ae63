"""medsnap vault trust: pin a vault's root on this machine, or begin again from an older state of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _noted
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import VaultOption
from medsnap.errors import UsageError
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Tone

if TYPE_CHECKING:
    from medsnap.vault.restored import Begun


@command()
def trust(
    io: Io,
    fingerprint: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FINGERPRINT", help="The root's fingerprint as the vault's keeper reads it out."
        ),
    ] = None,
    vault: VaultOption = None,
    *,
    restored: Annotated[
        bool,
        typer.Option(
            "--restored", help="An older state was put back on purpose: forget what this machine saw later."
        ),
    ] = False,
) -> Result:
    """Pin a vault's root on this machine. Without FINGERPRINT it shows what the vault claims.

    A machine that has seen a newer directory or log refuses an older one. --restored tells it that
    people put it back after a loss; each member and ingest host runs it once.

    Examples:

      medsnap vault trust --vault /srv/vault

      medsnap vault trust --vault /srv/vault 4f3a 09bc …

      medsnap vault trust --vault /srv/vault --restored 4f3a 09bc …
    """
    from medsnap.crypto.note import fingerprint as print_of
    from medsnap.vault import directory, host

    place = io.need(vault, "vault", "--vault")
    named = directory.load(place).directory
    claimed = print_of(named.root)
    if not fingerprint:
        if restored:
            raise UsageError("--restored needs the root's fingerprint", hint="the keeper reads it out")
        page: tuple[Block, ...] = (
            Facts((("vault", named.vault), ("root key", claimed))),
            Line("Nothing was pinned. Compare this with what the vault's keeper reads out, then give it."),
        )
        return Result(page=page, data={"vault": named.vault, "fingerprint": claimed, "pinned": False})
    data: dict[str, object] = {"vault": named.vault, "fingerprint": claimed, "pinned": True}
    if restored:
        begun = _begin(io, place, named.vault, "".join(fingerprint))
        seen = {"version": begun.pin.version, "seen_version": begun.version, "seen_entries": begun.entries}
        return Result(page=_begun(begun), data=data | seen | {"aside": begun.aside})
    host.pin(io.settings.state / named.vault, place, "".join(fingerprint))
    page = (Line(f"The root of vault {named.vault} is pinned on this machine.", Tone.GOOD),)
    return Result(page=page, data=data)


def _begin(io: Io, place: Path, vault_id: str, fingerprint: str) -> Begun:
    """Forget what was seen later, and write into the log that it was done, as far as a key here may."""
    from medsnap.vault import directory, restored

    stamp = io.now.strftime("%Y%m%dT%H%M%SZ")
    folder, caches = io.settings.state / vault_id, io.settings.cache / vault_id
    begun = restored.begin(folder, caches, place, fingerprint, stamp=stamp)
    details = (
        ("step", "restored"),
        ("version", str(begun.pin.version)),
        ("seen_version", str(begun.version)),
        ("seen_entries", str(begun.entries)),
    )
    named = directory.load(place).directory
    signer = _noted.signer_of(named, [_noted.silent_keys(io, place, None)]) or _noted._host_signer(io, named)
    if signer is not None:  # a copy's log, too: it is the vault's from now on
        _noted.write(io, place, named, signer, Action.RECOVERY, details=details)
    return begun


def _begun(begun: Begun) -> tuple[Block, ...]:
    facts = [("directory", f"version {begun.pin.version}; seen here before: {begun.version or '-'}")]
    if begun.entries:
        facts.append(("log", f"{begun.entries} entries were seen here before"))
    if begun.aside:
        facts.append(("kept aside", ", ".join(begun.aside)))
    return (
        Line("The vault is trusted as it lies there; what this machine saw later is forgotten.", Tone.GOOD),
        Facts(tuple(facts)),
        Line("Now: medsnap vault check, and take in again the dumps of the days since."),
        Line("What was erased since: medsnap vault erase --reapply --ledger FILE."),
    )
