"""`medsnap vault member key`: a new member's keys, and the public half that he sends to be added."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands._directory import seen_directory
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import VaultOption, new_passphrase, own_passphrase, usual_key_file
from medsnap.errors import CannotCreate, InputMissing, KeyRefused, UsageError

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys

_LIMIT = 64 * 1024
_MEMBER, _VKEY = "medsnap-member", "medsnap-signing-key-public"


@command()
def key(
    io: Io,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your name in the directory to be.")],
    *,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="Where your secret key goes, mode 0600."),
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Put the new key under a passphrase, which is asked for.")
    ] = False,
    vault: VaultOption = None,
) -> Result:
    """Make your keys for a vault; print the public half, to be sent to the keeper of the root key.

    The secret stays on this machine. The printed file is an age recipients file; the keeper adds you
    with it and compares the fingerprint with you by voice. A key file of yours that is there already
    is read, not replaced.

    Examples:

      medsnap vault member key a.sommer --vault /srv/vault --key-file a.sommer.key -o a.sommer.member
    """
    from medsnap.crypto.note import fingerprint
    from medsnap.vault import keys, membership
    from medsnap.vault.create import check_name

    check_name(name)
    place = io.need(vault, "vault", "--vault")
    directory, vouched = seen_directory(io, place)
    path = key_file if key_file is not None else usual_key_file(io, directory.vault)
    if path.resolve().is_relative_to(place.resolve()):
        raise UsageError("a key must not lie in the vault", where=str(path), hint="choose another place")
    if path.exists():
        held = _known(io, path, name, directory)
    else:
        held = membership.new_keys(directory, name, io.random)
        secret = new_passphrase(io) if passphrase else ""
        text = keys.render(held, f"medsnap key of {name}")
        keys.save_file(path, text, passphrase=secret, random=io.random)
    recipient = held.recipients[0]
    print_ = Request(recipient, held.vkey).fingerprint
    what = str(io.output) if io.output is not None else "the printed lines"
    io.note(
        f"Your secret key is in {path}, mode 0600: keep it here. Send {what} to the keeper of the root key;"
    )
    io.note(f"when he adds you, his fingerprint must be this one: {print_}")
    if not vouched:
        io.warn(
            "the vault's root is not known here; your key file takes the one that the vault names. "
            f"Compare it with the keeper too: {fingerprint(directory.root)}"
        )
    text = f"# {_MEMBER}: {name}\n# medsnap-vault: {directory.vault}\n# {_VKEY}: {held.vkey}\n{recipient}\n"
    data = {
        "type": "request",
        "member": name,
        "vault": directory.vault,
        "recipient": recipient,
        "vkey": held.vkey,
        "fingerprint": print_,
        "key": str(path),
        "root": fingerprint(directory.root),
    }
    return Result(text=text, data=data)


def _known(io: Io, path: Path, name: str, directory: Directory) -> Keys:
    """Read a key file made by an earlier call. Raises CannotCreate when it is another's."""
    from medsnap.vault import keys

    held = keys.load_file(path, ask=own_passphrase(io))
    if (held.member, held.vault) != (name, directory.vault) or not held.signer:
        raise CannotCreate(
            "the file holds another key, and a key is never replaced",
            where=str(path),
            hint="choose another name",
        )
    return held


@dataclass(frozen=True, slots=True)
class Request:
    """What a member to be has sent: an age recipient and, maybe, a public signing key."""

    recipient: str
    vkey: str = ""

    @property
    def fingerprint(self) -> str:
        """What two people compare by voice: SHA-256 of both keys, in groups of four digits."""
        digest = hashlib.sha256(f"{self.recipient} {self.vkey}".encode()).hexdigest()
        return " ".join(digest[n : n + 4] for n in range(0, len(digest), 4))


def read_request(given: str, name: str) -> Request:
    """Read `--recipient`: a public key, or a file that holds one with comment lines.

    Raises InputMissing, UsageError, KeyRefused when the file speaks of another member.
    """
    if given.startswith("age1"):
        return Request(given)
    try:
        with Path(given).open("rb") as handle:
            text = handle.read(_LIMIT).decode("utf-8", "replace")
    except OSError as failure:
        raise InputMissing(
            f"the member's public key cannot be read: {failure.strerror}",
            where=given,
            hint="--recipient takes a key age1… or the file that vault member key has written",
        ) from failure
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if line.startswith("age1")]
    if any(line.upper().startswith("AGE-SECRET-KEY-") for line in lines):
        raise KeyRefused("this is a secret key; the member keeps it and sends the public half", where=given)
    if len(found) != 1:
        raise UsageError("one line with a public key age1… is expected", where=given)
    labels = dict(
        line.removeprefix("#").strip().partition(": ")[::2] for line in lines if line.startswith("#")
    )
    if labels.get(_MEMBER, name) != name:
        raise UsageError(f"the file is of '{labels[_MEMBER]}', not of '{name}'", where=given)
    return Request(found[0], labels.get(_VKEY, ""))
