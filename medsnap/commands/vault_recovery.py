"""`medsnap vault recovery`: try sheets, make keys of them, make sheets of a single recovery file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _noted
from medsnap.commands._recovery import (
    FormOption,
    SheetForm,
    SheetsArgument,
    read_back,
    recovered,
    sheet_file,
    write_sheets,
)
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, find_keys, log_event, logged_commits, passphrase
from medsnap.errors import CannotCreate, Exit, KeyRefused, Malformed, Tampered, UsageError
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory
    from medsnap.vault.recovery import Recovered
    from medsnap.vault.recovery_trial import Proof


@command()
def test(
    io: Io, sheets: SheetsArgument = None, *, vault: VaultOption = None, key_file: KeyOption = None
) -> Result:
    """Prove that sheets open what they should: every ring of theirs, one photo of each locked group.

    Give the files of two sheets of a set, or of several sets; without files the words are typed. The
    test stands in the audit log before a ring is opened, and what it proved after. Nothing that was opened
    is kept.

    Examples:

      medsnap vault recovery test recovery-1-of-3.html recovery-3-of-3.html --vault /srv/vault

      medsnap vault recovery test --vault /srv/vault
    """
    from medsnap.vault import recovery_trial

    place = io.need(vault, "vault", "--vault")
    with _refusals(io, place, "test", key_file):
        directory, found = recovered(io, place, sheets or ())
        use = _Use(directory, found, "test")
        logged = _log(io, place, use, key_file)
    proof = recovery_trial.prove(place, directory, found, order=logged_commits(place))
    if logged:
        _log_proof(io, place, use, proof, key_file)
    return _proved(io, found, proof, logged)


def _proved(io: Io, found: Recovered, proof: Proof, logged: bool) -> Result:
    from medsnap.vault.recovery import ROOT

    problems, photos = proof.problems, proof.photos
    good, signs = not problems, ROOT in found.kinds
    for problem in problems:
        io.record({"type": "problem", "where": problem.where, "what": problem.what})
    facts = [("sets", ", ".join(found.kinds))]
    if set(found.kinds) != {ROOT}:
        facts += [
            ("open", ", ".join(proof.opened) + (", the audit log" if proof.auditors else "")),
            ("stay shut", ", ".join(proof.shut) or "-"),
            ("photos opened", ", ".join(f"one of {group}" for group, _ in photos) or "none lies there yet"),
        ]
    if signs:
        facts.append(("root", "this is the key that signs the directory"))
    verdict = "The sheets open what they should." if good else "The sheets do NOT open what they should."
    page: list[Block] = [Line(verdict, Tone.GOOD if good else Tone.BAD), Facts(tuple(facts))]
    if problems:
        page.append(
            Table(columns=("where", "what"), rows=tuple((p.where, p.what) for p in problems), wide="what")
        )
    if logged:
        page.append(Line("The test stands in the audit log.", Tone.QUIET))
    data = {
        "ok": good,
        "sets": list(found.kinds),
        "opened": list(proof.opened),
        "shut": list(proof.shut),
        "auditors": proof.auditors,
        "photos": [{"compartment": group, "object": name} for group, name in photos],
        "root": signs,
        "logged": logged,
    }
    return Result(page=tuple(page), data=data, exit=Exit.OK if good else Exit.INTEGRITY, records="problems")


@command(output=False)
def combine(
    io: Io,
    sheets: SheetsArgument = None,
    *,
    into: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The key file to be made, mode 0600.")
    ],
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Make a key file of sheets, for the day when no other key is left; the log is told first.

    Two sheets of `recovery` open the photos, two of `recovery-closed` those of the closed groups, two of
    `root` sign the directory; give the sets that the work needs. Use the file with --key-file and
    --root-key-file, and destroy it afterwards.

    Examples:

      medsnap vault recovery combine recovery-1-of-3.html recovery-2-of-3.html -o recovered.key

      medsnap vault recovery combine root-1-of-3.html root-3-of-3.html -o root.key --vault /srv/vault
    """
    from medsnap.vault import keys, recovery

    place = io.need(vault, "vault", "--vault")
    _key_place(io, place, into)
    with _refusals(io, place, "combine", key_file):
        directory, found = recovered(io, place, sheets or ())
        logged = _log(io, place, _Use(directory, found, "combine"), key_file)
    title = f"medsnap key made of sheets ({', '.join(found.kinds)}). Destroy it when the work is done."
    keys.save_file(into, keys.render(recovery.keys_of(found, directory), title), random=io.random)
    groups = tuple(g for kind in found.kinds for g in recovery.opens(kind, directory))
    signs = recovery.ROOT in found.kinds
    page = (
        Line(f"The key is in {into}, mode 0600.", Tone.GOOD),
        Facts(
            (
                ("sets", ", ".join(found.kinds)),
                ("opens", ", ".join(groups) or "no photo"),
                ("signs", "the directory" if signs else "nothing but log entries"),
            )
        ),
        Line("Destroy it when the work is done; the sheets stay good.", Tone.WARN),
    )
    data = {
        "file": str(into),
        "sets": list(found.kinds),
        "opens": list(groups),
        "root": signs,
        "logged": logged,
    }
    return Result(page=page, data=data)


