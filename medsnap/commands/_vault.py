"""What commands that open a vault share: the options, the session, the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from medsnap import __version__
from medsnap.commands._shared import Io
from medsnap.errors import Exit, KeyRefused, Tampered, UsageError
from medsnap.model.event import Action, AuditEvent, Due
from medsnap.model.photo import Sha256

if TYPE_CHECKING:
    from medsnap.audit.log import Log
    from medsnap.vault.directory import Directory
    from medsnap.vault.key_sources import Places
    from medsnap.vault.keys import Keys
    from medsnap.vault.order import Order
    from medsnap.vault.session import Session

VaultOption = Annotated[Path | None, typer.Option("--vault", help="The vault's folder (MEDSNAP_VAULT).")]
KeyOption = Annotated[Path | None, typer.Option("--key-file", help="Your key file (MEDSNAP_KEY_FILE).")]


def usual_key_file(io: Io, vault_id: str) -> Path:
    """Return where a member's key lies when no place was named: apart from the ingest host's folder."""
    base = io.settings.environment.get("XDG_CONFIG_HOME", "")
    config = Path(base) if base else io.settings.home / ".config"
    return config / "medsnap" / "keys" / f"{vault_id}.key"


def passphrase(io: Io) -> Callable[[], str] | None:
    """Return how to ask for a passphrase; None when nobody can be asked."""
    if not io.interactive:
        return None
    return lambda: str(typer.prompt("Passphrase of the key file", hide_input=True, err=True))


def own_passphrase(io: Io) -> Callable[[], str] | None:
    """Return how to get the passphrase of the caller's own key: as a script gives it, else by asking.

    For keys of others (a custodian's, the root's) there is the question alone: what a script holds is his.
    """
    from medsnap.vault.key_sources import unlocking

    command = io.settings.get("key_passphrase_command")
    return unlocking(io.settings.environment, command, passphrase(io))


def new_passphrase(io: Io) -> str:
    """Return the passphrase for a key to be made: as a script gives it, else typed twice."""
    from medsnap.vault.key_sources import unlocking

    road = unlocking(io.settings.environment, io.settings.get("key_passphrase_command"), None)
    if road is not None:
        return road()
    if not io.interactive:
        raise UsageError(
            "--passphrase needs a person to ask",
            hint="set MEDSNAP_KEY_PASSPHRASE_FD or MEDSNAP_KEY_PASSPHRASE_COMMAND, or leave it out",
        )
    return str(
        typer.prompt("Passphrase for the key file", hide_input=True, confirmation_prompt=True, err=True)
    )


def find_keys(io: Io, vault: Path, key_file: Path | None) -> Keys:
    """Find the caller's keys for a vault. Raises KeyRefused."""
    from medsnap.vault import directory, key_sources

    # a descriptor gives its key once, and nobody types a passphrase twice
    which = ("keys", directory.load(vault).directory.vault, key_file)
    if which not in io.kept:
        io.kept[which] = key_sources.find(key_places(io, vault, key_file))
    return cast("Keys", io.kept[which])


def key_places(io: Io, vault: Path, key_file: Path | None = None) -> Places:
    """Return all places where the caller's keys for a vault may be."""
    from medsnap.vault import directory
    from medsnap.vault.key_sources import Places

    vault_id = directory.load(vault).directory.vault
    return Places(
        vault=vault_id,
        environment=io.settings.environment,
        key_file=key_file if key_file is not None else io.settings.path("key_file"),
        command=io.settings.get("key_command"),
        usual=usual_key_file(io, vault_id),
        ask=own_passphrase(io),
        alone=not io.interactive,
    )


