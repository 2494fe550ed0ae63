"""`medsnap vault copy` and `restore-test`: a second vault that was read back, and a proof that it opens."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medsnap.commands._at_rest import at_rest, look_at_log, pin_of
from medsnap.commands._check_page import media, some
from medsnap.commands._recovery import SheetOption, read_sheets
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import VaultOption, log_of, passphrase
from medsnap.errors import Exit, InputMissing, KeyRefused, Tampered, UsageError
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medsnap.vault.copy import CopyReport
    from medsnap.vault.directory import Directory, SignedDirectory
    from medsnap.vault.keys import Keys
    from medsnap.vault.reader import Problem
    from medsnap.vault.trial import Trial

_PATIENCE: Final = 2  # times that a copy begins again where photos were taken out meanwhile


@command()
def copy(
    io: Io,
    to: Annotated[Path, typer.Argument(metavar="TO", help="The copy's folder: on another disk or host.")],
    vault: VaultOption = None,
    *,
    reread: Annotated[
        bool, typer.Option("--reread", help="Verify what lies in the copy too, and mend it.")
    ] = False,
) -> Result:
    """Copy a vault, each file verified; the next time only what is new. It needs no keys.

    Run it again after an interruption: it goes on. A copy is never replaced by an older or another
    vault: if this one was put back or forked, the copy stays as it is (exit 4 or 77).

    Examples:

      medsnap vault copy /mnt/second-disk/vault --vault /srv/vault

      medsnap vault copy /mnt/second-disk/vault --reread
    """
    from medsnap.vault.turns import Changed

    place = io.need(vault, "vault", "--vault")
    for _ in range(_PATIENCE):
        with suppress(Changed):
            return _once(io, place, to, reread=reread)
    return _once(io, place, to, reread=reread)


def _once(io: Io, place: Path, to: Path, *, reread: bool) -> Result:
    """Copy the vault as its log has it now. Raises Changed where photos are taken out meanwhile."""
    from medsnap.audit import copying, store
    from medsnap.crypto.note import Verifier
    from medsnap.vault import copy as copies
    from medsnap.vault import copy_place, directory

    # first the log, then the directory: so no commit is younger than the directory that it needs
    log = log_of(place, directory.load(place).directory)
    head = copying.snapshot(log, [Verifier.parse(k) for k in directory.load(place).log_vkeys])
    signed = _vouched(io, place)
    with copy_place.begun(place, to, signed):
        leaves = islice(store.leaves(log), head.size)  # what was appended since is the next copy's
        logged = [leaf.commit for leaf in leaves if leaf.commit is not None]
        report = copies.copy(place, to, signed, logged=logged, reread=reread)
        entries = copying.copy(log, log_of(to, signed.directory), head)
    return _copied(io, report, entries, head.size)


def _vouched(io: Io, vault: Path) -> SignedDirectory:
    """Read the directory and verify it by this machine's pin, else by the root that it names itself."""
    from medsnap.vault import directory, pins

    signed = directory.load(vault)
    pin = pin_of(io.settings.state / signed.directory.vault)
    if pin is not None:
        pins.follow(vault, signed, pin)
    else:
        directory.verify(signed.data, root_vkey=signed.directory.root)
        io.warn("the vault's root is not pinned here; nobody vouches for what is copied (vault trust)")
    return signed


def _copied(io: Io, report: CopyReport, entries: int, size: int) -> Result:
    good = not report.problems
    for problem in report.problems:
        io.record({"type": "problem", "where": problem.where, "what": problem.what})
    counts = {
        "objects": report.objects,
        "bytes": report.bytes,
        "present": report.present,
        "batches": report.batches,
        "commits": report.commits,
        "mended": report.mended,
        "erased": report.erased,
        "unlogged": report.unlogged,
        "log_entries": entries,
        "log_size": size,
    }
    verdict = "The copy is complete." if good else f"The copy lacks {some(len(report.problems), 'file')}."
    facts = [
        ("copied", f"{some(report.objects, 'object')}, {report.bytes / 1e6:.1f} MB"),
        ("commits", str(report.commits)),
        ("lay there", some(report.present, "object")),
        ("log", f"{entries} new entries of {size}"),
    ]
    if report.erased:
        facts.append(("taken out", f"{some(report.erased, 'object')} that were erased in the vault"))
    if report.mended:
        facts.append(("mended", f"{report.mended} files of the copy; the broken ones lie in its tmp/aside"))
    page: list[Block] = [Line(verdict, Tone.GOOD if good else Tone.BAD), Facts(tuple(facts))]
    if report.unlogged:
        page.append(Line(f"{report.unlogged} commits wait for their log entry: copy again later.", Tone.WARN))
    page += _problems(report.problems, "These are faults of the vault. Everything else was copied.")
    page.append(Line("Try it: medsnap vault restore-test COPY", Tone.QUIET))
    return Result(
        page=tuple(page),
        data={"ok": good, **counts},
        exit=Exit.OK if good else Exit.INTEGRITY,
        records="problems",
    )


def _problems(problems: Sequence[Problem], after: str) -> list[Block]:
    if not problems:
        return []
    rows = tuple((p.where, p.what) for p in problems)
    return [Table(columns=("where", "what"), rows=rows, wide="what"), Line(after)]


