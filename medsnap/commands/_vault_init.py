"""`medsnap vault init`: a vault, its keys, and recovery sheets that were tried before init ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap import __version__, disk
from medsnap.commands._init_recovery import Recovery, save, told, try_out
from medsnap.commands._photos import policy_path
from medsnap.commands._recovery import FormOption, SheetForm
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._standing import standing
from medsnap.commands._vault import VaultOption, log_of, new_passphrase, usual_key_file
from medsnap.errors import CannotCreate, UsageError
from medsnap.model.event import Action, AuditEvent
from medsnap.model.seal import Suite
from medsnap.report.page import Facts, Line, Tone

if TYPE_CHECKING:
    from medsnap.vault.create import NewVault

COMPARTMENTS = ("general", "identifiable", "intimate", "safeguarding")  # of the packaged policies
VALID_FOR = timedelta(days=3653)
TRIES = 3
_SUITES = {
    Suite.HYBRID: "hybrid: stock age opens it from version 1.3 on",
    Suite.X25519: "x25519: every age opens it; copies taken today fall to a quantum computer one day",
}


@command()
def init(
    io: Io,
    *,
    vault: VaultOption = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="Where your own key goes (default: the system's keyring)."),
    ] = None,
    recovery_file: Annotated[
        Path | None,
        typer.Option("--recovery-file", help="One sheet that holds all, for a small site: a stick."),
    ] = None,
    recovery_dir: Annotated[
        Path | None,
        typer.Option("--recovery-dir", metavar="DIR", help="Where sheets go of which any two are needed."),
    ] = None,
    sheets: FormOption = SheetForm.HTML,
    compartment: Annotated[
        list[str] | None, typer.Option("--compartment", help="A locked group, mildest first; repeat it.")
    ] = None,
    compartment_never: Annotated[
        list[str] | None,
        typer.Option(
            "--compartment-never",
            metavar="GROUP",
            help="A locked group that break-glass never opens: sheets of its own (default: the policy's).",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="Take the locked groups from this policy, a file or a packaged name.",
        ),
    ] = None,
    name: Annotated[str, typer.Option("--member", help="Your name in the vault's directory.")] = "owner",
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            help="Your roles in the policy; repeat it (default: bound by none, only by your key).",
        ),
    ] = None,
    suite: Annotated[
        Suite,
        typer.Option(
            "--suite",
            help="hybrid withstands quantum computers and needs age 1.3; x25519 opens with every age.",
        ),
    ] = Suite.HYBRID,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase for the key file.")
    ] = False,
) -> Result:
    """Make a vault with its keys, and pin it on this machine for ingest.

    Recovery goes onto printed sheets, any two of three: one set opens the photos, one those of groups
    that break-glass never opens, one signs the directory and opens nothing. Give the sets to
    different people. --recovery-file puts all of it on one sheet instead.

    Examples:

      medsnap vault init --vault /srv/vault --key-file me.key --recovery-dir /media/stick

      medsnap vault init --vault /srv/vault --key-file me.key --recovery-file /media/stick/recovery.key

      medsnap vault init --vault V --no-input --key-file F --recovery-file R

      medsnap vault init --vault V --suite x25519 --role medical-illustration
    """
    from medsnap.vault import create, host, pins
    from medsnap.vault.directory import load

    place = io.need(vault, "vault", "--vault")
    where = Recovery.chosen(io, recovery_file, recovery_dir, sheets)
    chosen = key_file if key_file is not None else io.settings.path("key_file")
    groups, never = _compartments(io, compartment, compartment_never, policy)
    create.refuse_occupied(place)
    where.refuse_taken(never)
    _free(place, io.settings.state, *(p for p in (where.file, chosen) if p is not None), folder=where.folder)
    _writable(io.settings.state)
    secret = new_passphrase(io) if passphrase else ""
    new = create.create(
        place,
        compartments=groups,
        member=name,
        suite=suite,
        roles=_roles(role),
        now=io.now,
        random=io.random,
        expires=io.now + VALID_FOR,
        closed=never,
    )
    directory = new.directory
    made = save(io, where, new)
    kept = _save_member(io, chosen, new, name, secret)
    folder = io.settings.state / directory.vault
    pins.write_pin(folder, pins.first(load(place).data))
    host.write_ingest_key(folder, new.ingest_key)
    _log_init(io, place, new, name)
    try_out(io, place, where, made)
    return _result(place, new, kept, told(where, made), folder)


def _roles(given: list[str] | None) -> tuple[str, ...]:
    from medsnap.vault.create import check_name
    from medsnap.vault.directory import EVERY_ROLE

    for name in given or ():
        check_name(name)
    return tuple(dict.fromkeys(given)) if given else (EVERY_ROLE,)


def _free(vault: Path, state: Path, *files: Path, folder: Path | None) -> None:
    """Refuse before anything is made: files that exist, or that a thief of vault or host would get."""
    for path in (*files, *([folder] if folder is not None else [])):
        if path in files and path.exists():
            raise CannotCreate(
                "the file exists and a key is never replaced", where=str(path), hint="choose another name"
            )
        for place, what in ((vault, "in the vault"), (state, "in the ingest host's folder")):
            if path.resolve().is_relative_to(place.resolve()):
                raise UsageError(f"a key must not lie {what}", where=str(path), hint="choose another place")
    if len(set(files)) < len(files):
        raise UsageError("your key and the recovery sheet need two files")


def _writable(state: Path) -> None:
    """Refuse before anything is made when this machine's own folder cannot be had."""
    try:
        disk.make_folders(state)
    except OSError as failure:
        raise CannotCreate(
            f"this machine's own folder cannot be made: {failure.strerror}",
            where=str(state),
            hint="set MEDSNAP_STATE to a folder of yours that stays",
        ) from failure