@contextmanager
def member(io: Io, vault: Path | None, key_file: Path | None, *, anew: bool = False) -> Iterator[Session]:
    """Open the vault as the owner of the key: directory verified, catalogue up to date, or made `anew`.

    Problems of the vault are said as warnings. Raises KeyRefused, InputMissing, UsageError.
    """
    from medsnap.vault import session

    place = io.need(vault, "vault", "--vault")
    keys = find_keys(io, place, key_file)
    with session.open_session(
        place,
        keys,
        state=io.settings.state,
        cache=io.settings.cache,
        random=io.random,
        order=order_of(place),
        anew=anew,
    ) as opened:
        for problem in opened.reader.problems:
            io.warn(f"{problem.where}: {problem.what}")
        if opened.reader.incomplete:  # what is shown may not be all, or not the newest
            io.worst = Exit.INTEGRITY
        if opened.directory.expired(io.now):
            io.warn(f"the vault's directory expired on {opened.directory.expires[:10]}; ingest refuses it")
        yield opened


def order_of(vault: Path) -> Order:
    """Return how a vault's log is read for the order of its commits: verified, going on from before."""
    from medsnap.audit import order as reading
    from medsnap.crypto.note import Verifier
    from medsnap.vault.files import names
    from medsnap.vault.order import Ordered

    def order(directory: Directory, memory: bytes) -> Ordered:
        before = reading.unpack(memory)
        verifiers = [Verifier.parse(key) for key in directory.log_vkeys]
        log = log_of(vault, directory)
        if log.head() is None and names(vault / "commits"):  # its making alone is an entry
            raise Tampered("the vault has commits and no log any more", where="log/checkpoint")
        now = reading.read(log, verifiers, before)
        return Ordered(
            commits=now.commits,
            accounted=len(before.commits),
            memory=now.pack(),
            fresh=now.size - before.size,
        )

    return order


def logged_commits(vault: Path) -> tuple[Sha256, ...]:
    """Return the commits in the log's order; nothing when there is no log yet or it does not verify."""
    from medsnap.errors import MedsnapError
    from medsnap.vault import directory

    try:
        return tuple(order_of(vault)(directory.load(vault).directory, b"").commits)
    except MedsnapError:
        return ()  # `audit verify` and `vault check` say what is wrong


def log_of(vault: Path, directory: Directory) -> Log:
    """Return the vault's audit log."""
    from medsnap.audit.log import Log

    return Log(vault / "log", directory.origin)


def record(
    io: Io,
    session: Session,
    action: Action,
    *,
    objects: tuple[str, ...] = (),
    outcome: str = "success",
    details: tuple[tuple[str, str], ...] = (),
    commit: Sha256 | None = None,
) -> None:
    """Write an event of this member into the audit log, durably, before what it speaks of happens.

    Raises KeyRefused when the member has no key that may sign the log.
    """
    if not session.keys.signer:
        raise KeyRefused(
            "this key file has no signing key, so what it does cannot be logged",
            hint="use a member's key file; in an emergency stock age opens the vault (docs/SPEC.md)",
        )
    log_event(
        io,
        session.vault,
        session.directory,
        session.keys.signer,
        action,
        actor=session.actor,
        objects=objects,
        outcome=outcome,
        details=details,
        commit=commit,
    )


def log_event(
    io: Io,
    vault: Path,
    directory: Directory,
    private: str,
    action: Action,
    *,
    actor: str = "",
    objects: tuple[str, ...] = (),
    outcome: str = "success",
    details: tuple[tuple[str, str], ...] = (),
    commit: Sha256 | None = None,
    due: Due | None = None,
) -> None:
    """Write an event signed with a private key; without `actor` the key's name in the directory acts.

    `due` says which keys have to end because of it. Raises KeyRefused when the key may not log.
    """
    from medsnap.audit import store
    from medsnap.crypto.note import Signer

    signer = Signer.parse_private(private)
    if signer.vkey not in directory.log_vkeys:
        raise KeyRefused("the vault's directory does not let this key write to the audit log")
    writer = directory.writer(signer.vkey)
    event = AuditEvent(
        action=action,
        at=io.now.isoformat(timespec="seconds"),
        actor=actor or (writer.name if writer else "unknown"),
        outcome=outcome,
        objects=objects,
        details=details,
        software=f"medsnap {__version__}",
    )
    store.record(
        log_of(vault, directory),
        event,
        auditors=[directory.auditors],
        signer=signer,
        random=io.random,
        commit=commit,
        due=due,
    )
