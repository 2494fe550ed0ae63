"""`medsnap ingest`: the whole path for a dump, into a vault, under a policy."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap import __version__
from medsnap.commands import _delete_source, _photos, _waivers
from medsnap.commands._consents import ConsentOption
from medsnap.commands._deliver import Delivery, delivery
from medsnap.commands._shared import Io, Result, command, writable
from medsnap.commands._vault import VaultOption, log_of, logged_commits
from medsnap.errors import CannotCreate, ConfigError, Exit, worst
from medsnap.model.event import Action, AuditEvent
from medsnap.model.outcome import Outcome, RunSummary
from medsnap.report import machine
from medsnap.report.page import Line, Tone

if TYPE_CHECKING:
    from medsnap.batch import Dump, ExaminerPool
    from medsnap.model.decision import Decision
    from medsnap.model.photo import Sha256
    from medsnap.pipeline import Rules
    from medsnap.vault.host import Host


@command(dry_run=True)
def ingest(
    io: Io,
    paths: _photos.Paths,
    *,
    vault: VaultOption = None,
    policy: _photos.PolicyOption = None,
    manifest: _photos.ManifestOption = None,
    devices: _photos.DevicesOption = None,
    people: _photos.PeopleOption = None,
    asset: _photos.AssetOption = None,
    consent: ConsentOption = None,
    export_to: Annotated[
        list[str] | None,
        typer.Option(
            "--export-to", metavar="NAME[=DIR]", help="Send what may leave to this export of the policy now."
        ),
    ] = None,
    models: _photos.ModelsOption = None,
    detect: _photos.DetectOption = True,
    jobs: _photos.JobsOption = None,
    verify_pixels: _photos.PixelsOption = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Also write one NDJSON record a file (mode 0600)."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="review", help="Exit 5 when photos wait for a person.")
    ] = "",
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="Show decisions of the locked groups that this key opens."),
    ] = None,
    delete_source: _delete_source.DeleteOption = False,
    second_copy: _delete_source.SecondOption = None,
    one_copy: _delete_source.OneCopyOption = False,
) -> Result:
    """Take photos in: scrub, classify, match, decide, seal. Sources are not touched unless asked.

    Running it again stores nothing twice. It holds public keys and one signing key; it can open
    nothing of what it seals. --delete-source unlinks, at the end, the sources of photos that are sealed,
    verified and held twice; held, rejected and safeguarded ones, and companions, stay.

    Examples:

      medsnap ingest /mnt/tablet --vault /srv/vault --policy hospital --manifest today.csv

      medsnap ingest dump --policy hospital --vault /srv/vault --export-to ehr=./to-ehr --format ndjson

      medsnap ingest dump --policy hospital --vault /srv/vault --delete-source --second-copy /mnt/copy
    """
    from medsnap import batch
    from medsnap.intake.limits import Limits

    given = _photos.rules(
        io, policy=policy, manifest=manifest, devices=devices, people=people, asset=asset,
        consent=consent, paths=paths,
    )  # fmt: skip
    dump = batch.find(paths, Limits())
    given = surveyed(io, given, dump)
    lines = _Lines(report)
    wish = _delete_source.Wish(wanted=delete_source, second=second_copy, one_copy=one_copy)
    deleting: _delete_source.Deleting | None = None
    listed: list[tuple[str, ...]] = []
    workers = _photos.pool(io, given, models=models, detect=detect, jobs=jobs, verify_pixels=verify_pixels)
    with workers, io.progress("ingest", len(dump.candidates) + len(dump.left)) as advance:

        def tell(outcome: Outcome, decision: Decision | None) -> None:
            record = _photos.entry(outcome, decision)
            if io.verbose:
                listed.append(_row(outcome))
            io.record(record)
            lines.add(record)
            advance()

        if io.dry_run:
            given = _waivers.ahead(io, given, _photos.policy_path(io, policy), vault)
            summary = _rehearse(dump, workers, given, tell)
        else:
            place = io.need(vault, "vault", "--vault")
            host = _host(io, place, given)
            given = _governed(io, host, given, _photos.policy_path(io, policy))
            visible = _visible(io, host, key_file)
            sending = delivery(io, given, export_to or [])
            deleting = _delete_source.begin(wish, host, lambda: logged_commits(place))

            def source(record: dict[str, object]) -> None:
                io.record(record)
                lines.add(record)

            def show(outcome: Outcome, decision: Decision | None) -> None:
                tell(outcome, decision if decision and decision.compartment in visible else None)

            summary = _run(
                io,
                host,
                given,
                _Work(
                    dump=dump,
                    workers=workers,
                    sending=sending,
                    tell=show,
                    name=_dump_name(paths, asset),
                    deleting=deleting,
                    source=source,
                ),
            )
    page = (
        *_photos.listing(("file", "outcome", "id", "note"), listed),
        *_photos.summary_page(summary, would="would be " if io.dry_run else ""),
        _photos.unsigned(given),
        *_next_steps(summary, dry_run=io.dry_run),
        *(deleting.page() if deleting else ()),
    )
    code = batch.exit_code(summary, fail_on_review=fail_on == "review")
    if given.policy.refused and export_to:  # nothing leaves, night after night: a person has to know
        io.worst = worst(io.worst, Exit.CONFIG)
    decided_by = replace(given.policy.ref, in_force=not given.policy.refused)
    ended = io.now.isoformat(timespec="seconds")  # so that a report of the night before is told from this one
    data = _photos.counts(summary) | {"at": ended, "dry_run": io.dry_run, "policy": decided_by}
    data |= {"sources": deleting.data()} if deleting else {}
    lines.write(data)
    return Result(page=page, data=data, exit=code, records="photos")


def surveyed(io: Io, rules: Rules, dump: Dump) -> Rules:
    """Let a manifest row name a file by its base name where only one file of the dump bears it.

    Warns of rows that name nothing in the dump: a path that begins at another folder, most often.
    """

    if rules.manifest is None:
        return rules
    names = [c.source.relative.reveal() for c in dump.candidates]
    idle = rules.manifest.idle(names)
    if idle:
        lines = ", ".join(map(str, idle[:5])) + (", …" if len(idle) > 5 else "")
        of = f"{len(idle)} of {len(rules.manifest.entries)} rows of the manifest name"
        io.warn(f"{of} no photo of this dump (line {lines}); paths begin below the folder that is taken in")
    return replace(rules, manifest=rules.manifest.over(names))


def _row(outcome: Outcome) -> tuple[str, ...]:
    """Give the line of one file for -v; whose locked group it is in does not stand there."""
    made = getattr(outcome, "object", None)
    note = "sealed before" if getattr(outcome, "already", False) else getattr(outcome, "reason", "")
    return outcome.source.reveal(), outcome.name, str(made)[:8] if made else "-", note


def _next_steps(summary: RunSummary, *, dry_run: bool) -> list[Line]:
    """Say where a person goes on: what is sealed is seen with a key, on another machine if you like."""
    if dry_run or not summary.done + summary.held:
        return []
    text = "next, with your key: medsnap vault ls"
    if summary.waits:
        text += "; medsnap policy explain ID says why a photo waits"
    return [Line(text, Tone.QUIET)]


def _host(io: Io, vault: Path, rules: Rules) -> Host:
    """Verify the vault's directory by this machine's pin; every compartment must be known to it."""
    from medsnap.vault import directory
    from medsnap.vault.host import Host

    named = directory.load(vault).directory
    host = Host.open(io.settings.state / named.vault, vault, io.now)
    have = {key.name for key in host.directory.compartments}
    missing = [c.name for c in rules.policy.compartments if c.name not in have]
    if missing:
        raise ConfigError(
            f"the policy's locked group '{missing[0]}' does not exist in this vault",
            where=rules.policy.compartment(missing[0]).where,
            hint="use the policy that the vault was made for, or make a vault with these groups",
        )
    return host


def _governed(io: Io, host: Host, rules: Rules, file: Path) -> Rules:
    """Let the policy decide only as far as it is in force for this vault (M16)."""
    from medsnap.commands._in_force import enforced

    policy = enforced(
        io,
        rules.policy,
        file,
        vault=host.vault,
        directory=host.directory,
        memory=host.folder,
        people=rules.people,
    )
    return replace(rules, policy=policy)


def _visible(io: Io, host: Host, key_file: Path | None) -> frozenset[str]:
    """Name the compartments whose decisions the caller may see; none without his key."""
    if key_file is None:
        return frozenset()
    from medsnap.commands._vault import find_keys
    from medsnap.vault.reader import Reader

    keys = find_keys(io, host.vault, key_file)
    return frozenset(Reader(host.vault, host.directory, keys.identities).compartments)


def _untold(record: dict[str, object]) -> None:
    del record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    dump: Dump
    workers: ExaminerPool
    sending: Delivery
    tell: Callable[[Outcome, Decision | None], None]
    name: str  # digest of where the dump comes from
    deleting: _delete_source.Deleting | None = None
    source: Callable[[dict[str, object]], None] = _untold  # what became of each source file


def _dump_name(paths: Sequence[Path], asset: str | None) -> str:
    """Name a dump by its device, or else by where it lies, as a digest: a path may hold a name."""
    said = [asset] if asset else sorted(str(path.resolve()) for path in paths)
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def _run(io: Io, host: Host, rules: Rules, work: _Work) -> RunSummary:
    from medsnap import batch
    from medsnap.audit import store
    from medsnap.export.isolated import Preparer
    from medsnap.platform import write_durably
    from medsnap.vault import policies
    from medsnap.vault.files import io_errors
    from medsnap.vault.host import CHECKPOINT
    from medsnap.vault.writer import Writer

    log = log_of(host.vault, host.directory)
    memory = host.folder / CHECKPOINT

    def entered(commit: Sha256, objects: tuple[str, ...]) -> None:
        details = (("policy", rules.policy.ref.digest), ("signed", rules.policy.ref.signed))
        enter(Action.INGEST, objects, details, commit)

    def told(objects: tuple[str, ...], details: tuple[tuple[str, str], ...]) -> None:
        enter(Action.UNLINK, objects, details, None)

    def enter(
        action: Action, objects: tuple[str, ...], details: tuple[tuple[str, str], ...], commit: Sha256 | None
    ) -> None:
        event = AuditEvent(
            action=action,
            at=io.now.isoformat(timespec="seconds"),
            actor=host.signer.name,
            objects=objects,
            details=details,
            software=f"medsnap {__version__}",
        )
        # never sign on top of a log that was put back to an older state: this host remembers
        seen = memory.read_bytes() if memory.is_file() else None
        head = store.record(
            log,
            event,
            auditors=[host.directory.auditors],
            signer=host.signer,
            random=io.random,
            commit=commit,
            seen=seen,
        )
        with io_errors(memory):
            write_durably(memory, head.note)

    writer = Writer(
        host,
        now=io.clock,
        random=io.random,
        log=entered,
        logged=lambda: tuple(store.commits(log)),
        dump=work.name,
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(writer)
        policies.keep(host.vault, rules.policy.ref.digest, rules.policy.text.encode())
        if work.sending.targets:
            work.sending.preparer = stack.enter_context(Preparer())
        run = batch.Run(
            writer=writer,
            rules=rules,
            clock=io.clock,
            deliver=work.sending.deliver,
            intents=work.sending.intents,
            notice=work.deleting.notice if work.deleting else batch.unnoticed,
        )
        work.sending.receipts = writer.add
        for outcome, decision in run.ingest(work.dump, work.workers):
            work.tell(outcome, decision)
        if work.deleting is not None:
            work.deleting.finish(io, work.dump, writer, told, work.source)
    return run.summary


def _rehearse(
    dump: Dump, workers: ExaminerPool, rules: Rules, tell: Callable[[Outcome, Decision | None], None]
) -> RunSummary:
    """Go the whole path but for sealing: no vault, no lock, the same outcomes."""
    from medsnap import batch

    summary = RunSummary()
    judged = (batch.would(one, rules) for one in batch.judge(dump.candidates, workers, rules))
    for outcome in chain(dump.left, judged):
        summary.add(outcome)
        tell(outcome, None)
    return summary


class _Lines:
    """The run's report file: opened only when asked for, written at the end, mode 0600."""

    def __init__(self, path: Path | None) -> None:
        writable(path)
        self._path = path
        self._lines: list[str] = []

    def add(self, record: dict[str, object]) -> None:
        if self._path is not None:
            self._lines.append(machine.line(record))

    def write(self, summary: dict[str, object]) -> None:
        if self._path is None:
            return
        from medsnap.platform import write_durably

        self.add(summary)
        try:
            write_durably(self._path, "".join(self._lines).encode(), mode=0o600)
        except OSError as failure:
            raise CannotCreate(
                f"the report cannot be written: {failure.strerror}", where=str(self._path)
            ) from failure


__all__ = ["ingest", "surveyed"]
