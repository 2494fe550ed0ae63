"""`medsnap audit`: verify the log, list its events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._shared import Io, Result, command
from medsnap.errors import InputMissing, UsageError
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.audit.log import Log
    from medsnap.audit.store import Opaque
    from medsnap.model.event import AuditEvent
    from medsnap.vault.directory import Directory

_MAX_CHECKPOINT = 1 << 20

VaultOption = Annotated[Path | None, typer.Option("--vault", help="The vault's folder (MEDSNAP_VAULT).")]
KeyOption = Annotated[Path | None, typer.Option("--key-file", help="Your key file (MEDSNAP_KEY_FILE).")]
SinceOption = Annotated[
    Path | None,
    typer.Option("--since", help="A checkpoint of this log that was kept on another host or on paper."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    """The directory, and who vouches for it: "pin", "key file" or "" (nobody here)."""

    directory: Directory
    by: str


def _directory(io: Io, vault: Path, key_file: Path | None) -> _Trust:
    """Read the directory; verify it against the root that this host or the key file names.

    Raises KeyRefused when a root is known here and the directory is not signed by it.
    """
    from medsnap.vault import directory, host, keys

    signed = directory.load(vault)
    folder = io.settings.state / signed.directory.vault
    if (folder / host.PIN).is_file():
        return _Trust(directory=directory.verify(signed.data, root_vkey=host.read_pin(folder).root), by="pin")
    if key_file is not None:
        root = keys.load_file(key_file, ask=_ask(io)).root_vkey
        if root:
            return _Trust(directory=directory.verify(signed.data, root_vkey=root), by="key file")
    return _Trust(directory=signed.directory, by="")


def _ask(io: Io) -> Any:
    return (lambda: typer.prompt("Passphrase", hide_input=True, err=True)) if io.interactive else None


def _log(vault: Path, directory: Directory) -> Log:
    from medsnap.audit.log import Log

    return Log(vault / "log", directory.origin)


def _key_file(io: Io, given: Path | None) -> Path | None:
    return given if given is not None else io.settings.path("key_file")


def _outside(since: Path | None) -> bytes | None:
    """Read the checkpoint that was kept elsewhere."""
    if since is None:
        return None
    try:
        with since.open("rb") as handle:
            data = handle.read(_MAX_CHECKPOINT + 1)
    except OSError as failure:
        raise InputMissing(
            f"the checkpoint cannot be read: {failure.strerror}", where=str(since)
        ) from failure
    if len(data) > _MAX_CHECKPOINT:
        raise UsageError("this file is too large for a checkpoint", where=str(since))
    return data


@command()
def verify(
    io: Io, vault: VaultOption = None, since: SinceOption = None, key_file: KeyOption = None
) -> Result:
    """Recompute the whole log from its entries and compare hashes, root and signature.

    Without --since this proves only that the log fits its own signature: who holds the log's key
    and the storage could have rewritten both. Keep checkpoints elsewhere.

    Examples:

      medsnap audit verify --vault /srv/vault

      medsnap audit verify --vault /srv/vault --since kept-elsewhere.checkpoint
    """
    from medsnap.audit import store
    from medsnap.crypto.note import Verifier

    place = io.need(vault, "vault", "--vault")
    trust = _directory(io, place, _key_file(io, key_file))
    witnessed = _outside(since)
    log = _log(place, trust.directory)
    report = log.verify([Verifier.parse(k) for k in trust.directory.log_vkeys], witnessed=witnessed)
    sealed = store.check(log)
    state = "consistent, not witnessed" if report.witnessed is None else "consistent"
    page: list[Block] = [
        Line(f"The log is {state}.", Tone.GOOD if report.witnessed is not None else Tone.WARN),
        Facts(
            (
                ("entries", str(report.size)),
                ("root", report.root.hex()),
                ("signed by", ", ".join(report.signers)),
                ("sealed events", f"{sealed} present and unaltered"),
                ("outside checkpoint", _witness(report.witnessed)),
                ("directory", f"checked against the {trust.by}" if trust.by else "NOT checked here"),
            )
        ),
    ]
    if report.witnessed is None:
        page.append(
            Line("hint: keep a copy of log/checkpoint on another host and give it as --since next time")
        )
    if not trust.by:
        page.append(Line("hint: pin the vault's root here (medsnap vault trust) or give --key-file"))
    data = {
        "state": state,
        "size": report.size,
        "root": report.root.hex(),
        "signers": list(report.signers),
        "sealed": sealed,
        "witnessed": report.witnessed,
        "directory_checked": trust.by or None,
    }
    return Result(page=tuple(page), data=data)


def _witness(size: int | None) -> str:
    return "none given" if size is None else f"the log still begins with its {size} entries"


def _auditors(place: Path, directory: Directory, key_file: Path | None, io: Io) -> tuple[str, ...]:
    """Return the auditors' identities that this key file opens; none without one."""
    from medsnap.vault import keys, rings

    if key_file is None:
        return ()
    own = keys.load_file(key_file, ask=_ask(io)).identities
    ring = place / "keys" / directory.auditors_ring
    return rings.unwrap(ring, directory.auditors_ring_sha256, own) or ()


@command()
def ls(io: Io, vault: VaultOption = None, key_file: KeyOption = None) -> Result:
    """List the events: ids and counts, never a name. Without an auditor's key: times and digests only.

    The listing trusts the log as it is; `medsnap audit verify` checks it.

    Examples:

      medsnap audit ls --vault /srv/vault --key-file auditor.key

      medsnap audit ls --vault /srv/vault --format ndjson
    """
    from medsnap.audit import store

    place = io.need(vault, "vault", "--vault")
    key = _key_file(io, key_file)
    directory = _directory(io, place, key).directory
    identities = _auditors(place, directory, key, io)
    if key is not None and not identities:
        io.warn("this key does not open the auditors' ring: only times and digests are shown")
    rows = list(_rows(io, store.read_events(_log(place, directory), identities)))
    table = Table(
        columns=("entry", "at", "actor", "action", "outcome", "what"),
        rows=tuple(rows),
        wide="what",
        right=("entry",),
        empty="no events",
    )
    return Result(page=(table,), data={"type": "summary", "events": len(rows)}, records="entries")


def _rows(io: Io, events: Iterator[AuditEvent | Opaque]) -> Iterator[tuple[str, ...]]:
    """Hand each event over as a record, and give its row for people."""
    from medsnap.audit.store import Opaque
    from medsnap.model.codec import to_json

    for index, event in enumerate(events):
        if isinstance(event, Opaque):
            io.record({"type": "sealed", "entry": index, **to_json(event)})
            yield str(index), event.at, "-", "-", event.because, event.sealed
            continue
        io.record({"type": "event", "entry": index, **to_json(event)})
        what = [*event.objects, *(f"{k} {v}" for k, v in event.details)]
        yield str(index), event.at, event.actor, str(event.action), event.outcome, " ".join(what)
