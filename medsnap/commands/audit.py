"""`medsnap audit`: verify the log, list its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._ledger_digest import compare
from medsnap.commands._outside import Outside, SinceOption, outside
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, find_keys, log_of
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.standing import CAN
from medsnap.platform import write_durably
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.audit.log import Log, LogReport
    from medsnap.audit.store import Opaque
    from medsnap.crypto.note import Verifier
    from medsnap.model.event import AuditEvent
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys

_MAX_CHECKPOINT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    """The directory, who vouches for it ("pin", "key file" or ""), and this host's own folder."""

    directory: Directory
    by: str
    folder: Path


def _trust(io: Io, vault: Path, keys: Keys | None) -> _Trust:
    """Read the directory; verify it against the root that this host or the key file names.

    Raises KeyRefused when a root is known here and the directory is not signed by it.
    """
    from medsnap.vault import directory, pins

    signed = directory.load(vault)
    folder = io.settings.state / signed.directory.vault
    if (folder / pins.PIN).is_file():
        pinned = pins.known(vault, signed, pins.read_pin(folder))
        return _Trust(directory=pinned, by="pin", folder=folder)
    if keys is not None and keys.root_vkey:
        named = pins.by_root(vault, signed, keys.root_vkey)
        return _Trust(directory=named, by="key file", folder=folder)
    return _Trust(directory=signed.directory, by="", folder=folder)


def _keys(io: Io, vault: Path, given: Path | None) -> Keys | None:
    """Find the caller's keys; None when no place was named and none is in the usual ones."""
    try:
        return find_keys(io, vault, given)
    except KeyRefused:
        if given is not None or io.settings.path("key_file") is not None:
            raise
        return None


