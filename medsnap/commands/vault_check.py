"""`medsnap vault check`: all that can be verified, without keys or with them; and what to mend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _glass, _kept_signatures
from medsnap.commands._at_rest import at_rest, look_at_log, pin_of, waiting_here
from medsnap.commands._check_page import Found, result
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, find_keys, member, record
from medsnap.errors import IoFailed, KeyRefused, MedsnapError, Tampered, UsageError
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.vault.check_open import Opened
    from medsnap.vault.keys import Keys
    from medsnap.vault.pins import Pin
    from medsnap.vault.repair import Plan
    from medsnap.vault.sample import Sample


@command(dry_run=True)
def check(
    io: Io,
    vault: VaultOption = None,
    *,
    open_: Annotated[
        bool, typer.Option("--open", help="Open every photo that your key opens and compare it.")
    ] = False,
    sample: Annotated[
        str, typer.Option("--sample", metavar="N%", help="Hash (and open) only this share of the photos.")
    ] = "",
    seed: Annotated[
        str, typer.Option("--seed", metavar="TEXT", help="Which share; without it the day chooses.")
    ] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="Put aside what belongs to nothing; nothing is deleted.")
    ] = False,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="FILE", help="Erasures kept elsewhere: what of them has come back."),
    ] = None,
    key_file: KeyOption = None,
) -> Result:
    """Verify signatures, digests, the audit log and what belongs together. It needs no keys.

    Without --repair nothing is changed but the audit log: that it was checked is an entry, where the key of
    --key-file or this ingest host may write one. --open takes your key. --repair moves what belongs to
    nothing into tmp/ of the vault, puts back what lies there by mistake, and with --open makes your
    catalogue anew; -n shows what it would do. --ledger takes the file of `vault ledger --save`, for a vault
    that was restored from an older copy. A break-glass that is over and has not ended makes the exit code 1.

    Examples:

      medsnap vault check --vault /srv/vault

      medsnap vault check --vault /srv/vault --open --sample 5% --key-file me.key

      medsnap vault check --vault /srv/vault --repair -n
    """
    from medsnap.vault import sample as sampling
    from medsnap.vault.directory import load

    place = io.need(vault, "vault", "--vault")
    if seed and not sample:
        raise UsageError("--seed needs --sample", hint="--sample 5% --seed 2026-05-01")
    if io.dry_run and not repair:
        raise UsageError("--dry-run is for --repair", hint="without --repair nothing is changed anyway")
    share = sampling.parse(sample, today=io.now.date(), seed=seed) if sample else None
    target = _target(io, place, key_file, with_key=open_ or repair)
    mending = repair and not io.dry_run
    with _held(target, for_good=mending):
        found = _look(target, share, alone=mending)
        if repair:
            plan = _mend(io, target, found)
            if mending:
                if open_:
                    _enter_late(io, target, found, key_file)
                found = _look(target, share, alone=mending)
            found.plan = plan
        if open_:
            found.opened = _open(io, target, share, key_file, anew=mending)
        if ledger is not None:
            _compare(target, found, ledger)
    with contextlib.suppress(MedsnapError):  # what is wrong with directory or log is told already
        found.glass = _glass.found(place, load(place).directory, io.now)
    if not open_:  # whose entry speaks of more
        _enter(io, target, found, key_file, share)
    return result(io, found, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The vault to be checked, and by what its directory is judged."""

    vault: Path
    folder: Path  # of this host
    root: str | None
    by: str
    pin: Pin | None


def _target(io: Io, vault: Path, key_file: Path | None, *, with_key: bool) -> _Target:
    from medsnap.vault import directory

    folder = io.settings.state / directory.load(vault).directory.vault
    pin = pin_of(folder)
    if pin is not None:
        return _Target(vault=vault, folder=folder, root=pin.root, by="pinned on this machine", pin=pin)
    keys = _keys(io, vault, key_file) if with_key else None
    if keys is not None and keys.root_vkey:
        return _Target(vault=vault, folder=folder, root=keys.root_vkey, by="from the key file", pin=None)
    return _Target(
        vault=vault,
        folder=folder,
        root=None,
        by="not pinned here: checked against the root it names itself",
        pin=None,
    )


def _keys(io: Io, vault: Path, given: Path | None) -> Keys | None:
    """Find the caller's keys; None when he named none and none lies in the usual places."""
    try:
        return find_keys(io, vault, given)
    except KeyRefused:
        if given is not None:
            raise
        return None


@contextlib.contextmanager
def _held(target: _Target, *, for_good: bool) -> Iterator[None]:
    """Hold the vault's lock: as far as it goes for a look, for certain before anything is moved."""
    if not for_good:
        with at_rest(target.vault):
            yield
        return
    from medsnap.platform import kernel_lock
    from medsnap.vault import turns
    from medsnap.vault.files import io_errors
    from medsnap.vault.writer import LOCK

    with contextlib.ExitStack() as held:
        with io_errors(target.vault):
            held.enter_context(kernel_lock(target.vault / LOCK, what="the vault"))
        held.enter_context(turns.turn(target.vault))  # else a member's half-made commit would be put aside
        yield


