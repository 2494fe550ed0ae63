"""`medsnap vault host`: a new ingest host's signing key, and its entry in the directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands._directory import RootKeyOption, keeper, remember
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.errors import CannotCreate, InputMissing, KeyRefused, UsageError
from medsnap.report.page import Facts, Line, Tone

if TYPE_CHECKING:
    from medsnap.crypto.note import Verifier

_LIMIT = 64 * 1024

Name = Annotated[str, typer.Argument(metavar="NAME", help="The host's name in the directory: ingest-2.")]


@command()
def key(io: Io, name: Name, *, vault: VaultOption = None) -> Result:
    """Make this machine's signing key for ingest; print the public half, to be sent to the root's keeper.

    The machine must have pinned the vault before (vault trust). The key can add photos and open none;
    it counts for nothing until the keeper has added it.

    Examples:

      medsnap vault host key ingest-2 --vault /srv/vault -o ingest-2.host
    """
    from medsnap.crypto.note import Signer, fingerprint, generate
    from medsnap.vault import directory, host, pins
    from medsnap.vault.create import check_name

    check_name(name)
    place = io.need(vault, "vault", "--vault")
    signed = directory.load(place)
    folder = io.settings.state / signed.directory.vault
    pins.follow(place, signed, pins.read_pin(folder))
    made = generate(f"{signed.directory.vault}/{name}", io.random)
    try:
        host.write_ingest_key(folder, made.private())
    except FileExistsError:
        there = Signer.parse_private((folder / host.INGEST_KEY).read_text(encoding="ascii"))
        if there.name != made.name:
            raise CannotCreate(
                "this machine has a signing key of another name for this vault",
                where=str(folder / host.INGEST_KEY),
                hint="a key is never replaced: move it away, or take its name",
            ) from None
        made = there
    print_ = fingerprint(made.vkey)
    io.note(f"The secret key is in {folder / host.INGEST_KEY}.")
    io.note("Send the printed line to the keeper of the root key; when he adds it, his fingerprint must be")
    io.note(f"this one: {print_}")
    data = {"type": "request", "host": name, "vkey": made.vkey, "fingerprint": print_}
    return Result(text=f"{made.vkey}\n", data=data)


@command()
def add(
    io: Io,
    name: Name,
    *,
    vkey: Annotated[
        str,
        typer.Option("--vkey", metavar="KEY|FILE", help="The public key, or the file of vault host key."),
    ],
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Let another ingest host add photos: the root signs a directory that names its key.

    Take an old host out with `vault member remove NAME`: what it added stays good.

    Examples:

      medsnap vault host add ingest-2 --vkey ingest-2.host --root-key-file root.key --vault /srv/vault
    """
    from medsnap.crypto.note import fingerprint
    from medsnap.vault import membership

    by = keeper(io, vault, root_key_file, key_file)
    verifier = _vkey(vkey, f"{by.directory.vault}/{name}")
    details = (("host", name),)
    with by.refusals(io, "host-add", details):
        authority = by.authority(io, "host-add", details)
        after = membership.add_host(by.vault, by.directory, name, verifier.vkey, authority)
    remember(io, by, after)
    print_ = fingerprint(verifier.vkey)
    page = (
        Line(f"{name} may add photos now; the change stands in the audit log.", Tone.GOOD),
        Facts((("fingerprint", print_), ("directory", f"version {after.version}"))),
        Line("Compare the fingerprint with what that machine shows: only then is it its key."),
    )
    data = {"type": "host", "host": name, "vkey": verifier.vkey, "fingerprint": print_}
    return Result(page=page, data=data | {"directory": after.version})


def _vkey(given: str, name: str) -> Verifier:
    """Read `--vkey`: a public key, or a file that holds it. Raises InputMissing, KeyRefused, UsageError."""
    from medsnap.crypto.note import Verifier

    text = given
    if given.count("+") < 2:
        try:
            with Path(given).open("rb") as handle:
                text = handle.read(_LIMIT).decode("ascii", "replace")
        except OSError as failure:
            raise InputMissing(
                f"the host's public key cannot be read: {failure.strerror}",
                where=given,
                hint="--vkey takes the key, or the file that vault host key has written",
            ) from failure
    if text.startswith("PRIVATE+KEY+"):
        raise KeyRefused("this is a secret key; the host keeps it and sends the public half")
    verifier = Verifier.parse(text.strip())
    if verifier.name != name:
        raise UsageError("the key was made under another name, or for another vault")
    return verifier