@command()
def restore_test(
    io: Io,
    copy_: Annotated[Path, typer.Argument(metavar="COPY", help="A copy of a vault; it is only read.")],
    *,
    recovery_file: Annotated[
        Path | None,
        typer.Option("--recovery-file", metavar="FILE", help="The one recovery file, or a key file."),
    ] = None,
    sheet: SheetOption = None,
) -> Result:
    """Open every committed photo of a copy with recovery alone, as a bare machine would.

    It uses nothing that this machine knows and writes nothing: run it on another one, once a quarter.
    Give two sheets of each set that opens photos; without --sheet and --recovery-file they are typed.
    Nothing of the photos is kept.

    Examples:

      medsnap vault restore-test /mnt/second-disk/vault --recovery-file recovery.key

      medsnap vault restore-test COPY --sheet recovery-1-of-3.html --sheet recovery-2-of-3.html
    """
    from medsnap.vault import check as checking
    from medsnap.vault import directory, trial

    if not copy_.is_dir():
        hint = "is the disk in its place? medsnap vault copy makes a copy"
        raise InputMissing("there is no copy here", where=str(copy_), hint=hint)
    signed = directory.load(copy_)
    held = _held(io, copy_, recovery_file, sheet or [])
    verified, by = _root(io, copy_, signed, held)
    _somebody(verified, held)
    with at_rest(copy_):  # a copy that is still being written has commits that its log lacks
        log = look_at_log(copy_, signed, None)
        report = checking.check(copy_, root_vkey=verified.root, logged=log.commits)
        tried = trial.trial(copy_, verified, held.identities, order=log.commits or ())
    problems = list(dict.fromkeys((*report.problems, *log.problems, *tried.problems)))
    return _tried(io, tried, problems, by, log.size)


def _held(io: Io, copy_: Path, file: Path | None, sheets: list[Path]) -> Keys:
    """Read the recovery file, or combine sheets. Raises UsageError, KeyRefused."""
    from medsnap.vault import directory, history, keys, recovery
    from medsnap.vault import sheets as paper

    if file is not None:
        if sheets:
            raise UsageError("--recovery-file and --sheet exclude each other", hint="give one of them")
        held = keys.load_file(file, ask=passphrase(io))
        if held.member and not held.member.startswith("recovery"):
            io.warn(f"this is the key of '{held.member}': it tries the copy, and no recovery sheet")
        return held
    read = read_sheets(io, sheets)
    signed = directory.load(copy_)
    named, roots = signed.directory, history.roots(copy_, signed.directory, signed.data)
    held = recovery.keys_of(paper.recover(read, named, roots=roots), named)
    # bare words name no root: then nobody vouches for it
    return held if any(one.root for one in read) else replace(held, root_vkey="")


def _root(io: Io, copy_: Path, signed: SignedDirectory, held: Keys) -> tuple[Directory, str]:
    from medsnap.vault import pins

    if held.vault and held.vault != signed.directory.vault:
        raise KeyRefused("this sheet belongs to another vault", hint="the vault's id stands on the sheet")
    root = held.root_vkey or signed.directory.root
    if not held.root_vkey:
        io.warn("the sheet names no root: the copy's directory was checked against the root it names itself")
    try:
        return pins.by_root(copy_, signed, root), "the sheet" if held.root_vkey else "itself"
    except KeyRefused as refused:
        raise Tampered(refused.message, where=refused.where, hint="this copy is not the vault's") from refused


def _somebody(directory: Directory, held: Keys) -> None:
    """Refuse a key that is nothing in this vault: it would open nothing and prove nothing."""
    mine = set(held.recipients)
    if not mine.intersection((*directory.recoveries, *(m.recipient for m in directory.members))):
        raise KeyRefused(
            "this key is neither this vault's recovery nor a member's",
            hint="sheets that were replaced, and keys of who was taken out, open nothing any more",
        )


def _tried(io: Io, tried: Trial, problems: list[Problem], by: str, size: int) -> Result:
    good, opened = not problems, tried.opened
    for problem in problems:
        io.record({"type": "problem", "where": problem.where, "what": problem.what})
    facts = (
        ("committed", some(tried.committed, "object")),
        ("opened", media(opened.photos, opened.clips)),
        *((("not tried", some(tried.unnamed, "object")),) if tried.partial else ()),
        ("log entries", str(size)),
        ("root key", f"named by {by}"),
    )
    whole = good and not tried.partial
    tone = Tone.GOOD if whole else Tone.WARN if good else Tone.BAD
    page: list[Block] = [Line(_verdict(tried, len(problems)), tone), Facts(facts)]
    if tried.other_set:
        groups = ", ".join(tried.other_set)
        page.append(
            Line(f"Other sheets open {groups}: give two of that set, too, to try the whole copy.")
            if tried.sheets
            else Line(f"This key does not open {groups}: recovery does, and tries the whole copy.")
        )
    page += _problems(
        problems, "Nothing was changed. Make the copy again (vault copy --reread) and look at the vault."
    )
    data = {
        "ok": whole,
        "committed": tried.committed,
        "photos": opened.photos,
        "clips": opened.clips,
        "lost": tried.lost,
        "locked": tried.locked,
        "other_set": tried.other_set,
        "not_tried": tried.unnamed,
        "log": size,
    }
    code = Exit.OK if whole else Exit.PARTIAL if good else Exit.INTEGRITY
    return Result(page=tuple(page), data=data, exit=code, records="problems")


def _verdict(tried: Trial, problems: int) -> str:
    if tried.lost:
        return f"{some(len(tried.lost), 'committed object')} did not open."
    groups = " of the other locked groups" if tried.other_set else ""
    return f"Every committed photo{groups} opens" + (
        f"; {some(problems, 'problem')} even so." if problems else "."
    )