def _look(target: _Target, share: Sample | None, *, alone: bool) -> Found:
    """Look at the vault. What a member is writing at this moment is looked at again once it is written."""
    from medsnap.vault import sample, turns

    found = _looked(target, share)
    halves = found.report.unlogged or any(s.startswith("batches/") for s in found.report.strays)
    if alone or not halves or not (target.vault / turns.LOCK).exists():
        return found
    try:
        with turns.turn(target.vault):
            again = _looked(target, sample.NOTHING)
    except (IoFailed, Tampered):  # a vault that is only read, and whose lock is none of ours
        return found
    told = {p.where for p in again.report.problems}
    hashed = (p for p in found.report.problems if p.where.startswith("objects/") and p.where not in told)
    again.report.problems += hashed
    again.report.objects = found.report.objects
    return again


def _looked(target: _Target, share: Sample | None) -> Found:
    from medsnap.commands._noted import is_copy
    from medsnap.vault import check as checking
    from medsnap.vault import directory

    log = look_at_log(target.vault, directory.load(target.vault), target.folder)
    waiting = waiting_here(target.folder)
    report = checking.check(
        target.vault,
        root_vkey=target.root,
        pin=target.pin,
        logged=log.commits,
        waiting=waiting,
        sample=share,
    )
    if log.problems:
        report.whole = False  # what the log would have named is not known
    for fault in _kept_signatures.problems(target.vault):
        report.add(fault.where, fault.what)
    return Found(
        report=report,
        log=log,
        waiting=waiting,
        by=target.by,
        pinned=target.pin is not None,
        copy=is_copy(target.vault),
    )


def _compare(target: _Target, found: Found, ledger: Path) -> None:
    """Name what a ledger that was kept elsewhere says is gone, and what lies here even so."""
    from medsnap.commands.vault_ledger import read
    from medsnap.vault import directory, objects

    known = found.report.ledger.gone  # of these the check itself tells
    notes = read(ledger, directory.load(target.vault).directory)
    for name in sorted({o.object for note in notes for o in note.erasure.objects} - known):
        if objects.path_of(target.vault, name).exists():
            found.report.returned.append(name)
            text = "was erased or moved and has come back: vault erase --reapply --ledger"
            found.report.add(f"objects/{name[:2]}/{name}", text)


def _mend(io: Io, target: _Target, found: Found) -> Plan:
    """Move what belongs elsewhere. Raises KeyRefused for a vault whose directory nobody vouches for."""
    from medsnap.vault import directory, pins, repair

    if target.root is None:
        raise KeyRefused(
            "nobody here vouches for this vault's directory, so nothing is moved by it",
            hint="pin the root (medsnap vault trust) or give --key-file",
        )
    signed = directory.load(target.vault)
    if target.pin is not None:
        pins.follow(target.vault, signed, target.pin)
    else:
        pins.by_root(target.vault, signed, target.root)
    plan = repair.plan(target.vault, found.report, found.waiting)
    if not io.dry_run:
        repair.carry_out(target.vault, plan)
    return plan


def _enter(io: Io, target: _Target, found: Found, key_file: Path | None, share: Sample | None) -> None:
    """Write down that the vault was verified; only a directory that somebody vouches for names who may.

    No key is asked for: whoever has none at hand checks all the same, and unsigned words are no entry.
    """
    from medsnap.commands._noted import note, vouched

    own = _keys(io, target.vault, key_file) if key_file is not None else None
    named = vouched(io, target.vault, own)
    if named is None or found.log.problems:
        return
    details = (
        ("of", "vault"),
        ("objects", str(found.report.objects)),
        ("problems", str(len(found.problems))),
        *((("sample", f"{share.percent:g}%"),) if share else ()),
    )
    outcome = Tampered.id if found.problems else "success"
    note(io, target.vault, named, [own], Action.VERIFY, outcome=outcome, details=details)


def _enter_late(io: Io, target: _Target, found: Found, key_file: Path | None) -> None:
    """Enter commits of the caller's own key that a crash kept out of the log; nobody else's."""
    with member(io, target.vault, key_file) as session:
        for signed in found.report.unlogged:
            if signed.writer.name == session.actor and signed.writer.verbs:
                details = (("late", signed.commit.commit),)
                record(io, session, Action.CHECK, details=details, commit=signed.sha256)


def _open(io: Io, target: _Target, share: Sample | None, key_file: Path | None, *, anew: bool) -> Opened:
    """Open photos with the caller's key; that it is done stands in the log before the first one."""
    from medsnap.vault.check_open import open_all
    from medsnap.vault.reader import Problem

    details = (("sample", f"{share.percent:g}%"), ("seed", share.seed)) if share else ()
    with member(io, target.vault, key_file, anew=anew) as session:
        record(io, session, Action.CHECK, details=details)
        opened = open_all(session.reader, share)
        try:
            session.catalogue.prove()
        except Tampered as changed:
            opened.problems.append(Problem("your catalogue", f"{changed.message}; it was made anew"))
            session.catalogue.rebuild(session.reader)
        if opened.failed:
            record(io, session, Action.CHECK, objects=tuple(opened.failed), outcome=Tampered.id)
        return opened