def _key_place(io: Io, vault: Path, path: Path) -> None:
    """Refuse before anything is read: a file that exists, or a place that a thief of vault or host gets."""
    if path.exists():
        raise CannotCreate(
            "the file exists and a key is never replaced", where=str(path), hint="choose another name"
        )
    for folder, what in ((vault, "in the vault"), (io.settings.state, "in the ingest host's folder")):
        if path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"a key must not lie {what}", where=str(path), hint="choose another place")


@command(output=False)
def sheets(
    io: Io,
    folder: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the sheets go.")],
    *,
    recovery_file: Annotated[
        Path, typer.Option("--recovery-file", metavar="FILE", help="The recovery sheet that holds all.")
    ],
    form: FormOption = SheetForm.HTML,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Split the one recovery file of a small site into sheets of which any two are needed.

    The keys stay the same: burn the file afterwards, else it opens everything still.

    Examples:

      medsnap vault recovery sheets --recovery-file recovery.key -o /media/stick --vault /srv/vault
    """
    from medsnap.vault import directory as directories
    from medsnap.vault import keys, pins, recovery

    place = io.need(vault, "vault", "--vault")
    with _refusals(io, place, "sheets", key_file):
        held = keys.load_file(recovery_file, ask=passphrase(io))
        signed = directories.load(place)
        directory = pins.by_root(place, signed, held.root_vkey or signed.directory.root)
        found = recovery.secrets_in(held, directory)
        _log(io, place, _Use(directory, found, "sheets"), key_file)
    made = write_sheets(io, folder, found, directory, form)
    read_back(io, folder, made, directory, form)
    files = [str(sheet_file(folder, sheet, form)) for sheet in made]
    page = (
        Line(f"{len(made)} sheets were written and read back.", Tone.GOOD),
        Facts((("folder", str(folder)), ("sets", ", ".join(found.kinds)))),
        Line(f"Print them, give them to different people, then destroy them and {recovery_file}.", Tone.WARN),
    )
    return Result(page=page, data={"sheets": files, "sets": list(found.kinds)})


@dataclass(frozen=True, slots=True)
class _Use:
    """What sheets are combined for, as the log has it."""

    directory: Directory
    found: Recovered
    step: str


@contextlib.contextmanager
def _refusals(io: Io, vault: Path, step: str, key_file: Path | None) -> Iterator[None]:
    """Write down that sheets were refused, with the caller's own key or this host's."""
    try:
        yield
    except (KeyRefused, Malformed) as why:
        own = _noted.silent_keys(io, vault, key_file)
        named = _noted.vouched(io, vault, own)
        if named is not None:
            details = (("step", step),)
            _noted.note(io, vault, named, [own], Action.RECOVERY, outcome=why.id, details=details)
        raise


def _log_proof(io: Io, vault: Path, use: _Use, proof: Proof, key_file: Path | None) -> None:
    """Write down what was proven, and of which photos; or that it failed."""
    failed = str(len(proof.problems)) if proof.problems else ""
    details = (("opened", " ".join(proof.opened)), ("shut", " ".join(proof.shut)), ("problems", failed))
    objects = tuple(name for _group, name in proof.photos)
    outcome = Tampered.id if proof.problems else "success"
    _log(io, vault, replace(use, step="tested"), key_file, outcome=outcome, objects=objects, more=details)


def _log(
    io: Io,
    vault: Path,
    use: _Use,
    key_file: Path | None,
    *,
    outcome: str = "success",
    objects: tuple[str, ...] = (),
    more: tuple[tuple[str, str], ...] = (),
) -> bool:
    """Tell the log before anything is opened. Sheets of the root alone open nothing and may go unlogged."""
    from medsnap.vault import recovery

    directory, found = use.directory, use.found
    signer = recovery.keys_of(found, directory).signer
    if not signer:
        try:
            signer = find_keys(io, vault, key_file).signer
        except KeyRefused:
            signer = ""
    details = (("step", use.step), ("sets", " ".join(found.kinds)), *(one for one in more if one[1]))
    if signer:
        log_event(
            io, vault, directory, signer, Action.RECOVERY, outcome=outcome, objects=objects, details=details
        )
        return True
    if set(found.kinds) != {recovery.ROOT}:
        raise KeyRefused(
            "none of the keys at hand may write to the audit log, so this would not be logged",
            hint="give your own key file too, with --key-file",
        )
    io.warn("this is not logged: the root signs no log entry, and no other key is at hand")
    return False