def _compartments(
    io: Io, given: list[str] | None, never: list[str] | None, policy: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the locked groups, and those among them that break-glass never opens."""
    if given or not (policy or io.settings.get("policy")):
        return tuple(given or COMPARTMENTS), tuple(never or ())
    from medsnap import policy as policies
    from medsnap.policy.board_words import section

    loaded = policies.load(policy_path(io, policy))
    said = section(loaded, "break_glass").get("never", ())
    return policies.compartments(loaded), tuple(dict.fromkeys((*said, *(never or ()))))


def _save_member(io: Io, chosen: Path | None, new: NewVault, name: str, secret: str) -> str:
    """Put the member's key where it was asked for; else into the keyring; else into a 0600 file."""
    from medsnap.vault import keys

    directory = new.directory
    text = keys.render(
        keys.Keys(
            identities=(new.member_identity,),
            signer=new.member_signer,
            root_vkey=directory.root,
            vault=directory.vault,
            member=name,
        ),
        f"medsnap key of {name}",
    )
    if chosen is None and not secret and io.interactive and keys.to_keyring(directory.vault, text):
        return "in the system's keyring"
    path = chosen if chosen is not None else usual_key_file(io, directory.vault)
    keys.save_file(path, text, passphrase=secret, random=io.random)
    if chosen is None:
        io.note(f"no safe keyring answers here: your key went into {path}, mode 0600")
    return str(path)


def _log_init(io: Io, vault: Path, new: NewVault, name: str) -> None:
    from medsnap.audit import store
    from medsnap.crypto.note import Signer

    event = AuditEvent(
        action=Action.INIT,
        at=io.now.isoformat(timespec="seconds"),
        actor=name,
        details=(
            ("vault", new.directory.vault),
            ("suite", new.directory.suite),
            *standing(new.directory),
        ),
        software=f"medsnap {__version__}",
    )
    store.record(
        log_of(vault, new.directory),
        event,
        auditors=[new.directory.auditors],
        signer=Signer.parse_private(new.member_signer),
        random=io.random,
    )


def _result(vault: Path, new: NewVault, kept: str, lies: tuple[str, list[str]], folder: Path) -> Result:
    from medsnap.crypto.note import fingerprint

    print_ = fingerprint(new.directory.root)
    names = tuple(key.name for key in new.directory.compartments)
    page = (
        Line("The vault is made; recovery was read back and opens it.", Tone.GOOD),
        Facts(
            (
                ("vault", f"{vault} ({new.directory.vault})"),
                ("locked groups", ", ".join(names)),
                ("suite", _SUITES[new.directory.suite]),
                ("your key", kept),
                ("recovery", lies[0]),
                ("this ingest host", f"{folder}: can add photos, can open none"),
                ("root key", print_),
            )
        ),
        Line("Write the root key's fingerprint down: other machines pin the vault by it (vault trust)."),
    )
    data = {
        "vault": new.directory.vault,
        "suite": new.directory.suite,
        "compartments": names,
        "key": kept,
        "recovery": lies[1][0] if len(lies[1]) == 1 else lies[1],
        "host": str(folder),
        "fingerprint": print_,
    }
    return Result(page=page, data=data)