@command()
def verify(
    io: Io, vault: VaultOption = None, since: SinceOption = None, key_file: KeyOption = None
) -> Result:
    """Recompute the whole log from its entries and compare hashes, root and signature.

    Without --since this proves only that the log fits its own signature: who holds the log's key
    and the storage could have rewritten both. Keep checkpoints elsewhere (medsnap audit checkpoint);
    --since finds a log that was cut, rewritten or forked since then. That it was verified is an
    entry too, where a key at hand may write one.

    Examples:

      medsnap audit verify --vault /srv/vault

      medsnap audit verify --vault /srv/vault --since kept-elsewhere.checkpoint
    """
    place = io.need(vault, "vault", "--vault")
    keys = _keys(io, place, key_file)
    trust = _trust(io, place, keys)
    given = outside(io, since, place)
    log = log_of(place, trust.directory)
    try:
        found = _verified(log, trust, given)
        if given is not None and found.report.witnessed is not None:
            compare(place, trust.directory, log, given.ledger, found.report.witnessed)
    except (Tampered, KeyRefused) as broken:
        _note(io, place, keys, trust, outcome=broken.id)
        raise
    size = ("size", str(found.report.size))
    _note(io, place, keys, trust, details=(size, ("outside", _number(found.report.witnessed))))
    _remember(log, trust.folder)
    report = found.report
    data = {
        "state": "consistent, not witnessed" if report.witnessed is None else "consistent",
        "size": report.size,
        "root": report.root.hex(),
        "signers": list(report.signers),
        "sealed": found.sealed,
        "witnessed": report.witnessed,
        "remembered": found.remembered,
        "directory_checked": trust.by or None,
    }
    return Result(page=_page(found, trust), data=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    """What a verification found: the log, its sealed events, what this host remembered of it."""

    report: LogReport
    sealed: int
    remembered: int | None


def _verified(log: Log, trust: _Trust, given: Outside | None) -> _Verified:
    """Verify all of it. Raises Tampered, KeyRefused for an outside checkpoint of another log."""
    from medsnap.audit import store
    from medsnap.crypto.note import Verifier

    verifiers = [Verifier.parse(k) for k in trust.directory.log_vkeys]
    ever = [Verifier.parse(k) for k in trust.directory.log_vkeys_ever]
    report = log.verify(verifiers, witnessed=given.note if given else None, witnesses=ever)
    remembered = _remembered(log, verifiers, trust.folder)
    return _Verified(report=report, sealed=store.check(log), remembered=remembered)


def _note(
    io: Io,
    place: Path,
    keys: Keys | None,
    trust: _Trust,
    *,
    outcome: str = "success",
    details: tuple[tuple[str, str], ...] = (),
) -> None:
    """Write down that the log was verified; only a directory that somebody vouches for names its keys."""
    from medsnap.commands._noted import note
    from medsnap.model.event import Action

    if trust.by:
        note(io, place, trust.directory, [keys], Action.VERIFY, outcome=outcome, details=details)


def _number(size: int | None) -> str:
    return "none" if size is None else str(size)


def _remembered(log: Log, verifiers: Sequence[Verifier], folder: Path) -> int | None:
    """Compare with the checkpoint that this host saw last: an older one put back is found even so.

    Returns its size, None when this host remembers nothing. Raises Tampered.
    """
    from medsnap.vault.host import CHECKPOINT

    try:
        with (folder / CHECKPOINT).open("rb") as handle:
            note = handle.read(_MAX_CHECKPOINT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return log.verify(verifiers, witnessed=note).witnessed
    except KeyRefused:
        return None  # its key has left the directory since: it proves nothing any more
    except Tampered as problem:
        raise Tampered(
            f"compared with the checkpoint that this host saw last: {problem.message}", where=problem.where
        ) from None


def _remember(log: Log, folder: Path) -> None:
    """Keep the verified checkpoint, where this host has a folder for the vault."""
    from medsnap.vault.host import CHECKPOINT

    head = log.head()
    if head is not None and folder.is_dir():
        write_durably(folder / CHECKPOINT, head.note)


def _page(found: _Verified, trust: _Trust) -> tuple[Block, ...]:
    report = found.report
    alone = report.witnessed is None
    page: list[Block] = [
        Line(
            "The log is consistent, not witnessed." if alone else "The log is consistent.",
            Tone.WARN if alone else Tone.GOOD,
        ),
        Facts(
            (
                ("entries", str(report.size)),
                ("root", report.root.hex()),
                ("signed by", ", ".join(s.partition("+")[0] for s in report.signers)),
                ("sealed events", f"{found.sealed} present and unaltered"),
                ("outside checkpoint", _witness(report.witnessed)),
                ("this host's memory", _witness(found.remembered)),
                ("directory", f"checked against the {trust.by}" if trust.by else "NOT checked here"),
            )
        ),
    ]
    if alone:
        page.append(
            Line("hint: keep what medsnap audit checkpoint prints elsewhere; give it as --since next time")
        )
    if not trust.by:
        page.append(Line("hint: pin the vault's root here (medsnap vault trust) or give --key-file"))
    return tuple(page)


def _witness(size: int | None) -> str:
    return "none" if size is None else f"the log still begins with its {size} entries"


def _auditors(place: Path, directory: Directory, keys: Keys | None) -> tuple[str, ...]:
    """Return the auditors' identities that these keys open; none without keys."""
    from medsnap.vault import rings

    if keys is None:
        return ()
    ring = place / "keys" / directory.auditors_ring
    return rings.unwrap(ring, directory.auditors_ring_sha256, keys.identities) or ()


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
    keys = _keys(io, place, key_file)
    directory = _trust(io, place, keys).directory
    identities = _auditors(place, directory, keys)
    if keys is not None and not identities:
        io.warn("this key does not open the auditors' ring: only times and digests are shown")
    rows = list(_rows(io, store.read_events(log_of(place, directory), identities)))
    table = Table(
        columns=("entry", "at (UTC)", "actor", "action", "outcome", "what"),
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
            yield str(index), _short(event.at), "-", "-", event.because, event.sealed
            continue
        io.record({"type": "event", "entry": index, **to_json(event)})
        actor = event.actor.rpartition("/")[2]  # the vault's id before it says nothing here
        yield str(index), _short(event.at), actor, str(event.action), event.outcome, _what(event)


_SHOWN = 3  # ids of one event that a person is shown; records have all of them


def _what(event: AuditEvent) -> str:
    shown = list(event.objects[:_SHOWN])
    if len(event.objects) > _SHOWN:
        shown.append(f"and {len(event.objects) - _SHOWN} more")
    return " ".join([*shown, *(f"{k} {v}" for k, v in event.details if k != CAN)])


def _short(at: str) -> str:
    """Write a time of UTC to the second without its offset; another zone keeps it."""
    return at.removesuffix("+00:00").replace("T", " ") if at.endswith("+00:00") else at
